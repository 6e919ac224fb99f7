package main

import (
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is "cloakroom doctor": its flags, and how it tells what it found.

type doctorCommand struct {
	Facts       bool `help:"Tell the store's facts as well, such as sizes. In JSON they are always told."`
	Ledgers     int  `default:"1000" placeholder:"N" help:"Compare so many of the newest sessions with the ledgers; 0 for none. Default: 1000. \"cloakroom ledger check\" compares all."`
	Fix         bool `help:"First enter what ledgers lack, and apply the settings to indices that have others. What is about to be changed is told, and it asks."`
	Acknowledge bool `help:"First take note of the indices that were lost, made anew or restored, so that they aren't told any more. It asks."`
	Yes         bool `help:"Do that without asking."`
	managerFlags
	engineFlags
	storeFlags
}

// Help implements kong.HelpProvider.
func (*doctorCommand) Help() string {
	return `A line for each check, with the remedy: ok, info (it works as configured, and is worth knowing), warn (it works, but not as it should), fail (something doesn't work, or soon won't), or skip (it can't be told). docs/problems.md explains the codes. Nothing is changed, except with --fix and --acknowledge.

Exit code 4 says that something is warned of, or fails; so it suits monitoring.

Examples:

    cloakroom doctor --store sqlite:sessions.db
    cloakroom doctor --store https://engine:9200 --user shop --password-file password --json
    cloakroom doctor --store sqlite:sessions.db --idle 30m --cookie-domain example.com --key-file session.keys
    cloakroom doctor --store https://engine:9200 --fix`
}

// status is how a check ended.
type status string

const (
	isOK   status = "ok"
	isInfo status = "info"
	isWarn status = "warn"
	isFail status = "fail"
	isSkip status = "skip"
)

// checkLine is a check, in JSON.
type checkLine struct {
	Type   string `json:"type"` // check
	Status status `json:"status"`
	Check  string `json:"check"`          // the check's name
	Code   string `json:"code,omitempty"` // of a problem
	Text   string `json:"text"`
	Remedy string `json:"remedy,omitempty"`
}

// factLine is a fact about the store, in JSON.
type factLine struct {
	Type  string `json:"type"` // fact
	Name  string `json:"name"`
	Value string `json:"value"`
}

// periodLine is a part of the store, in JSON.
type periodLine struct {
	Type      string     `json:"type"` // period
	Name      string     `json:"name"`
	Documents int64      `json:"documents"` // -1: unknown
	Bytes     int64      `json:"bytes"`     // -1: unknown
	DropFrom  *time.Time `json:"dropFrom,omitempty"`
}

// doctorResult is the command's members of the result.
type doctorResult struct {
	OK    int `json:"oks"`
	Info  int `json:"infos"`
	Warn  int `json:"warnings"`
	Fail  int `json:"failures"`
	Skip  int `json:"skipped"`
	Fixed int `json:"fixed"` // things that --fix and --acknowledge changed
}

// examination is the checks of one store.
type examination struct {
	*doctorCommand
	t *terminal
	doctorResult

	look  *openedStore     // which writes nothing
	judge place.Store      // for the report alone, which judges the login as an application's
	admin *cloakroom.Admin // the manager's that the flags tell of, on judge
	rep   driver.Report    // what the store and the manager report
	told  map[string]bool  // checks of which something was told
	later []checkLine      // what is told in its turn
	where place.Place
}

// Run examines a store.
func (c *doctorCommand) Run(t *terminal, flags *kong.Context) error {
	where, _, err := c.find(flags)
	if err != nil {
		return err
	}
	if (c.Fix || c.Acknowledge) && !c.Yes && !t.interactive() {
		return misuse("there is no terminal to ask at: give --yes")
	}
	x := &examination{doctorCommand: c, t: t, where: where, told: map[string]bool{}}
	defer func() { t.result(x.doctorResult) }()
	if c.Fix || c.Acknowledge {
		if err := x.fix(flags); err != nil {
			return err
		}
	}
	if err := x.examine(flags); err != nil {
		return err
	}
	if x.Warn+x.Fail > 0 {
		return told(exitFindings)
	}
	return nil
}

// tell tells how a check ended.
func (x *examination) tell(l checkLine) {
	l.Type = "check"
	switch l.Status {
	case isOK:
		x.OK++
	case isInfo:
		x.Info++
	case isWarn:
		x.Warn++
	case isFail:
		x.Fail++
	case isSkip:
		x.Skip++
	}
	if l.Status != isOK && l.Status != isSkip {
		x.told[l.Check] = true
	}
	if x.t.json {
		x.t.emit(l)
		return
	}
	name := l.Check
	if l.Code != "" {
		name += " (" + l.Code + ")"
	}
	text := l.Text
	if l.Remedy != "" {
		text += " " + l.Remedy
	}
	x.t.say("%-4s  %s: %s", l.Status, name, oneLine(text))
}

// oneLine writes a text on one line, and keeps control characters from the terminal.
func oneLine(text string) string { return human.Printable(strings.Join(strings.Fields(text), " ")) }

// tellFacts tells the facts of a report.
func (x *examination) tellFacts() {
	if !x.t.json && x.Facts {
		x.t.say("\n%s", human.Printable(x.rep.Engine))
	}
	for _, f := range x.rep.Facts {
		switch {
		case x.t.json:
			x.t.emit(factLine{"fact", f.Name, f.Value})
		case x.Facts:
			x.t.say("  %s: %s", human.Printable(f.Name), oneLine(f.Value))
		}
	}
	for _, p := range x.rep.Periods {
		l := periodLine{"period", p.Name, p.Documents, p.Bytes, nil}
		if !p.DropFrom.IsZero() {
			l.DropFrom = &p.DropFrom
		}
		switch {
		case x.t.json:
			x.t.emit(l)
		case x.Facts:
			x.t.say("  %s", human.Printable(l.String()))
		}
	}
}

// String tells it to people.
func (l periodLine) String() string {
	text := l.Name + ": "
	if l.Documents >= 0 {
		text += human.Counted(l.Documents, "document") + ", "
	}
	if l.Bytes >= 0 {
		text += human.Size(l.Bytes) + ", "
	}
	if l.DropFrom == nil {
		return text + "stays"
	}
	return text + "is dropped from " + moment(*l.DropFrom) + " on"
}

// quietly is the logger of stores that are examined: what they would log is in the report.
var quietly = slog.New(slog.DiscardHandler)

// statusOf returns the status of a problem.
func statusOf(s driver.Severity) status {
	switch s {
	case driver.SeverityInfo:
		return isInfo
	case driver.SeverityWarn:
		return isWarn
	}
	return isFail
}

// problem tells a problem of a report as part of a check.
func (x *examination) problem(check string, p driver.Problem) {
	x.tell(checkLine{Status: statusOf(p.Severity), Check: check, Code: p.Code, Text: p.Meaning, Remedy: remedyHere(p)})
}

// remedyHere returns a problem's remedy. Where a command does what a method does, the
// remedy names it.
func remedyHere(p driver.Problem) string {
	command := map[string]string{
		"template-missing": "cloakroom setup makes it.",
		"template-old":     "cloakroom setup brings it up to date.",
		"settings-drift":   "cloakroom doctor --fix applies them.",
		"settings-unsafe":  "cloakroom doctor --fix applies it.",
		"index-lost":       "cloakroom doctor --acknowledge acknowledges it.",
		"index-remade":     "cloakroom doctor --acknowledge acknowledges it.",
		"index-restored":   "cloakroom doctor --acknowledge acknowledges it.",
	}[p.Code]
	return strings.TrimSpace(fmt.Sprintf("%s %s", p.Remedy, command))
}
