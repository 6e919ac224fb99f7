package transfer

import (
	"context"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is a pass: everything that the source lists is put into the target, many
// records at a time.

// Pass copies what the source lists: everything the first time, and then what was written
// since, if the source can tell that. It ends early, with an error, if a store is in
// trouble for longer than Config.Patience. What was copied until then stays.
func (m *Mover) Pass(ctx context.Context) (Counts, error) {
	if err := m.begin(ctx); err != nil {
		return Counts{}, err
	}
	return m.pass(ctx, nil)
}

// pass is Pass that calls each, unless it is nil, with all that is listed, one at a time.
func (m *Mover) pass(ctx context.Context, each func(driver.Listed)) (Counts, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := &pass{m: m, ctx: ctx, cancel: cancel, parts: make(chan part, 4), each: each}
	var ended sync.WaitGroup
	ended.Go(p.follow)
	next, err := p.run()
	p.work.Wait()
	close(p.parts)
	ended.Wait()
	if err == nil {
		err = context.Cause(ctx)
	}
	switch {
	case err != nil:
	case m.resumed:
		m.next, m.resumed = "", false // the rest is listed by the next pass
	default:
		m.next, m.apps.whole = next, true
	}
	return p.counts, err
}

// pass is a pass that is under way.
type pass struct {
	m      *Mover
	ctx    context.Context //nolint:containedctx // ends with the first error of a record
	cancel context.CancelCauseFunc
	work   sync.WaitGroup // records in flight
	parts  chan part
	each   func(driver.Listed)

	mu     sync.Mutex // guards counts, and the Mover's changed
	counts Counts
}

// part is a part of the listing that is under way.
type part struct {
	work *sync.WaitGroup
	next string
}

// run lists the source, and begins to put what it lists. It returns where the next pass
// begins.
func (p *pass) run() (next string, err error) {
	next = p.m.next
	for {
		listed, err := p.m.list(p.ctx, p.m.from, "source", next)
		if err != nil {
			return "", p.ended(err)
		}
		work := new(sync.WaitGroup)
		for _, l := range listed.Items {
			if p.ctx.Err() != nil {
				return "", context.Cause(p.ctx)
			}
			p.begin(l, work)
		}
		next = listed.Next
		select {
		case p.parts <- part{work, next}:
		case <-p.ctx.Done():
			return "", context.Cause(p.ctx)
		}
		if listed.End {
			return next, nil
		}
	}
}

// ended returns why the pass has ended early, in place of an error that follows from it.
func (p *pass) ended(err error) error {
	if cause := context.Cause(p.ctx); cause != nil {
		return cause
	}
	return err
}

// begin puts a listed state in a goroutine of its own, once there is room.
func (p *pass) begin(l driver.Listed, part *sync.WaitGroup) {
	if p.each != nil {
		p.each(l)
	}
	if l.Record == nil {
		f := Finding{ID: l.ID, Reason: UnreadableSource, Cause: l.Err}
		p.m.find(f)
		p.m.doubt(f)
		p.count(l.ID, false, left)
		return
	}
	ended := l.Record.Grave != nil
	p.m.apps.learn(l.Record)
	if same, _, _ := p.m.known.has(l.Record); same {
		p.count(l.ID, ended, kept)
		return
	}
	const fields = 600 // bytes, about, of a record's fields
	size := fields + l.Record.Size()
	p.m.memory.enter(size)
	part.Add(1)
	p.work.Go(func() {
		defer part.Done()
		defer p.m.memory.leave(size)
		did, err := p.m.put(p.ctx, l.Record)
		if err != nil {
			p.cancel(err)
			return
		}
		p.count(l.ID, ended, did)
	})
}

// count counts what became of an id. What was copied, and what wasn't, has to be compared
// once more by a cut that compares only what has changed.
func (p *pass) count(id driver.ID, ended bool, did deed) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.counts.Listed++
	if p.m.verified && (did == copied || did == left) && !id.IsZero() {
		p.m.changed = append(p.m.changed, id)
	}
	switch did {
	case copied:
		p.counts.Copied++
		if ended {
			p.counts.Graves++
		}
	case over:
		p.counts.Over++
	case left:
		p.counts.Left++
	case kept:
	}
}

// follow tells how far the pass is: up to a part before which everything is done.
func (p *pass) follow() {
	const often = 100 * time.Millisecond
	var told time.Time
	for part := range p.parts {
		part.work.Wait()
		if p.m.c.Progress == nil || p.ctx.Err() != nil || time.Since(told) < often {
			continue
		}
		told = time.Now()
		p.mu.Lock()
		now := Progress{Counts: p.counts, Place: part.next}
		p.mu.Unlock()
		p.m.c.Progress(now)
	}
}

// CatchUp passes until little is left to be copied, or until that doesn't become less.
// pass makes one pass.
func CatchUp(pass func() (Counts, error)) error {
	const (
		most = 12  // passes
		few  = 500 // records, which are copied in a moment
	)
	last := int64(1) << 62
	for range most {
		n, err := pass()
		if err != nil {
			return err
		}
		if n.Copied <= few || n.Copied > last*3/4 {
			break
		}
		last = n.Copied
	}
	return nil
}

func (c *Counts) add(n Counts) {
	c.Listed += n.Listed
	c.Copied += n.Copied
	c.Graves += n.Graves
	c.Over += n.Over
	c.Left += n.Left
	c.Removed += n.Removed
}
