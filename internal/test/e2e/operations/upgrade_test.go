package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file tests the recipe of upgrading over two major versions, on one data directory.

// TestRecipeUpgrade: visitors come on each version, with the cookies of the first one.
func TestRecipeUpgrade(t *testing.T) {
	if !*ownEngines {
		t.Skip("needs engines of its own: -operations.engines")
	}
	for _, names := range [][]string{{"opensearch1", "opensearch2", "opensearch3"}, {"es710", "es717"}} {
		t.Run(strings.Join(names, "-"), func(t *testing.T) { upgrade(t, names) })
	}
}

func upgrade(t *testing.T, names []string) {
	data := t.TempDir()
	start := func(name string) *testengine.Engine {
		return testengine.Start(t, testengine.Options{Name: name, DataDir: data})
	}
	e := start(names[0])
	r := visited(t, &place{url: e.URL()})
	r.kept = true
	r.during(t, func() {})
	for i, name := range names[1:] {
		for _, site := range r.sites {
			site.mu.Lock()
			site.end()
			site.mu.Unlock()
		}
		e.Stop()
		e = start(name)
		r.url = e.URL()
		r.between = newBetween(t, e.URL())
		for _, site := range r.sites {
			site.reopen(nil)
		}
		last := i == len(names)-2
		r.during(t, func() {
			if last && len(names) > 2 {
				return
			}
			if made := r.follow("made-by", r.today()); len(made[0]) != len(r.own()) {
				t.Errorf("the indices %v have the versions %v", r.own(), made)
			}
			const old = "index-of-old-version"
			if codes := r.codes(); len(names) > 2 && !slices.Contains(codes, old) {
				t.Errorf("the report has %v; it lacks %s", codes, old)
			}
			for _, index := range r.own() {
				r.replace(t, index, "alias-reindex")
			}
			if codes := r.codes(); slices.Contains(codes, old) {
				t.Errorf("the report still has %v", codes)
			}
		})
	}
	revoked(t, r, "alice")
}
