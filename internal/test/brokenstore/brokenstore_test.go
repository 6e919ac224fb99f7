package brokenstore_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/brokenstore"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/storetest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// world is a store and the time.
type world struct {
	*testing.T
	driver.Store
	now time.Time
}

func (w *world) session() *driver.Record {
	return &driver.Record{
		ID: driver.NewID(driver.LayoutDay, w.now), Kind: driver.KindSession, App: "shop",
		Created: w.now, Seen: w.now, Expires: w.now.Add(time.Hour), Deadline: w.now.Add(24 * time.Hour), Writes: 1,
		WriteIDs: []driver.WriteID{{1}},
	}
}

func (w *world) ledger(value string) *driver.Record {
	return &driver.Record{
		ID: driver.LedgerID("shop", "ann"), Kind: driver.KindLedger, App: "shop", Principal: "ann",
		Created: w.now, Expires: w.now.Add(time.Hour), Deadline: w.now.Add(time.Hour), Writes: 1,
		Values: driver.NewValueList(map[string]json.RawMessage{"ledger": json.RawMessage(value)}),
	}
}

func (w *world) grave(r *driver.Record) driver.Grave {
	return driver.Grave{Reason: driver.EndDestroyed, At: w.now, Until: r.Deadline, Writes: r.Writes + 1, WriteIDs: []driver.WriteID{{3}, {2}}}
}

func (w *world) ok(err error) {
	w.Helper()
	if err != nil {
		w.Fatal(err)
	}
}

func (w *world) create(r *driver.Record) *driver.Record {
	w.Helper()
	v, err := w.Create(w.Context(), r)
	w.ok(err)
	made := *r
	made.Version = v
	return &made
}

func (w *world) update(r *driver.Record) *driver.Record {
	w.Helper()
	next := *r
	next.Writes++
	next.WriteIDs = append([]driver.WriteID{{byte(next.Writes)}}, r.WriteIDs...)
	v, err := w.Update(w.Context(), &next)
	w.ok(err)
	next.Version = v
	return &next
}

func (w *world) bury(r *driver.Record) {
	w.Helper()
	w.ok(w.Bury(w.Context(), r.ID, w.grave(r), driver.Version{}))
}

func (w *world) sweep(after time.Duration) {
	w.Helper()
	_, err := w.Sweep(w.Context(), w.now.Add(after))
	w.ok(err)
}

func (w *world) state(id driver.ID) (*driver.Record, string) {
	w.Helper()
	r, err := w.Get(w.Context(), id)
	switch {
	case err == nil:
		return r, "live"
	case errors.Is(err, driver.ErrGone):
		return r, "grave"
	case errors.Is(err, driver.ErrNotFound):
		return nil, "missing"
	case errors.Is(err, driver.ErrNewer):
		return nil, "newer"
	}
	w.Fatal(err)
	return nil, ""
}

// broken tells for each variant whether a store breaks its rule.
var broken = map[string]func(w *world) bool{
	"upsert": func(w *world) bool {
		r := w.create(w.session())
		w.bury(r)
		_, err := w.Update(w.Context(), r)
		return err == nil
	},
	"last-writer-wins": func(w *world) bool {
		r := w.create(w.session())
		w.update(r)
		_, err := w.Update(w.Context(), r)
		return err == nil
	},
	"create-replaces": func(w *world) bool {
		r := w.create(w.session())
		w.bury(r)
		_, err := w.Create(w.Context(), r)
		return err == nil
	},
	"version-repeats": func(w *world) bool {
		r := w.create(w.session())
		w.sweep(48 * time.Hour)
		return w.create(r).Version == r.Version
	},
	"drops-acknowledged": func(w *world) bool {
		r := w.update(w.update(w.create(w.session())))
		now, _ := w.state(r.ID)
		return now.Writes != r.Writes
	},
	"stale-read": func(w *world) bool {
		r := w.create(w.session())
		w.bury(r)
		_, state := w.state(r.ID)
		return state == "live"
	},
	"one-write-id": func(w *world) bool {
		r := w.update(w.create(w.session()))
		now, _ := w.state(r.ID)
		return len(now.WriteIDs) < 2
	},
	"lying-answers": func(w *world) bool {
		r := w.update(w.create(w.session()))
		third := *r
		third.Writes++
		_, err := w.Update(w.Context(), &third)
		now, _ := w.state(r.ID)
		return errors.Is(err, driver.ErrConflict) && now.Writes == third.Writes && driver.AssurancesOf(w.Store).Answers
	},
	"drops-extra": func(w *world) bool {
		r := w.session()
		r.Extra = driver.ValueList{{Name: "note", JSON: json.RawMessage("1")}}
		r = w.update(w.create(r))
		now, _ := w.state(r.ID)
		return now.Extra == nil
	},
	"newer-is-missing": func(w *world) bool {
		r := w.session()
		r.Extra = driver.ValueList{{Name: driver.ExtraFormat, JSON: json.RawMessage("2")}}
		r = w.create(r)
		_, state := w.state(r.ID)
		return state == "missing"
	},
	"delete-without-grave": func(w *world) bool {
		r := w.create(w.session())
		w.bury(r)
		_, state := w.state(r.ID)
		_, err := w.Create(w.Context(), r)
		return state == "missing" && err == nil
	},
	"bury-missing-nothing": func(w *world) bool {
		r := w.session()
		w.bury(r)
		_, state := w.state(r.ID)
		return state == "missing"
	},
	"bury-unchecked": func(w *world) bool {
		r := w.create(w.session())
		w.update(r)
		return w.Bury(w.Context(), r.ID, w.grave(r), r.Version) == nil
	},
	"grave-without-write-ids": func(w *world) bool {
		r := w.create(w.session())
		w.bury(r)
		now, _ := w.state(r.ID)
		return now.Grave.WriteIDs == nil
	},
	"grave-short": func(w *world) bool {
		r := w.create(w.session())
		w.bury(r)
		w.sweep(time.Hour)
		_, state := w.state(r.ID)
		return state == "missing"
	},
	"sweep-unchecked": func(w *world) bool {
		r := w.create(w.session())
		r.Expires = r.Deadline
		r = w.update(r)
		w.sweep(2 * time.Hour)
		_, state := w.state(r.ID)
		return state == "grave"
	},
	"no-ledger": func(w *world) bool {
		r := w.create(w.ledger(`{"live":[]}`))
		_, state := w.state(r.ID)
		return state == "missing"
	},
	"revoke-missing-nothing": func(w *world) bool {
		r := w.create(w.ledger(`{"generation":"AAAAAAAAAAE"}`))
		_, state := w.state(r.ID)
		return state == "missing"
	},
	"no-generation": func(w *world) bool { return lacks(w, "generation") },
	"no-ending":     func(w *world) bool { return lacks(w, "ending") },
}

