package scsstore

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/cloakroom-go/cloakroom"
)

// This file is Importer: how it is made of an scs.SessionManager, and the cookie of a
// request.

// Importer is a cloakroom.Importer of the sessions of an scs.SessionManager, on any store
// and with any codec: for an application that moves from scs to a cloakroom.Manager. It
// is lazy: a session comes along when its visitor does.
//
//	manager, err := cloakroom.New(db, keyring, &cloakroom.Config{Import: &cloakroom.Import{
//		From:  importer,                   // of scsstore.NewImporter(sessions, nil)
//		Until: time.Date(2027, …),         // a date: that of the switch and the old Lifetime
//		Principal: func(_ context.Context, values cloakroom.Reader) (string, error) {
//			return user.Get(values), nil // user is cloakroom.NewKey[string]("user"), the type that was Put
//		},
//	}})
//
// # Order
//
// Stop all processes that save by scs before the first one starts that imports. Sessions
// of scs have no versions, and a Commit writes over whatever is there. So what an old
// process saves while its session is being retired, or later, is lost. The Importer finds
// out where it can. If the session changes between its being read and its deletion, or is
// there again at once after it, the changes are taken over. If it is still there
// unchanged, it isn't deleted: that is logged, and tried again. A change in the moment
// between the last look and the deletion goes unnoticed, and so does one after the look
// that follows it. CheckQuiet looks for old processes before the start.
//
// A Store of this package has versions. If the old manager is on one, nothing that an old
// process has saved is lost, and what it would save after the import is driver.ErrGone
// there. So old and new processes may run beside each other. But a visitor whose session
// has come along is a stranger to the old ones.
//
// An old process can't bring a session back that was imported, or was signed out here:
// the store of the Manager knows of it until Import.Until.
//
// # Nobody is signed out
//
// A session keeps the deadline that it had, up to Config.MaxLifetime after its import: set
// that to the Lifetime of the old manager if it is longer than 30 days. It keeps the old
// manager's IdleTimeout as well. Without one, it lives until its deadline, whatever
// Config.IdleTimeout says. Its cookie outlives the browser's run if that of scs did, by
// Cookie.Persist or RememberMe. All that changes with the next sign-in. A session that
// runs out at scs in the moment of its import is over.
//
// Config.NotBefore refuses all sessions of scs, as nobody knows when they were made.
//
// # Values
//
// Each value becomes the JSON that encoding/json makes of it. So a []byte is a text in
// base64, and a time.Time one of RFC 3339: nanoseconds and the offset stay, the zone's
// name goes. A cloakroom.Key of the same type reads each of them. A value that doesn't
// come back the same is an error that names it, and the visitor gets 503: fields that
// JSON leaves out, texts that aren't UTF-8, or a method that hides something.
// ImportOptions.Values converts such ones. A value within an interface is read as
// encoding/json reads it, without its type.
//
// With scs.GobCodec the application has to register its types as before (gob.Register),
// for as long as it imports.
//
// # Stores
//
// The store's Find has to see what the last Commit wrote, also one of another process: no
// reads of replicas that lag behind. Its Delete has to delete. Calls to a store without
// contexts are waited for as long as the request may take, and go on in the background.
type Importer struct {
	name   string
	old    scs.SessionManager // a copy
	values func(map[string]any) (map[string]any, error)
}

var _ cloakroom.Importer = (*Importer)(nil)

// ImportOptions are options of NewImporter. The zero ImportOptions, and nil, are good.
type ImportOptions struct {
	// Name is the importer's name. Ids of sessions are derived from it, so it must not
	// change between the first import and the last. Defaults to "scs", a space, and the
	// name of the old cookie.
	Name string

	// Values converts a session's values, before they are encoded as JSON. It may change
	// and return the map, which is its own: convert what JSON would lose, rename, leave
	// out. A json.RawMessage is taken as it is. It may run more than once for a session,
	// and has to return the same each time. An error fails the request, and imports
	// nothing. What scs keeps for RememberMe isn't in the map. Defaults to no conversion.
	Values func(values map[string]any) (map[string]any, error)
}

// NewImporter makes an Importer of the application's session manager, configured as it
// was: Store, Codec, HashTokenInStore, IdleTimeout and Cookie are used. They are read
// now, so later changes have no effect. The Importer asks nothing of the store before a
// visitor comes. It doesn't own it: close it when imports are over.
func NewImporter(sessions *scs.SessionManager, o *ImportOptions) (*Importer, error) {
	switch {
	case sessions == nil:
		return nil, errors.New("scsstore: the session manager is nil: pass in the one that the application had")
	case sessions.Store == nil:
		return nil, errors.New("scsstore: the session manager has no Store: set the one that holds the sessions")
	case sessions.Codec == nil:
		return nil, errors.New("scsstore: the session manager has no Codec: set the one that the sessions were encoded by; scs.New sets scs.GobCodec{}")
	}
	i := &Importer{old: *sessions, name: "scs " + sessions.Cookie.Name}
	if err := i.cookie("").Valid(); err != nil {
		return nil, fmt.Errorf("scsstore: the session manager's Cookie: %w", err)
	}
	if o != nil {
		i.values = o.Values
		if o.Name != "" {
			i.name = o.Name
		}
	}
	return i, nil
}

// Name implements cloakroom.Importer: see ImportOptions.Name.
func (i *Importer) Name() string { return i.name }

// tokenSize is the number of characters of a token of scs: 32 bytes in base64url.
const tokenSize = 43

// Find implements cloakroom.Importer. As at scs, the first cookie of the name counts. One
// that scs can't have made names no session. It isn't cloakroom.ErrForged: others on the
// host may use the name, "session" by default, and tokens of scs are long enough that
// there is no guess to be counted.
func (i *Importer) Find(r *http.Request) (t cloakroom.ForeignToken, err error) {
	c, err := r.Cookie(i.old.Cookie.Name)
	if err != nil || !isToken(c.Value) {
		return t, fmt.Errorf("scsstore: no cookie of scs: %w", cloakroom.ErrNotFound)
	}
	return cloakroom.ForeignToken{ID: idOf(c.Value), Credential: c.Value}, nil
}

// isToken reports whether scs can have made a token.
func isToken(s string) bool {
	if len(s) != tokenSize {
		return false
	}
	b, err := base64.RawURLEncoding.Strict().DecodeString(s)
	return err == nil && len(b) == sha256.Size
}

// idOf returns what identifies a token's session. Where a column compares texts without
// regard to case, as those of MySQL and SQL Server do by default, each spelling opens the
// session.
func idOf(token string) string { return digest([]byte(strings.ToLower(token))) }

// digest returns a text that stands for some bytes, and doesn't tell them.
func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// cookie returns the old cookie, with a value.
func (i *Importer) cookie(value string) *http.Cookie {
	c := i.old.Cookie
	return &http.Cookie{
		Name: c.Name, Value: value, Domain: c.Domain, Path: c.Path,
		HttpOnly: c.HttpOnly, Secure: c.Secure, SameSite: c.SameSite, Partitioned: c.Partitioned,
	}
}

// Forget implements cloakroom.Importer: it has the browser drop the old cookie. If the
// response sets a cookie of that name, as when the Manager's has it too, that takes the
// old one's place, and nothing is added.
func (i *Importer) Forget(h http.Header) {
	for _, line := range h["Set-Cookie"] {
		if name, _, _ := strings.Cut(line, "="); strings.TrimSpace(name) == i.old.Cookie.Name {
			return
		}
	}
	k := i.cookie("")
	k.MaxAge, k.Expires = -1, time.Unix(1, 0)
	h.Add("Set-Cookie", k.String())
}
