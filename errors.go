package cloakroom

import (
	"errors"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the errors of the API, which callers tell apart with errors.Is. Those of
// stores come from package driver.

// The errors that callers tell apart, with errors.Is. An error of this package wraps one
// of them and says which session it is about, and what happened.
var (
	// ErrNotFound: there is no such session. Stores return it for a record that
	// is missing; Retrieve, EndDevice and Admin also for one that has ended or expired.
	ErrNotFound = driver.ErrNotFound

	// ErrGone: the session has ended, expired or been replaced by a sign-in, or a
	// RenewStrict ended the secret that the request came with. Nothing that is saved into
	// the session will ever be seen; start a new one.
	ErrGone = driver.ErrGone

	// ErrConflict: the record is not at the version that the caller read, or the request
	// carries a token that has been renewed meanwhile, or tokens of several live
	// sessions, of which none is used.
	ErrConflict = driver.ErrConflict

	// ErrRevoked: the principal was signed out everywhere while this sign-in
	// was under way. The visitor has to sign in again.
	ErrRevoked = protocol.ErrRevoked

	// ErrUnavailable: the store did not answer, or turned the operation down. Try again
	// later; cookies are left alone.
	ErrUnavailable = driver.ErrUnavailable

	// ErrUnknown: a write was sent, and it couldn't be learned in time whether it
	// happened. It always comes with ErrUnavailable.
	ErrUnknown = driver.ErrUnknown

	// ErrOverloaded: the store's queue is full, or more operations are under way than it
	// carries out in time. Nothing was sent, so the operation certainly did not happen.
	// It always comes with ErrUnavailable.
	ErrOverloaded = driver.ErrOverloaded

	// ErrInvalid: what was asked for, such as a principal, a query or a record, is refused,
	// and always will be. Nothing was written.
	ErrInvalid = driver.ErrInvalid

	// ErrTooLarge: the session's values exceed Config.MaxBytes, or the record a bound of
	// the store's or its engine's. Nothing was written.
	ErrTooLarge = driver.ErrTooLarge

	// ErrTooLate: a session was to be begun, signed in, renewed or forgotten after the
	// response had begun, so that the client can't be told. Nothing was done, unless
	// ErrUnknown comes with it.
	ErrTooLate = errors.New("session begun after the response's headers were sent")

	// ErrCorrupt: the record of this id can't be understood. Manager.Fresh starts a new
	// session in its place.
	ErrCorrupt = driver.ErrCorrupt

	// ErrClosed: the store or the manager has been closed.
	ErrClosed = driver.ErrClosed
)
