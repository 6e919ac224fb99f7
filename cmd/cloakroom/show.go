package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/human"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is "cloakroom show".

type showCommand struct {
	ID     driver.ID `arg:"" placeholder:"ID" help:"The session's id. One that begins with - goes behind --."`
	Values bool      `help:"Show the values, and not only their names and sizes. They may be secret."`
	storeFlags
}

// Help implements kong.HelpProvider.
func (*showCommand) Help() string {
	return `What the store has of a session, also of one that has ended. Nothing is changed.

Exit code 5 says that there is no such session.

Examples:

    cloakroom show --store sqlite:sessions.db AaCGUF5AAlI9brXgbqNiHQ
    cloakroom show --store sqlite:sessions.db --values --json AaCGUF5AAlI9brXgbqNiHQ`
}

// valueInfo is a value of a session, in JSON.
type valueInfo struct {
	Name  string          `json:"name"`
	Bytes int             `json:"bytes"`
	Value json.RawMessage `json:"value,omitempty"`
}

// Run shows a session.
func (c *showCommand) Run(t *terminal, flags *kong.Context) error {
	o, err := c.open(t, flags, place.Look)
	if err != nil {
		return err
	}
	defer o.close()
	ctx, cancel := context.WithTimeout(t.ctx, openPatience)
	defer cancel()
	rec, err := o.find(ctx, c.ID)
	if err != nil {
		return err
	}
	now := time.Now()
	l := lineOf(rec, now)
	for _, v := range rec.Values {
		info := valueInfo{Name: v.Name, Bytes: len(v.JSON)}
		if c.Values {
			info.Value = v.JSON
		}
		l.Values = append(l.Values, info)
	}
	if l.State == stateLive && l.Principal != "" {
		l.Ledger = o.inLedger(ctx, rec)
	}
	if t.json {
		t.emit(l)
	} else {
		saySession(t, l, now, c.Values)
	}
	return nil
}

// find returns a session of the app, or its grave.
func (o *openedStore) find(ctx context.Context, id driver.ID) (*driver.Record, error) {
	rec, err := o.Get(ctx, id)
	switch {
	case driver.IsGone(rec, err):
		if app := rec.Grave.App; app != "" && app != o.app {
			return nil, notFound(fmt.Errorf("the session %v is of the app %q: --app names it", id, app))
		}
		return rec, nil
	case driver.IsNotFound(err):
		return nil, notFound(fmt.Errorf("there is no session %v", id))
	case err != nil:
		return nil, err
	case rec.Kind != driver.KindSession:
		return nil, notFound(fmt.Errorf("%v is not a session, but a ledger", id))
	case rec.App != o.app:
		return nil, notFound(fmt.Errorf("the session %v is of the app %q: --app names it", id, rec.App))
	}
	return rec, nil
}

// inLedger tells what its principal's ledger says of a session.
func (o *openedStore) inLedger(ctx context.Context, rec *driver.Record) string {
	ledger, err := o.Get(ctx, driver.LedgerID(o.app, rec.Principal))
	switch {
	case driver.IsNotFound(err):
		return "missing"
	case err != nil:
		return "unknown"
	}
	live, ending, err := protocol.LedgerIDs(ledger, o.app, rec.Principal)
	switch {
	case errors.Is(err, driver.ErrCorrupt), err != nil:
		return "unknown"
	case slices.Contains(live, rec.ID):
		return "named"
	case slices.Contains(ending, rec.ID):
		return "ending"
	}
	return "missing"
}

// saySession tells a session to people.
func saySession(t *terminal, l sessionLine, now time.Time, values bool) {
	say := func(name, format string, args ...any) {
		t.say("%-12s %s", name+":", strings.ReplaceAll(human.Printable(fmt.Sprintf(format, args...)), "\n", " "))
	}
	when := func(name string, at *time.Time) {
		if at == nil {
			return
		}
		if left := at.Sub(now); left > 0 {
			say(name, "%s, in %s", moment(*at), human.Ago(left))
		} else {
			say(name, "%s, %s ago", moment(*at), human.Ago(-left))
		}
	}
	say("Id", "%s", l.ID)
	switch l.State {
	case stateEnded:
		say("State", "ended: %s", l.Reason)
	case stateExpired:
		say("State", "expired; nobody has ended it yet")
	default:
		say("State", "%s", l.State)
	}
	say("App", "%s", plain(l.App))
	if l.Principal != "" {
		say("Principal", "%s", plain(l.Principal))
	} else if l.State != stateEnded {
		say("Principal", "nobody is signed in")
	}
	when("Made", l.Created)
	when("Signed in", l.Authenticated)
	when("Used", l.Seen)
	when("Expires", l.Expires)
	when("Deadline", l.Deadline)
	when("Ended", l.Ended)
	when("Remembered", l.KeptUntil)
	if l.Successor != "" {
		say("Successor", "%s", l.Successor)
	}
	if l.Persistent {
		say("Token", "it outlives the browser's run")
	}
	if l.Address != "" {
		say("Address", "%s", l.Address)
	}
	if l.UserAgent != "" {
		say("Agent", "%s", l.UserAgent)
	}
	if text := ledgerTexts[l.Ledger]; text != "" {
		say("Ledger", "%s", text)
	}
	if l.State != stateEnded {
		say("Values", "%s, %s", human.Counted(int64(len(l.Values)), "value"), human.Size(int64(l.Bytes)))
		sayValues(t, l, values)
	}
}

// ledgerTexts say what is the matter with a ledger, as inLedger tells it.
var ledgerTexts = map[string]string{
	"missing": "it doesn't name the session: cloakroom ledger rebuild enters it",
	"ending":  "it says that the session is about to be ended",
	"unknown": "it can't be read: cloakroom ledger check",
}

// sayValues tells a session's values to people, or their sizes.
func sayValues(t *terminal, l sessionLine, values bool) {
	for _, v := range l.Values {
		if values {
			t.say("  %s: %s", human.Printable(plain(v.Name)), strings.ReplaceAll(human.Printable(string(v.Value)), "\n", " "))
		} else {
			t.say("  %s: %s", human.Printable(plain(v.Name)), human.Size(int64(v.Bytes)))
		}
	}
}
