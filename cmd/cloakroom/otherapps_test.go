package main

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file tests the hint for who forgets --app.

// TestOtherApps: who forgets --app is told of the app that has sessions, and is told nothing
// where the app has some itself.
func TestOtherApps(t *testing.T) {
	noVariables(t)
	path := filepath.Join(t.TempDir(), "shop.db")
	open := func(app string) {
		t.Helper()
		store, err := sqlitestore.Open(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		s := newShop(t, store, app)
		s.comes(visit{name: "ann", principal: "ann" + app, address: "192.0.2.1", began: time.Minute, seen: time.Minute})
		if err := errors.Join(s.m.Close(), store.Close()); err != nil {
			t.Fatal(err)
		}
	}
	const hint = `There are some of the app "demo": --app names it.`
	wantHint := func(want bool) {
		t.Helper()
		for _, args := range []string{"--principal anndemo --dry-run", "--principal anndemo --yes", "--address 192.0.2.77 --yes", "--address 192.0.2.77 --app session --yes"} {
			_, _, stderr := command(t, "", append([]string{"revoke", "--store", "sqlite:" + path}, strings.Fields(args)...)...)
			if got := strings.Contains(stderr, hint); got != (want && !strings.Contains(args, "--app")) {
				t.Errorf("revoke %s, hint %v: %q", args, got, stderr)
			}
		}
	}
	open("demo")
	wantHint(true)
	open("") // of the app "session"
	open("demo")
	wantHint(false)
}
