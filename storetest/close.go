package storetest

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the end of a store: what it does after its Close, and at it.

// testClose checks what a store does after its Close, and at it. The check that
// no goroutine is left is Run's, for each family.
func testClose(e *env) {
	e.openStore()
	if _, ok := e.store.(closer); !ok {
		e.Skip("the store has no method Close() error")
	}

	e.run("closed", testCloseClosed)
	e.run("unused", testCloseUnused)
	e.run("by_many", testCloseByMany)
	e.run("while_searching", testCloseWhileSearching)
	e.run("while_busy", testCloseWhileBusy)
}

func testCloseClosed(e *env) {
	e.openStore()
	record, grave, missing := e.three()
	e.settle()
	for range 2 { // the second Close changes nothing
		if err := e.store.(closer).Close(); err != nil {
			e.Fatalf("Close: %v", err)
		}
		for _, op := range e.operations(record, grave, missing) {
			e.run(op.name, func(e *env) {
				err := e.soon(op.name, func() error { return op.call(context.Background(), e.store) })
				e.wantError(err, driver.ErrClosed, op.name)
			})
		}
	}
}

func testCloseUnused(e *env) {
	e.openStore()
	if err := e.store.(closer).Close(); err != nil {
		e.Fatalf("Close: %v", err)
	}
	_, err := e.get(newID(driver.LayoutDay, e.now))
	e.wantError(err, driver.ErrClosed, "Get")
}

func testCloseByMany(e *env) {
	e.openStore()
	e.mustCreate(e.record(driver.LayoutDay))
	e.together(8, func(int) error {
		if err := e.store.(closer).Close(); err != nil {
			return faultf("Close: %w", err)
		}
		_, err := e.get(newID(driver.LayoutDay, e.now))
		return isError(err, driver.ErrClosed)
	})
}

func testCloseWhileSearching(e *env) {
	e.openStore()
	e.createAll(e.some(30))
	e.settle()
	var failed error
	n := 0
	err := e.soon("a search at Close", func() error {
		for r, err := range e.store.Search(context.Background(), driver.Query{App: e.app}) {
			if failed != nil {
				return faultf("the search went on after its error: %v, %w", r, err)
			}
			if failed = err; err != nil {
				continue
			}
			if n++; n == 3 {
				// Close may wait for the search, so it has to be beside it.
				go func() { _ = e.store.(closer).Close() }()
			}
		}
		return nil
	})
	if err != nil {
		e.Error(err)
	}
	if failed != nil && !errors.Is(failed, driver.ErrClosed) {
		e.Errorf("the search ends with the error %v, want none or ErrClosed", failed)
	}
}

func testCloseWhileBusy(e *env) {
	e.openStore()
	e.closeWhileBusy()
}

// closeWhileBusy closes the store under many callers. It returns, for each of
// them, what was acknowledged last and what was tried after that.
func (e *env) closeWhileBusy() (acknowledged, tried []*driver.Record) {
	e.Helper()
	acknowledged = make([]*driver.Record, e.h.Many)
	tried = make([]*driver.Record, e.h.Many)
	var writes atomic.Int64
	enough := make(chan struct{})
	var once sync.Once
	defer once.Do(func() { close(enough) }) // also if the callers failed before
	closing := make(chan error, 1)
	go func() {
		<-enough
		closing <- e.store.(closer).Close()
	}()
	e.together(e.h.Many, func(i int) error {
		r := e.record(layouts[i%len(layouts)])
		for begun := time.Now(); ; {
			if time.Since(begun) > e.h.Patience {
				return errors.New("the store goes on after Close")
			}
			if writes.Add(1) == int64(e.h.Many)*5 {
				once.Do(func() { close(enough) })
			}
			var v driver.Version
			var err error
			if acknowledged[i] == nil {
				v, err = e.create(r)
			} else {
				r = next(acknowledged[i])
				v, err = e.update(r)
			}
			tried[i] = r
			if err != nil {
				// What was under way may have failed in the closing's own way.
				if !errors.Is(err, driver.ErrClosed) && !errors.Is(err, driver.ErrUnavailable) {
					return faultf("a write at Close: error %w, want none or ErrClosed", err)
				}
				ctx, cancel := e.context()
				defer cancel()
				for ctx.Err() == nil {
					_, err = e.store.Get(ctx, r.ID)
					switch {
					case errors.Is(err, driver.ErrClosed):
						return nil
					case err != nil && !errors.Is(err, driver.ErrUnavailable) && !errors.Is(err, driver.ErrNotFound):
						return faultf("a read at Close: error %w, want none or ErrClosed", err)
					}
				}
				return faultf("reads go on after a write failed at Close: %w", err)
			}
			acknowledged[i] = clone(r)
			acknowledged[i].Version = v
		}
	})
	if err := e.soon("Close", func() error { return <-closing }); err != nil {
		e.Fatalf("Close of a busy store: %v", err)
	}
	return acknowledged, tried
}
