package main

import (
	"context"
	"flag"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file tests the recipes that need no engine of their own.

// ownEngines has the tests run that start engines of their own. make test-operations sets it.
var ownEngines = flag.Bool("operations.engines", false, "test the recipes that need engines of their own, too")

// visited opens a stage with visitors, on an engine.
func visited(t *testing.T, on *place) *recital {
	t.Helper()
	s := newStage(t, on, 10*time.Second)
	s.openSites(nil)
	s.settle(0)
	return &recital{stage: s}
}

// during does something while visitors come. Afterwards everybody has to be served, and
// nobody has to have lost anything; "out" are those who may have been signed out.
func (r *recital) during(t *testing.T, f func()) {
	t.Helper()
	t.Cleanup(r.rest)
	r.begin()
	r.outlast(r.next())
	f()
	after := r.next()
	if !r.await(patient, func() bool { return r.served(after) }) {
		t.Errorf("visitors aren't served any more; logged: %v", r.told.since(0))
	}
	r.rest()
	r.unharmed(t)
}

// unharmed checks that nobody was signed out, that nothing is lost, and that what was
// signed out stays so.
func (r *recital) unharmed(t *testing.T) {
	t.Helper()
	r.audit()
	if r.outs() != "" || len(r.lost) > 0 || r.reopened {
		t.Errorf("signed out: %q; lost: %v; a signed-out session opens: %v; logged: %v", r.outs(), r.lost, r.reopened, r.told.since(0))
	}
	if len(r.ended) == 0 {
		t.Error("nobody has signed out")
	}
}

// count compares two numbers of documents.
func count(t *testing.T, answers []map[string]any) {
	t.Helper()
	n := len(answers)
	if a, b := answers[n-2]["count"], answers[n-1]["count"]; a != b || a == 0.0 {
		t.Errorf("the source has %v documents, and the copy %v", a, b)
	}
}

func shared(t *testing.T) *place { return &place{url: testengine.Shared(t)} }

// Each recipe of the document is executed by a test, and its Go is this package's.
func TestRecipesAreExecuted(t *testing.T) {
	all, err := recipes()
	if err != nil {
		t.Fatal(err)
	}
	var code strings.Builder
	for _, name := range []string{"recipes_test.go", "snapshots_test.go", "upgrade_test.go", "rights_test.go", "sqlite_test.go", "ledgers_test.go"} {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(text)
	}
	for name := range all {
		if !strings.Contains(code.String(), `"`+name+`"`) {
			t.Errorf("no test follows the recipe %s", name)
		}
	}
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(string(text), "```http"); n+1 != len(all) { // and one of SQL
		t.Errorf("%d blocks of requests, and %d recipes", n, len(all))
	}
	for _, b := range regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllStringSubmatch(string(text), -1) {
		if !strings.Contains(code.String(), b[1]) {
			t.Errorf("no file has\n%s", b[1])
		}
	}
}

func TestRecipeSettings(t *testing.T) {
	t.Parallel()
	r := visited(t, shared(t))
	r.during(t, func() { r.follow("settings", r.today()) })
}

func TestRecipeUnblock(t *testing.T) {
	t.Parallel()
	r := visited(t, shared(t))
	r.during(t, func() {
		r.settings(r.today(), `{"index.blocks.write":true}`)
		blocks := r.follow("unblock", r.today())
		if len(blocks[0]) == 0 {
			t.Error("the block isn't found")
		}
	})
}

// TestRecipeAliasGivenUp: a copy is made and given up, and all goes on as before.
func TestRecipeAliasGivenUp(t *testing.T) {
	t.Parallel()
	r := visited(t, shared(t))
	r.during(t, func() {
		r.follow("alias-begin", r.today())
		r.follow("alias-reindex", r.today())
		count(t, r.follow("alias-count", r.today()))
		r.follow("alias-give-up", r.today())
	})
}

// TestRecipeAlias puts aliases in the place of a period's index and of the lasting ones,
// by each way of copying. Processes that begin afterwards work as well.
func TestRecipeAlias(t *testing.T) {
	for _, way := range []string{"alias-reindex", "alias-clone"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			r := visited(t, shared(t))
			r.during(t, func() {
				for _, index := range r.own() {
					r.replace(t, index, way)
				}
			})
			if codes := r.codes(); !slices.Contains(codes, "index-alias") {
				t.Errorf("the report has %v", codes)
			}
			r.reopen(nil)
			r.during(t, func() {})
		})
	}
}

// replace puts an alias in an index's place.
func (r *recital) replace(t *testing.T, index, way string) {
	t.Helper()
	r.follow("alias-begin", index)
	r.follow(way, index)
	answers := r.follow("alias-count", index)
	n := len(answers)
	if a, b := answers[n-2]["count"], answers[n-1]["count"]; a != b {
		t.Errorf("%s has %v documents, and the copy %v", index, a, b)
	}
	r.follow("alias-swap", index)
}

// TestRecipeAnotherPrefix moves all to another prefix in the same cluster.
func TestRecipeAnotherPrefix(t *testing.T) {
	t.Parallel()
	r := visited(t, shared(t))
	r.during(t, func() {
		r.follow("move-block", r.today())
		names := r.follow("indices", r.today())[0]
		for _, index := range r.own() {
			if names[index] == nil {
				t.Errorf("the list lacks %s: %v", index, names)
			}
			r.follow("move-clone", index)
		}
		checkCopies(t, r.follow("move-check", r.today())[1])
		r.reopen(func(o *siteOptions) { o.store.Index = "of-" + r.index })
		r.follow("move-delete", r.today())
	})
	if left := r.own(); len(left) > 0 {
		t.Errorf("these are left: %v", left)
	}
	revoked(t, r, "alice")
}

// checkCopies compares the numbers of documents of indices and of their copies.
func checkCopies(t *testing.T, answer map[string]any) {
	t.Helper()
	all, _ := answer["indices"].(map[string]any)
	n := 0
	for name, docs := range all {
		if copied := all["of-"+name]; copied != nil {
			n++
			if !reflect.DeepEqual(docs, copied) {
				t.Errorf("%s has %v, and its copy %v", name, docs, copied)
			}
		}
	}
	if n == 0 || 2*n != len(all) {
		t.Errorf("%d of these have copies: %v", n, all)
	}
}

// revoked signs a principal out everywhere, and checks that it is out: the ledgers have
// come along.
func revoked(t *testing.T, r *recital, principal string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	defer cancel()
	admin := r.sites[0].manager().Admin()
	if list, err := admin.Sessions(ctx, principal); err != nil || len(list) == 0 {
		t.Errorf("%s's sessions are %v, %v", principal, list, err)
	}
	if err := admin.RevokeAll(ctx, principal); err != nil {
		t.Error(err)
	}
	for _, v := range r.visitors {
		if v.principal == principal {
			if a := v.must("/look"); a.principal != "" {
				t.Errorf("%s is still signed in", principal)
			}
		}
	}
}
