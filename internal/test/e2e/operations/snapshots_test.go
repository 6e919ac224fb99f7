package main

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file tests the recipes with snapshots.

// TestRecipesOfSnapshots: one engine, one recipe after the other.
func TestRecipesOfSnapshots(t *testing.T) {
	if !*ownEngines {
		t.Skip("needs engines of its own: -operations.engines")
	}
	for _, name := range []string{"opensearch2", "es717"} {
		t.Run(name, func(t *testing.T) {
			on := own(t, name)
			t.Run("a lost index", func(t *testing.T) { restoreLost(t, on) })
			t.Run("made anew", func(t *testing.T) { restoreBeside(t, on) })
			t.Run("restore", func(t *testing.T) { restore(t, on) })
			t.Run("principals alone", func(t *testing.T) { restorePrincipals(t, on) })
			t.Run("another cluster", func(t *testing.T) { moveBySnapshot(t, on) })
		})
	}
}

// signedIn makes a visitor who is signed in.
func (r *recital) signedIn(t *testing.T, who string) *visitor {
	t.Helper()
	v := r.fresh(0)
	v.name, v.kind, v.principal = who, reads, who
	v.must("/in?who=" + who)
	v.must("/add")
	return v
}

// in checks whether a visitor is signed in.
func (v *visitor) in(t *testing.T, want bool) {
	t.Helper()
	// A copy: an answer may take the cookie away.
	c := *v
	if a := c.must("/look"); (a.principal != "") != want {
		t.Errorf("%s is signed in: %v; wanted is %v", v.name, !want, want)
	}
}

// snapshot takes one, in the place of an earlier one.
func (r *recital) snapshot() {
	r.try(http.MethodDelete, "/_snapshot/backup/nightly", "")
	r.follow("snapshot", r.today())
}

// leave signs a visitor out, who keeps the cookie.
func (v *visitor) leave() {
	c := *v
	c.must("/out")
}

// restoreLost: today's index is deleted, and restored before anybody comes.
func restoreLost(t *testing.T, on *place) {
	r := visited(t, on)
	before := r.signedIn(t, "carl")
	r.snapshot()
	r.call(http.MethodDelete, "/"+r.today(), "")
	if codes := r.codes(); !slices.Contains(codes, "index-lost") {
		t.Errorf("the report has %v", codes)
	}
	if has := r.follow("snapshot-look", r.today()); !strings.Contains(fmt.Sprint(has), r.today()) {
		t.Errorf("the snapshot has %v", has)
	}
	r.follow("restore-lost", r.today())
	before.in(t, true)
	restored(t, r, []string{r.today()})
	before.in(t, true)
}

// restoreBeside: today's index is deleted, and made anew by newcomers; what the snapshot
// has comes back beside.
func restoreBeside(t *testing.T, on *place) {
	r := visited(t, on)
	before, ended, leaves := r.signedIn(t, "carl"), r.signedIn(t, "erna"), r.signedIn(t, "fred")
	ended.leave()
	r.snapshot()
	leaves.leave()
	since := r.signedIn(t, "since")
	r.call(http.MethodDelete, "/"+r.today(), "")
	anew := r.signedIn(t, "anew")
	before.in(t, false)
	r.follow("restore-beside", r.today())
	before.in(t, true)
	ended.in(t, false)
	leaves.in(t, true) // as the document says: its grave was in the lost index
	since.in(t, false)
	anew.in(t, true)
	revoked(t, r, "alice")
	if left := r.list("restored-*"); len(left) > 0 {
		t.Errorf("these are left: %v", left)
	}
}

// restore: all of the store's indices are restored while visitors come.
func restore(t *testing.T, on *place) {
	r := visited(t, on)
	before, leaves := r.signedIn(t, "carl"), r.signedIn(t, "fred")
	r.snapshot()
	leaves.leave()
	since := r.signedIn(t, "since")
	t.Cleanup(r.rest)
	r.begin()
	r.outlast(r.next())
	r.follow("restore", r.today())
	after := r.next()
	if !r.await(patient, func() bool { return r.served(after) }) {
		t.Errorf("visitors aren't served any more; logged: %v", r.told.since(0))
	}
	r.rest()
	restored(t, r, r.own())
	rebuilt(t, r)
	before.in(t, true)
	leaves.in(t, true) // as the document says
	since.in(t, false)

	fresh := time.Now()
	r.reopen(func(o *siteOptions) { o.manager.NotBefore = fresh })
	before.in(t, false)
	leaves.in(t, false)
	r.signedIn(t, "later").in(t, true)
}

// restorePrincipals: the ledgers alone are restored. Signing out everywhere finds whoever
// has signed in since, also before the ledgers are rebuilt.
func restorePrincipals(t *testing.T, on *place) {
	r := visited(t, on)
	r.signedIn(t, "carl")
	r.signedIn(t, "dina")
	r.snapshot()
	since := r.signedIn(t, "carl")
	early := r.signedIn(t, "dina")
	r.call(http.MethodPost, "/"+r.index+"-principals/_close", "")
	r.call(http.MethodPost, "/_snapshot/backup/nightly/_restore?wait_for_completion=true", `{"indices":"`+r.index+`-principals","include_global_state":false}`)
	restored(t, r, []string{r.index + "-principals"})
	early.in(t, true)
	revokeAll(t, r, "dina")
	early.in(t, false)
	if n := rebuilt(t, r); n == 0 {
		t.Error("no ledger lacked a session")
	}
	since.in(t, true)
	revokeAll(t, r, "carl")
	since.in(t, false)
}

// revokeAll ends all sessions of a principal.
func revokeAll(t *testing.T, r *recital, principal string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	if err := r.sites[0].manager().Admin().RevokeAll(ctx, principal); err != nil {
		t.Error(err)
	}
}

// restored checks that a report tells which indices were restored, until that is
// acknowledged.
func restored(t *testing.T, r *recital, indices []string) {
	t.Helper()
	const code = "index-restored"
	if !slices.Contains(r.codes(), code) {
		t.Errorf("the report doesn't tell of the restore: %v", r.codes())
	}
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	known, err := r.sites[0].store().(*elasticstore.Store).Acknowledge(ctx)
	if err != nil || !slices.Equal(known, indices) {
		t.Errorf("acknowledged: %v, %v; wanted are %v", known, err, indices)
	}
	if slices.Contains(r.codes(), code) {
		t.Errorf("the report after it was acknowledged: %v", r.codes())
	}
}

// rebuilt rebuilds all ledgers.
func rebuilt(t *testing.T, r *recital) int {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	for _, index := range r.own() {
		r.call(http.MethodPost, "/"+index+"/_refresh", "")
	}
	n, err := rebuildLedgers(ctx, r.sites[0].manager().Admin())
	if err != nil {
		t.Error(err)
	}
	return n
}

// moveBySnapshot moves all to another prefix, as to another cluster.
func moveBySnapshot(t *testing.T, on *place) {
	r := visited(t, on)
	r.try(http.MethodDelete, "/_snapshot/backup/moving", "")
	r.snapshot()
	r.during(t, func() {
		r.follow("move-block", r.today())
		r.follow("move-snapshot", r.today())
		r.reopen(func(o *siteOptions) { o.store.Index = "of-" + r.index })
	})
	if codes := r.codes(); slices.Contains(codes, noReport) {
		t.Errorf("the report has %v", codes)
	}
	revoked(t, r, "alice")
}
