package console

import (
	"fmt"
	"html/template"
	"maps"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/human"
	"github.com/cloakroom-go/cloakroom/internal/listing"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the filter of sessions. It is the address of the page, and what is ended.

// mostText bounds the bytes of a parameter. No principal is longer, and no agent that is kept.
const mostText = 512

// filter selects an app's sessions.
type filter struct {
	admin  *cloakroom.Admin
	given  url.Values // the parameters that were given, none empty
	prefix netip.Prefix
	spans  map[string]time.Duration
}

// The parameters of a filter, in the order of the page.
func filterNames() []string {
	return []string{"app", "principal", "address", "agent", "newer", "older", "used", "idle", "state", "reason", "order"}
}

// filterOf reads the filter of a page. more are the page's other parameters. Parameters
// that aren't known are refused: with a name that was mistyped all would be selected.
func (c *Console) filterOf(v *visit, more ...string) (*filter, error) {
	f := &filter{given: url.Values{}, spans: map[string]time.Duration{}}
	q, err := url.ParseQuery(v.URL.RawQuery)
	if err != nil {
		return nil, bad("The address has parameters that can't be read.")
	}
	names := filterNames()
	for name, values := range q {
		text := values[0]
		if name != "principal" { // of which space is a part: " ann" is somebody else
			text = strings.TrimSpace(text)
		}
		switch {
		case len(values) > 1:
			return nil, bad(fmt.Sprintf("The parameter %q is given twice.", name))
		case slices.Contains(more, name):
		case !slices.Contains(names, name):
			return nil, bad(fmt.Sprintf("There is no parameter %q: there are %s.", name, strings.Join(names, ", ")))
		case len(text) > mostText:
			return nil, bad(fmt.Sprintf("The parameter %q has %d bytes: at most %d are allowed.", name, len(text), mostText))
		case name == "principal" && text != "" && strings.TrimSpace(text) == "":
			return nil, bad("The principal is blank: leave it out for all.")
		case text != "":
			f.given.Set(name, text)
		}
	}
	var ok bool
	if f.admin, ok = c.admin(f.given.Get("app")); !ok {
		return nil, missing(fmt.Sprintf("The console doesn't show an app %q.", f.given.Get("app")))
	}
	return f, f.check(v.op)
}

// check judges the parameters.
func (f *filter) check(op Operator) error {
	if p := f.given.Get("principal"); p != "" {
		if err := protocol.CheckPrincipal(p); err != nil {
			return bad("The principal: " + strings.TrimPrefix(err.Error(), "cloakroom: ") + ".")
		}
	}
	if a := f.given.Get("address"); a != "" {
		if !op.SeeAddresses {
			return &complaint{403, "You may not see addresses", "So sessions can't be found by them either."}
		}
		var err error
		if f.prefix, err = network(a); err != nil {
			return bad(err.Error())
		}
	}
	for _, name := range []string{"newer", "older", "used", "idle"} {
		if text := f.given.Get(name); text != "" {
			d, err := human.ParseSpan(text)
			if err != nil {
				return bad(fmt.Sprintf("%s: %v.", name, err))
			}
			f.spans[name] = d
		}
	}
	for _, pair := range [][2]string{{"newer", "older"}, {"used", "idle"}} {
		within, beyond := f.spans[pair[0]], f.spans[pair[1]]
		if within != 0 && beyond != 0 && within <= beyond {
			return bad(fmt.Sprintf("%s=%s and %s=%s exclude each other.", pair[0], f.given.Get(pair[0]), pair[1], f.given.Get(pair[1])))
		}
	}
	for name, allowed := range map[string][]string{
		"state":  {"live", "expired", "ended", "all"},
		"order":  {"newest", "oldest", "seen"},
		"reason": words(driver.EndReasons()),
	} {
		if text := f.given.Get(name); text != "" && !slices.Contains(allowed, text) {
			return bad(fmt.Sprintf("%s is %q: there are %s.", name, text, strings.Join(allowed, ", ")))
		}
	}
	if f.given.Has("reason") && f.state() != listing.Ended {
		return bad("reason is that of ended sessions: add state=ended.")
	}
	if err := f.list(time.Now()).Check(); err != nil {
		return bad(fmt.Sprintf("state=%s: %v.", f.state(), err))
	}
	return nil
}

// words returns texts as strings.
func words[T ~string](all []T) []string {
	texts := make([]string, len(all))
	for i, t := range all {
		texts[i] = string(t)
	}
	return texts
}

// network reads an address, or a network.
func network(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("address is %q: give an IP address or a network, such as 203.0.113.7 or 203.0.113.0/24", text)
	}
	a = a.WithZone("").Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}

