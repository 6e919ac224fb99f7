package gorilla

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"

	"github.com/cloakroom-go/cloakroom"
)

// This file is what the importers of gorilla's own stores have in common: their options,
// and the cookies of a request.

// ImportOptions are options of NewCookieImporter and NewFilesystemImporter. The zero
// ImportOptions, and nil, are good for an application that goes on with gorilla's API.
type ImportOptions struct {
	// Others are the names of further sessions whose values come along. What they have is
	// kept in the one session that a visitor has now. A visitor without a session of the
	// importer's own name gets what the first of these has, and those after it. The
	// cookies of all names have to have the same path and domain, or it depends on the
	// visitor's first request which of them come along.
	Others []string

	// JSON keeps all values as encoding/json writes them, for an application that reads
	// them by cloakroom.NewKey. A Store can't read such a struct. Defaults to false:
	// values are kept as a Store keeps them, and a Key of a struct finds an empty one.
	JSON bool

	// Key returns the name under which a value is kept; "" leaves it out. name is the
	// session's. Defaults to NAME/KEY, as a Store names values. Then a key that isn't a
	// string is an error, which names it, and the visitor gets 503.
	Key func(name string, key any) string

	// Cookie is how the application sets the cookies, if that isn't as the store's
	// Options say. Path, Domain and Partitioned have to be right, or browsers don't forget
	// them. MaxAge is how long a session goes on after its last Save, and if it is more
	// than 0, the cookie outlives the browser's run. Where sessions have several, such as
	// with "remember me", give the longest: a shorter one signs out those who had more.
	Cookie *sessions.Options
}

// reader reads the cookies of one store, and the values of its sessions.
type reader struct {
	codecs codecs
	names  []string // the first is the importer's own
	cookie sessions.Options
	o      ImportOptions
}

func newReader(of []securecookie.Codec, cookie *sessions.Options, name string, o *ImportOptions) (*reader, error) {
	c, err := newCodecs(of)
	if err != nil {
		return nil, err
	}
	r := &reader{codecs: c, names: []string{name}}
	if o != nil {
		r.o = *o
		r.names = append(r.names, o.Others...)
		if o.Cookie != nil {
			cookie = o.Cookie
		}
	}
	if cookie == nil {
		return nil, errors.New("gorilla: the store has no Options, and ImportOptions.Cookie is nil: one has to say how the cookies were set")
	}
	r.cookie = *cookie
	for i, name := range r.names {
		if err := checkName(name); err != nil {
			return nil, err
		}
		if slices.Contains(r.names[:i], name) {
			return nil, fmt.Errorf("gorilla: the session name %q is given twice", name)
		}
	}
	return r, nil
}

// presented is a session that a request presents: what text is depends on the store.
type presented struct{ Name, Text string }

// find returns the sessions of a request's cookies, the own one first. verify returns a
// cookie's text as it is to be kept.
func (r *reader) find(req *http.Request, verify func(name, value string) (string, error)) (list []presented, err error) {
	for i, name := range r.names {
		c, missing := req.Cookie(name) // the first of that name, as gorilla does it
		if missing != nil || c.Value == "" {
			continue
		}
		text, err := verify(name, c.Value)
		switch {
		case err == nil:
			list = append(list, presented{name, text})
		case errors.Is(err, cloakroom.ErrNotFound):
		case errors.Is(err, cloakroom.ErrForged) && i > 0: // it was no session for gorilla either
		default:
			return nil, err
		}
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("gorilla: no cookie of a session that goes on: %w", cloakroom.ErrNotFound)
	}
	return list, nil
}

// tell puts the presented sessions into a token. The first one alone is the credential, since
// which of the others come with it may differ between requests.
func tell(t *cloakroom.ForeignToken, list []presented) error {
	own, err := json.Marshal(list[0])
	if err != nil {
		return err
	}
	rest, err := json.Marshal(list[1:])
	t.Credential, t.Rest = string(own), string(rest)
	return err
}

// sessionsOf is the inverse of tell.
func sessionsOf(t cloakroom.ForeignToken) ([]presented, error) {
	list := make([]presented, 1)
	var rest []presented
	if json.Unmarshal([]byte(t.Credential), &list[0]) != nil || json.Unmarshal([]byte(t.Rest), &rest) != nil {
		return nil, errors.New("gorilla: the foreign token isn't of this importer's Find")
	}
	return append(list, rest...), nil
}

// begin returns a session without values, of a text that was made at a time.
func (r *reader) begin(made time.Time, version string) *cloakroom.ForeignSession {
	f := &cloakroom.ForeignSession{Version: version, Values: map[string]json.RawMessage{}}
	if r.cookie.MaxAge > 0 {
		f.Deadline = made.Add(time.Duration(r.cookie.MaxAge) * time.Second)
		f.Remember = true
	}
	return f
}

// forget implements Forget. A cookie of the name that the response sets takes the old one's
// place: it may be the Manager's.
func (r *reader) forget(h http.Header) {
	gone := r.cookie
	gone.MaxAge = -1
	for _, name := range r.names {
		if slices.ContainsFunc(h["Set-Cookie"], func(line string) bool { return strings.HasPrefix(line, name+"=") }) {
			continue
		}
		h.Add("Set-Cookie", sessions.NewCookie(name, "", &gone).String())
	}
}
