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

const (
	maxTracks   = 1000 // ids that are remembered
	maxTrackOps = 32   // operations that are remembered of each
)

// op is one operation of the store.
type op struct {
	seq    uint64
	verb   string // read, create, update, bury
	id     cloakroom.ID
	write  bool
	reason cloakroom.EndReason // of a burial
	at     time.Time
	took   time.Duration
	result string   // "" if all went well
	from   *request // who it was for, nil if that isn't known
}

// request is one request of a visitor, as far as the store is concerned.
type request struct {
	label         string
	reads, writes atomic.Int64
	over          atomic.Bool
}

type requestKey struct{}

// trace remembers the last operations of each id, and the record that they left.
// The number of ids is bounded: those that were not used for longest go first.
type trace struct {
	mu     sync.Mutex
	seq    uint64
	tracks map[cloakroom.ID]*list.Element // of *track
	order  *list.List                     // the last used in front
}

// track is what is remembered of one id.
type track struct {
	id     cloakroom.ID
	ops    []op
	record *driver.Record // as it was last read or written; shared, read-only
	before cloakroom.ID   // the session that it took over from
	by     *request       // who asked for it last
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

// began finds out who an operation is for, and counts it there. Reads carry the
// request's context. Saves run in a goroutine of the manager without it: they
// are put down to who asked for the same id last, if that is still under way.
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

// claim says that a request is about to use an id.
func (t *trace) claim(r *request, id cloakroom.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.track(id).by = r
}

// add remembers an operation that is done, and the record that it read or left.
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

// follow says that one session took over from another.
func (t *trace) follow(from, to cloakroom.ID) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.track(to).before = from
}

// track returns what is remembered of an id. It needs the lock.
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

// record returns the record of an id as it was last read or written, nil if that
// is not remembered.
func (t *trace) record(id cloakroom.ID) *driver.Record {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.track(id).record
}

// last returns the last n operations of a session, of those that it took over
// from, and of other ids, the newest first.
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
