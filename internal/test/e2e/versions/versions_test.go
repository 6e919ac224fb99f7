package versions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// place is a store that processes share, and how the test itself opens it.
type place struct {
	name  string
	store string
	// certain: the present version never says there that it can't tell.
	certain bool
	open    func(t *testing.T) driver.Store
}

func places(t *testing.T) []place {
	t.Helper()
	file := filepath.Join(t.TempDir(), "sessions.db")
	engine, index := testengine.Shared(t), fmt.Sprintf("versions-%016x", rand.Uint64())
	return []place{
		{"sqlite", "sqlite:" + file, true, func(t *testing.T) driver.Store {
			s, err := sqlitestore.Open(t.Context(), file, nil)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return s
		}},
		{"opensearch", engine + "/" + index, false, func(t *testing.T) driver.Store {
			s, err := elasticstore.Open(t.Context(), elasticstore.ClientConfig{URLs: []string{engine}}, &elasticstore.Config{Index: index})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { _ = s.Close() })
			return s
		}},
	}
}

// TestSideBySide has the command of each pinned commit and the present one work on
// one store, whichever of them made it.
func TestSideBySide(t *testing.T) {
	present := buildPresent(t)
	for _, pin := range pins() {
		t.Run(pin.commit[:7], func(t *testing.T) {
			pinned := buildPinned(t, pin.commit)
			for _, made := range []string{"earlier", "present"} {
				for _, at := range places(t) {
					t.Run(at.name+", made by the "+made, func(t *testing.T) {
						home := t.TempDir()
						programs := map[string]string{"earlier": pinned, "present": present}
						first := start(t, made, programs[made], home, at.store)
						v := newVisitor(t)
						v.count(first, 1) // before the other has seen the store
						other := map[string]string{"earlier": "present", "present": "earlier"}[made]
						second := start(t, other, programs[other], home, at.store)
						earlier, now := first, second
						if made == "present" {
							earlier, now = second, first
						}
						inTurns(t, v, earlier, now)
						atOnce(t, v, earlier, now, at.certain)
						ends(t, earlier, now)
						unknownMembers(t, at.open(t), pin, earlier, now)
						restarts(t, home, at.store, programs, earlier, now)
					})
				}
			}
		})
	}
}

// inTurns has a visitor, whose count is 1, go from one to the other.
func inTurns(t *testing.T, v *visitor, earlier, now *process) {
	t.Helper()
	v.count(now, 2)
	v.count(earlier, 3)
	v.post(earlier, "/api/login", url.Values{"user": {"alice"}})
	v.wants(now, "alice", 3)
	v.count(now, 4)
	v.post(now, "/api/login", url.Values{"user": {"alice"}})
	v.wants(earlier, "alice", 4)
	v.count(earlier, 5)
	v.wants(now, "alice", 5)
}

// atOnce has a visitor, whose count is 5, use both at the same time. An increment
// whose outcome nobody can tell may count or not; all others count once. certain says
// that the present version always can.
func atOnce(t *testing.T, v *visitor, earlier, now *process, certain bool) {
	t.Helper()
	const each = 25
	var done, unknown atomic.Int64
	var all sync.WaitGroup
	for _, p := range []*process{earlier, now} {
		for range 2 {
			all.Go(func() {
				for range each {
					switch status, body := v.try(p, "/api/incr", url.Values{"key": {"n"}}); status {
					case http.StatusOK:
						done.Add(1)
					case http.StatusServiceUnavailable:
						if unknown.Add(1); certain && p == now {
							t.Errorf("the present process can't tell: %s", body)
						}
					default:
						t.Errorf("the %s process answers %d %s", p.name, status, body)
					}
				}
			})
		}
	}
	all.Wait()
	least, most := 5+int(done.Load()), 5+int(done.Load()+unknown.Load())
	for _, p := range []*process{earlier, now} {
		if n := v.counted(p, "alice"); n < least || n > most {
			t.Errorf("at the %s process the count is %d, want %d to %d", p.name, n, least, most)
		}
	}
	if done.Load() < 2*each {
		t.Errorf("of %d increments %d were done", 4*each, done.Load())
	}
}

// ends has sessions signed out at one and asked for at the other.
func ends(t *testing.T, earlier, now *process) {
	t.Helper()
	for _, p := range [][2]*process{{earlier, now}, {now, earlier}} {
		one, other := p[0], p[1]
		leaver := newVisitor(t)
		leaver.count(one, 1)
		leaver.post(other, "/api/logout", nil)
		leaver.wants(one, "", 0)

		// Signing out everywhere ends what either has signed in.
		user := url.Values{"user": {"bob of " + one.name}}
		devices := []*visitor{newVisitor(t), newVisitor(t), newVisitor(t)}
		for i, at := range []*process{one, other, one} {
			devices[i].post(at, "/api/login", user)
			devices[i].count(at, 1)
		}
		if one == now {
			devices[0].post(one, "/devices", url.Values{"do": {"end-all"}})
		} else {
			devices[0].post(one, "/signout-everywhere", nil)
		}
		for _, d := range devices {
			d.wants(other, "", 0)
		}
		devices[1].post(other, "/api/login", user)
		devices[1].wants(one, user.Get("user"), 0)
	}
}

// unknownMembers: what only a later version knows goes along in what the earlier one
// writes, or at least does no harm.
func unknownMembers(t *testing.T, store driver.Store, pin pin, earlier, now *process) {
	t.Helper()
	v := newVisitor(t)
	v.count(now, 1)
	id, err := driver.ParseID(fmt.Sprint(v.session(now)["id"]))
	if err != nil {
		t.Fatal(err)
	}
	labels := json.RawMessage(`{"device":"kitchen"}`)
	rec, err := store.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	next := *rec
	next.Extra = next.Extra.With(driver.ExtraLabels, labels)
	next.Writes++
	next.WriteIDs = driver.PushWriteID(rec.WriteIDs, driver.NewWriteID())
	if _, err := store.Update(t.Context(), &next); err != nil {
		t.Fatal(err)
	}
	v.count(now, 2)
	v.count(earlier, 3)
	v.count(now, 4)
	if rec, err = store.Get(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if got := rec.Extra.Get(driver.ExtraLabels); pin.keeps && !bytes.Equal(got, labels) {
		t.Errorf("after writes by both the record has the labels %s, want %s", got, labels)
	}
}

// restarts has each process start again on what the other has written.
func restarts(t *testing.T, home, store string, programs map[string]string, earlier, now *process) {
	t.Helper()
	v := newVisitor(t)
	v.count(now, 1)
	v.post(now, "/api/login", url.Values{"user": {"carol"}})
	now.stop()
	v.count(earlier, 2)
	earlier.stop()
	again := start(t, "earlier", programs["earlier"], home, store)
	v.count(again, 3)
	again.stop()
	again = start(t, "present", programs["present"], home, store)
	v.wants(again, "carol", 3)
	v.count(again, 4)
	again.stop()
}
