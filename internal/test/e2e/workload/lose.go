package workload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// This file is the loss of a principal's ledger: something deletes or edits records
// behind everybody's back.

// Loss is what becomes of the ledger.
type Loss string

// The losses.
const (
	LedgerDeleted   Loss = "deleted"
	LedgerEmptied   Loss = "emptied"
	LedgerSpoiled   Loss = "spoiled"   // so that it can't be understood
	LedgerExchanged Loss = "exchanged" // with what another principal's says: Op.Other
)

// Losses returns all.
func Losses() []Loss { return []Loss{LedgerDeleted, LedgerEmptied, LedgerSpoiled, LedgerExchanged} }

const ledgerValue = "ledger"

// lose does an Op with a Loss. One that isn't there is lost already.
func (l *Local) lose(ctx context.Context, op Op) Result {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	for {
		err := l.tryToLose(ctx, op)
		if !errors.Is(err, driver.ErrConflict) || ctx.Err() != nil {
			return result(op, err)
		}
	}
}

func (l *Local) tryToLose(ctx context.Context, op Op) error {
	id := driver.LedgerID(l.app, op.Principal)
	rec, err := l.store.Get(ctx, id)
	if driver.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	next := *rec
	next.Writes++
	next.WriteIDs = driver.PushWriteID(rec.WriteIDs, driver.NewWriteID())
	switch op.Lose {
	case LedgerDeleted:
		next.Deadline = l.now().Add(-time.Hour)
		next.Expires = next.Deadline
	case LedgerEmptied:
		next.Values = nil
	case LedgerSpoiled:
		next.Values = rec.Values.With(ledgerValue, []byte(`[]`))
	case LedgerExchanged:
		other, err := l.store.Get(ctx, driver.LedgerID(l.app, op.Other))
		if err != nil {
			return err
		}
		next.Values = other.Values
	default:
		return fmt.Errorf("workload: no ledger is lost by being %q", op.Lose)
	}
	if _, err := l.store.Update(ctx, &next); err != nil || op.Lose != LedgerDeleted {
		return err
	}
	for {
		if _, err := l.store.Sweep(ctx, l.now()); err != nil {
			return err
		}
		if _, err := l.store.Get(ctx, id); driver.IsNotFound(err) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// Lose has an executor lose the ledger of a principal, whatever goes wrong meanwhile.
// other is a principal that has one.
func Lose(ctx context.Context, e Executor, how Loss, principal, other string) error {
	var r Result
	for range 100 {
		r = e.Do(ctx, Op{Lose: how, Principal: principal, Other: other})
		if r.Outcome == history.Done || ctx.Err() != nil {
			break
		}
		t := time.NewTimer(50 * time.Millisecond)
		<-t.C
	}
	if r.Outcome != history.Done {
		return fmt.Errorf("the ledger of %s can't be %s: %s: %s", principal, how, r.Outcome, r.Note)
	}
	return nil
}
