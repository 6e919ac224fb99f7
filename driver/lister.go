package driver

import "context"

// This file is Lister, by which everything that a store keeps is copied into another.

// Lister is an optional interface of stores that can list everything that they keep. The
// Manager works without it. For contexts and Close the rules of Store hold.
type Lister interface {
	// List returns the next part of all records and graves, of every app and kind, in an
	// order of the store's own. A listing begins with "", and goes on with the Next of
	// its last part, up to a part with End. It can go on there at any later time, in
	// another process too.
	//
	// What is there from the first part to the last is in at least one of them. What is
	// written meanwhile may be in a part or not. An id may be in several parts, in
	// several states. Everything that was acknowledged before the first part was asked
	// for is shown, even where Search trails.
	//
	// The next listing may go on with the Next of an End, instead of "". It has at least
	// everything that was written since the listing before it began, and isn't in that as
	// it was left. A store that can't tell that lists everything again.
	//
	// It returns ErrInvalid for a text that is no Next of this store's.
	List(ctx context.Context, after string) (Part, error)
}

// Part is a part of a listing.
type Part struct {
	Items []Listed // may be empty, also before the end
	Next  string   // where the listing goes on
	End   bool     // nothing comes behind it
}

// Listed is one record or grave in a listing, or something in their place that can't be
// read.
type Listed struct {
	// ID is the zero ID for something whose name is no id.
	ID ID
	// Record is what Get returns. It is nil beside an error, and has a Grave for a grave.
	Record *Record
	// Err is ErrCorrupt or ErrNewer, as from Get. It names what can't be read.
	Err error
}