func lacks(w *world, field string) bool {
	r := w.create(w.ledger(`{"generation":"AAAAAAAAAAE","live":[1],"ending":[2]}`))
	now, _ := w.state(r.ID)
	var fields map[string]json.RawMessage
	w.ok(json.Unmarshal(now.Values.Get("ledger"), &fields))
	return fields[field] == nil
}

// TestVariants shows that each variant breaks its rule, that the store it wraps
// keeps it, and that all else of a record's life goes on under it.
func TestVariants(t *testing.T) {
	for _, v := range brokenstore.All() {
		t.Run(v.Name, func(t *testing.T) {
			inner := memstore.New(nil)
			defer inner.Close()
			f := broken[v.Name]
			if f == nil {
				t.Fatal("nothing shows that it is broken")
			}
			now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
			if f(&world{t, inner, now}) {
				t.Fatal("the store that is wrapped breaks the rule by itself")
			}
			w := &world{t, v.Wrap(memstore.New(nil)), now}
			if !f(w) {
				t.Error("keeps the rule")
			}
			r := w.update(w.create(w.session()))
			if _, state := w.state(r.ID); state != "live" {
				t.Errorf("a record that was written is %s", state)
			}
			var found int
			for one, err := range w.Search(context.Background(), driver.Query{App: "shop"}) {
				w.ok(err)
				if one.ID == r.ID {
					found++
				}
			}
			if found != 1 {
				t.Errorf("a search finds it %d times", found)
			}
		})
	}
}

// forStoretest are the variants that managers don't show, or not all: the suite of
// stores has to.
var forStoretest = map[string]string{
	"drops-extra":      "Extra/round_trip",
	"newer-is-missing": "Newer/I8_is_an_outage",
	"lying-answers":    "Assurances/answers_and_reads",
}

// variantVariable tells a run of TestSuiteOfStores which variant to take.
const variantVariable = "BROKENSTORE_VARIANT"

// TestSuiteOfStores fails, being package storetest's suite on a variant. Only
// TestSuiteOfStoresNotices asks for it, in a process of its own.
func TestSuiteOfStores(t *testing.T) {
	v, ok := brokenstore.Named(os.Getenv(variantVariable))
	if !ok {
		t.Skip(variantVariable + " names no variant")
	}
	storetest.Run(t, storetest.Harness{
		Open: func(testing.TB) driver.Store { return v.Wrap(memstore.New(nil)) },
	})
}

func TestSuiteOfStoresNotices(t *testing.T) {
	for name, subtest := range forStoretest {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			family, _, _ := strings.Cut(subtest, "/")
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSuiteOfStores$/^"+family+"$", "-test.v")
			cmd.Env = append(os.Environ(), variantVariable+"="+name)
			out, err := cmd.CombinedOutput()
			if err == nil || !strings.Contains(string(out), "--- FAIL: TestSuiteOfStores/"+subtest) {
				t.Errorf("the suite doesn't fail in %s (%v):\n%s", subtest, err, out)
			}
		})
	}
}

func TestNamed(t *testing.T) {
	for _, v := range brokenstore.All() {
		if got, ok := brokenstore.Named(v.Name); !ok || got.What != v.What {
			t.Errorf("Named(%q) is %+v, %t", v.Name, got, ok)
		}
	}
	if _, ok := brokenstore.Named("sound"); ok {
		t.Error("a variant of no known name was found")
	}
}
