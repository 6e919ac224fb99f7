package console

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is the page of one session, its end, and the revealing of its values.

// sessionPage is the page's data.
type sessionPage struct {
	row
	Line      []event
	Successor string
	Kept      moment // until when the grave is
	Writes    uint64
	Values    []value
	Revealed  bool
	MayEnd    bool
	MayReveal bool
}

// value is a value of a session. JSON is "" unless it was revealed.
type value struct {
	Name  string
	Bytes int64
	JSON  string
}

// event is a moment of a session's life. X is its place on the line, from 0 to 1000.
type event struct {
	Name, Text string
	At         moment
	Ahead      bool
	X          int

	at time.Time
}

// find returns the session that a request names, and its app.
func (c *Console) find(v *visit) (*cloakroom.Admin, *driver.Record, error) {
	id, err := driver.ParseID(v.PathValue("id"))
	if err != nil {
		return nil, nil, missing("The address has no id of a session: " + err.Error() + ".")
	}
	for _, a := range c.config.Admins {
		rec, err := a.Stored(v.Context(), id)
		if err == nil {
			return a, rec, nil
		}
		if !errors.Is(err, cloakroom.ErrNotFound) {
			return nil, nil, err
		}
	}
	return nil, nil, missing("There is no session " + id.String() + " in " + strings.Join(c.apps(), ", ") + ". Its grave may not be kept any more.")
}

func (c *Console) apps() []string {
	var names []string
	for _, a := range c.config.Admins {
		names = append(names, a.App())
	}
	return names
}

// session shows a session.
func (c *Console) session(v *visit) error {
	_, rec, err := c.find(v)
	if err != nil {
		return err
	}
	c.showSession(v, rec, false)
	return nil
}

func (c *Console) showSession(v *visit, rec *driver.Record, reveal bool) {
	p := &sessionPage{row: c.rowOf(rec, v.op, v.now), Line: lifeOf(rec, v.now), Writes: rec.Writes, Revealed: reveal}
	if g := rec.Grave; g != nil {
		p.Kept, p.Writes = when(v.now, g.Until), g.Writes
		if !g.Successor.IsZero() {
			p.Successor = g.Successor.String()
		}
	} else {
		p.MayEnd, p.MayReveal = v.op.End, v.op.SeeValues && !reveal && len(rec.Values) > 0
	}
	for _, x := range rec.Values {
		shown := value{Name: x.Name, Bytes: int64(len(x.JSON))}
		if reveal {
			shown.JSON = indented(x.JSON)
		}
		p.Values = append(p.Values, shown)
	}
	c.show(v, http.StatusOK, "session", "Session "+p.ID, "sessions", p)
}

// indented writes JSON for people.
func indented(raw json.RawMessage) string {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", "  ") != nil {
		return human.Printable(string(raw))
	}
	return human.Printable(b.String())
}

// lifeOf returns the moments of a session, in their order.
func lifeOf(rec *driver.Record, now time.Time) []event {
	var line []event
	add := func(name, text string, at time.Time) {
		if !at.IsZero() {
			line = append(line, event{Name: name, Text: text, At: when(now, at), Ahead: at.After(now), at: at})
		}
	}
	if g := rec.Grave; g != nil {
		add("Made", "", rec.ID.Time())
		add("Ended", reasonText(g.Reason), g.At)
		add("Grave kept until", "no write can bring it back", g.Until)
	} else {
		add("Made", "", rec.Created)
		add("Signed in", "", rec.Authenticated)
		add("Last seen", "", rec.Seen)
		add("Old tokens end", "its token was renewed", rec.PreviousEnds)
		if rec.Expires.Before(rec.Deadline) {
			add("Expires", "unless it is used", rec.Expires)
		}
		add("Deadline", "however it is used", rec.Deadline)
	}
	add("Now", "", now)
	slices.SortStableFunc(line, func(a, b event) int { return a.at.Compare(b.at) })
	if n := len(line); n > 1 {
		first, whole := line[0].at, line[n-1].at.Sub(line[0].at)
		for i := range line {
			if whole > 0 {
				line[i].X = int(1000 * float64(line[i].at.Sub(first)) / float64(whole)) // which no lifetime overflows
			}
		}
	}
	return line
}

// reveal shows a session's values, and tells of it before.
func (c *Console) reveal(v *visit) error {
	if !v.op.SeeValues {
		return &complaint{http.StatusForbidden, "You may not see values", "They stay hidden."}
	}
	if err := v.form(); err != nil {
		return err
	}
	reason, err := reasonOf(v)
	if err != nil {
		return err
	}
	a, rec, err := c.find(v)
	if err != nil {
		return err
	}
	leave, err := c.enter()
	if err != nil {
		return err
	}
	err = c.act(v.Context(), Act{Actor: v.op.Name, Action: ActReveal, Reason: reason, App: a.App(), ID: rec.ID, Principal: rec.Principal, Result: ResultBegun})
	leave()
	if err != nil {
		return err
	}
	c.showSession(v, rec, true)
	return nil
}

// endOne ends a session.
func (c *Console) endOne(v *visit) error {
	if err := c.mayEnd(v); err != nil {
		return err
	}
	if err := v.form(); err != nil {
		return err
	}
	reason, err := reasonOf(v)
	if err != nil {
		return err
	}
	a, rec, err := c.find(v)
	if err != nil {
		return err
	}
	leave, err := c.enter()
	if err != nil {
		return err
	}
	defer leave()
	// The act goes on, and is told, though the operator's browser hangs up.
	ctx := context.WithoutCancel(v.Context())
	act := Act{Actor: v.op.Name, Action: ActEnd, Reason: reason, App: a.App(), ID: rec.ID, Principal: ownerOf(rec), Count: 1, Result: ResultBegun}
	if err := c.act(ctx, act); err != nil {
		return err
	}
	act.Result, act.Err = ResultDone, revoke(ctx, a, rec.ID)
	switch {
	case errors.Is(act.Err, cloakroom.ErrUnavailable):
		act.Count, act.Result = 0, ResultUncertain
	case act.Err != nil:
		act.Count, act.Result = 0, ResultFailed
	case rec.Grave != nil:
		act.Count = 0 // others ended it
	}
	_ = c.act(ctx, act) // which has logged its error
	switch {
	case act.Result == ResultUncertain:
		return &complaint{http.StatusServiceUnavailable, "It may have ended or not", "The store didn't answer in time: " + act.Err.Error() + ". End it again, until that succeeds."}
	case act.Err != nil:
		return act.Err
	}
	return c.to(v, "session/"+rec.ID.String())
}

// ownerOf returns whose a session is, or was.
func ownerOf(rec *driver.Record) string {
	if rec.Grave != nil {
		return rec.Grave.Principal
	}
	return rec.Principal
}

// revoke ends a session, and one that has ended as well: a grave that is read isn't proved
// to stay. A store that panics may have ended it.
func revoke(ctx context.Context, a *cloakroom.Admin, id cloakroom.ID) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the store panicked: %v: %w", p, cloakroom.ErrUnavailable)
		}
	}()
	return a.Revoke(ctx, id)
}
