package demo

import (
	"container/list"
	"context"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file remembers the last operations on each id, and the requests that they were
// for.

const (
	maxTracks   = 1000 // ids
	maxTrackOps = 32   // operations of each id
)

// op is one operation of the store.
type op struct {
	seq    uint64
	verb   string // read, create, update, bury
	id     cloakroom.ID
	write  bool
	reason cloakroom.EndReason // the reason of a burial
	at     time.Time
	took   time.Duration
	result string   // "" for success
	from   *request // the request that it was for, nil if unknown
}

// request is one request of a visitor, with its operations of the store.
type request struct {
	label         string
	reads, writes atomic.Int64
	over          atomic.Bool
}

type requestKey struct{}

// trace remembers the last operations on each id, and the record as they left it. The
// number of ids is bounded: the least recently used go first.
type trace struct {
	mu     sync.Mutex
	seq    uint64
	tracks map[cloakroom.ID]*list.Element // of *track
	order  *list.List                     // the last used in front
}

// track is the memory of one id.
type track struct {
	id     cloakroom.ID
	ops    []op
	record *driver.Record // as it was last read or written; shared, read-only
	before cloakroom.ID   // the session that it replaced
	by     *request       // the request that used it last
}

func newTrace() *trace {
	return &trace{tracks: make(map[cloakroom.ID]*list.Element), order: list.New()}
}

// enter marks a context as that of a visitor's request.
func enter(ctx context.Context, label string) (context.Context, *request) {
	r := &request{label: label}
	return context.WithValue(ctx, requestKey{}, r), r
}

// requestOf returns the request that a context belongs to, nil if none.
func requestOf(ctx context.Context) *request {
	r, _ := ctx.Value(requestKey{}).(*request)
	return r
}

// began finds the request of an operation, and counts it there. Reads carry the
// request's context. Saves run without it, in a goroutine of the manager: they are
// attributed to the request that used the same id last, if that is still under way.
func (t *trace) began(ctx context.Context, o op) *request {
	t.mu.Lock()
	defer t.mu.Unlock()
	k := t.track(o.id)
	r := requestOf(ctx)
	if r != nil {
		k.by = r
	} else if r = k.by; r != nil && r.over.Load() {
		r = nil
	}
	switch {
	case r == nil:
	case o.write:
		r.writes.Add(1)
	default:
		r.reads.Add(1)
	}
	return r
}

// claim notes that a request is about to use an id.
func (t *trace) claim(r *request, id cloakroom.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.track(id).by = r
}

// add remembers a finished operation, and the record that it read or left.
func (t *trace) add(o op, rec *driver.Record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.seq++
	o.seq = t.seq
	k := t.track(o.id)
	if len(k.ops) == maxTrackOps {
		k.ops = slices.Delete(k.ops, 0, 1)
	}
	k.ops = append(k.ops, o)
	if rec != nil && (k.record == nil || rec.Writes >= k.record.Writes) {
		k.record = rec
	}
}

// follow notes that one session took over from another.
func (t *trace) follow(from, to cloakroom.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.track(to).before = from
}

// track returns the memory of an id, and makes it if there is none. t.mu must be held.
func (t *trace) track(id cloakroom.ID) *track {
	if e := t.tracks[id]; e != nil {
		t.order.MoveToFront(e)
		return e.Value.(*track)
	}
	if t.order.Len() >= maxTracks {
		last := t.order.Back()
		t.order.Remove(last)
		delete(t.tracks, last.Value.(*track).id)
	}
	k := &track{id: id}
	t.tracks[id] = t.order.PushFront(k)
	return k
}

// record returns the record of an id as it was last read or written, nil if unknown.
func (t *trace) record(id cloakroom.ID) *driver.Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.track(id).record
}

// last returns the last n operations, newest first: those of a session, of the sessions
// that it replaced, and of other ids.
func (t *trace) last(n int, session cloakroom.ID, others ...cloakroom.ID) []op {
	t.mu.Lock()
	defer t.mu.Unlock()
	ids := slices.Clone(others)
	for range 3 {
		if session.IsZero() {
			break
		}
		ids = append(ids, session)
		session = t.track(session).before
	}
	slices.SortFunc(ids, func(a, b cloakroom.ID) int { return slices.Compare(a[:], b[:]) })
	var ops []op
	for _, id := range slices.Compact(ids) {
		ops = append(ops, t.track(id).ops...)
	}
	slices.SortFunc(ops, func(a, b op) int { return int(b.seq) - int(a.seq) })
	return ops[:min(n, len(ops))]
}
