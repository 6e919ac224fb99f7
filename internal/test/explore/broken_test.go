package explore

import (
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/test/brokenstore"
)

// mutant is a scenario on a store that breaks a rule, and has to fail.
type mutant struct {
	store    string // a variant of package brokenstore
	scenario string
	fails    string // the promise that is broken first
	more     func(*scenario)
}

func mutants() []mutant {
	return []mutant{
		{store: "upsert", scenario: "destroy-saves", fails: "b"},
		{store: "last-writer-wins", scenario: "saves-2", fails: "a"},
		{store: "create-replaces", scenario: "destroy", fails: "b"},
		{store: "version-repeats", scenario: "ledger-sweep", fails: "c", more: func(sc *scenario) {
			sc.clients[1].programs = []program{revokeAll(), revokeAll()}
		}},
		{store: "drops-acknowledged", scenario: "saves-2", fails: "a"},
		{store: "lying-answers", scenario: "saves-certain", fails: "e"},
		{store: "one-write-id", scenario: "saves-3", fails: "a"},
		{store: "delete-without-grave", scenario: "destroy", fails: "b"},
		{store: "bury-missing-nothing", scenario: "create-end", fails: "b"},
		{store: "bury-unchecked", scenario: "login-saves", fails: "a"},
		{store: "grave-without-write-ids", scenario: "login-save", fails: "e"},
		{store: "grave-short", scenario: "create-end", fails: "b"},
		{store: "no-ledger", scenario: "login-revoke", fails: "c"},
		{store: "revoke-missing-nothing", scenario: "no-ledger", fails: "c"},
		{store: "no-generation", scenario: "no-ledger", fails: "c"},
		{store: "no-ending", scenario: "revoke-revoke", fails: "c"},
		{scenario: "ledger-sweep", fails: "c", more: func(sc *scenario) { sc.sweepUnchecked = true }},
	}
}

func (m mutant) name() string {
	if m.store == "" {
		return "sweep-unchecked"
	}
	return m.store
}

// TestBrokenStores proves that exploring finds what it is meant to find.
func TestBrokenStores(t *testing.T) {
	all := bounded()
	for _, m := range mutants() {
		t.Run(m.name(), func(t *testing.T) {
			i := slices.IndexFunc(all, func(sc scenario) bool { return sc.name == m.scenario })
			if i < 0 {
				t.Fatalf("no scenario %s", m.scenario)
			}
			sc := all[i]
			if m.store != "" {
				v, ok := brokenstore.Named(m.store)
				if !ok {
					t.Fatalf("no store %s", m.store)
				}
				sc.broken = &v
			}
			if m.more != nil {
				m.more(&sc)
			}
			r := explore(t, &sc)
			t.Logf("%s: %s: %s\n%s", sc.name, r.String(), r.failed, strings.Join(r.trace, "\n"))
			if !strings.HasPrefix(r.failed, m.fails+":") {
				t.Errorf("failed by %q, want a breach of %s", r.failed, m.fails)
			}
		})
	}
}

// TestAllBrokenStoresAreTried: what can't be shown here is said here.
func TestAllBrokenStoresAreTried(t *testing.T) {
	tried := map[string]string{
		"stale-read":       "it remembers beside its records, which can't be taken back to another state",
		"drops-extra":      "clients put nothing there: package storetest shows it",
		"newer-is-missing": "all processes are of one version: package storetest shows it",
	}
	for _, m := range mutants() {
		tried[m.name()] = m.scenario
	}
	for _, v := range brokenstore.All() {
		if tried[v.Name] == "" {
			t.Errorf("no scenario shows %s", v.Name)
		}
	}
}
