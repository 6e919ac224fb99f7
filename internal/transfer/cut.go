package transfer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the cut.

// Cut is what became of a cut.
type Cut struct {
	// Since is when the fence was set; the zero time: it wasn't.
	Since time.Time
	// Held is for how long writes had been refused when Cut returned.
	Held time.Duration
	// Fenced says that writes at the source are still refused.
	Fenced bool

	Counts
	Comparison
}

// CutOptions say how a cut is made. The zero value is the safest.
type CutOptions struct {
	// Accept has the cut made although the stores differ in what can't be mended.
	Accept bool
	// Changed has the cut compare only what passes have copied, or couldn't copy, since
	// Verify was called, and what that has found. So writes are refused for less long.
	Changed bool
}

// ErrDifferent is the error of a cut that was given up, since the stores differ.
var ErrDifferent = errors.New("the stores differ")

// Cut fences the source, copies what is left and compares both stores. Without an error
// the target has everything that the source had, and the source stays fenced.
//
// If the stores differ, the error is ErrDifferent, unless that is accepted; what differs
// was told (Config.Found). After any error the source takes writes again, if it did
// before: Cut.Fenced says so.
func (m *Mover) Cut(ctx context.Context, o CutOptions) (cut Cut, err error) {
	fencer, ok := m.c.From.(driver.Fencer)
	switch {
	case !ok:
		return cut, fmt.Errorf("the source, a %T, can't refuse writes (driver.Fencer)", m.c.From)
	case o.Changed && !m.verified:
		return cut, errors.New("nothing was verified, so a cut can't compare only what has changed")
	}
	if err := m.begin(ctx); err != nil {
		return cut, err
	}
	before, err := fencer.Fenced(ctx)
	if err != nil {
		return cut, fmt.Errorf("the source: %w", err)
	}
	begun := time.Now()
	defer func() { cut.Held = time.Since(begun) }()
	cut.Since = m.c.Now().UTC().Truncate(time.Microsecond) // tells the fence from another's
	if !before.IsZero() {                                  // a cut that was killed has begun it
		cut.Since = before
		begun = begun.Add(-max(0, m.c.Now().Sub(before)))
	}
	cut.Fenced = true
	err = m.behindFence(ctx, fencer, o, &cut)
	switch {
	case err == nil:
		return cut, nil
	case !before.IsZero():
		cut.Fenced = !m.isOpen(ctx, fencer) // whoever has set it may have ended it
		return cut, err
	}
	return cut, m.giveUp(ctx, fencer, &cut, err)
}

// giveUp has the source take writes again after a cut that failed, and returns why it did.
// A fence that another cut has set meanwhile is left: that one may have been made.
func (m *Mover) giveUp(ctx context.Context, fencer driver.Fencer, cut *Cut, why error) error {
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), m.c.Patience)
	defer cancel()
	since, err := fencer.Fenced(ending)
	if err == nil && !since.IsZero() && !since.Equal(cut.Since) {
		cut.Since = since
		return fmt.Errorf("%w; the fence of %s is that of another cut, and stays", why, since.Format(time.RFC3339))
	}
	if err := m.unfence(ending, fencer); err != nil && !m.isOpen(ctx, fencer) {
		return fmt.Errorf("%w; and writes at the source are still refused: %w", why, err)
	}
	cut.Fenced = false
	return why
}

// isOpen reports whether the source has no fence, as when what kept the fence from being
// set keeps it from being ended.
func (m *Mover) isOpen(ctx context.Context, fencer driver.Fencer) bool {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), oneTry)
	defer cancel()
	since, err := fencer.Fenced(ctx)
	return err == nil && since.IsZero()
}

// behindFence does what a cut is for, and checks that the fence held.
func (m *Mover) behindFence(ctx context.Context, fencer driver.Fencer, o CutOptions, cut *Cut) error {
	if err := fencer.Fence(ctx, cut.Since); err != nil {
		return fmt.Errorf("fencing the source: %w", err)
	}
	if err := m.apart(ctx); err != nil {
		return err
	}
	sums, err := m.lastPass(ctx, cut)
	switch {
	case err != nil:
		return fmt.Errorf("the last pass: %w", err)
	case o.Changed:
		err = m.settleChanged(ctx, cut)
	default:
		err = m.compare(ctx, sums, &cut.Comparison, func(f Finding) error { return m.settle(ctx, f, cut) })
	}
	if err != nil {
		return fmt.Errorf("comparing: %w", err)
	}
	switch since, err := fencer.Fenced(ctx); {
	case err != nil:
		return fmt.Errorf("looking after the source's fence: %w", err)
	case !since.Equal(cut.Since):
		return errors.New("the source's fence isn't the one of this cut: somebody has ended that meanwhile, or cuts over too")
	case cut.Different > 0 && !o.Accept:
		return fmt.Errorf("%w in %d ids", ErrDifferent, cut.Different)
	}
	return m.checkClocks(ctx) // what is over was left out, and nobody saw the clock since the beginning
}

