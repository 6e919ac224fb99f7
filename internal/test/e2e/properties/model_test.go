package properties

import (
	"encoding/json"
	"maps"
	"slices"
	"strconv"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// limit is how many sessions a principal may have.
const limit = 2

// kept is how many of a session's earlier tokens are good.
const kept = 8

// model is what sessions promise to somebody who does one thing at a time.
type model struct {
	sessions []*session
	tokens   []*token
	attempts []attempt
	revoked  map[string]int        // how often a principal was signed out everywhere
	live     map[string][]*session // of a principal, in the order of sign-in
}

type session struct {
	id        cloakroom.ID
	principal string
	values    history.Values
	current   *token
	previous  []*token // newest first
	over      bool
	expired   bool // over, as time has passed

	// For sign-ins that are repeated.
	carried  history.Values // what the sign-in took along
	unused   bool           // nobody has presented the token of the sign-in
	next     *session       // that a sign-in replaced it by
	repeated bool           // while it was unused
}

type token struct {
	text string
	of   *session
}

type attempt struct {
	principal string
	revoked   int
	raw       json.RawMessage
}

func newModel() *model {
	return &model{revoked: map[string]int{}, live: map[string][]*session{}}
}

// head returns the session that has taken over from one in the end, by sign-ins that
// were repeated.
func (s *session) head() *session {
	h := s.next
	for h.next != nil && h.repeated {
		h = h.next
	}
	return h
}

// opens reports whether a token opens its session.
func (k *token) opens() bool {
	return !k.of.over && (k == k.of.current || slices.Contains(k.of.previous, k))
}

// add enters a session that was made.
func (m *model) add(id cloakroom.ID, text, principal string, values history.Values) *session {
	s := &session{id: id, principal: principal, values: values}
	m.sessions = append(m.sessions, s)
	m.renew(s, text)
	if principal != "" {
		s.unused, s.carried = true, values
		m.live[principal] = append(m.live[principal], s)
	}
	return s
}

func (m *model) renew(s *session, text string) {
	t := &token{text, s}
	m.tokens = append(m.tokens, t)
	if s.current != nil {
		s.previous = slices.Insert(s.previous, 0, s.current)
	}
	s.previous, s.current = s.previous[:min(len(s.previous), kept)], t
}

func (m *model) end(s *session) {
	s.over = true
	if s.principal != "" {
		m.live[s.principal] = slices.DeleteFunc(m.live[s.principal], func(x *session) bool { return x == s })
	}
}

// change is what Set, Unset, Update and Login do to values.
func (v *values) change(kind history.Kind, key string, n int) {
	switch {
	case kind == history.Update:
		v.Count, v.Log = v.Count+1, append(slices.Clip(v.Log), n)
	case kind == history.Unset:
		delete(v.Keys, key)
	case key != "":
		v.Keys[key] = n
	}
}

type values struct{ history.Values }

// changed returns values with an operation's change.
func changed(old history.Values, kind history.Kind, key string, n int) history.Values {
	v := values{old}
	if v.Keys = maps.Clone(old.Keys); v.Keys == nil {
		v.Keys = map[string]int{}
	}
	v.change(kind, key, n)
	return v.Values
}

// principal names one of two that no other sequence has.
func principal(sequence int64, which string) string {
	return "sequence-" + strconv.FormatInt(sequence, 36) + "-" + which
}
