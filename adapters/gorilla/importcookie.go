package gorilla

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"

	"github.com/cloakroom-go/cloakroom"
	"github.com/gorilla/sessions"
)

// This file is the import from a CookieStore, which keeps nothing on the server.

// CookieImporter is a cloakroom.Importer of the sessions of a sessions.CookieStore.
//
// These are in the browser alone, and each Save made another cookie: the server can't tell
// that two are of one visitor, nor which is the later. So each cookie counts as a session
// of its own, until its MaxAge. What follows:
//
//   - Each is imported once. A sign-out ends what it became for good.
//   - An older copy of a cookie, such as a thief's, is a session of its own, and a sign-out
//     doesn't end it. gorilla took it too. Whoever signed out before the move is signed in
//     again by a copy.
//   - Admin.RevokeAll ends the copies as well, if Import.Principal says whose they are: it
//     refuses all cookies of that principal, for good.
//   - Stop the processes with the CookieStore before the first with the importer is
//     started. What they would save meanwhile is another session, or lost.
//
// A cookie has the time of its last Save. That is the session's Created: Config.NotBefore
// refuses cookies from before, but a cookie that was saved anew since may be of a session
// that is older. Its Deadline is MaxAge after that, and later saves don't move it. If MaxAge
// is 0, it is by the Manager's configuration.
type CookieImporter struct{ reader *reader }

var _ cloakroom.Importer = (*CookieImporter)(nil)

// NewCookieImporter makes an Importer of the sessions of a name. store is as the application
// made it, with all pairs of keys whose cookies are to be imported, and with the Options,
// of which MaxAge tells how long a cookie lasted.
func NewCookieImporter(store *sessions.CookieStore, name string, o *ImportOptions) (*CookieImporter, error) {
	if store == nil {
		return nil, errors.New("gorilla: no CookieStore given: it is nil")
	}
	r, err := newReader(store.Codecs, store.Options, name, o)
	if err != nil {
		return nil, err
	}
	return &CookieImporter{r}, nil
}

// Name implements cloakroom.Importer.
func (i *CookieImporter) Name() string { return "gorilla CookieStore" }

// Find implements cloakroom.Importer. A cookie that none of the keys made is ErrForged. An
// expired one is ErrNotFound, and so is one of another format, such as another
// application's.
func (i *CookieImporter) Find(r *http.Request) (t cloakroom.ForeignToken, err error) {
	list, err := i.reader.find(r, func(name, value string) (string, error) {
		_, err := read[map[any]any](i.reader.codecs, name, value)
		if errors.Is(err, errUndecodable) {
			if _, e := read[string](i.reader.codecs, name, value); e == nil { // an id, of a FilesystemStore
				err = errAlien
			}
		}
		if err != nil {
			return "", cookieError(name, err)
		}
		return spelled(value), nil
	})
	if err != nil {
		return t, err
	}
	sum := sha256.Sum256([]byte(list[0].Name + " " + list[0].Text))
	t.ID = hex.EncodeToString(sum[:])
	err = tell(&t, list)
	return t, err
}

// Load implements cloakroom.Importer: all that there is to read is in the token.
func (i *CookieImporter) Load(_ context.Context, t cloakroom.ForeignToken) (*cloakroom.ForeignSession, error) {
	list, err := sessionsOf(t)
	if err != nil {
		return nil, err
	}
	made := madeAt(list[0].Text)
	f := i.reader.begin(made, "only")
	f.Created = made
	for n, p := range list {
		values, err := read[map[any]any](i.reader.codecs, p.Name, p.Text)
		if errors.Is(err, errExpired) && n > 0 { // since Find
			continue
		}
		if err != nil {
			return nil, cookieError(p.Name, err)
		}
		if err := i.reader.add(f, p.Name, values); err != nil {
			return nil, err
		}
	}
	return f, nil
}

// Retire implements cloakroom.Importer. There is nothing to end: it returns nil.
func (i *CookieImporter) Retire(context.Context, cloakroom.ForeignToken, string) error { return nil }

// Forget implements cloakroom.Importer.
func (i *CookieImporter) Forget(h http.Header) { i.reader.forget(h) }
