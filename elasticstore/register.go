package elasticstore

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
)

// This file is the register: a document, in the index of ledgers, of the indices that were
// made. An index that was deleted leaves no trace in an engine, and one that was made anew
// looks like any other. So only a memory outside of it can tell that sessions were lost.

// registerID is the _id of the register. No record has it, and no query finds the
// register: it is of a kind of its own, and has no times that are indexed.
const registerID = "cloakroom-indices"

// register is the document. Times are in milliseconds.
type register struct {
	Kind      string     `json:"kind"`
	Indices   []entry    `json:"indices"`
	Incidents []incident `json:"incidents"`
}

const kindRegister = "register"

// entry is one index that is to be there.
type entry struct {
	Name string `json:"name"`
	// UUID is that of the index and of its contents: see listIndices.
	UUID string `json:"uuid"`
	// Before is the UUID of the index whose place it has taken.
	Before string `json:"before,omitempty"`
	// Made is the engine's creation date. A restored index has a new UUID, and the
	// creation date of the one that was saved.
	Made     int64 `json:"made"`
	Lifetime int64 `json:"lifetime,omitempty"` // the longest of a record that is known
	Seen     int64 `json:"seen"`               // when it was last there
	// Dropping: a sweep has judged that the index is over, and is about to delete it.
	Dropping bool `json:"dropping,omitempty"`
	Lost     bool `json:"lost,omitempty"` // it wasn't there any more
}

// incident is a loss that nobody has acknowledged yet.
type incident struct {
	Index string `json:"index"`
	What  string `json:"what"`
	Seen  int64  `json:"seen,omitempty"` // when the index was last there, as far as is known
	Found int64  `json:"found"`          // when the loss was noticed
}

// What became of an index.
const (
	wasLost     = "lost"     // it is missing
	wasRemade   = "remade"   // another index of its name is there, without its documents
	wasRestored = "restored" // it is back, as it was when a snapshot was taken
)

func (r *register) find(name string) *entry {
	for i := range r.Indices {
		if r.Indices[i].Name == name {
			return &r.Indices[i]
		}
	}
	return nil
}

func (r *register) remove(name string) {
	r.Indices = slices.DeleteFunc(r.Indices, func(e entry) bool { return e.Name == name })
}

// blame notes an incident. A later one of the same index takes the earlier one's place,
// and its beginning.
func (r *register) blame(e *entry, what string, now time.Time) {
	next := incident{Index: e.Name, What: what, Seen: e.Seen, Found: now.UnixMilli()}
	for i := range r.Incidents {
		if have := &r.Incidents[i]; have.Index == e.Name {
			next.Seen, next.Found = have.Seen, have.Found
			*have = next
			return
		}
	}
	const most = 1000
	if len(r.Incidents) < most {
		r.Incidents = append(r.Incidents, next)
	}
}

// blames reports whether there is an incident of an index.
func (r *register) blames(name string) bool {
	return slices.ContainsFunc(r.Incidents, func(i incident) bool { return i.Index == name })
}

// recall adds what another register, which came before this one, has and this one doesn't
// know. nil has nothing. fresh says that this one is empty.
func (r *register) recall(earlier *register, fresh bool) (changed bool) {
	if earlier == nil {
		return false
	}
	for _, e := range earlier.Indices {
		switch have := r.find(e.Name); {
		case have == nil:
			r.Indices = append(r.Indices, e)
			changed = true
		case have.UUID != e.UUID && have.Before != e.UUID && !e.Lost && !e.Dropping:
			*have = e // so that it is found to have been made anew
			changed = true
		}
	}
	if fresh {
		r.Incidents = slices.Clone(earlier.Incidents)
	}
	return changed
}

// clone returns a copy that can be changed.
func (r *register) clone() *register {
	return &register{kindRegister, slices.Clone(r.Indices), slices.Clone(r.Incidents)}
}

// seenEvery bounds how exactly the register tells when an index was last there.
const seenEvery = 10 * time.Minute

// update brings the register up to what is there: found has the indices by our names, and
// whole says that it has all of them. mayBeGone judges that nothing is lost with an index. It
// reports whether anything changed that is to be kept.
func (r *register) update(found map[string]*indexInfo, whole bool, now time.Time, mayBeGone func(e *entry) bool) (changed bool) {
	for name, info := range found {
		changed = r.meet(name, info, now, mayBeGone) || changed
	}
	if !whole {
		return changed
	}
	for _, e := range slices.Clone(r.Indices) {
		switch {
		case found[e.Name] != nil:
		case e.Dropping, mayBeGone(&e):
			r.remove(e.Name)
			changed = true
		case !e.Lost:
			r.miss(e.Name, now)
			changed = true
		}
	}
	return changed
}

// miss notes that an index isn't there.
func (r *register) miss(name string, now time.Time) {
	if e := r.find(name); e != nil && !e.Lost {
		r.blame(e, wasLost, now)
		e.Lost = true
	}
}

