package main

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/human"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file tests commands that are interrupted.

// TestInterrupted: a command that a signal ends before it is done says so, and fails.
func TestInterrupted(t *testing.T) {
	noVariables(t)
	path := t.TempDir() + "/shop.db"
	ids := fileShop(t, path, false)
	t.Setenv("CLOAKROOM_STORE", "sqlite:"+path)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, args := range []string{
		"ls", "show " + ids["BOB"].String(), "top", "stats", "sweep", "sweep --dry-run", "doctor", "doctor --fix --yes", "setup",
		"ledger check", "ledger rebuild --all", "revoke --all --yes", "revoke --agent curl --yes", "revoke --principal ann --yes",
		"copy --from sqlite:" + path + " --to sqlite:" + path + "2 --cut --yes", "copy --from sqlite:" + path + " --unfence",
	} {
		var stdout, stderr watcher
		exit := run(ctx, append(strings.Fields(args), "--json"), strings.NewReader(""), &stdout, &stderr)
		all := objects(t, stdout.String())
		if exit != exitInterrupted || all[len(all)-1]["exit"] != 130.0 || all[len(all)-2]["type"] != "error" {
			t.Errorf("%s: exit %d\n%s%s", args, exit, &stdout, &stderr)
		}
	}
	if _, stdout, _ := command(t, "", "ls", "--json"); len(objects(t, stdout)) != 5 {
		t.Errorf("something was ended:\n%s", stdout)
	}
}

// crowd makes many sessions, which anonymous visitors began in the last hour.
func crowd(t *testing.T, path string, n int) {
	t.Helper()
	store, err := sqlitestore.Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	var all sync.WaitGroup
	room := make(chan struct{}, 256)
	for i := range n {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			made := time.Now().Add(-time.Duration(i) * time.Hour / time.Duration(n)).Truncate(time.Millisecond)
			rec := &driver.Record{
				ID: driver.NewID(driver.LayoutDay, made), Kind: driver.KindSession, App: "session",
				Created: made, Seen: made, Expires: made.Add(day), Deadline: made.Add(7 * day), Verifier: []byte("none"),
				Client: driver.Client{Address: fmt.Sprintf("192.0.2.%d", i%250), UserAgent: "curl/8.15.0"}, Writes: 1,
			}
			if _, err := store.Create(t.Context(), rec); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
}

// TestRevokeInterrupted: an interrupted revoke tells how many it has ended, and a second one
// ends the rest.
func TestRevokeInterrupted(t *testing.T) {
	noVariables(t)
	const n = 3000
	path := t.TempDir() + "/crowd.db"
	crowd(t, path, n)
	t.Setenv("CLOAKROOM_STORE", "sqlite:"+path)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var stdout watcher
	stderr := &watcher{word: fmt.Sprintf("... and %s more", human.Number(n-sampled)), found: func() { time.AfterFunc(50*time.Millisecond, cancel) }}
	exit := run(ctx, []string{"revoke", "--agent", "curl", "--yes"}, strings.NewReader(""), &stdout, stderr)
	if exit == exitOK {
		t.Skip("it was faster than the interruption")
	}
	if exit != exitInterrupted || !strings.Contains(stderr.String(), "cloakroom: interrupted: ") || !strings.Contains(stderr.String(), "of 3,000 are ended; say it again to end the rest") {
		t.Errorf("exit %d\n%s%s", exit, &stdout, stderr)
	}
	exit, out, errs := command(t, "", "revoke", "--agent", "curl", "--yes", "--json")
	all := objects(t, out)
	if last := all[len(all)-1]; exit != exitOK || last["left"] != 0.0 || last["ended"] != last["matched"] {
		t.Errorf("exit %d\n%s%s", exit, out, errs)
	}
	if _, out, _ := command(t, "", "stats", "--json"); !strings.Contains(out, `"sessions":0,`) || !strings.Contains(out, fmt.Sprintf(`"ended":%d,`, n)) {
		t.Errorf("%s", out)
	}
}
