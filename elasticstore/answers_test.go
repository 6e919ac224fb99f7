package elasticstore

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file runs every operation under every trouble of troubles_test.go, and checks
// the errors.

// TestI8_Troubles runs every operation under every trouble. It checks the errors, and
// that everything works again by itself once the trouble ends.
func TestI8_Troubles(t *testing.T) {
	t.Parallel()
	meet(t, newLab(t), append(indexTroubles(), proxyTroubles()...))
}

// warm makes the indices for sessions of some days. A fresh engine needs long for it.
func warm(t testing.TB, s *Store, days ...time.Time) {
	t.Helper()
	eventually(t, func() error { return s.Setup(testContext(t)) })
	for _, day := range days {
		p, _ := s.names.holding(driver.LayoutDay, day)
		eventually(t, func() error { return s.ensure(testContext(t), p.index, 0) })
	}
}

// meet runs a store through troubles in which the engine answers. A store with less
// patience goes through the troubles that hang, so that they end soon.
func meet(t *testing.T, l *lab, troubles []trouble) {
	p := newProxy(t, l)
	answered := l.open(t, p.client(t), nil)
	warm(t, answered, time.Now())
	hanging := l.open(t, p.client(t), func(c *Config) { c.RequestTimeout = 2 * time.Second })
	warm(t, hanging, time.Now())
	for _, tr := range troubles {
		t.Run(tr.name, func(t *testing.T) {
			w, s := newWard(t, answered), answered
			if tr.hangs {
				s = hanging
				for _, r := range []*driver.Record{w.read, w.beside} {
					eventually(t, func() error { return s.ensure(testContext(t), s.names.of(r.ID), 0) })
				}
			}
			if !tr.all {
				// Give a sweep a reason to look at the index.
				next, _ := s.names.holding(driver.LayoutDay, w.read.Created.AddDate(0, 0, 1))
				l.remove(t, next.index)
			}
			l.refresh(t)
			end := tr.begin(t, &troubled{l, p, w.index})
			w.during(t, s, &tr)
			end()
			w.after(t, s, &tr)
		})
	}
}

// ward is a set of records, each for one operation, in the index that will have trouble,
// and some in other indices.
type ward struct {
	index                           string
	read, update, bury, end, create *driver.Record
	beside                          *driver.Record
	grave                           driver.Grave
}

func newWard(t testing.TB, s *Store) *ward {
	t.Helper()
	now := time.Now()
	newRecord := func(l driver.Layout) *driver.Record { return mustCreate(t, s, session(l, now)) }
	w := &ward{
		read: newRecord(driver.LayoutDay), update: newRecord(driver.LayoutDay), bury: newRecord(driver.LayoutDay), end: newRecord(driver.LayoutDay),
		create: session(driver.LayoutDay, now), beside: newRecord(driver.LayoutHour),
		grave: driver.Grave{Reason: driver.EndRevoked, At: now, Until: now.Add(24 * time.Hour), Writes: 2},
	}
	w.index = s.names.of(w.read.ID)
	mustCreate(t, s, session(driver.LayoutImport, now.Add(-2*time.Hour))) // for the sweep
	return w
}

