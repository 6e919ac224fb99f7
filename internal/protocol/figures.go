package protocol

import (
	"context"
	"iter"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/figures"
)

// This file is the figures of Records, and the calls of the store that only pass through
// to be counted.

// Figures are what Records has done since it was made.
type Figures struct {
	Operations figures.Operations

	UnderWay   int64 // operations of requests under way now; each may call the store several times
	TurnedDown int64 // with ErrTooMany

	Merged   int64 // writes that were made on top of one that had come first
	Gathered int64 // changes that went with another's write

	Skew    Skew
	Witness Witness   // as the engine's clock was asked last
	Asked   time.Time // when, by the machine's clock; zero: never
}

// Figures returns what was done until now.
func (r *Records) Figures() Figures {
	f := Figures{
		Operations: r.calls.figures(),
		UnderWay:   r.load.underWay(), TurnedDown: r.load.turnedDown.Load(),
		Merged: r.merges.merged.Load(), Gathered: r.merges.gathered.Load(),
		Skew: r.skews.sum(),
	}
	f.Witness, f.Asked = r.witness.last()
	return f
}

// Search is driver.Store.Search, of all apps.
func (r *Records) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return r.store.Search(ctx, q)
}

// Sweep is driver.Store.Sweep, of all apps.
func (r *Records) Sweep(ctx context.Context, now time.Time) (driver.SweepReport, error) {
	return r.store.Sweep(ctx, now)
}
