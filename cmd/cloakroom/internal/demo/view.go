package demo

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the data that the page's template shows.

// shopView is the data of the page.
type shopView struct {
	Notice    string
	Visits    int
	Principal string
	Kept      string // how long the cart is kept
	Stays     string // how long the visitor stays signed in
	Goods     []item
	Cart      cartView
	Panel     panelView
}

type cartView struct {
	Lines []cartLine
	Count int
	Total int
}

type cartLine struct {
	item
	Amount int
	Sum    int
}

// panelView is the data of the panel about the session.
type panelView struct {
	ID      string
	Console string // the URL of the operators' console; "" without one
	Where   string // the place of the record
	Saving  string // when changes are saved
	Made    string // the time of the session's making
	Idle    string // the time to its end without a further visit; "" if visits make no difference
	End     string // the time to its end at the latest
	Token   []tokenPart
	Cost    cost
	Total   cost
	Sweeps  int64
	Record  []piece
	Log     []logGroup
}

// cost counts operations of the store.
type cost struct{ Reads, Writes int64 }

func (s *Shop) view(r *request, session *cloakroom.Session, visit int, said string) shopView {
	now, info := time.Now(), session.Info()
	v := shopView{
		Notice:    said,
		Visits:    visit,
		Principal: info.Principal,
		Kept:      kept(info, s.config.Lasting),
		Stays:     stays(info),
		Goods:     goods,
		Cart:      viewCart(cart.Get(session)),
		Panel: panelView{
			ID:      info.ID.String(),
			Console: s.console,
			Where:   s.config.Where,
			Saving:  s.config.Saving,
			Made:    ago(now, info.Created),
			Idle:    idleEnd(now, info),
			End:     ahead(now, info.Deadline),
			Token:   cutToken(session.Token()),
			Cost:    cost{r.reads.Load(), r.writes.Load()},
			Total:   cost{s.meter.reads.Load(), s.meter.writes.Load()},
			Sweeps:  s.meter.sweeps.Load(),
			Record:  pretty(recordJSON(s.meter.trace.record(info.ID), session)),
		},
	}
	var others []cloakroom.ID
	if info.Principal != "" {
		others = append(others, driver.LedgerID(s.app, info.Principal))
	}
	v.Panel.Log = viewLog(now, r, info.ID, s.meter.trace.last(logLength, info.ID, others...))
	return v
}

// kept says what the cart outlives. The ticket for it goes with the browser's run, unless
// the session is remembered.
func kept(info cloakroom.Info, lasting bool) string {
	text := "Kept in memory: the cart ends with the demo."
	if lasting {
		text = "Stop the demo and start it again: the cart is kept."
	}
	if info.Persistent {
		text += " Closing the browser does it no harm."
	} else {
		text += " Closing the browser drops its ticket, and so the cart."
	}
	if info.Principal != "" {
		text += " Signing out ends it."
	}
	return text
}

// stays says how long somebody stays signed in on this device.
func stays(info cloakroom.Info) string {
	if info.Persistent {
		return "Remembered: you stay signed in here when the browser is closed."
	}
	return "Until the browser is closed, or you stay away for long."
}

// idleEnd describes when a session ends without a further visit, "" if only its deadline
// ends it.
func idleEnd(now time.Time, info cloakroom.Info) string {
	if !info.Expires.Before(info.Deadline) {
		return ""
	}
	return ahead(now, info.Expires)
}

func viewCart(lines []line) cartView {
	var v cartView
	for _, l := range lines {
		thing, ok := find(l.Item)
		if !ok {
			continue
		}
		sum := l.Amount * thing.Price
		v.Lines = append(v.Lines, cartLine{thing, l.Amount, sum})
		v.Count += l.Amount
		v.Total += sum
	}
	return v
}

// tokenPart is one part of a token.
type tokenPart struct {
	Class  string // a class of the style sheet
	Name   string
	Text   string // hexadecimal; only the beginning of the secret
	Hidden string // dots in place of the rest
	Size   int    // bytes
	About  string
}

// cutToken cuts a token into its parts. Only the first byte of the secret leaves this
// function.
func cutToken(token string) []tokenPart {
	b, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil || len(b) != 50 {
		return nil // the request came with a token that has been renewed
	}
	part := func(class, name string, from, to, shown int, about string) tokenPart {
		size := to - from
		return tokenPart{class, name, hex.EncodeToString(b[from : from+shown]), strings.Repeat("•", 2*(size-shown)), size, about}
	}
	return []tokenPart{
		part("format", "format", 0, 1, 1, "always 1"),
		part("hint", "key hint", 1, 2, 1, "which key of the ring signed"),
		part("id", "id", 2, 18, 16, "names the session; no secret"),
		part("secret", "secret", 18, 34, 1, "the store never learns it"),
		part("mac", "MAC", 34, 50, 16, "a forgery is found out without asking the store"),
	}
}

// logGroup is the operations of one request, in their order.
type logGroup struct {
	Label string
	When  string
	Now   bool // the group is this request's
	Ops   []opView
}

type opView struct {
	Verb   string
	Write  bool
	What   string
	Result string
	Took   string
}

// logLength bounds the operations that the page shows.
const logLength = 16

// viewLog groups operations by request; ops come newest first. It leaves out the oldest
// request if some of its operations may be missing.
func viewLog(now time.Time, r *request, session cloakroom.ID, ops []op) []logGroup {
	var groups []logGroup
	var last *request
	for i, o := range ops {
		if i == 0 || o.from != last {
			g := logGroup{Label: "in the background", When: ago(now, o.at)}
			if o.from != nil {
				g.Label, g.Now = o.from.label, o.from == r
			}
			groups, last = append(groups, g), o.from
		}
		g := &groups[len(groups)-1]
		v := opView{Verb: o.verb, Write: o.write, What: "this session", Result: o.result, Took: brief(o.took)}
		switch {
		case o.id.Layout() == driver.LayoutLedger:
			v.What = "ledger of sessions"
		case o.id != session:
			v.What = "session …" + o.id.String()[17:]
		}
		if o.reason != "" {
			v.What += ", " + string(o.reason)
		}
		g.Ops = append([]opView{v}, g.Ops...)
	}
	if len(ops) == logLength && len(groups) > 1 {
		groups = groups[:len(groups)-1]
	}
	return groups
}

// brief formats a duration in few letters.
func brief(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.2f ms", float64(d)/float64(time.Millisecond))
	case d < time.Second:
		return fmt.Sprintf("%d ms", d/time.Millisecond)
	default:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
}