// during runs all operations at once, so that they share requests.
func (w *ward) during(t *testing.T, s *Store, tr *trouble) {
	t.Helper()
	var wg sync.WaitGroup
	check := func(op string, want outcome, err error, says []string) (bad string) {
		switch {
		case told(err) != want:
			return "another outcome was wanted"
		case err == nil:
			return ""
		case strings.Contains(err.Error(), "coat"), strings.Contains(err.Error(), secret):
			return "it tells a value or a password"
		case !tr.all && !strings.Contains(err.Error(), w.index) && !strings.Contains(err.Error(), explain):
			return "it doesn't name the index " + w.index
		}
		for _, text := range says {
			if !strings.Contains(err.Error(), text) {
				return "it doesn't tell " + text
			}
		}
		return ""
	}
	says := tr.says
	if tr.hangs {
		says = nil
	}
	// An operation that goes on trying is cut off, and called again if that came too
	// early to learn the reason.
	try := func(op string, want outcome, f func(context.Context) error) {
		wg.Go(func() {
			for wait := 300 * time.Millisecond; ; wait *= 2 {
				ctx, cancel := context.WithTimeout(t.Context(), wait)
				err := f(ctx)
				cancel()
				bad := check(op, want, err, says)
				if bad == "" {
					return
				}
				if wait > patient/2 || told(err) == fine {
					t.Errorf("%s: %s: %v", op, bad, err)
					return
				}
			}
		})
	}
	// These are called once, since they may have happened, unless they certainly did
	// not: the engine turned them down, or the time ended before they were sent.
	once := func(op string, want outcome, f func(context.Context) error) {
		switch {
		case want == down:
			try(op, want, f)
		case !tr.hangs: // it ends by itself
			wg.Go(func() {
				err := f(testContext(t))
				if bad := check(op, want, err, says); bad != "" {
					t.Errorf("%s: %s: %v", op, bad, err)
				}
			})
		default:
			wg.Go(func() {
				for wait := 300 * time.Millisecond; ; wait *= 2 {
					ctx, cancel := context.WithTimeout(t.Context(), wait)
					err := f(ctx)
					cancel()
					if told(err) == want {
						return
					}
					if told(err) != down || !slow(err) || wait > patient/2 {
						t.Errorf("%s: another outcome was wanted: %v", op, err)
						return
					}
				}
			})
		}
	}
	once("update", tr.update, func(ctx context.Context) error { _, err := s.Update(ctx, update(w.update, "1")); return err })
	once("create", tr.create, func(ctx context.Context) error { _, err := s.Create(ctx, w.create); return err })
	once("bury", tr.bury, func(ctx context.Context) error { return s.Bury(ctx, w.bury.ID, w.grave, w.bury.Version) })
	try("bury any", tr.bury, func(ctx context.Context) error { return s.Bury(ctx, w.end.ID, w.grave, driver.Version{}) })
	try("get", tr.get, func(ctx context.Context) error { _, err := s.Get(ctx, w.read.ID); return err })
	try("search", tr.search, func(ctx context.Context) error { return searchAll(ctx, s) })
	try("summarize", tr.search, func(ctx context.Context) error { _, err := s.Summarize(ctx, driver.Query{}); return err })
	try("report", tr.report, func(ctx context.Context) error {
		r, err := s.Report(ctx)
		if err == nil && !strings.Contains(fmt.Sprint(r.Problems), tr.reported) {
			err = errors.New("problems without the one: " + fmt.Sprint(r.Problems))
		}
		return err
	})
	// A sweep ends by itself, and does as much as it can. It is called again if it ran
	// out of time elsewhere, as when the engine takes long to make an index.
	wg.Go(func() {
		ctx := context.Background()
		if tr.all {
			ctx = brief(t) // it would try for each index
		}
		report, err := s.Sweep(ctx, time.Now())
		bad := check("sweep", tr.sweep, err, nil)
		for end := time.Now().Add(patient); !tr.all && (bad != "" || report.Buried == 0) && slow(err) && time.Now().Before(end); {
			var more driver.SweepReport
			more, err = s.Sweep(ctx, time.Now())
			report.Buried += more.Buried
			bad = check("sweep", tr.sweep, err, nil)
		}
		if bad != "" {
			t.Errorf("sweep: %s: %v", bad, err)
		}
		if !tr.all && report.Buried != 1 {
			t.Errorf("a sweep with trouble in another index: %+v, %v", report, err)
		}
	})
	if !tr.all {
		wg.Go(func() { // these share requests with the others
			got := w.beside
			if err := unhurried(t, func(ctx context.Context) (err error) { got, err = s.Get(ctx, got.ID); return err }); err != nil || got.Version != w.beside.Version {
				t.Errorf("get from another index: %v", err)
				return
			}
			if err := saveAnew(t, s, got, "1"); err != nil {
				t.Errorf("writes to another index: %v", err)
			}
			if err := unhurried(t, func(ctx context.Context) error { return s.Bury(ctx, got.ID, w.grave, driver.Version{}) }); err != nil {
				t.Errorf("writes to another index: %v", err)
			}
		})
	}
	wg.Wait()
}

