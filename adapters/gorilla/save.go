package gorilla

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom"
	"github.com/gorilla/sessions"
)

// This file is Save: what a request changed is found, and logged in the session beneath,
// which replays it on what others saved.

// Save saves what the request changed in a session, at once, and returns when it is kept. If
// Options.MaxAge is 0 or less it deletes the session: that of New's name is ended
// (cloakroom.Session.Destroy), and another's values are removed.
//
// The response's cookie is the Manager's doing, so w isn't used.
//
// Errors: a key that isn't a string, or a value that can't be encoded, and then nothing of the
// session is saved; and those of cloakroom.Session.Save and Destroy. If a save fails, the
// Manager answers the request with the error, such as 503, whatever the handler writes. It
// doesn't if a deletion fails: don't tell the visitor then that they are signed out.
func (st *Store) Save(r *http.Request, _ http.ResponseWriter, g *sessions.Session) error {
	if err := checkName(g.Name()); err != nil {
		return err
	}
	s, err := st.Session(r)
	if err != nil {
		return failed(g.Name(), "can't be saved", err)
	}
	if g.Options != nil && g.Options.MaxAge <= 0 {
		return st.remove(r, g, s)
	}
	base := st.base(g, s)
	changed, err := changesOf(g, base)
	if err != nil {
		return err
	}
	if base = maps.Clone(base); base == nil {
		base = values{}
	}
	for _, c := range changed {
		c.log(s, g.Name())
		if c.now == nil {
			delete(base, c.key)
		} else {
			base[c.key] = c.now
		}
	}
	st.keep(g, s, base) // the session beneath has the changes now, also if they can't be saved yet
	if err := s.Save(r.Context()); err != nil {
		return failed(g.Name(), "can't be saved", err)
	}
	g.ID = idOf(s)
	return nil
}

// remove deletes a session. A deletion that is saved again, as sessions.Save does at the end
// of a request, ends nothing that was begun since, such as a message for the visitor.
func (st *Store) remove(r *http.Request, g *sessions.Session, s *cloakroom.Session) error {
	if g.Name() == st.name {
		if st.removed(g, s) {
			return nil
		}
		if err := s.Destroy(r.Context()); err != nil {
			return failed(g.Name(), "can't be ended", err)
		}
	} else {
		for key := range group(s, g.Name()) {
			s.Unset(g.Name() + "/" + key)
		}
		if err := s.Save(r.Context()); err != nil {
			return failed(g.Name(), "can't be emptied", err)
		}
	}
	st.keep(g, s, nil)
	g.ID = idOf(s)
	return nil
}

// change is one key that a request changed.
type change struct {
	key string
	was json.RawMessage // nil: there was no value
	now json.RawMessage // nil: it was deleted
}

// changesOf returns what g has that base hasn't, and the other way round.
func changesOf(g *sessions.Session, base values) ([]change, error) {
	var changed []change
	var errs []error
	for k, v := range g.Values {
		key, ok := k.(string)
		if !ok || !utf8.ValidString(key) {
			errs = append(errs, fmt.Errorf("gorilla: session %q: the key %#v can't be kept: want a string of UTF-8, not %T", g.Name(), k, k))
			continue
		}
		now, err := encode(v)
		if err != nil {
			errs = append(errs, fmt.Errorf("gorilla: session %q: the value of %q can't be kept: %w", g.Name(), key, err))
			continue
		}
		if was := base[key]; was == nil || !same(was, now) {
			changed = append(changed, change{key, was, now})
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	for key, was := range base {
		if _, there := g.Values[key]; !there {
			changed = append(changed, change{key: key, was: was})
		}
	}
	slices.SortFunc(changed, func(a, b change) int { return cmp.Compare(a.key, b.key) })
	return changed, nil
}

// edit returns the change as one of a list, if it is one.
func (c *change) edit() (e listEdit, ok bool) {
	was, wasList := listOf(c.was)
	now, isList := listOf(c.now)
	if !wasList || !isList {
		return e, false
	}
	return editOf(was, now), true
}

// log makes the change in the session beneath.
func (c *change) log(s *cloakroom.Session, name string) {
	full := name + "/" + c.key
	edit, ok := c.edit()
	switch {
	case ok:
		cloakroom.NewKey[json.RawMessage](full).Update(s, edit.apply)
	case c.now == nil:
		s.Unset(full)
	default:
		s.SetRaw(full, c.now)
	}
}

// redo makes the change in g, which was read anew and then had the values of base. v is the
// value that the change had set. Of a list it isn't taken whole: others may have changed
// theirs, and somebody else who signs in doesn't get the rest of it.
func (c *change) redo(g *sessions.Session, base values, v any) {
	gone := c.now == nil
	if edit, ok := c.edit(); ok {
		raw := edit.apply(base[c.key])
		gone = isEmptyList(raw)
		if list, err := decode(raw); err == nil {
			v = list
		}
	}
	if gone {
		delete(g.Values, c.key)
	} else {
		g.Values[c.key] = v
	}
}
