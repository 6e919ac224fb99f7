package gorilla

import (
	"encoding/json"
	"iter"
	"maps"
	"runtime"
	"strings"
	"weak"

	"github.com/cloakroom-go/cloakroom"
	"github.com/gorilla/sessions"
)

// This file is what a Store remembers of each session that it returned: the values as they
// were, so that Save can tell what the request changed.

// values are a group's values as they are kept, by key.
type values map[string]json.RawMessage

// snapshot is the values of a gorilla session when it was read, or last saved. It points
// weakly to the session beneath, whose request leads to the gorilla session: otherwise none
// would ever be collected.
type snapshot struct {
	of     weak.Pointer[cloakroom.Session]
	values values // nil: it was deleted
}

// keep remembers that s has these values of g. A sessions.Session has no room for it: its
// Values may be replaced, and its Options too.
func (st *Store) keep(g *sessions.Session, s *cloakroom.Session, v values) {
	key := weak.Make(g)
	if _, known := st.snapshots.Swap(key, &snapshot{weak.Make(s), v}); !known {
		runtime.AddCleanup(g, func(key weak.Pointer[sessions.Session]) { st.snapshots.Delete(key) }, key)
	}
}

// base returns the values that g had when it was read from s. A session that was made by
// hand, or read from another session beneath, takes the group's place as a whole.
func (st *Store) base(g *sessions.Session, s *cloakroom.Session) values {
	if kept, ok := st.snapshots.Load(weak.Make(g)); ok {
		if kept := kept.(*snapshot); kept.of == weak.Make(s) {
			return kept.values
		}
	}
	return maps.Collect(group(s, g.Name()))
}

// removed reports whether g was deleted from s, and since then nothing was set under its
// name, and nobody signed in.
func (st *Store) removed(g *sessions.Session, s *cloakroom.Session) bool {
	kept, ok := st.snapshots.Load(weak.Make(g))
	if !ok {
		return false
	}
	if kept := kept.(*snapshot); kept.of != weak.Make(s) || kept.values != nil || s.Principal() != "" {
		return false
	}
	for range group(s, g.Name()) {
		return false
	}
	return true
}

// group yields the keys and values that a session has under a name.
func group(s *cloakroom.Session, name string) iter.Seq2[string, json.RawMessage] {
	return func(yield func(string, json.RawMessage) bool) {
		for full := range s.Names() {
			key, ok := strings.CutPrefix(full, name+"/")
			if !ok {
				continue
			}
			if raw, ok := s.Raw(full); ok && !isEmptyList(raw) && !yield(key, raw) {
				return
			}
		}
	}
}
