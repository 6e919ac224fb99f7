package elasticstore

import (
	"context"
	"fmt"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is where the documents of an index's name are: in the index of that name, or
// in the one behind an alias that an operator put in its place.
//
// Sequence numbers and primary terms start anew in another index. So a version that was
// read in one must not be compared in another. Each change of place that a Store sees has
// a generation, which is part of all versions that it reads and writes there. A
// compare-and-set at another generation fails without asking. Reads go to the name, and
// the answer says which index it is of. Writes go to that index, so a process that hasn't
// seen an alias change writes nothing at a version that it read elsewhere. Only the first
// alias has the name of an index that writes went to: it must take none (is_write_index),
// and Report warns if it does.

// place is one of the store's names of indices, with what this process knows of it.
type place struct {
	name string
	made once // the index is there, and ours

	home    atomic.Pointer[home] // nil: not looked at yet; the name is taken for an index
	looked  atomic.Int64         // when it was last looked at, in nanoseconds of sinceStart
	missing atomic.Int64         // when a node first didn't know it, likewise; 0: all do

	mu sync.Mutex // guards changes of home
}

// home is the index that holds a place's documents.
type home struct {
	index      string
	uuid       string
	generation uint64
}

// at returns the index behind a place's name.
func (h *home) at(name string) string {
	if h == nil {
		return name
	}
	return h.index
}

// is reports whether an index is the one behind a place's name.
func (h *home) is(name string, index []byte) bool { return h.at(name) == string(index) }

// Of a version's Term, the engine's primary term takes the low bits, then comes the
// generation, and then graveMark.
const (
	generationShift = 40
	termMask        = 1<<generationShift - 1
)

// in returns an engine's version, marked with where it was read.
func (h *home) in(v driver.Version) driver.Version {
	if h != nil {
		v.Term |= h.generation << generationShift
	}
	return v
}

// has reports whether a version was read in this home.
func (h *home) has(v driver.Version) bool {
	var generation uint64
	if h != nil {
		generation = h.generation
	}
	return v.Term&^graveMark>>generationShift == generation
}

// bare returns a version as the engine has it.
func bare(v driver.Version) driver.Version {
	v.Term &= termMask
	return v
}

// sound reports whether an engine's version can be one.
func sound(v driver.Version) bool { return v.Term > 0 && v.Term <= termMask }

// started is when this process began, for times that no clock that is set changes.
var started = time.Now()

func sinceStart() int64 { return int64(time.Since(started)) }

// settle notes what a listing shows of a place. If its documents are elsewhere than this
// process thought, the copies of records fall.
func (s *Store) settle(p *place, info *indexInfo) {
	p.looked.Store(sinceStart())
	p.mu.Lock()
	defer p.mu.Unlock()
	was := p.home.Load()
	next := &home{index: info.name, uuid: info.uuid}
	switch {
	case was != nil && was.index == next.index && was.uuid == next.uuid:
		return
	case was == nil && next.index == p.name:
		p.home.Store(next)
		return
	}
	next.generation = s.generations.Add(1)
	p.home.Store(next)
	s.copies.forgetAll()
}

// lookAgain is the time after which a place is looked at again for a suspicion.
const lookAgain = 10 * time.Second

// suspect has a place looked at, unless that was done lately: something that should have
// been there wasn't, so the index may have been made anew, or by hand.
func (s *Store) suspect(p *place) {
	last := p.looked.Load()
	if last != 0 && time.Duration(sinceStart()-last) < lookAgain || !p.looked.CompareAndSwap(last, max(sinceStart(), 1)) {
		return
	}
	s.detached(func() {
		ctx, cancel := context.WithTimeout(context.Background(), s.cfg.RequestTimeout)
		defer cancel()
		if _, err := s.look(ctx, p); err != nil {
			// What was suspected isn't known. The next suspicion looks again.
			s.cfg.Logger.Debug("elasticstore: an index can't be looked at", "index", p.name, "error", err)
		}
	})
}

// lookSince is look, unless the place was looked at within that time.
func (s *Store) lookSince(ctx context.Context, p *place, within time.Duration) error {
	if time.Duration(sinceStart()-p.looked.Load()) < within {
		return nil
	}
	_, err := s.look(ctx, p)
	return err
}

// look finds out what is in a place. It returns nil if nothing is. An index that isn't
// ours is an error, also for later writes.
func (s *Store) look(ctx context.Context, p *place) (*indexInfo, error) {
	list, err := s.listIndices(ctx, p.name)
	if err != nil || len(list) == 0 {
		return nil, err
	}
	info := &list[0]
	if err := s.checkOurs(p.name, list); err != nil {
		p.looked.Store(sinceStart())
		p.made.forget()
		if s.notes.first("not ours " + info.uuid) {
			s.cfg.Logger.Error("elasticstore: an index is in use that this package didn't make", "index", p.name, "error", err)
		}
		return nil, err
	}
	s.settle(p, info)
	s.noteRegister(s.compare(ctx, map[string]*indexInfo{p.name: info}, false))
	return info, nil
}

// checkOurs returns an error unless a listing of a name is one index with our mapping,
// under that name or behind an alias.
func (s *Store) checkOurs(name string, list []indexInfo) error {
	foreign := &fault{certain: true, settings: true}
	switch {
	case len(list) > 1:
		foreign.text = fmt.Sprintf("%q is an alias of %d indices: it has to be of one", name, len(list))
	case list[0].mark == nil && list[0].name != name:
		foreign.text = fmt.Sprintf("%q is an alias of the index %q, which does not have the mapping of this package: remove the alias, "+
			"or copy the documents into an index with our mapping and settings, or choose another Config.Index", name, list[0].name)
	case list[0].mark == nil:
		foreign.text = fmt.Sprintf("the index %q does not have the mapping of this package, perhaps because it was made by hand, or another "+
			"index template has its name in its patterns: remove it if there is nothing in it that matters, and it is made anew with the next "+
			"save; or move its documents into one with our mapping; or choose another Config.Index", name)
	default:
		return nil
	}
	return foreign
}

// places are the store's names that this process has met.
type places struct {
	mu    sync.RWMutex
	known map[string]*place
	// lifetimes are the longest lifetimes of written records, in milliseconds, by
	// layout.
	lifetimes [8]atomic.Int64
}

// get returns a place by its name.
func (x *places) get(name string, now func() time.Time) *place {
	x.mu.RLock()
	p := x.known[name]
	x.mu.RUnlock()
	if p != nil {
		return p
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if p := x.known[name]; p != nil {
		return p
	}
	if x.known == nil {
		x.known = map[string]*place{}
	}
	p = &place{name: name, made: once{now: now}}
	x.known[name] = p
	return p
}

// forget makes the next write look for the index again.
func (x *places) forget(name string) {
	x.mu.RLock()
	p := x.known[name]
	x.mu.RUnlock()
	if p != nil {
		p.made.forget()
	}
}

// keepOnly drops the places that keep doesn't want, except those whose index is being
// made.
func (x *places) keepOnly(keep func(name string) bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	maps.DeleteFunc(x.known, func(name string, p *place) bool {
		p.made.mu.Lock()
		defer p.made.mu.Unlock()
		return p.made.attempt == nil && !keep(name)
	})
}

// lived notes the lifetime of a record that is written.
func (x *places) lived(id driver.ID, deadline time.Time) {
	if deadline.IsZero() || id.Time().IsZero() || int(id.Layout()) >= len(x.lifetimes) {
		return
	}
	longest := &x.lifetimes[id.Layout()]
	ms := deadline.UnixMilli() - id.Time().UnixMilli()
	for have := longest.Load(); ms > have && !longest.CompareAndSwap(have, ms); {
		have = longest.Load()
	}
}

// longest returns the longest lifetime of a layout's written records.
func (x *places) longest(l driver.Layout) time.Duration {
	if int(l) >= len(x.lifetimes) {
		return 0
	}
	return time.Duration(x.lifetimes[l].Load()) * time.Millisecond
}

// current is a place that holds a period, which most operations are in.
type current struct {
	period
	place *place
}

// placeOf returns the place of an id's record. It remembers the last one, since most
// records are in the same.
func (s *Store) placeOf(id driver.ID) *place {
	if !s.names.periodic(id) {
		return s.places.get(s.names.of(id), s.cfg.now)
	}
	made := id.Time()
	if c := s.lastPlace.Load(); c != nil && c.layout == id.Layout() && !made.Before(c.start) && made.Before(c.end) {
		return c.place
	}
	p, _ := s.names.holding(id.Layout(), made)
	c := &current{p, s.places.get(p.index, s.cfg.now)}
	s.lastPlace.Store(c)
	return c.place
}
