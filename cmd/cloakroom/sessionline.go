package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is a session as commands tell it: a line of a table, or an object.

// sessionLine is a session, in JSON. One that has ended has the members up to principal and
// those of its end alone.
type sessionLine struct {
	Type          string      `json:"type"` // session
	ID            string      `json:"id"`
	State         string      `json:"state"` // live, expired or ended
	App           string      `json:"app"`
	Principal     string      `json:"principal,omitempty"`
	Created       *time.Time  `json:"created,omitempty"`
	Authenticated *time.Time  `json:"authenticated,omitempty"`
	Seen          *time.Time  `json:"seen,omitempty"`
	Expires       *time.Time  `json:"expires,omitempty"`
	Deadline      *time.Time  `json:"deadline,omitempty"`
	Persistent    bool        `json:"persistent,omitempty"`
	Address       string      `json:"address,omitempty"`
	UserAgent     string      `json:"userAgent,omitempty"`
	Bytes         int         `json:"bytes"` // of the values' names and JSON
	Reason        string      `json:"reason,omitempty"`
	Ended         *time.Time  `json:"ended,omitempty"`
	KeptUntil     *time.Time  `json:"keptUntil,omitempty"` // the grave
	Successor     string      `json:"successor,omitempty"`
	Ledger        string      `json:"ledger,omitempty"` // show: named, ending, missing or unknown
	Values        []valueInfo `json:"values,omitempty"` // show
}

// The states of a session.
const (
	stateLive    = "live"
	stateExpired = "expired"
	stateEnded   = "ended"
)

// lineOf returns a record or grave as it is at a time.
func lineOf(rec *driver.Record, now time.Time) sessionLine {
	at := func(t time.Time) *time.Time {
		if t.IsZero() {
			return nil
		}
		return &t
	}
	l := sessionLine{Type: "session", ID: rec.ID.String(), State: stateLive}
	if g := rec.Grave; g != nil {
		l.State, l.App, l.Principal, l.Reason = stateEnded, g.App, g.Principal, string(g.Reason)
		l.Created, l.Ended, l.KeptUntil = at(rec.ID.Time()), at(g.At), at(g.Until)
		if !g.Successor.IsZero() {
			l.Successor = g.Successor.String()
		}
		return l
	}
	if isOver(rec, now) {
		l.State = stateExpired
	}
	l.App, l.Principal, l.Persistent, l.Address, l.UserAgent = rec.App, rec.Principal, rec.Persistent, rec.Client.Address, rec.Client.UserAgent
	l.Created, l.Authenticated, l.Seen, l.Expires, l.Deadline = at(rec.Created), at(rec.Authenticated), at(rec.Seen), at(rec.Expires), at(rec.Deadline)
	l.Bytes = bytesOf(rec)
	return l
}

// isOver reports whether a session is over at a time.
func isOver(rec *driver.Record, now time.Time) bool {
	return !now.Before(rec.Expires) || !now.Before(rec.Deadline)
}

// bytesOf returns the bytes of a session's values, names included, as Config.MaxBytes counts
// them.
func bytesOf(rec *driver.Record) int {
	n := 0
	for _, v := range rec.Values {
		n += len(v.Name) + len(v.JSON)
	}
	return n
}

// sessionTable writes sessions for people.
type sessionTable struct {
	w    *tabwriter.Writer
	wide bool
	now  time.Time
	rows int
}

func newSessionTable(w io.Writer, wide bool, now time.Time) *sessionTable {
	return &sessionTable{w: tabwriter.NewWriter(w, 0, 0, 2, ' ', 0), wide: wide, now: now}
}

// add writes a session.
func (s *sessionTable) add(l sessionLine) {
	if s.rows == 0 {
		s.row("ID", "STATE", "PRINCIPAL", "MADE", "USED", "ENDS", "SIZE", "ADDRESS", "AGENT")
	}
	s.rows++
	if l.State == stateEnded {
		s.row(l.ID, l.Reason, l.Principal, s.since(l.Created), "", s.since(l.Ended), "", "", "")
		return
	}
	ends := "in " + human.Ago(l.Expires.Sub(s.now))
	if l.State == stateExpired {
		ends = s.since(l.Expires)
	}
	s.row(l.ID, l.State, l.Principal, s.since(l.Created), s.since(l.Seen), ends, human.Size(int64(l.Bytes)), l.Address, l.UserAgent)
}

// since writes how long ago a time was.
func (s *sessionTable) since(t *time.Time) string {
	if t == nil {
		return ""
	}
	return human.Ago(s.now.Sub(*t)) + " ago"
}

// row writes cells. What visitors sent is cut, unless the table is wide.
func (s *sessionTable) row(cells ...string) {
	const most = 30
	for i, c := range cells {
		if c = strings.ReplaceAll(strings.ReplaceAll(human.Printable(c), "\t", " "), "\n", " "); c == "" {
			c = "-"
		}
		if r := []rune(c); !s.wide && len(r) > most {
			c = string(r[:most-3]) + "..."
		}
		cells[i] = c
	}
	_, _ = fmt.Fprintln(s.w, strings.Join(cells, "\t"))
}

// flush writes the table so far, if there is one. The columns of what follows may differ.
func (s *sessionTable) flush() { _ = s.w.Flush() }
