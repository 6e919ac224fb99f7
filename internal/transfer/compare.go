package transfer

import (
	"context"
	"slices"
	"sync"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the comparison of both stores.

// Comparison is what both stores keep, and where they differ.
type Comparison struct {
	From, To  Side
	Different int64 // ids that differ
	Own       int64 // ids that only the target has, and that began there
}

// Compare compares everything that both stores keep, graves included, by sums over whole
// listings. Where these differ it reads both sides by id, and tells what differs
// (Config.Found). While something writes to the source, that is what was written since
// the last pass.
func (m *Mover) Compare(ctx context.Context) (Comparison, error) {
	var all Comparison
	if err := m.checkClocks(ctx); err != nil {
		return all, err
	}
	err := m.compare(ctx, nil, &all, func(f Finding) error {
		m.find(f)
		all.count(f)
		return nil
	})
	return all, err
}

// Verify compares everything while the application is at work, so that a cut needs to
// compare only what was written since (CutOptions.Changed). It doesn't count what copying
// mends. What the target has refused isn't mended by that.
func (m *Mover) Verify(ctx context.Context) (Comparison, error) {
	var all Comparison
	m.verified, m.doubtful, m.changed = false, nil, nil
	err := m.compare(ctx, nil, &all, func(f Finding) error {
		if f.Reason.mends() && m.wasTold(f.ID, Refused) {
			f.Reason = Refused
		}
		if f.Reason.mends() { // it was written meanwhile, or a pass has missed it
			m.known.forget(f.ID)
		} else if !m.vanished(f) { // which a cut ends
			m.find(f)
			all.count(f)
		}
		m.doubtful = append(m.doubtful, f)
		return nil
	})
	m.verified = err == nil
	return all, err
}

// doubt has a cut count what has no id to look at again, once.
func (m *Mover) doubt(f Finding) {
	if !m.verified || !f.ID.IsZero() {
		return
	}
	if !slices.ContainsFunc(m.doubtful, func(d Finding) bool { return d.ID.IsZero() && d.Cause.Error() == f.Cause.Error() }) {
		m.doubtful = append(m.doubtful, f)
	}
}

func (c *Comparison) count(f Finding) {
	if f.Reason == OwnOfTarget {
		c.Own++
	} else {
		c.Different++
	}
}

// compare calls found with each id in which the stores differ. from is the source's sums
// if it was summed up already.
func (m *Mover) compare(ctx context.Context, from *side, all *Comparison, found func(Finding) error) error {
	from, to, err := m.sumUp(ctx, from)
	if err != nil {
		return err
	}
	all.From, all.To = from.n, to.n
	seen := map[driver.ID]bool{}
	once := func(f Finding) error {
		if !f.ID.IsZero() {
			if seen[f.ID] {
				return nil
			}
			seen[f.ID] = true
		}
		return found(f)
	}
	for _, f := range append(from.found, to.found...) {
		if err := once(f); err != nil {
			return err
		}
	}
	var differ [buckets]bool
	one := false
	for i := range differ {
		differ[i] = from.sums[i] != to.sums[i]
		one = one || differ[i]
	}
	if !one {
		return nil
	}
	if err := m.compareEach(ctx, m.from, "source", func(*driver.Record) bool { return true }, &differ, once); err != nil {
		return err
	}
	return m.compareEach(ctx, m.to, "target", m.apps.has, &differ, once)
}

// compareEach reads both sides of the ids that one side lists, in the buckets that differ,
// except records that don't matter.
func (m *Mover) compareEach(ctx context.Context, l driver.Lister, which string, matters func(*driver.Record) bool, differ *[buckets]bool, found func(Finding) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	var mu sync.Mutex // found is called one at a time
	check := func(id driver.ID) {
		const little = 64 // bytes; what is read is kept for a moment
		m.memory.enter(little)
		work.Go(func() {
			defer m.memory.leave(little)
			f, differs, err := m.look(ctx, id)
			if err == nil && differs {
				mu.Lock()
				defer mu.Unlock()
				err = found(f)
			}
			if err != nil {
				cancel(err)
			}
		})
	}
	err := m.each(ctx, l, which, func(item driver.Listed) error {
		if (item.Record == nil || matters(item.Record)) && !item.ID.IsZero() && differ[bucketOf(item.ID)] {
			check(item.ID)
		}
		return nil
	})
	work.Wait()
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

// look reads an id on both sides, and says whether they differ.
func (m *Mover) look(ctx context.Context, id driver.ID) (f Finding, differs bool, err error) {
	f.ID = id
	src, err := m.get(ctx, m.c.From, "source", id)
	if err != nil {
		if unreadable(err) {
			f.Reason, f.Cause = UnreadableSource, err
			return f, true, nil
		}
		return f, false, err
	}
	dst, err := m.get(ctx, m.c.To, "target", id)
	if err != nil {
		if unreadable(err) {
			f.Reason, f.Cause = UnreadableTarget, err
			return f, true, nil
		}
		return f, false, err
	}
	now := m.c.Now()
	switch {
	case src == nil && (dst == nil || dst.Grave != nil && asCopied(dst) || isOver(dst, now.Add(driver.ClockTolerance))):
		return f, false, nil // a sweep by another clock may have been earlier
	case src == nil && asCopied(dst):
		f.Reason = OnlyAtTarget
		return f, true, nil
	case src == nil:
		f.Reason = OwnOfTarget
		return f, true, nil
	case dst != nil && isOver(src, now) && isOver(dst, now):
		return f, false, nil
	}
	what, why := judge(src, dst, now)
	f.Reason = why
	return f, what != nothing, nil
}
