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
	Lasting   bool
	Notice    string
	Visits    int
	Principal string
	Goods     []item
	Cart      cartView
	Devices   []deviceView
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

type deviceView struct {
	Agent    string
	Address  string
	Since    string // the time of its sign-in
	Seen     string
	ID       string
	Current  bool
	Remember bool
}

// panelView is the data of the panel about the session.
type panelView struct {
	ID     string
	Where  string // the place of the record
	Saving string // when changes are saved
	Made   string // the time of the session's making
	Idle   string // the time to its end without a further visit; "" if visits make no difference
	End    string // the time to its end at the latest
	Token  []tokenPart
	Cost   cost
	Extra  int64 // the reads among them for the list of sessions
	Total  cost
	Sweeps int64
	Record []piece
	Log    []logGroup
}

// cost counts operations of the store.
type cost struct{ Reads, Writes int64 }

func (s *Shop) view(r *request, session *cloakroom.Session, visit int, said string, devices []cloakroom.Device) shopView {
	now, info := time.Now(), session.Info()
	v := shopView{
		Lasting:   s.config.Lasting,
		Notice:    said,
		Visits:    visit,
		Principal: info.Principal,
		Goods:     goods,
		Cart:      viewCart(cart.Get(session)),
		Panel: panelView{
			ID:     info.ID.String(),
			Where:  s.config.Where,
			Saving: s.config.Saving,
			Made:   ago(now, info.Created),
			Idle:   idleEnd(now, info),
			End:    ahead(now, info.Deadline),
			Token:  cutToken(session.Token()),
			Cost:   cost{r.reads.Load(), r.writes.Load()},
			Total:  cost{s.meter.reads.Load(), s.meter.writes.Load()},
			Sweeps: s.meter.sweeps.Load(),
			Record: pretty(recordJSON(s.meter.trace.record(info.ID), session)),
		},
	}
	var others []cloakroom.ID
	if info.Principal != "" {
		others = append(others, driver.LedgerID(s.app, info.Principal))
		v.Panel.Extra = int64(1 + len(devices)) // the ledger, and each session that it names
	}
	v.Panel.Log = viewLog(now, r, info.ID, s.meter.trace.last(logLength, info.ID, others...))
	for _, d := range devices {
		v.Devices = append(v.Devices, deviceView{
			Agent: program(d.Client.UserAgent), Address: d.Client.Address, ID: d.ID.String(),
			Since: ago(now, d.Authenticated), Seen: ago(now, d.Seen), Current: d.Current, Remember: d.Persistent,
		})
	}
	return v
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

// program returns a short name of a user agent, as far as the text tells.
func program(agent string) string {
	name := ""
	for _, b := range []struct{ mark, name string }{ // the more specific first
		{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"},
		{"curl/", "curl"}, {"Go-http-client/", "Go program"},
	} {
		if strings.Contains(agent, b.mark) {
			name = b.name
			break
		}
	}
	if name == "" {
		if agent == "" {
			return "unknown program"
		}
		return string([]rune(agent)[:min(40, len([]rune(agent)))])
	}
	for _, s := range []struct{ mark, name string }{
		{"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Android", "Android"}, {"Windows", "Windows"}, {"Mac OS X", "macOS"}, {"Linux", "Linux"},
	} {
		if strings.Contains(agent, s.mark) {
			return name + " on " + s.name
		}
	}
	return name
}
