package storetest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is contexts that end: before a call, during it, and beside others' calls.

// operation is a call of one of the store's methods, to see how it fails.
type operation struct {
	name string
	call func(ctx context.Context, s driver.Store) error
}

// operations calls each method for a record, a grave and a missing id.
func (e *env) operations(record, grave, missing *driver.Record) []operation {
	var ops []operation
	add := func(name string, call func(ctx context.Context, s driver.Store) error) {
		ops = append(ops, operation{name, call})
	}
	for _, r := range []struct {
		what string
		*driver.Record
	}{{"record", record}, {"grave", grave}, {"missing", missing}} {
		add("Get/"+r.what, func(ctx context.Context, s driver.Store) error {
			_, err := s.Get(ctx, r.ID)
			return err
		})
		add("Create/"+r.what, func(ctx context.Context, s driver.Store) error {
			_, err := s.Create(ctx, next(r.Record))
			return err
		})
		add("Update/"+r.what, func(ctx context.Context, s driver.Store) error {
			_, err := s.Update(ctx, next(r.Record))
			return err
		})
		add("Bury/"+r.what, func(ctx context.Context, s driver.Store) error {
			return s.Bury(ctx, r.ID, e.grave(r.Record), r.Version)
		})
		add("BuryUnconditionally/"+r.what, func(ctx context.Context, s driver.Store) error {
			return s.Bury(ctx, r.ID, e.grave(r.Record), driver.Version{})
		})
	}
	for what, q := range map[string]driver.Query{"some": {App: e.app}, "none": {App: newApp()}} {
		add("Search/"+what, func(ctx context.Context, s driver.Store) error {
			_, err := collect(s.Search(ctx, q), q)
			return err
		})
	}
	add("Sweep", func(ctx context.Context, s driver.Store) error {
		_, err := s.Sweep(ctx, e.now)
		return err
	})
	if c, ok := e.store.(driver.EngineClock); ok {
		if _, err := c.EngineTime(context.Background()); !errors.Is(err, errors.ErrUnsupported) {
			add("EngineTime", func(ctx context.Context, s driver.Store) error {
				_, err := s.(driver.EngineClock).EngineTime(ctx)
				return err
			})
		}
	}
	if _, ok := e.store.(driver.Inspector); ok {
		add("Summarize", func(ctx context.Context, s driver.Store) error {
			_, err := s.(driver.Inspector).Summarize(ctx, driver.Query{App: e.app})
			return err
		})
		add("Report", func(ctx context.Context, s driver.Store) error {
			_, err := s.(driver.Inspector).Report(ctx)
			return err
		})
	}
	return append(ops, e.moving()...)
}

// moving calls the methods by which a store is copied into another.
func (e *env) moving() (ops []operation) {
	if _, ok := e.store.(driver.Lister); ok {
		ops = append(ops, operation{"List", func(ctx context.Context, s driver.Store) error {
			_, err := s.(driver.Lister).List(ctx, "")
			return err
		}})
	}
	if _, ok := e.store.(driver.Fencer); ok {
		ops = append(ops, operation{"Fenced", func(ctx context.Context, s driver.Store) error {
			_, err := s.(driver.Fencer).Fenced(ctx)
			return err
		}}, operation{"Unfence", func(ctx context.Context, s driver.Store) error { return s.(driver.Fencer).Unfence(ctx) }})
	}
	return ops
}

// three makes a record, a grave and a missing one to operate on.
func (e *env) three() (record, grave, missing *driver.Record) {
	e.Helper()
	record = e.mustCreate(e.record(driver.LayoutDay))
	grave = e.mustCreate(e.record(driver.LayoutDay))
	e.mustBury(grave.ID, e.grave(grave), grave.Version)
	missing = e.record(driver.LayoutDay)
	missing.Version = record.Version
	return record, grave, missing
}

// soon fails if a call takes longer than the harness's patience.
func (e *env) soon(what string, call func() error) error {
	e.Helper()
	result := make(chan error, 1)
	go func() { result <- call() }()
	timer := time.NewTimer(e.h.Patience)
	defer timer.Stop()
	select {
	case err := <-result:
		return err
	case <-timer.C:
		e.Fatalf("%s does not return", what)
		return nil
	}
}

