package protocol

import (
	"context"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the telling of ledgers that can't be right (Options.Fault), and their
// number.

// fault tells of a ledger's fault. id is the session that showed it, or the ledger.
func (r *Records) fault(ctx context.Context, principal string, what LedgerFault, id driver.ID) {
	r.faults.Add(1)
	if r.o.Fault != nil {
		r.o.Fault(ctx, principal, what, id)
	}
}

// Faults returns the number of ledger faults that were found.
func (r *Records) Faults() int64 { return r.faults.Load() }
