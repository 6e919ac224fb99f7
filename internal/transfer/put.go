package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the copying of one state to the target.

// deed is what became of a state.
type deed uint8

const (
	kept   deed = iota // the target had it
	copied             // it was written
	over               // it matters no more
	left               // nothing was done, and it was told why
)

// oneTry bounds one operation at the target.
const oneTry = 30 * time.Second

// putting is a state on its way to the target.
type putting struct {
	m    *Mover
	src  *driver.Record
	sent bool // an attempt may have happened, or happen yet
	b    backoff
}

// put brings the target to a state of the source. An error is none of the record's: the
// target didn't answer in time, or the context has ended.
//
// What was sent without an answer may happen late. It can't do harm: it is a
// compare-and-set, or the creation of what the source has or had, or a grave. A state that
// is found after a lost answer is written once more, as a read may show a write that is
// about to be lost.
func (m *Mover) put(ctx context.Context, src *driver.Record) (deed, error) {
	_, there, all := m.known.has(src)
	if m.blank && all && !there && isOver(src, m.c.Now()) {
		return over, nil
	}
	p := &putting{m: m, src: src, b: m.backoff()}
	if !there && src.Grave == nil && !m.strategy.looks() {
		done, err := p.create(ctx)
		if done || err != nil {
			return copied, err
		}
	}
	return p.settle(ctx, there)
}

// create creates what probably isn't there.
func (p *putting) create(ctx context.Context) (done bool, err error) {
	if isOver(p.src, p.m.c.Now()) {
		return false, nil
	}
	err = p.write(ctx, nil)
	switch {
	case err == nil:
		p.m.strategy.note(false)
		p.m.known.learn(p.src)
		return true, nil
	case errors.Is(err, driver.ErrExists):
		p.m.strategy.note(true)
		return false, nil
	case refused(err):
		return false, nil // settle tells it
	}
	return false, p.trouble(ctx, err)
}

// settle looks what the target has, and does what is to be done. looked says that it was
// known to have something.
func (p *putting) settle(ctx context.Context, looked bool) (deed, error) {
	m := p.m
	for again := 0; ; again++ {
		dst, cause := m.get(ctx, m.c.To, "target", p.src.ID)
		if cause != nil && !unreadable(cause) {
			return left, cause
		}
		if !looked && cause == nil {
			m.strategy.note(dst != nil)
			looked = true
		}
		what, why := write, Ended
		if cause == nil {
			what, why = judge(p.src, dst, m.c.Now())
		} else if p.src.Grave == nil {
			what, why = leave, UnreadableTarget
		}
		switch {
		case what == leave, why == EndedInUse:
			fresh, gone, err := p.reread(ctx)
			switch {
			case err != nil:
				return left, err
			case gone:
				return over, nil
			case fresh && again < 100:
				continue
			}
			m.find(Finding{ID: p.src.ID, Reason: why, Cause: cause})
			if what == leave {
				return left, nil
			}
		case what == nothing && dst == nil:
			return over, nil
		case what == nothing && (!p.sent || m.vouches):
			m.known.learn(p.src)
			return kept, nil
		}
		switch err := p.write(ctx, dst); {
		case err == nil:
			m.known.learn(p.src)
			return copied, nil
		case refused(err):
			m.find(Finding{ID: p.src.ID, Reason: Refused, Cause: err})
			return left, nil
		case met(err) && again < 10: // it isn't as it was judged: look again
		default:
			if err := p.trouble(ctx, err); err != nil {
				return left, err
			}
		}
	}
}

// reread reads the source anew before something is told: the state may have been listed
// long ago. fresh says that there is another state to be judged. A state that can't be
// read is judged as it was listed.
func (p *putting) reread(ctx context.Context) (fresh, gone bool, err error) {
	now, err := p.m.get(ctx, p.m.c.From, "source", p.src.ID)
	switch {
	case unreadable(err):
		return false, false, nil
	case err != nil:
		return false, false, err
	case now == nil:
		return false, true, nil
	}
	d := new(digester)
	fresh = d.of(now) != d.of(p.src)
	p.src = now
	return fresh, false, nil
}

// write writes the state in the place of what the target has: nil for nothing, or for
// something that can't be read.
func (p *putting) write(ctx context.Context, dst *driver.Record) error {
	ctx, cancel := context.WithTimeout(ctx, oneTry)
	defer cancel()
	next := marked(p.src)
	next.Version = driver.Version{}
	if dst != nil {
		next.Version = dst.Version
	}
	var err error
	switch {
	case next.Grave != nil:
		err = p.m.c.To.Bury(ctx, next.ID, *next.Grave, next.Version)
	case dst == nil:
		_, err = p.m.c.To.Create(ctx, next)
	default:
		_, err = p.m.c.To.Update(ctx, next)
	}
	return err
}

// trouble waits after a write that failed. It returns an error if there is to be no other.
func (p *putting) trouble(ctx context.Context, err error) error {
	if !errors.Is(err, driver.ErrOverloaded) && !met(err) {
		p.sent = true
	}
	if isFinal(err) && ctx.Err() == nil || !p.b.wait(ctx) {
		return fmt.Errorf("writing %v at the target: %w", p.src.ID, err)
	}
	return nil
}

// refused reports whether the target will never take a state.
func refused(err error) bool {
	return errors.Is(err, driver.ErrInvalid) || errors.Is(err, driver.ErrTooLarge)
}

// met reports whether a write met something else than it was judged by.
func met(err error) bool {
	return errors.Is(err, driver.ErrExists) || errors.Is(err, driver.ErrConflict) || errors.Is(err, driver.ErrGone) || driver.IsNotFound(err)
}
