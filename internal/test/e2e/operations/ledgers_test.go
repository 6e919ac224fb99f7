package main

import (
	"context"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the rebuilding of all ledgers, as the command "cloakroom ledger rebuild" does
// it.

// rebuildLedgers enters every signed-in session into its principal's ledger.
func rebuildLedgers(ctx context.Context, admin *cloakroom.Admin) (entered int, err error) {
	done := map[string]bool{}
	for rec, err := range admin.Live(ctx, driver.Query{}) {
		if err != nil {
			return entered, err
		}
		if rec.Principal == "" || done[rec.Principal] {
			continue
		}
		done[rec.Principal] = true
		n, err := admin.RebuildLedger(ctx, rec.Principal)
		if err != nil {
			return entered, err
		}
		entered += n
	}
	return entered, nil
}
