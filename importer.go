package cloakroom

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Import, the configuration of an import from another library, and Importer,
// which reads that library's sessions.

// Import has visitors keep the sessions that another library made for them, when an
// application changes to this one. A request that brings the cookie of a foreign session,
// and no token of ours, imports it: the session that it becomes has the foreign one's
// values, and the response hands out its token. Nothing is imported in advance.
//
// Each foreign session becomes one session, once. Requests of the same moment, in
// whatever processes, get the same token. The foreign cookie opens the session until a
// request presents that token, so a lost response signs nobody out. For Config.RenewGrace
// and driver.ClockTolerance after that a late request's foreign cookie opens the session
// as a token that was renewed does: it may read and save, but not sign in or renew. Later
// it opens nothing.
//
// Beside a token of ours that opens a session the foreign cookie doesn't count. If that
// session signs in or out, the foreign one ends with it. What ends an imported session
// ends it for good: the foreign cookie doesn't bring it back.
//
// The foreign session is retired once it has been imported, at the state that was read.
// What the old library's processes wrote there meanwhile is taken over first. Some
// libraries keep no versions: the old processes then have to be stopped before the new
// ones are started. See the importer's documentation.
//
// An imported session is signed in if Principal says so. Admin.RevokeAll of that
// principal, at any time before, refuses the import; one by a process without Import does so
// for its Config.MaxLifetime only. Admin.RebuildLedger refuses it as well if the principal
// had no ledger. So does Config.NotBefore, unless the foreign session is known to have been
// made later.
//
// A foreign session that can't be kept, such as one of more than Config.MaxBytes, fails its
// visitor's requests with that error (ErrTooLarge: 413) until the cookie is gone: try with
// the largest ones.
type Import struct {
	// From reads the foreign sessions.
	From Importer

	// Until is when imports end. It has to be set, at most MaxLifetime (400 days) ahead.
	// Choose a date at which the foreign sessions are over anyway, and write it out, so
	// that all processes have the same. The store keeps the earliest Until under which a
	// session was imported. It may be moved to an earlier time, but a later one has no
	// effect and is a problem (import-until): what keeps a session from being imported
	// twice lasts to the end that was known then. Once it is past, take Import out of the
	// configuration.
	Until time.Time

	// Principal returns the principal that is signed in by a foreign session's values; ""
	// for nobody. It may run more than once, and the context has no session. An error fails
	// the request, and imports nothing: 503 if it is ErrUnavailable, else 500. So does a
	// value that a Key of another type gets here: an import is for good, and its visitor
	// would be signed out. Defaults to nobody.
	Principal func(ctx context.Context, values Reader) (string, error)
}

// Importer reads the sessions of another library. Its methods are called by several
// goroutines at a time.
type Importer interface {
	// Name names the library, and which of its stores. Ids are derived from it, so it must
	// never change. 1 to 128 bytes of UTF-8 without control characters.
	Name() string

	// Find returns the foreign session that a request names, as far as that can be told
	// without I/O. ErrNotFound: the request names none. ErrForged: it names one in a way
	// that isn't right.
	Find(r *http.Request) (ForeignToken, error)

	// Load reads the foreign session that a token opens. ErrNotFound: it opens none, or
	// one that is over. ErrForged: there is one, and the token isn't its own. Any other
	// error is an outage, and the visitor gets 503.
	Load(ctx context.Context, t ForeignToken) (*ForeignSession, error)

	// Retire ends a foreign session that Load read at a version. ErrConflict: it has
	// changed since. ErrNotFound: somebody else ended it. So an importer that can't be sure
	// that an earlier try of its own didn't end it returns nil. After any other error it is
	// tried again later.
	Retire(ctx context.Context, t ForeignToken, version string) error

	// Forget has the client forget the foreign cookie. It adds to a response's headers.
	Forget(h http.Header)
}

// ErrForged is the error of an Importer for a foreign cookie that isn't right.
var ErrForged = errors.New("forged")

// ForeignToken names a foreign session in a request.
type ForeignToken struct {
	// ID names the session at its library, the same in each spelling of the cookie.
	ID string
	// Credential is what the client knows, in one spelling. It may be the ID. All requests
	// that may open what the session becomes have the same.
	Credential string
	// Rest is what else Load and Retire need, such as of further cookies. It may differ
	// between requests that name the same session; that of the one that imports counts.
	// Defaults to "".
	Rest string
}

// Format implements fmt.Formatter: it prints nothing of it, as that may open the session.
func (t ForeignToken) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "foreign token") }

// MarshalJSON encodes a text without the token.
func (t ForeignToken) MarshalJSON() ([]byte, error) { return []byte(`"foreign token"`), nil }

// ForeignSession is a foreign session as it was read.
type ForeignSession struct {
	// Version tells the state that was read from others. It may be a digest.
	Version string
	// Values are the session's values, each valid JSON of UTF-8.
	Values map[string]json.RawMessage
	// Created is when the session was made, if that is known.
	Created time.Time
	// Deadline is when the session is over, however active. Defaults to
	// Config.Lifetime after the import, or Config.AnonymousLifetime. At most
	// Config.MaxLifetime after the import.
	Deadline time.Time
	// Remember and IdleTimeout are as in LoginOptions.
	Remember    bool
	IdleTimeout time.Duration
}

// Format implements fmt.Formatter: it prints the names of the values alone.
func (f ForeignSession) Format(s fmt.State, _ rune) { _, _ = fmt.Fprint(s, f.list()) }

// MarshalJSON encodes the names and sizes of the values.
func (f ForeignSession) MarshalJSON() ([]byte, error) { return json.Marshal(f.list()) }

func (f ForeignSession) list() driver.ValueList { return driver.NewValueList(f.Values) }

// check completes an Import, or says what can't work. now is the present time.
func (i *Import) check(now time.Time) (*Import, error) {
	if i == nil {
		return nil, nil
	}
	d := *i
	if d.From == nil {
		return nil, errors.New("cloakroom: Config.Import.From is nil: an importer is needed, such as dancer.Importer")
	}
	switch n := d.From.Name(); {
	case n == "", len(n) > 128, !utf8.ValidString(n):
		return nil, fmt.Errorf("cloakroom: the name of Config.Import.From has %d bytes: 1 to 128 bytes of UTF-8 are allowed", len(n))
	default:
		for _, c := range n {
			if unicode.IsControl(c) {
				return nil, fmt.Errorf("cloakroom: the name of Config.Import.From is %q: it must have no control characters", n)
			}
		}
	}
	d.Until = d.Until.Truncate(time.Millisecond)
	switch {
	case d.Until.IsZero():
		return nil, fmt.Errorf("cloakroom: Config.Import.Until isn't set: imports need an end, at most %v (400 days) ahead", MaxLifetime)
	case d.Until.After(now.Add(MaxLifetime)):
		return nil, fmt.Errorf("cloakroom: Config.Import.Until is %v: at most %v (400 days) ahead is allowed", d.Until, MaxLifetime)
	}
	if d.Principal == nil {
		d.Principal = func(context.Context, Reader) (string, error) { return "", nil }
	}
	return &d, nil
}