// unhurried repeats an operation for which an engine under load took too long. It
// returns any other error.
func unhurried(t testing.TB, f func(context.Context) error) error {
	t.Helper()
	ctx := testContext(t)
	for {
		if err := f(ctx); !slow(err) || ctx.Err() != nil {
			return err
		}
	}
}

// saveAnew updates a record, which must succeed in the end. After a timeout it reads the
// record anew, since the update may have been done.
func saveAnew(t testing.TB, s *Store, r *driver.Record, v string) error {
	t.Helper()
	now := r
	return unhurried(t, func(ctx context.Context) (err error) {
		if now == nil {
			if now, err = s.Get(ctx, r.ID); err != nil {
				return err
			}
		}
		_, err = s.Update(ctx, update(now, v))
		now = nil
		return err
	})
}

// told returns the outcome that an error tells.
func told(err error) outcome {
	switch {
	case err == nil:
		return fine
	case !errors.Is(err, driver.ErrUnavailable), errors.Is(err, driver.ErrOverloaded):
		return other
	case errors.Is(err, driver.ErrUnknown):
		return unsure
	}
	return down
}

func searchAll(ctx context.Context, s *Store) error {
	for _, err := range s.Search(ctx, driver.Query{}) {
		if err != nil {
			return err
		}
	}
	return nil
}

// after checks that every record is as its error told, and that everything works again.
func (w *ward) after(t *testing.T, s *Store, tr *trouble) {
	t.Helper()
	get := func(id driver.ID) (r *driver.Record, err error) {
		err = unhurried(t, func(ctx context.Context) error { r, err = s.Get(ctx, id); return err })
		return r, err
	}
	if got, err := get(w.read.ID); err != nil || got.Version != w.read.Version {
		t.Errorf("get: %v", err)
	}
	done := func(op string, o outcome, is bool, err error) {
		t.Helper()
		if o == fine && !is || o == down && is {
			t.Errorf("a %s that was told as %d is done: %v (%v)", op, o, is, err)
		}
	}
	now, err := get(w.update.ID)
	if err != nil {
		t.Fatal(err)
	}
	done("update", tr.update, now.Writes == w.update.Writes+1, nil)
	if now.Writes == w.update.Writes && now.Version != w.update.Version {
		t.Errorf("the record that wasn't updated is at %v, was at %v", now.Version, w.update.Version)
	}
	_, err = get(w.create.ID)
	done("create", tr.create, err == nil, err)
	_, err = get(w.bury.ID)
	done("burial", tr.bury, errors.Is(err, driver.ErrGone), err)
	_, err = get(w.end.ID)
	done("burial at any version", tr.bury, errors.Is(err, driver.ErrGone), err)

	if err := saveAnew(t, s, now, "2"); err != nil {
		t.Errorf("update: %v", err)
	}
	again := func(op string, f func(context.Context) error) {
		t.Helper()
		if err := unhurried(t, f); err != nil {
			t.Errorf("%s: %v", op, err)
		}
	}
	again("create", func(ctx context.Context) error {
		if _, err := s.Create(ctx, w.create); !errors.Is(err, driver.ErrExists) {
			return err
		}
		return nil
	})
	for _, r := range []*driver.Record{w.bury, w.end} {
		again("bury", func(ctx context.Context) error { return s.Bury(ctx, r.ID, w.grave, driver.Version{}) })
		_, err := get(r.ID)
		wantError(t, err, driver.ErrGone)
	}
	again("search", func(ctx context.Context) error { return searchAll(ctx, s) })
	again("sweep", func(ctx context.Context) error { _, err := s.Sweep(ctx, time.Now()); return err })
	again("report", func(ctx context.Context) error {
		r, err := s.Report(ctx)
		if len(r.Problems) > 0 {
			err = errors.Join(err, errors.New(fmt.Sprint(r.Problems)))
		}
		return err
	})
}
