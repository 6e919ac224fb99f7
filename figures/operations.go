package figures

import (
	"iter"
	"time"
)

// This file is the calls of a store's methods, as its caller saw them.

// Operations are the calls of a store's methods.
type Operations struct {
	Get, Create, Update, Bury, Search, Sweep Operation
}

// All yields the operations by their names, in lower case and always in the same order.
func (o Operations) All() iter.Seq2[string, Operation] {
	return func(yield func(string, Operation) bool) {
		_ = yield("get", o.Get) && yield("create", o.Create) && yield("update", o.Update) &&
			yield("bury", o.Bury) && yield("search", o.Search) && yield("sweep", o.Sweep)
	}
}

// Operation is the calls of one method. Answers such as driver.ErrNotFound, ErrGone,
// ErrExists and ErrConflict are no failures.
type Operation struct {
	Count int64 // calls that have begun

	// The calls that failed, by the reason. Each counts once.
	Unavailable int64 // the store didn't answer, or with an error that nobody knows
	Overloaded  int64 // the store turned it down (driver.ErrOverloaded)
	Canceled    int64 // whoever waited for it has left
	Other       int64 // the record can't be read or is refused, or the store is closed

	// Latency is the time that calls took, failed ones too, with all waiting in the store.
	// That of a search includes what its caller did with each record. It is of all calls.
	// Only where a store keeps its records in memory (driver.OwnedUpdater), and reading a
	// clock would be a good part of the cost, is it of one Get, Create, Update and Bury in
	// 16. So Latency.Count may be less than Count.
	Latency Histogram[time.Duration]
}

// Failed returns the number of calls that failed for whatever reason.
func (o Operation) Failed() int64 { return o.Unavailable + o.Overloaded + o.Canceled + o.Other }
