// Package gorilla keeps the sessions of github.com/gorilla/sessions in a
// cloakroom.Manager: an application goes on with gorilla's API, and its sessions are on
// the server, where they can be ended, in place of in a cookie.
//
//	manager, err := cloakroom.New(store, keyring, nil)
//	sessionStore, err := gorilla.New(manager, "session")   // for sessions.NewCookieStore
//	http.ListenAndServe(addr, manager.Handler(router))
//
// # Requests
//
// Manager.Handler has to be around everything that uses sessions, middleware too, since it
// writes the cookie: Store.Save doesn't use the ResponseWriter that it is given. Elsewhere
// New returns an empty session with an error, and Save is an error.
//
// # Names
//
// A visitor has one session and one cookie, and each name of gorilla's is a group of values
// in it. The name that New is given is the session itself: to delete it (Options.MaxAge of
// 0 or less) signs out, and ends all groups. To delete another name empties that
// group. A value is named "NAME/KEY" in the session beneath, so
// cloakroom.NewKey[string]("session/user") reads Values["user"] of the session "session".
//
// # Values
//
// Keys are strings. A key of another type is an error of Save that names it.
//
// Values come back with the type that they had. Strings, bools, ints, float64s, nil, and
// lists ([]any, as of flashes) of these are kept as plain JSON: 5 is an int and 5.0 a float64.
// All others are kept by encoding/gob, as gorilla does it. So their types have to be
// registered (gob.Register), and unexported fields are lost.
//
// # Parallel requests
//
// Save saves what the request changed since it got the session, a key at a time. Keys that
// others set meanwhile stay, and so does what they deleted. Lists are changed in front and at
// the end: two requests that add a flash at once add both. Two requests that read flashes at
// once may show both the same. cloakroom.Key.Take gives a value to one request alone.
//
// # Importers
//
// Visitors whose sessions gorilla's own stores made come along with a CookieImporter or a
// FilesystemImporter in cloakroom.Config.Import.
//
// # Cookies
//
// The Manager's Cookie decides how the cookie looks and how long it lasts. Of a session's
// Options only MaxAge has an effect, and only whether it is more than 0.
package gorilla

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/cloakroom-go/cloakroom"
	"github.com/gorilla/sessions"
)

// This file is Store, and how it reads sessions: New and Get, and Session and Login, which
// reach the session beneath.

// Store is a sessions.Store on a Manager. It is safe for concurrent use. The sessions that
// it returns aren't: each belongs to one request.
type Store struct {
	m         *cloakroom.Manager
	name      string
	snapshots sync.Map // weak.Pointer[sessions.Session] → *snapshot
}

var _ sessions.Store = (*Store)(nil)

// New makes a Store. name is that of the application's own session, the one whose deletion
// signs out; see the package's comment on other names.
func New(m *cloakroom.Manager, name string) (*Store, error) {
	if m == nil {
		return nil, errors.New("gorilla: there is no Manager: make one with cloakroom.New")
	}
	if err := checkName(name); err != nil {
		return nil, err
	}
	return &Store{m: m, name: name}, nil
}

// checkName returns an error for a name that can't be told from the keys behind it.
func checkName(name string) error {
	if name == "" || strings.ContainsFunc(name, func(c rune) bool { return c <= ' ' || c > '~' || c == '/' }) {
		return fmt.Errorf("gorilla: the session name %q is not allowed: want printable ASCII without space and /", name)
	}
	return nil
}

// Get returns the request's session of a name. Later calls in the request return the same,
// with the same error. Errors are those of New.
func (st *Store) Get(r *http.Request, name string) (*sessions.Session, error) {
	return sessions.GetRegistry(r).Get(st, name)
}

// New returns the session of a name as the store has it, without the registry that Get
// keeps. It always returns a session, also beside an error. IsNew says that nothing is kept
// under the name.
//
// Errors: those of Manager.Session. After cloakroom.ErrUnavailable the session is empty, and
// that doesn't mean that nobody is signed in. Save fails then, so that nothing is
// written over. A value that can't be decoded is an error too, such as one of a type that
// isn't registered. The session has the others then, and Save leaves that value as it is
// unless its key is set.
//
// A cookie that is forged, or whose session is over, is no error: the session is new.
func (st *Store) New(r *http.Request, name string) (*sessions.Session, error) {
	g := sessions.NewSession(st, name)
	g.IsNew = true
	// What a browser is told is the Manager's. MaxAge only has to be more than 0.
	g.Options = &sessions.Options{Path: "/", MaxAge: 86400 * 30, Secure: true, HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if err := checkName(name); err != nil {
		return g, err
	}
	s, err := st.Session(r)
	if err != nil {
		return g, failed(name, "can't be read", err)
	}
	return g, st.load(g, s)
}

// Session returns the session beneath: to sign in or out, to renew the token, to see the
// principal and the devices, and for typed values. It is that of Manager.Session.
//
// Saved values that it changes under a name of gorilla's aren't seen by sessions that the
// request has already.
func (st *Store) Session(r *http.Request) (*cloakroom.Session, error) {
	return st.m.Session(r.Context())
}

// Login signs a principal in, as cloakroom.Session.Login does: the session gets a new id and
// a new token. g is brought up to date with it. It keeps its values, or is empty if
// somebody else was signed in, and has on top what the request changed in it: of a list,
// such as flashes, that is what was added and taken. Save it afterwards. Sessions of other names aren't brought up to date.
//
// Errors are those of cloakroom.Session.Login, and those of Save for a key or value that
// can't be kept. After any of them g is as before.
func (st *Store) Login(r *http.Request, g *sessions.Session, principal string, o *cloakroom.LoginOptions) error {
	s, err := st.Session(r)
	if err != nil {
		return failed(g.Name(), "can't be read", err)
	}
	changed, err := changesOf(g, st.base(g, s))
	if err != nil {
		return err
	}
	if err := s.Login(r.Context(), principal, o); err != nil {
		return err
	}
	values := g.Values
	_ = st.load(g, s) // New has told of values that can't be read
	base := st.base(g, s)
	for _, c := range changed {
		c.redo(g, base, values[c.key])
	}
	return nil
}

// load puts into g what s has of its group.
func (st *Store) load(g *sessions.Session, s *cloakroom.Session) error {
	g.Values, g.ID, g.IsNew = make(map[any]any), idOf(s), true
	base := make(values)
	var errs []error
	for key, raw := range group(s, g.Name()) {
		g.IsNew = false
		v, err := decode(raw)
		if err != nil {
			errs = append(errs, fmt.Errorf("gorilla: session %q: the value of %q can't be read: %w", g.Name(), key, err))
			continue
		}
		g.Values[key], base[key] = v, raw
	}
	st.keep(g, s, base)
	return errors.Join(errs...)
}

// idOf returns the id of a session, "" if it isn't stored.
func idOf(s *cloakroom.Session) string {
	if id := s.ID(); id != (cloakroom.ID{}) {
		return id.String()
	}
	return ""
}

// failed says which session an error is about.
func failed(name, what string, err error) error {
	return fmt.Errorf("gorilla: session %q %s: %w", name, what, err)
}
