package driver

import (
	"context"
	"time"
)

// This file is Inspector, through which stores report to operators.

// Inspector is an optional interface of stores, for consoles and diagnosis. Its answers
// may trail acknowledged writes. The Manager works without it. For contexts and Close
// the rules of Store hold.
type Inspector interface {
	// Summarize counts the records that a query selects; After, Limit and the order are
	// ignored. Where q.Scan cuts it off, it returns a *TruncatedError beside what it has
	// counted until then.
	Summarize(ctx context.Context, q Query) (Summary, error)
	// Report describes the state of the store itself.
	Report(ctx context.Context) (Report, error)
}

// Summary counts records.
type Summary struct {
	Records  int64 // the records that the query selects
	SignedIn int64 // of these: with a principal
}

// Report describes the state of a store.
type Report struct {
	Engine   string    // the engine's name and version, such as "OpenSearch 2.19.1"
	Facts    []Fact    // facts for operators, such as the size
	Problems []Problem // problems that need a remedy; empty if all is well

	// Periods are the parts that the store keeps records in, if it has such and can tell
	// their sizes. Optional.
	Periods []Period
}

// Period is a part of a store, such as the records of a day.
type Period struct {
	Name      string // as the engine knows it
	Documents int64  // records, ledgers and graves; -1: unknown
	Bytes     int64  // on disk, with all copies; -1: unknown
	// DropFrom is the time from which a sweep drops the period whole, if no deadline in it
	// lies ahead. The zero time: it is never dropped whole.
	DropFrom time.Time
}

// Fact is one line of a Report.
type Fact struct{ Name, Value string }
