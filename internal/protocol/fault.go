package protocol

import (
	"context"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is what is told of ledgers that can't be right.

// fault tells of a fault, with the session that showed it, or the ledger.
func (r *Records) fault(ctx context.Context, principal string, what LedgerFault, id driver.ID) {
	r.faults.Add(1)
	if r.o.Fault != nil {
		r.o.Fault(ctx, principal, what, id)
	}
}

// Faults returns how many faults of ledgers were told.
func (r *Records) Faults() int64 { return r.faults.Load() }
