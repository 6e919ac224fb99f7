package protocol

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is a sign-in: one session replaces another (invariant 9).

// SignIn is one sign-in: create the new record, enter it into the ledger, and
// last retire exactly that version of the old record that was copied.
type SignIn struct {
	Old        *driver.Record // of the session to be replaced, as it was read; nil: there is none
	Also       []Opened       // other sessions that end with the sign-in; their values are not carried over
	Next       *driver.Record // of the new session, not stored yet
	Generation driver.WriteID // of the ledger, when the sign-in began
	Limit      int            // of the principal's live sessions; 0 and less: none
	Repeats    bool           // Old came from Successor, and is to be replaced only while it is unused

	// Check returns an error if the sign-in must fail for the state that others left the
	// old record in. nil: nothing is checked.
	Check func(old *driver.Record) error

	// Merge returns the new session's values, given the old record as it is by now. nil:
	// no values are carried over.
	Merge func(old *driver.Record) (driver.ValueList, error)

	// Adopt gives the new record to the session that signs in. It reports false if its
	// holder has ended that session meanwhile.
	Adopt func(*driver.Record) bool
}

// errRetire marks an unknown outcome of the retirement. The new session may have replaced
// the old one, so to bury it could lose the values of both.
var errRetire = errors.New("cloakroom: whether the old session was replaced is unknown")

// ErrUsed says that a sign-in can't be repeated: a request has presented its token, so
// its answer wasn't lost.
var ErrUsed = errors.New("cloakroom: the session is in use")

// SignIn carries a sign-in out and returns the record of the new session (invariant 9).
// Call it within Begin. A session that is over the limit is ended as well, or left to the
// next writer of the ledger (invariant 10).
//
// The new session is unused until a request presents its token.
//
// Errors: ErrRevoked, the principal was signed out everywhere since the generation was
// read; driver.ErrGone, the old session or the new one was ended meanwhile; ErrUsed;
// those of Check and Merge; ErrTooMany. After an error other than driver.ErrUnknown the
// new session has been taken back, or nobody has its token.
func (r *Records) SignIn(ctx context.Context, in *SignIn) (*driver.Record, error) {
	in.Next.Extra = withGeneration(in.Next.Extra, in.Generation)
	markUnused(in.Next)
	rec, err := r.Create(ctx, in.Next)
	if err != nil {
		return nil, err
	}
	in.Next = rec
	ending, err := r.enterLedger(ctx, rec, in.Generation, in.Limit, in.replaces())
	if err == nil && in.Old != nil {
		err = r.retire(ctx, in)
	}
	if err == nil && in.Old != nil { // it stays replaced, whatever becomes of the rest
		r.tell(ctx, ended{in.Old.Info(), driver.EndReplaced})
	}
	if err == nil && in.Also != nil {
		err = r.EndEach(ctx, in.Also, driver.EndDestroyed)
	}
	if err == nil && !in.Adopt(in.Next) {
		err = fmt.Errorf("cloakroom: signed out during sign-in: %w", driver.ErrGone)
	}
	if err != nil {
		if !errors.Is(err, errRetire) {
			r.abandon(ctx, in.Next)
		}
		return nil, err
	}
	// A session that can't be ended now is left to the next writer of the ledger.
	_ = r.finishEnding(ctx, rec.Principal, ending, often)
	if in.Old != nil {
		r.leaveLedger(ctx, in.Old)
	}
	return in.Next, nil
}

// replaces returns the ids that leave the principal's ledger with this sign-in, if
// they are in it.
func (in *SignIn) replaces() (ids []driver.ID) {
	if in.Old != nil {
		ids = append(ids, in.Old.ID)
	}
	for _, o := range in.Also {
		ids = append(ids, o.ID)
	}
	return ids
}

// abandon takes the new session of a failed sign-in back.
func (r *Records) abandon(ctx context.Context, next *driver.Record) {
	// The failure may have used up the context.
	ctx, cancel := r.bound(ctx)
	defer cancel()
	if err := r.bury(ctx, next.ID, graveOf(next, driver.EndAbandoned), next, ended{}); err != nil {
		// Nobody has its token, and the ledger ends it with the others.
		r.o.Logger.WarnContext(ctx, "cloakroom: a sign-in that failed leaves a session behind", "session", next.ID, "error", err)
		return
	}
	r.leaveLedger(ctx, next)
}

