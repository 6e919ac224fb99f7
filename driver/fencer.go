package driver

import (
	"context"
	"time"
)

// This file is Fencer, for stores that can be closed to writes while their records move
// to another.

// Fencer is an optional interface of stores that can refuse all writes. The Manager works
// without it. For contexts and Close the rules of Store hold.
type Fencer interface {
	// Fence has the store refuse all writes: those of all processes, of those too that
	// begin later or are of an older version. Once it has returned, nothing that the
	// store keeps changes any more, until Unfence: a write under way has happened, or
	// never will. Only a store that drops periods may still drop what is over. Create,
	// Update, Bury and Sweep return ErrUnavailable, with an error that tells of the
	// fence, or the error of a write that couldn't have succeeded anyway. Reads go on.
	//
	// since is the time of the fence. Whoever fences knows the own fence by it, so it is
	// kept to the microsecond. A fence that is there stays as it is, and that is no error. After an error the store may be fenced, in part too.
	Fence(ctx context.Context, since time.Time) error

	// Unfence has the store take writes again. Without a fence it does nothing.
	Unfence(ctx context.Context) error

	// Fenced returns since when the store is fenced; the zero time: it isn't.
	Fenced(ctx context.Context) (since time.Time, err error)
}