// lastPass copies what is left. If that lists the whole source, it returns its sums.
func (m *Mover) lastPass(ctx context.Context, cut *Cut) (sums *side, err error) {
	if m.resumed { // what is behind the place of another run isn't everything
		n, err := m.pass(ctx, nil)
		if cut.add(n); err != nil {
			return nil, err
		}
	}
	var each func(driver.Listed)
	if m.next == "" {
		sums = new(side)
		each = m.summing(sums)
	}
	n, err := m.pass(ctx, each)
	cut.add(n)
	return sums, err
}

// apart checks that the target isn't the source, which is fenced.
func (m *Mover) apart(ctx context.Context) error {
	f, ok := m.c.To.(driver.Fencer)
	if !ok {
		return nil
	}
	since, err := f.Fenced(ctx)
	switch {
	case err != nil:
		return fmt.Errorf("the target: %w", err)
	case !since.IsZero():
		return errors.New("the fence of the source is one of the target too: they are the same store")
	}
	return nil
}

// settle mends what differs behind the fence, if it can be mended, and else tells it. What
// the source doesn't have any more ends at the target. A record vanishes from a store when
// it is over, so this is rare. What the passes have missed is copied.
func (m *Mover) settle(ctx context.Context, f Finding, cut *Cut) error {
	switch {
	case m.vanished(f):
		ended, err := m.endAtTarget(ctx, f.ID)
		switch {
		case err != nil:
			return err
		case ended:
			cut.Removed++
			m.find(f)
			return nil
		}
	case f.Reason.mends():
		next, differs, err := m.mend(ctx, f.ID)
		if err != nil {
			return err
		}
		if cut.Copied++; !differs {
			return nil
		}
		f = next
	}
	m.find(f)
	cut.count(f)
	return nil
}

// vanished reports whether the source had, since the Mover was made, what only the target
// has now. Without that, it may as well have come from another source, where it lives.
func (m *Mover) vanished(f Finding) bool { return f.Reason == OnlyAtTarget && m.known.met(f.ID) }

// settleChanged reads both sides of what has changed since everything was compared, and of
// what was doubtful then.
func (m *Mover) settleChanged(ctx context.Context, cut *Cut) error {
	ids := slices.Clone(m.changed)
	for _, f := range m.doubtful {
		if f.ID.IsZero() { // it has no id to look at again
			cut.count(f)
		} else {
			ids = append(ids, f.ID)
		}
	}
	slices.SortFunc(ids, func(a, b driver.ID) int { return bytes.Compare(a[:], b[:]) })
	ids = slices.Compact(ids)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var work sync.WaitGroup
	var mu sync.Mutex
	const atOnce = 256
	for i := range atOnce {
		work.Go(func() {
			for j := i; j < len(ids) && ctx.Err() == nil; j += atOnce {
				f, differs, err := m.look(ctx, ids[j])
				if err == nil && differs {
					mu.Lock()
					err = m.settle(ctx, f, cut)
					mu.Unlock()
				}
				if err != nil {
					cancel(err)
				}
			}
		})
	}
	work.Wait()
	return context.Cause(ctx)
}

// mend copies an id once more, and says whether it still differs.
func (m *Mover) mend(ctx context.Context, id driver.ID) (Finding, bool, error) {
	src, err := m.get(ctx, m.c.From, "source", id)
	if err == nil && src != nil {
		m.known.forget(id)
		_, err = m.put(ctx, src)
	}
	if err != nil {
		return Finding{}, false, err
	}
	return m.look(ctx, id)
}

// endAtTarget ends a session that was copied, that nobody has used since, and of which
// the fenced source has nothing any more.
func (m *Mover) endAtTarget(ctx context.Context, id driver.ID) (ended bool, err error) {
	for b := m.backoff(); ; {
		dst, err := m.get(ctx, m.c.To, "target", id)
		switch {
		case err != nil:
			return false, err
		case dst == nil || dst.Grave != nil:
			return true, nil
		case dst.Kind != driver.KindSession || !asCopied(dst):
			return false, nil // a ledger goes on when it is written again
		}
		err = m.c.To.Bury(ctx, id, dst.GraveFor(driver.EndRevoked, m.c.Now(), driver.NewWriteID()), dst.Version)
		switch {
		case err == nil:
			return true, nil
		case isFinal(err), !b.wait(ctx):
			return false, fmt.Errorf("ending %v at the target: %w", id, err)
		}
	}
}

// Unfence has a source take writes again, as after a cut that is given up.
func Unfence(ctx context.Context, s driver.Store) (since time.Time, err error) {
	f, ok := s.(driver.Fencer)
	if !ok {
		return since, fmt.Errorf("a %T has no fence", s)
	}
	if since, err = f.Fenced(ctx); err != nil && !errors.Is(err, driver.ErrUnavailable) {
		return since, err
	}
	return since, f.Unfence(ctx)
}

func (m *Mover) unfence(ctx context.Context, f driver.Fencer) error {
	for b := m.backoff(); ; {
		err := f.Unfence(ctx)
		if err == nil || isFinal(err) || !b.wait(ctx) {
			return err
		}
	}
}
