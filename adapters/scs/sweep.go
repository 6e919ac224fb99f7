package scsstore

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the regular sweep: the database removes sessions that have expired, and
// graves whose time is over.

type sweeping struct {
	cancel context.CancelFunc
	done   chan struct{}
}

func (w *sweeping) start(db driver.Store, c *Config) {
	ctx, cancel := context.WithCancel(context.Background())
	w.cancel, w.done = cancel, make(chan struct{})
	if c.SweepEvery < 0 {
		close(w.done)
		return
	}
	go w.run(ctx, db, c)
}

func (w *sweeping) stop() {
	w.cancel()
	<-w.done
}

func (w *sweeping) run(ctx context.Context, db driver.Store, c *Config) {
	defer close(w.done)
	for wait := rand.N(c.SweepEvery) + 1; ; wait = c.SweepEvery { // stores that start together sweep apart
		t := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			t.Stop()
			return
		case <-t.C:
			sweep(ctx, db, c)
		}
	}
}

// sweep sweeps once. It recovers from a panic of the database, which would end the
// process here.
func sweep(ctx context.Context, db driver.Store, c *Config) {
	defer func() {
		if p := recover(); p != nil {
			c.Logger.ErrorContext(ctx, "scsstore: a sweep panicked, and will be tried again", "in", c.SweepEvery)
		}
	}()
	now := c.Now() // before the engine is asked: a clock that is set meanwhile counts from the next sweep on
	err := driver.CheckClock(ctx, db, c.Now)
	if err == nil {
		_, err = db.Sweep(ctx, now)
	}
	if err != nil && ctx.Err() == nil && !errors.Is(err, driver.ErrClosed) {
		c.Logger.WarnContext(ctx, "scsstore: a sweep failed, and will be tried again", "error", err, "in", c.SweepEvery)
	}
}