// meet notes an index that is there.
func (r *register) meet(name string, info *indexInfo, now time.Time, mayBeGone func(e *entry) bool) (changed bool) {
	next := entry{Name: name, UUID: info.uuid, Made: info.made, Seen: now.UnixMilli(), Lifetime: info.lived}
	if info.mark != nil {
		next.Lifetime = max(next.Lifetime, info.mark.Lifetime)
	}
	e := r.find(name)
	if e != nil {
		next.Lifetime = max(next.Lifetime, e.Lifetime)
		if next.Before = e.Before; e.UUID != info.uuid {
			next.Before = e.UUID
		}
	}
	same := e != nil && e.UUID == info.uuid
	switch {
	case info.mark == nil:
		return false // that an index isn't ours is told elsewhere
	case e == nil:
		r.Indices = append(r.Indices, next)
		return true
	case same && !e.Lost:
		if now.Sub(time.UnixMilli(e.Seen)).Abs() < seenEvery {
			return false
		}
	case same: // it was looked for where it couldn't be seen
		r.Incidents = slices.DeleteFunc(r.Incidents, func(i incident) bool { return i.Index == name && i.What == wasLost })
	case info.name != name && !e.Lost && e.Made != info.made: // an operator moved it, and put an alias in its place
	case e.Dropping, mayBeGone(e): // it was dropped, and a late write made it anew
	case e.Made == info.made, info.name != name:
		r.blame(e, wasRestored, now)
	case e.Lost && !r.blames(name): // the loss was acknowledged before
	default:
		r.blame(e, wasRemade, now)
	}
	*e = next
	return true
}

// dropping notes that a sweep is about to delete an index.
func dropping(name string) func(*register, bool) bool {
	return func(r *register, _ bool) bool {
		e := r.find(name)
		if e == nil || e.Dropping {
			return false
		}
		e.Dropping = true
		return true
	}
}

// dropped notes that a sweep has deleted an index.
func dropped(name string) func(*register, bool) bool {
	return func(r *register, _ bool) bool {
		if r.find(name) == nil {
			return false
		}
		r.remove(name)
		return true
	}
}

// copied reports whether the register came here with a copy of its index, as when an
// operator moves all indices to another cluster. Then the other indices are copies too,
// and none was lost. info is what is there of that index.
func (r *register) copied(info *indexInfo, own string) bool {
	e := r.find(own)
	return e != nil && info != nil && e.UUID != info.uuid && e.Made != info.made && info.name == own
}

// keptRegister is the register as the engine has it.
type keptRegister struct {
	register
	seq, term uint64 // 0: there is none
}

// loadRegister reads the register. It returns an empty one if there is none.
func (s *Store) loadRegister(ctx context.Context) (*keptRegister, error) {
	p := s.places.get(s.names.ledgers(), s.cfg.now)
	r := request{method: http.MethodGet, path: "/" + p.name + "/_doc/" + registerID, query: sameCopy}
	a, err := s.ask(ctx, r, http.StatusNotFound)
	if err != nil {
		return nil, err
	}
	defer a.release()
	if a.status == http.StatusNotFound && !strings.Contains(string(a.body), `"found"`) {
		return new(keptRegister), s.checkMissing(&r, a) // the index isn't there
	}
	var body struct {
		Found  bool            `json:"found"`
		Seq    uint64          `json:"_seq_no"`
		Term   uint64          `json:"_primary_term"`
		Source json.RawMessage `json:"_source"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		return nil, malformed(&r, "%v", err)
	}
	if !body.Found {
		return new(keptRegister), nil
	}
	k := &keptRegister{seq: body.Seq, term: body.Term}
	if err := json.Unmarshal(body.Source, &k.register); err != nil || k.Kind != kindRegister {
		// It is written anew from what is there. What was lost before can't be told then.
		s.cfg.Logger.Error("elasticstore: the register of indices can't be read, and is begun anew", "index", p.name, "document", registerID, "error", err)
		k.register = register{}
	}
	return k, nil
}

// saveRegister writes the register, if it is still as it was loaded.
func (s *Store) saveRegister(ctx context.Context, was *keptRegister, next *register) (done bool, err error) {
	p := s.places.get(s.names.ledgers(), s.cfg.now)
	text, err := json.Marshal(next)
	if err != nil {
		return false, err
	}
	r := request{method: http.MethodPut, path: "/" + p.home.Load().at(p.name) + "/_doc/" + registerID, body: text, write: true, query: "op_type=create&" + s.timeoutQuery()}
	if was.term != 0 {
		r.query = fmt.Sprintf("if_seq_no=%d&if_primary_term=%d&%s", was.seq, was.term, s.timeoutQuery())
	}
	limited, cancel := context.WithTimeout(ctx, s.cfg.RequestTimeout)
	defer cancel()
	a, err := s.send(limited, r, http.StatusConflict)
	if err != nil {
		return false, err
	}
	defer a.release()
	return a.status != http.StatusConflict, nil
}

// changeRegister changes the register, until it is kept or nothing has to be. The index
// that holds it must be there. was is the register if the caller has just loaded it, or
// nil. fresh says that there is none yet; it then begins with what this process remembers
// of one.
func (s *Store) changeRegister(ctx context.Context, was *keptRegister, change func(r *register, fresh bool) (changed bool)) error {
	b := s.backoff()
	for ; ; was = nil {
		if was == nil {
			var err error
			if was, err = s.loadRegister(ctx); err != nil {
				return err
			}
		}
		next := was.clone()
		if !change(next, was.term == 0) {
			if was.term != 0 {
				s.remember(&was.register)
			}
			return nil
		}
		done, err := s.saveRegister(ctx, was, next)
		if err != nil {
			return err
		}
		if done {
			s.remember(next)
			return nil
		}
		if !b.pause(ctx) {
			return &fault{certain: true, text: "the register of indices is changed all the time by other processes"}
		}
	}
}
