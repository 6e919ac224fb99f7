package protocol

import (
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the tests of a ledger's JSON, and of unknown members.

const (
	idA = "AZqAAAAAAgEBAQEBAQEBAQ"
	idB = "AZqAAAAAAgICAgICAgICAg"
)

// The golden file has a ledger as this version writes it, one with members that a later
// version could add, and one that ends a session because of a limit.
func TestLedgerGolden(t *testing.T) {
	golden, err := os.ReadFile("testdata/ledgers.golden")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(golden)) {
		line = strings.TrimSuffix(line, "\n")
		l, err := decodeLedger(json.RawMessage(line))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		if again, err := json.Marshal(l); err != nil || string(again) != line {
			t.Errorf("%s, %v\nis written for\n%s", again, err, line)
		}
		if len(l.Live) != 2 || l.Live[0].ID.String() != idA || l.Live[1].ID.String() != idB || l.Live[1].Deadline != 1797897600000 || len(l.Ending) != 1 {
			t.Errorf("%s is read as %+v", line, l)
		}
		why := driver.EndRevoked
		if strings.Contains(line, `"limit":true`) {
			why = driver.EndOverLimit
		}
		if got := l.Ending[0].reason(); got != why {
			t.Errorf("%s ends it as %s, want %s", line, got, why)
		}
	}
}

// A ledger that isn't quite one is corrupt: to read a part of it would lose sessions that
// a sign-out everywhere has to end. Merely unknown members are kept.
func TestI10_StrangeLedgers(t *testing.T) {
	const entry = `{"id":"` + idA + `","deadline":1797897600000}`
	const generation = `"generation":"AAAAAAAAAAA"`
	for text, wrong := range map[string]string{
		`{` + generation + `,"live":[` + entry + `],"Live":[]}`:                                                       "",
		`{` + generation + `,"live":[` + entry + `],"LIVE":[],"x":1}`:                                                 "",
		`{"LIVE":[],` + generation + `,"live":[` + entry + `],"Generation":"BBBBBBBB"}`:                               "",
		`{"live":[{"Deadline":0,"id":"` + idA + `","deadline":1797897600000,"ID":"` + idB + `"}],` + generation + `}`: "",
		`{ "live" : [ ` + entry + ` ] }`:                                                                              "",

		`{` + generation + `,"live":[` + entry + `],"live":[]}`:                        `"live" twice`,
		`{` + generation + `,"live":null}`:                                             "live: null",
		`{` + generation + `,"live":[null]}`:                                           "live: it is no JSON object",
		`{` + generation + `,"live":[{"id":"` + idA + `","deadline":null}]}`:           "no deadline",
		`{` + generation + `,"live":[{"id":"` + idA + `"}]}`:                           "entry 1",
		`{` + generation + `,"live":[{"deadline":1}]}`:                                 "entry 1",
		`{` + generation + `,"live":[{"id":"` + idA + `","deadline":1,"deadline":2}]}`: `"deadline" twice`,
		`{` + generation + `,"live":{}}`:                                               "live:",
		`{"generation":"x"}`:                                                           "generation:",
		`null`:                                                                         "no JSON object",
		`[]`:                                                                           "no JSON object",
		`1`:                                                                            "no JSON object",
	} {
		l, err := decodeLedger(json.RawMessage(text))
		switch {
		case wrong == "" && (err != nil || len(l.Live) != 1 || l.Live[0].ID.String() != idA || l.Live[0].Deadline != 1797897600000 || l.Generation != driver.WriteID{}):
			t.Errorf("%s is read as %+v, %v", text, l, err)
		case wrong != "" && (err == nil || !strings.Contains(err.Error(), wrong)):
			t.Errorf("%s is read as %+v, %v, want an error with %q", text, l, err, wrong)
		}
		if wrong != "" {
			continue
		}
		raw, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := decodeLedger(raw); err != nil || len(again.Live) != 1 || again.Live[0].ID != l.Live[0].ID || len(again.extra) != len(l.extra) {
			t.Errorf("%s is written as %s", text, raw)
		}
	}
}

// A confirmation keeps the members that a newer version put into a record or grave.
func TestConfirmKeepsExtra(t *testing.T) {
	extra := driver.ValueList{{Name: "labels", JSON: json.RawMessage(`{"a":"b"}`)}}
	store := memstore.New(nil)
	defer func() { _ = store.Close() }()
	r := New(store, Options{App: "session"})
	id, err := driver.ParseID(idA)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := store.Create(t.Context(), &driver.Record{ID: id, Kind: driver.KindSession, App: "session", Extra: extra}); err != nil {
		t.Fatal(err)
	}
	same := func(what string, got driver.ValueList) {
		t.Helper()
		if !slices.EqualFunc(got, extra, func(a, b driver.Value) bool { return a.Name == b.Name && string(a.JSON) == string(b.JSON) }) {
			t.Errorf("%s has %s, want %s", what, got, extra)
		}
	}
	rec, err := store.Get(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	if rec, err = r.confirm(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	same("the record", rec.Extra)
	g := rec.GraveFor(driver.EndDestroyed, rec.Seen, driver.NewWriteID())
	g.Extra = extra
	if err := store.Bury(t.Context(), id, g, rec.Version); err != nil {
		t.Fatal(err)
	}
	rec, _ = store.Get(t.Context(), id)
	if _, err := r.confirm(t.Context(), rec); err != nil {
		t.Fatal(err)
	}
	if rec, err = store.Get(t.Context(), id); !errors.Is(err, driver.ErrGone) {
		t.Fatal(err)
	}
	same("the grave", rec.Grave.Extra)
}