func (f *filter) state() listing.State {
	if s := f.given.Get("state"); s != "" {
		return listing.State(s)
	}
	return listing.Live
}

func (f *filter) order() listing.Order {
	if o := f.given.Get("order"); o != "" {
		return listing.Order(o)
	}
	return listing.Newest
}

// query returns what the filter selects at a time, whatever the state.
func (f *filter) query(now time.Time) driver.Query {
	q := driver.Query{Principal: f.given.Get("principal"), Agent: f.given.Get("agent"), Address: f.prefix, Scan: scanMost}
	before := func(name string) (t time.Time) {
		if d := f.spans[name]; d != 0 {
			t = now.Add(-d)
		}
		return t
	}
	q.CreatedFrom, q.CreatedTo = before("newer"), before("older")
	q.SeenFrom, q.SeenTo = before("used"), before("idle")
	return q
}

// list returns the list of sessions. Of those that have ended the age is that of the end.
func (f *filter) list(now time.Time) *listing.List {
	q := f.query(now)
	l := &listing.List{Query: q, State: f.state(), Order: f.order(), Now: now, Reason: driver.EndReason(f.given.Get("reason"))}
	if l.State == listing.Ended || l.State == listing.All {
		l.EndedFrom, l.EndedTo = q.CreatedFrom, q.CreatedTo
	}
	return l
}

// doomed returns the query of what is ended: the live sessions that the filter selects and
// that were made before a time.
func (f *filter) doomed(at time.Time) driver.Query {
	q := f.query(at)
	q.ExpiresFrom = at
	if q.CreatedTo.IsZero() || q.CreatedTo.After(at) {
		q.CreatedTo = at
	}
	return q
}

// isAll reports whether all of the app are selected. It goes by what restricts the query,
// and not by what was given: a network of all addresses restricts nothing, and no session
// is older than driver.MaxLifetime.
func (f *filter) isAll() bool {
	now := time.Unix(1<<32, 0)
	q := f.query(now)
	q.Scan = 0
	if q.Address.Bits() == 0 {
		q.Address = netip.Prefix{}
	}
	for _, from := range []*time.Time{&q.CreatedFrom, &q.SeenFrom} {
		if now.Sub(*from) >= driver.MaxLifetime {
			*from = time.Time{}
		}
	}
	return q == driver.Query{}
}

// Get returns a parameter, "" if it isn't given.
func (f *filter) Get(name string) string { return f.given.Get(name) }

// With returns the filter's address with a parameter that is set, or with "" taken out.
func (f *filter) With(name, value string) template.URL {
	q := maps.Clone(f.given)
	if q.Set(name, value); value == "" {
		q.Del(name)
	}
	return encode(q)
}

// Query returns the filter as templates put it into an address.
func (f *filter) Query() template.URL { return encode(f.given) }

// String returns the filter as the parameters of an address.
func (f *filter) String() string { return f.given.Encode() }

// condition is a part of a filter, as it is told to people: a value and what stands around.
type condition struct{ Before, Value, After string }

// conditions tells the filter to people.
func (f *filter) conditions() []condition {
	var all []condition
	for _, c := range []struct{ name, text string }{
		{"principal", "signed in as %s"}, {"address", "from %s"}, {"agent", "agent has “%s”"}, {"newer", "made within %s"},
		{"older", "made more than %s ago"}, {"used", "used within %s"}, {"idle", "not used for %s"},
	} {
		if v := f.given.Get(c.name); v != "" {
			before, after, _ := strings.Cut(c.text, "%s")
			all = append(all, condition{before, v, after})
		}
	}
	return all
}
