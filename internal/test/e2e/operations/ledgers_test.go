package main

import (
	"context"
	"fmt"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file is the Go of docs/operations.md, word for word, and its test.

// tend makes one of the calls for operators, and prints what came of it.
func tend(ctx context.Context, store *elasticstore.Store, call string) error {
	admin := cloakroom.NewAdmin(store, "") // or Config.App
	switch call {
	case "report":
		report, err := admin.Report(ctx)
		for _, p := range report.Problems {
			fmt.Printf("%s %s: %s %s\n", p.Severity, p.Code, p.Meaning, p.Remedy)
		}
		return err
	case "setup":
		return store.Setup(ctx)
	case "sweep":
		report, err := admin.Sweep(ctx)
		fmt.Printf("%+v\n", report)
		return err
	case "acknowledge": // losses and restores
		indices, err := store.Acknowledge(ctx)
		fmt.Println(indices)
		return err
	case "apply": // the configuration's settings to existing indices
		drift, err := store.Drift(ctx)
		if err != nil {
			return err
		}
		fmt.Println(drift)
		return store.ApplySettings(ctx, drift)
	case "ledgers":
		entered, err := rebuildLedgers(ctx, admin)
		fmt.Println(entered, "sessions entered")
		return err
	}
	return fmt.Errorf("no call %q", call)
}

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

// TestRecipeProgram makes each call while visitors come.
func TestRecipeProgram(t *testing.T) {
	t.Parallel()
	r := visited(t, shared(t))
	store := r.sites[0].store().(*elasticstore.Store)
	r.during(t, func() {
		ctx, cancel := context.WithTimeout(t.Context(), patient)
		defer cancel()
		r.settings(r.today(), `{"index.refresh_interval":"7s"}`)
		for _, call := range []string{"setup", "report", "acknowledge", "apply", "ledgers", "sweep"} {
			if err := tend(ctx, store, call); err != nil {
				t.Errorf("%s: %v", call, err)
			}
		}
		if drift, err := store.Drift(ctx); err != nil || len(drift) > 0 {
			t.Errorf("not applied: %v, %v", drift, err)
		}
		if tend(ctx, store, "other") == nil {
			t.Error("a call that there isn't is no error")
		}
	})
}
