package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/human"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
)

// This file is the two stores of "cloakroom copy" and "cloakroom compare": the flags that
// name them, and what is told of ids in which they differ.

// endFlags name a source and a target.
type endFlags struct {
	From place.Place `group:"ends" placeholder:"PLACE" help:"The source: sqlite:PATH, or http(s)://[USER:PASSWORD@]HOST:9200[/INDEX]."`
	To   place.Place `group:"ends" placeholder:"PLACE" help:"The target, likewise."`
	accessFlags
	ToUser         string `env:"CLOAKROOM_TO_USER" group:"ends" placeholder:"NAME" help:"The user at the target's engine, where that is another than --user. The password is in --to-password-file or $$CLOAKROOM_TO_PASSWORD."`
	ToPasswordFile string `env:"CLOAKROOM_TO_PASSWORD_FILE" group:"ends" placeholder:"FILE" help:"A file with that password."`
	ToAPIKeyFile   string `name:"to-api-key-file" env:"CLOAKROOM_TO_API_KEY_FILE" group:"ends" placeholder:"FILE" help:"A file with an API key for the target's engine. Or it is in $$CLOAKROOM_TO_API_KEY."`
	ToCAFile       string `name:"to-ca-file" env:"CLOAKROOM_TO_CA_FILE" group:"ends" placeholder:"FILE" help:"Certificates for the target's engine, in place of --ca-file."`
}

// toAccess returns what the flags and the environment say of the target.
func (f *endFlags) toAccess() place.Access {
	a := place.Access{
		User: f.ToUser, Password: os.Getenv("CLOAKROOM_TO_PASSWORD"), PasswordFile: f.ToPasswordFile,
		APIKey: os.Getenv("CLOAKROOM_TO_API_KEY"), APIKeyFile: f.ToAPIKeyFile, CAFile: f.ToCAFile,
	}
	if a.User == "" && a.Password == "" && a.PasswordFile == "" && a.APIKey == "" && a.APIKeyFile == "" && !f.To.HasLogin() {
		ca := a.CAFile
		if a = f.access(); ca != "" {
			a.CAFile = ca
		}
	}
	return a
}

// check refuses places that can't be an end.
func (f *endFlags) check(names ...string) error {
	for _, end := range []struct {
		name string
		at   place.Place
	}{{"from", f.From}, {"to", f.To}} {
		for _, name := range names {
			switch {
			case name != end.name:
			case end.at.IsZero():
				return misuse("--" + name + " is missing: name a store, such as sqlite:PATH or https://HOST:9200")
			case !end.at.Lasting():
				return misuse("--" + name + ": the memory of another process can't be looked at: name a file or an engine")
			}
		}
	}
	if len(names) == 2 && f.From.Same(f.To) {
		return misuse("--from and --to name the same store")
	}
	return nil
}

// What a store is wanted for.
const toCopy, toCompare = "copy from", "compare"

// openFrom opens the source.
func (f *endFlags) openFrom(t *terminal, why place.Intent, wanted string) (place.Store, error) {
	store, err := openEnd(t, f.From, f.access(), why)
	return store, noStore(f.From, err, wanted)
}

// noStore doesn't say of a missing store how to make one, since an empty one is of no use.
func noStore(where place.Place, err error, wanted string) error {
	if errors.Is(err, place.ErrNoStore) {
		return fmt.Errorf("%v: %w to %s", where, place.ErrNoStore, wanted)
	}
	return err
}

// openTo opens the target.
func (f *endFlags) openTo(t *terminal, why place.Intent) (place.Store, error) {
	return openEnd(t, f.To, f.toAccess(), why)
}

func openEnd(t *terminal, where place.Place, a place.Access, why place.Intent) (place.Store, error) {
	ctx, cancel := context.WithTimeout(t.ctx, openPatience)
	defer cancel()
	store, err := where.Existing(ctx, place.Options{Access: a, Why: why, Logger: t.warnings(), Adjust: func(c *elasticstore.Config) {
		c.CopyBytes = -1 // each record is read once
	}})
	if err != nil {
		return nil, openError(t.ctx, where, err)
	}
	return store, nil
}

// makeTo opens the target, and makes it first if it isn't there.
func (f *endFlags) makeTo(t *terminal) (place.Store, error) {
	store, err := f.openTo(t, place.Tend)
	if !errors.Is(err, place.ErrNoStore) {
		return store, err
	}
	changes, err := f.setUpTo(t, false)
	for _, c := range changes {
		t.note("%s", c.Text)
	}
	if err != nil {
		return nil, err
	}
	if f.To.IsEngine() {
		t.note("the target has the default settings. If the application has others, end this, and begin with \"cloakroom setup\", which has flags for them")
	}
	return f.openTo(t, place.Tend)
}

// setUpTo makes the target, or tells only what it would make.
func (f *endFlags) setUpTo(t *terminal, rehearse bool) ([]place.Change, error) {
	ctx, cancel := context.WithTimeout(t.ctx, 2*openPatience)
	defer cancel()
	changes, err := f.To.SetUp(ctx, f.toAccess(), rehearse, func(*elasticstore.Config) {}, t.warnings())
	if err != nil {
		err = openError(t.ctx, f.To, err)
	}
	return changes, err
}

// differenceLine is an id in which the stores differ, in JSON.
type differenceLine struct {
	Type   string          `json:"type"` // difference
	ID     string          `json:"id,omitempty"`
	Reason transfer.Reason `json:"reason"`
	Text   string          `json:"text"`
}

// differences tells what differs.
type differences struct {
	t *terminal

	mu  sync.Mutex
	n   int64
	all map[transfer.Reason]int64
}

// mostDifferences bounds the ids that people are told.
const mostDifferences = 50

func (d *differences) add(f transfer.Finding) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.all == nil {
		d.all = map[transfer.Reason]int64{}
	}
	d.n++
	d.all[f.Reason]++
	switch text := hide(d.t.args, f.String()); {
	case d.t.json:
		l := differenceLine{Type: "difference", Reason: f.Reason, Text: text}
		if !f.ID.IsZero() {
			l.ID = f.ID.String()
		}
		d.t.emit(l)
	case d.n <= mostDifferences:
		d.t.say("%s", human.Printable(text))
	case d.n == mostDifferences+1:
		d.t.say("There are more; --json tells them all.")
	}
}

// of returns how many ids differ for a reason.
func (d *differences) of(why transfer.Reason) int64 {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.all[why]
}

// sideLine is what a store keeps, in JSON.
type sideLine struct {
	Sessions int64 `json:"sessions"`
	Ledgers  int64 `json:"ledgers"`
	Graves   int64 `json:"graves"`
}

func sideOf(s transfer.Side) *sideLine { return &sideLine{s.Sessions, s.Ledgers, s.Graves} }

func (s *sideLine) String() string {
	return fmt.Sprintf("%s, %s and %s", human.Counted(s.Sessions, "session"), human.Counted(s.Ledgers, "ledger"), human.Counted(s.Graves, "grave"))
}
