package driver

import "context"

// This file is Inspector, by which stores tell operators of themselves.

// Inspector is what a store may offer beside Store, for consoles and doctors.
// Its answers may trail acknowledged writes. The Manager works without it. Of
// contexts and Close the same holds as in Store.
type Inspector interface {
	// Summarize counts the records that a query selects; After and Limit are
	// ignored.
	Summarize(ctx context.Context, q Query) (Summary, error)
	// Report tells the state of the store itself.
	Report(ctx context.Context) (Report, error)
}

// Summary counts records.
type Summary struct {
	Records  int64 // all that the query selects
	SignedIn int64 // of these: with a principal
}

// Report tells the state of a store.
type Report struct {
	Engine   string    // what keeps the records, with its version, such as "OpenSearch 2.19.1"
	Facts    []Fact    // what may interest an operator, such as the size
	Problems []Problem // what needs a remedy; empty if all is well
}

// Fact is one line of a Report.
type Fact struct{ Name, Value string }