// testContext checks that methods heed their contexts, and that those who leave
// don't disturb those who stay.
func testContext(e *env) {
	e.openStore()

	for _, over := range []struct {
		name string
		make func() (context.Context, context.CancelFunc)
		want error
	}{
		{"cancelled", func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(context.Background())
			cancel()
			return ctx, cancel
		}, context.Canceled},
		{"cancelled_with_a_cause", func() (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancelCause(context.Background())
			cancel(errors.New("the visitor left"))
			return ctx, func() { cancel(nil) }
		}, context.Canceled},
		{"deadline_passed", func() (context.Context, context.CancelFunc) {
			return context.WithDeadline(context.Background(), time.Now().Add(-time.Hour))
		}, context.DeadlineExceeded},
	} {
		e.run(over.name, func(e *env) {
			record, grave, missing := e.three()
			e.settle()
			for _, op := range e.operations(record, grave, missing) {
				e.run(op.name, func(e *env) {
					ctx, cancel := over.make()
					defer cancel()
					if err := e.soon(op.name, func() error { return op.call(ctx, e.store) }); !errors.Is(err, over.want) {
						e.Errorf("error %v, want one that wraps %q", err, over.want)
					}
				})
			}
			// Whether the writes happened is open, but what was ended stays so.
			if _, err := e.get(grave.ID); !errors.Is(err, driver.ErrGone) {
				e.Errorf("Get of the grave: error %v, want ErrGone", err)
			}
			if _, err := e.get(record.ID); err != nil && !errors.Is(err, driver.ErrGone) {
				e.Errorf("Get of the record: %v", err)
			}
		})
	}

	e.run("cancelled_while_searching", testContextCancelledWhileSearching)
	e.run("I1_leaving_disturbs_nobody", testContextLeavingDisturbsNobody)
}

func testContextCancelledWhileSearching(e *env) {
	kept := e.createAll(e.some(40))
	e.settle()
	want := len(expect(kept, driver.Query{App: e.app}))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	n := 0
	var failed error
	for r, err := range e.store.Search(ctx, driver.Query{App: e.app}) {
		if failed != nil {
			e.Fatalf("the search went on after its error: %v, %v", r, err)
		}
		if err != nil {
			failed = err
			continue
		}
		if n++; n == 3 {
			cancel()
		}
	}
	if failed == nil && n != want || failed != nil && !errors.Is(failed, context.Canceled) {
		e.Errorf("after %d records of %d the search ends with the error %v, want one that wraps context.Canceled", n, want, failed)
	}
}

func testContextLeavingDisturbsNobody(e *env) {
	// Half of the callers have contexts that end while their operations
	// are under way, by cancellation or by deadline. The others stay, and
	// all that they do succeeds.
	seeds := make([]uint64, e.h.Many)
	for i := range seeds {
		seeds[i] = e.rand.Uint64()
	}
	hot := e.mustCreate(e.record(driver.LayoutDay)) // all of them read it
	leaving, leave := context.WithCancel(context.Background())
	defer leave()
	var done atomic.Int64
	e.together(e.h.Many, func(i int) error {
		rnd := rand.New(rand.NewPCG(seeds[i], 1))
		var last *driver.Record
		for round := range 20 {
			if done.Add(1) == int64(e.h.Many)*10 { // half way
				leave()
			}
			ctx, cancel := e.context()
			switch i % 4 {
			case 0:
				cancel()
				ctx, cancel = context.WithCancel(leaving)
			case 1:
				cancel()
				ctx, cancel = context.WithTimeout(context.Background(), time.Duration(rnd.IntN(3000))*time.Microsecond)
			}
			got, err := e.store.Get(ctx, hot.ID)
			if err == nil {
				if d := diff(got, hot); d != "" {
					err = faultf("Get differs from what was acknowledged:\n%s", d)
				} else {
					last, err = e.visit(ctx, last, i, round)
				}
			}
			ended := ctx.Err()
			cancel()
			switch {
			case err == nil:
			case i%4 > 1:
				return faultf("a caller who stayed: %w", err)
			case ended == nil || !errors.Is(err, ended):
				return faultf("a caller whose context ended (%v): %w", ended, err)
			default:
				last = nil // the outcome of a write is unknown
			}
		}
		return nil
	})
	e.wantRecord(e.mustUpdate(next(e.mustCreate(e.record(driver.LayoutDay)))))
}

// visit reads, writes and reads again, as a request does.
func (e *env) visit(ctx context.Context, last *driver.Record, i, round int) (*driver.Record, error) {
	if last == nil {
		r := e.record(driver.LayoutDay)
		v, err := e.store.Create(ctx, clone(r))
		if err != nil {
			return nil, faultf("Create: %w", err)
		}
		r.Version = v
		return r, nil
	}
	got, err := e.store.Get(ctx, last.ID)
	if err != nil {
		return last, faultf("Get: %w", err)
	}
	if d := diff(got, last); d != "" {
		return last, faultf("Get differs from what was acknowledged:\n%s", d)
	}
	u := next(last)
	u.Values = u.Values.With("round", json.RawMessage(fmt.Sprintf("[%d, %d]", i, round)))
	v, err := e.store.Update(ctx, clone(u))
	if err != nil {
		return last, faultf("Update: %w", err)
	}
	u.Version = v
	return u, nil
}
