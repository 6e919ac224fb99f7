package driver

import (
	"errors"
	"fmt"
)

// This file is the errors that stores return.

// The errors that callers tell apart, with errors.Is. A store's error wraps one of them,
// or the context's error, and names the operation and the record. It never quotes a
// value, a verifier or a password, nor do the errors that it wraps.
//
// ErrUnavailable is for failures that tell nothing about the record, such as a lost
// connection or a full disk. The Manager treats errors that it doesn't know the same.
var (
	// ErrNotFound: there is no such session. Stores return it for a record that is
	// missing; Retrieve, EndDevice and Admin also for one that has ended or expired.
	ErrNotFound = errors.New("not found")

	// ErrGone: the session has ended, expired or been replaced by a sign-in. Nobody will
	// ever see values that are saved into it; start a new session. Stores return it for
	// a grave, and for nothing else.
	ErrGone = errors.New("session has ended")

	// ErrExists: a store already keeps a record, or a grave, of this id.
	ErrExists = errors.New("already exists")

	// ErrConflict: the record is not at the version that the caller read, or
	// the request carries a token that has been renewed meanwhile.
	ErrConflict = errors.New("changed by someone else")

	// ErrUnavailable: the store did not answer. Try again later; cookies are left alone.
	// Without ErrOverloaded it leaves open whether a write happened.
	ErrUnavailable = errors.New("store unavailable")

	// ErrUnknown: a write was sent, and its outcome could not be learned in time. It
	// always comes with ErrUnavailable. A store may return ErrUnavailable alone.
	ErrUnknown = errors.New("outcome unknown")

	// ErrOverloaded: the store's queue is full, or more operations are under way than it
	// can carry out in time. Nothing was sent: the operation certainly did not happen.
	// It always comes with ErrUnavailable.
	ErrOverloaded = errors.New("store overloaded")

	// ErrInvalid: the store refuses this record, query or operation, for ever. Nothing was
	// written.
	ErrInvalid = errors.New("invalid")

	// ErrTooLarge: the session's values exceed Config.MaxBytes, or the record a bound of
	// the store's or its engine's. Nothing was written.
	ErrTooLarge = errors.New("session too large")

	// ErrCorrupt: the record under this id can't be understood. Manager.Fresh starts a
	// new session in its place.
	ErrCorrupt = errors.New("corrupt record")

	// ErrClosed: the store or the manager has been closed.
	ErrClosed = errors.New("closed")

	// ErrNewer: a newer version of this module wrote the record, in a form that
	// this one can't work with. It is an ErrUnavailable: a newer process can, and
	// the visitor is not signed out.
	ErrNewer = fmt.Errorf("a newer version wrote this: %w", ErrUnavailable)
)

// IsNotFound reports whether an error is ErrNotFound.
func IsNotFound(err error) bool { return errors.Is(err, ErrNotFound) }
