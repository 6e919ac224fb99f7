package protocol

import "github.com/cloakroom-go/cloakroom/driver"

// This file is a ledger as operators see it, who compare it with what is there.

// LedgerIDs returns the ids of the sessions that a ledger's record names: those that are
// live as far as it knows, in the order of sign-in, and those that are ending.
//
// Errors: driver.ErrCorrupt, it isn't this principal's ledger, or can't be understood.
func LedgerIDs(rec *driver.Record, app, principal string) (live, ending []driver.ID, err error) {
	l, err := readLedger(rec, app, principal)
	if err != nil {
		return nil, nil, err
	}
	for _, e := range l.Live {
		live = append(live, e.ID)
	}
	for _, e := range l.Ending {
		ending = append(ending, e.ID)
	}
	return live, ending, nil
}
