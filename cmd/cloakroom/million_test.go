package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file measures commands that look at a store of a million sessions. It isn't part of
// the tests that have to pass: make test-million.

var million = flag.Int("million", 0, "measure commands on a SQLite file with so many sessions, which is made in $CLOAKROOM_TEST_MILLION, or anew each time")

// millionFile returns the file, which it makes if it isn't there. It skips the test if none
// is asked for.
func millionFile(t *testing.T) string {
	t.Helper()
	if *million == 0 {
		t.Skip("it is measured with -million 1000000")
	}
	folder := os.Getenv("CLOAKROOM_TEST_MILLION")
	noVariables(t)
	if folder == "" {
		folder = t.TempDir()
	}
	path := filepath.Join(folder, fmt.Sprintf("%d.db", *million))
	if _, err := os.Stat(path); err != nil {
		begun := time.Now()
		load(t, path, *million)
		t.Logf("made in %v", time.Since(begun).Round(time.Second))
	}
	return path
}

// TestMillion: each page comes within a second.
func TestMillion(t *testing.T) {
	path := millionFile(t)
	t.Run("commands", func(t *testing.T) { measureCommands(t, path) })
	t.Run("console", func(t *testing.T) {
		store, err := sqlitestore.Open(t.Context(), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		measureConsole(t, store)
	})
}

func measureCommands(t *testing.T, path string) {
	t.Setenv("CLOAKROOM_STORE", "sqlite:"+path)
	first := ""
	for _, c := range []struct {
		args  string
		bound time.Duration // 0: none
	}{
		{"ls", time.Second},
		{"ls --after AFTER", time.Second},
		{"ls --order oldest", time.Second},
		{"ls --state all", time.Second},
		{"ls --state ended", time.Second},
		{"ls --principal user77", time.Second},
		{"ls --older-than 3d", time.Second},
		{"ls --agent Firefox", time.Second},
		{"ls --address 192.0.2.0/24", time.Second}, // which none has: --scan bounds it
		{"ls --order seen", 0},                     // for which the file has no index
		{"ls --order seen --scan 1000", time.Second},
		{"top", time.Second},
		{"top --all", 0},
		{"stats", time.Second},
		{"stats --exact", 0},
		{"doctor", 0},
		{"ledger check", 0},
		{"revoke --principal user77 --dry-run", time.Second},
		{"revoke --address 192.0.2.0/24 --dry-run --scan 0", 0},
	} {
		begun := time.Now()
		exit, stdout, stderr := command(t, "", append(strings.Fields(strings.ReplaceAll(c.args, "AFTER", first)), "--json")...)
		took := time.Since(begun)
		t.Logf("%-50s %6.2f s, exit %d", c.args, took.Seconds(), exit)
		if c.args == "ls" {
			var result lsResult
			lines := strings.Split(strings.TrimSpace(stdout), "\n")
			if err := json.Unmarshal([]byte(lines[len(lines)-1]), &result); err != nil || result.Sessions != 50 {
				t.Fatalf("%v %s", err, stdout)
			}
			first = result.After
		}
		if c.bound > 0 && took > c.bound {
			t.Errorf("%s takes %v", c.args, took)
		}
		if exit == exitUsage {
			t.Errorf("%s: %s%s", c.args, stdout, stderr)
		}
	}
}

// load makes a file with so many sessions fast: it makes some by a store, and copies their
// rows. A fifth has ended. Half of the rest are signed in, of a tenth as many principals,
// who have ledgers.
func load(t *testing.T, path string, n int) {
	t.Helper()
	crowd(t, path, 1)
	if store, err := sqlitestore.Open(t.Context(), path, nil); err != nil {
		t.Fatal(err)
	} else if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	must(sqlitex.ExecuteTransient(c, "PRAGMA synchronous = OFF", nil))
	must(sqlitex.ExecuteTransient(c, "BEGIN", nil))
	insert, err := c.Prepare(`INSERT INTO records (seq, id, kind, app, principal, created, due, seen, expires, deadline, verifier, persistent, address, user_agent, writes, revs, grave, data)
VALUES (1, ?, ?, 'session', ?, ?, ?, ?, ?, ?, x'00', 0, ?, ?, 1, '', ?, ?)`)
	must(err)
	random := rand.New(rand.NewPCG(1, 2))
	agents := []string{"Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0", "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36", "curl/8.15.0"}
	now := time.Now()
	ms := func(t time.Time) int64 { return t.UnixMilli() }
	write := func(values ...any) {
		for at, v := range values {
			switch v := v.(type) {
			case nil:
				insert.BindNull(at + 1)
			case int64:
				insert.BindInt64(at+1, v)
			case string:
				insert.BindText(at+1, v)
			}
		}
		_, err := insert.Step()
		must(err)
		must(insert.Reset())
	}
	ledgers := map[string][]string{}
	for i := range n {
		made := now.Add(-time.Duration(float64(7*day) * float64(n-i) / float64(n)))
		seen := made.Add(time.Duration(random.Int64N(int64(now.Sub(made)) + 1)))
		id := driver.NewID(driver.LayoutDay, made)
		kind, principal, grave := "session", "", any(nil)
		if i%2 == 0 {
			principal = fmt.Sprint("user", random.IntN(n/10))
		}
		data := fmt.Sprintf(`{"cart":%q}`, strings.Repeat("x", 200+random.IntN(400)))
		if i%1000 == 0 {
			data = fmt.Sprintf(`{"cart":%q}`, strings.Repeat("x", 20_000+random.IntN(20_000)))
		}
		created, due, expires, deadline := ms(made), ms(seen.Add(8*day)), any(ms(seen.Add(8*day))), any(ms(made.Add(30*day)))
		address, agent := fmt.Sprintf("203.0.%d.%d", random.IntN(256), random.IntN(256)), agents[random.IntN(len(agents))]
		if i%5 == 0 {
			grave = fmt.Sprintf(`{"reason":"revoked","at":%d,"until":%d,"app":"session","principal":%q,"writes":2,"revs":[]}`, ms(seen), deadline, principal)
			kind, principal, data, address, agent, created, due, expires = "", "", "{}", "", "", 0, ms(made.Add(30*day)), nil
		}
		if principal != "" {
			ledgers[principal] = append(ledgers[principal], fmt.Sprintf(`{"id":%q,"deadline":%d}`, id, deadline))
		}
		write(id.String(), kind, principal, created, due, ms(seen), expires, deadline, address, agent, grave, data)
	}
	for principal, entries := range ledgers {
		late := ms(now.Add(30 * day))
		data := `{"ledger":{"generation":"AAAAAAAAAAA","live":[` + strings.Join(entries, ",") + `]}}`
		write(driver.LedgerID("session", principal).String(), "ledger", principal, ms(now), late, ms(now), late, late, "", "", nil, data)
	}
	must(sqlitex.ExecuteTransient(c, "COMMIT", nil))
}