// retire buries the old record at the version that was copied. A save that came in
// between is taken over into the new record first.
func (r *Records) retire(ctx context.Context, in *SignIn) error {
	t := &retirement{r: r, in: in, old: in.Old, writeID: driver.NewWriteID()}
	for n := 1; ; n++ {
		err := t.trouble.with(t.bury(ctx))
		switch {
		case err == nil:
			r.refuseWaiting(t.old.ID, fmt.Errorf("cloakroom: %v was replaced by a sign-in: %w", t.old.ID, driver.ErrGone))
			return nil
		case refused(err) && len(t.open) == 0:
			return errRefused(t.old.ID, err)
		}
		l := r.learnOutcome(ctx, t.old, t.open, err, 0) // below it waits longer each time
		switch {
		case l.verdict == verdictApplied:
			return nil
		case l.state == stateUnread:
			return t.unknown(err)
		case l.state != stateLive: // somebody else ended it, whatever became of our attempts
			return fmt.Errorf("cloakroom: %v was ended during sign-in: %w", t.old.ID, driver.ErrGone)
		case l.verdict == verdictUnknown:
			return t.unknown(err)
		case l.rec.Version == t.old.Version: // not yet
			if !backOff(ctx, n) {
				return t.unknown(err)
			}
		default:
			if err := t.follow(l.rec); err != nil {
				return err
			}
		}
		t.open = l.attempts
	}
}

// retirement is the burial of a session that a sign-in replaces, while it is under way.
type retirement struct {
	r       *Records
	in      *SignIn
	old     *driver.Record // as the new record has taken it over
	writeID driver.WriteID
	open    []attempt // one attempt stands for all, as they carry the same write id
	trouble trouble
}

// bury sends the burial at the version that was taken over.
func (t *retirement) bury(ctx context.Context) error {
	g := t.old.GraveFor(driver.EndReplaced, t.r.clock.Now(), t.writeID)
	g.Successor, g.Extra = t.in.Next.ID, replacedExtra(t.old, t.in.Repeats)
	err := t.r.store.Bury(ctx, t.old.ID, g, t.old.Version)
	if err != nil && !t.r.certain(err) {
		t.open = []attempt{{id: t.writeID, base: t.old.Writes, answered: answered(err)}}
	}
	return err
}

// follow takes over the old session as others left it, and has it buried at that version.
func (t *retirement) follow(old *driver.Record) error {
	if t.in.Check != nil {
		if err := t.in.Check(old); err != nil {
			return err
		}
	}
	if err := t.r.takeOver(t.in, old); err != nil {
		return err
	}
	t.old = old
	return nil
}

// unknown is the error for an old session that may have been buried or not.
func (t *retirement) unknown(cause error) error {
	if len(t.open) == 0 {
		return errUnread(t.old.ID, cause)
	}
	return fmt.Errorf("%w: %w", errRetire, errUnknown(t.old.ID, cause))
}

// takeOver takes values that others saved in the old session meanwhile over into the new
// one, which only this sign-in knows.
func (r *Records) takeOver(in *SignIn, old *driver.Record) error {
	switch {
	case in.Repeats && !IsUnused(old):
		return fmt.Errorf("cloakroom: signing in again: %w", ErrUsed)
	case in.Merge == nil:
		return nil
	}
	values, err := in.Merge(old)
	if err != nil {
		return err
	}
	if equalValues(values, in.Next.Values) {
		return nil
	}
	known := in.Next.Writes
	rec, err := r.Change(in.Next.ID, &Change{Base: in.Next, AsOf: MomentOf(r.clock.Now()), carries: true, Apply: func(next *driver.Record, _ time.Time, _ bool) error {
		if next.Writes != known {
			return fmt.Errorf("cloakroom: %v was changed during sign-in: %w", next.ID, driver.ErrConflict)
		}
		next.Values = values
		return nil
	}})
	if err == nil && rec == nil { // ended from elsewhere
		err = fmt.Errorf("cloakroom: %v was ended during sign-in: %w", in.Next.ID, driver.ErrGone)
	}
	if err == nil {
		in.Next = rec
	}
	return err
}
