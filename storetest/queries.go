package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the searches that a console makes: by client and last activity, in each
// order, of sessions that have ended, and with a bound.

// visited makes records of many clients, seen at many times.
func (e *env) visited(n int) []*driver.Record {
	addresses := []string{"192.0.2.7", "192.0.2.8", "192.0.2.77", "::ffff:192.0.2.7", "198.51.100.1", "2001:db8::1", "2001:db8:0:1::1",
		"2001:DB8::1", "fe80::1%eth0", "unix socket", "10.0.0.1.example", "192.0.2.7 ", ""}
	agents := []string{"Mozilla/5.0 (X11; Linux x86_64) Chrome/120.0", "Mozilla/5.0 (iPhone) Safari/605.1", "curl/8.5.0", "*", "a?b*c\\d\"e", "",
		"ÄGYPTEN ägypten", strings.Repeat("x", 250) + "CURL", "100%_of"}
	records := e.some(n)
	for i, r := range records {
		r.Client = driver.Client{Address: addresses[i%len(addresses)], UserAgent: agents[e.rand.IntN(len(agents))]}
		// Many at the same time, some never, and some before others that are newer.
		r.Seen = e.now.Add(-time.Duration(e.rand.IntN(6)) * time.Minute)
		if i%11 == 10 {
			r.Seen = time.Time{}
		}
		if i%13 == 12 {
			r.Expires = time.Time{}
		}
	}
	return records
}

// testClients searches by address and agent.
func testClients(e *env) {
	kept := e.createAll(e.visited(80))
	e.settle()
	for _, text := range []string{"192.0.2.7/32", "192.0.2.0/24", "192.0.2.64/26", "0.0.0.0/0", "::/0", "2001:db8::/32", "2001:db8::1/128",
		"2001:db8::/64", "::ffff:192.0.2.7/128", "::ffff:192.0.2.0/120", "::ffff:0:0/96", "::/8", "203.0.113.0/24", "192.0.2.99/24", "fe80::/10"} {
		q := driver.Query{App: e.app, Address: netip.MustParsePrefix(text)}
		e.wantFound(q, kept)
		if in, ok := e.store.(driver.Inspector); ok {
			ctx, cancel := e.context()
			if sum, err := in.Summarize(ctx, q); err != nil || sum.Records != int64(len(expect(kept, q))) {
				e.Errorf("Summarize %s: %+v, %v", describeQuery(q), sum, err)
			}
			cancel()
		}
	}
	for _, text := range []string{"Chrome", "CHROME/120", "mozilla", "iPhone) s", "curl", "*", "?", "a?b*c\\d\"e", "\\", "\"", "chrome*", "no such",
		"Ägypten", "ÄGYPTEN", "ä", "GYPTEN", "%", "_", "100%_", strings.Repeat("x", 250)} {
		e.wantFound(driver.Query{App: e.app, Agent: text}, kept)
	}
}

// testSeen searches by last activity.
func testSeen(e *env) {
	kept := e.createAll(e.visited(60))
	e.settle()
	at, ms := kept[0].Seen, time.Millisecond
	for _, from := range []time.Time{{}, at.Add(-ms), at, at.Add(ms)} {
		for _, to := range []time.Time{{}, at.Add(-ms), at, at.Add(ms)} {
			e.wantFound(driver.Query{App: e.app, SeenFrom: from, SeenTo: to}, kept)
			e.wantFound(driver.Query{App: e.app, SeenFrom: from, SeenTo: to, Order: driver.OrderSeen}, kept)
		}
	}
	e.wantFound(driver.Query{App: e.app, ExpiresTo: e.now}, kept) // those without the time come before all
}

// testOrders goes through each order page by page, and then by any query.
func testOrders(e *env) {
	kept := e.createAll(e.visited(60))
	e.settle()
	for _, order := range []driver.Order{driver.OrderCreated, driver.OrderNewest, driver.OrderSeen} {
		q := driver.Query{App: e.app, Order: order}
		e.wantFound(q, kept)
		for _, limit := range []int{4, 60} {
			q.Limit = limit
			e.wantPages(q, expect(kept, driver.Query{App: e.app, Order: order}))
		}
		between := driver.Cursor{Created: e.now.Add(-90 * time.Second), ID: newID(driver.LayoutDay, e.now), Order: order}
		e.wantFound(driver.Query{App: e.app, Order: order, After: between}, kept)
		for _, at := range []time.Duration{0, -time.Minute, time.Hour, time.Microsecond} {
			e.wantFound(driver.Query{App: e.app, Order: order, After: driver.Cursor{Created: e.now.Add(at), Order: order}}, kept)
		}
	}
	for range 30 {
		e.wantFound(e.anyQuery(kept), kept)
	}
	// Updates are found where they put the record.
	for i, r := range kept {
		u := next(r)
		u.Seen = e.now.Add(time.Duration(i%9) * time.Second)
		u.Client.Address = fmt.Sprintf("203.0.113.%d", i%4)
		kept[i] = e.mustUpdate(u)
	}
	e.settle()
	for range 30 {
		e.wantFound(e.anyQuery(kept), kept)
	}
}

// wantPages goes on from page to page, and checks that all together are what is wanted.
func (e *env) wantPages(q driver.Query, want []*driver.Record) {
	e.Helper()
	var found []*driver.Record
	for {
		page := e.mustSearch(q)
		found = append(found, page...)
		if len(page) < q.Limit || len(found) > len(want) {
			break
		}
		q.After = q.Cursor(page[len(page)-1])
	}
	if d := diffFound(found, want); d != "" {
		e.Errorf("pages of %d in the order %q: all together %s", q.Limit, q.Order, d)
	}
}

// anyQuery makes a query by chance, in any order, with any of the conditions on records.
func (e *env) anyQuery(records []*driver.Record) driver.Query {
	q := e.query(records)
	q.Order = []driver.Order{driver.OrderCreated, driver.OrderNewest, driver.OrderSeen}[e.rand.IntN(3)]
	pick := func() *driver.Record { return records[e.rand.IntN(len(records))] }
	chance := func() bool { return e.rand.IntN(3) == 0 }
	if q.After != (driver.Cursor{}) {
		q.After = q.Cursor(pick())
	}
	if chance() {
		q.SeenFrom = pick().Seen
	}
	if chance() {
		q.SeenTo = pick().Seen
	}
	if a, err := netip.ParseAddr(pick().Client.Address); chance() && err == nil && a.Zone() == "" {
		q.Address = netip.PrefixFrom(a, e.rand.IntN(a.BitLen()+1))
	}
	if a := pick().Client.UserAgent; chance() && len(a) > 4 {
		q.Agent = strings.ToValidUTF8(a[len(a)/4:len(a)/2], "")
	}
	return q
}

// buried makes sessions, ends most of them, and returns the graves as they are kept.
func (e *env) buried(n int) (graves []*driver.Record) {
	e.Helper()
	reasons := []driver.EndReason{driver.EndDestroyed, driver.EndRevoked, driver.EndExpired, "another"}
	for i, r := range e.createAll(e.some(n)) {
		if r.Kind != driver.KindSession || i%5 == 0 {
			continue // lives on
		}
		g := e.grave(r)
		g.Reason = reasons[i%len(reasons)]
		g.At = e.now.Add(-time.Duration(e.rand.IntN(4)) * time.Minute)
		switch i % 9 {
		case 7:
			g.At = time.Time{}
		case 8:
			g.Successor = newID(driver.LayoutDay, e.now)
			g.Extra = driver.NewValueList(map[string]json.RawMessage{"note": json.RawMessage(`{"at": 1}`)})
		}
		v := r.Version
		if i%2 == 0 {
			v = driver.Version{}
		}
		e.mustBury(r.ID, g, v)
		graves = append(graves, &driver.Record{ID: r.ID, Grave: &g, Version: e.wantGrave(r.ID, g)})
	}
	return graves
}

// testEnded searches for sessions that have ended.
func testEnded(e *env) {
	graves := e.buried(48)
	other := *e
	other.app = newApp()
	r := other.mustCreate(other.record(driver.LayoutDay))
	e.mustBury(r.ID, other.grave(r), r.Version)
	e.settle()

	all := driver.Query{App: e.app, Ended: true}
	for _, order := range []driver.Order{driver.OrderCreated, driver.OrderNewest} {
		all.Order = order
		e.wantFound(all, graves)
		for _, limit := range []int{4, 48} {
			q := all
			q.Limit = limit
			e.wantPages(q, expect(graves, all))
		}
		for range 15 {
			e.wantFound(e.queryEnded(all, graves), graves)
		}
	}
	for _, r := range e.mustSearch(driver.Query{Ended: true}) {
		if r.Grave == nil || r.ID.IsZero() {
			e.Fatalf("a search for the ended yields what is no grave: %s", describe(r))
		}
	}
}

// queryEnded adds conditions by chance that some of the graves meet.
func (e *env) queryEnded(q driver.Query, graves []*driver.Record) driver.Query {
	pick := func() *driver.Record { return graves[e.rand.IntN(len(graves))] }
	chance := func(n int) bool { return e.rand.IntN(n) == 0 }
	if chance(2) {
		q.Reason = pick().Grave.Reason
	}
	if chance(2) {
		q.Principal = pick().Grave.Principal
	}
	if chance(3) {
		q.EndedFrom = pick().Grave.At
	}
	if chance(3) {
		q.EndedTo = pick().Grave.At
	}
	if chance(3) {
		q.After = q.Cursor(pick())
	}
	if chance(3) {
		q.Limit = 1 + e.rand.IntN(9)
	}
	return q
}

// testScan gives searches a bound, and goes on where they stop. Bounds, times and texts
// that are larger than everything are no trouble.
func testScan(e *env) {
	kept := e.createAll(e.visited(90))
	e.settle()
	for _, q := range []driver.Query{
		{App: e.app, Agent: "curl/8"},
		{App: e.app, Address: netip.MustParsePrefix("192.0.2.77/32"), Order: driver.OrderNewest},
		{App: e.app, SeenTo: e.now.Add(-3 * time.Minute)},
		{App: e.app, Order: driver.OrderSeen},
		{App: e.app, Order: driver.OrderSeen, Agent: "iphone", Limit: 3},
		{App: e.app, ExpiresTo: e.now},
	} {
		want := expect(kept, q)
		var found []*driver.Record
		next := q
		next.Scan = 10
		for range len(kept) + 1 {
			page, err := e.search(next)
			found = append(found, page...)
			var cut *driver.TruncatedError
			if !errors.As(err, &cut) {
				if err != nil {
					e.Fatalf("Search: %v", err)
				}
				break
			}
			if cut.After == (driver.Cursor{}) { // it can't tell, which it says
				if len(page) != 0 {
					e.Fatalf("the query %s yields %d records, though it can't tell which are the first", describeQuery(next), len(page))
				}
				next.Scan *= 4
				continue
			}
			if next.After != (driver.Cursor{}) && cut.After.Compare(next.After) <= 0 {
				e.Fatalf("the query %s stops where it began", describeQuery(next))
			}
			next.After = cut.After
			if q.Limit > 0 {
				if next.Limit = q.Limit - len(found); next.Limit <= 0 {
					break
				}
			}
		}
		if d := diffFound(found, want); d != "" {
			e.Errorf("the query %s with a bound, part by part: %s", describeQuery(q), d)
		}
		q.Limit, q.Scan = math.MaxInt, math.MaxInt
		e.wantFound(q, kept)
	}
	far := time.Unix(1<<62, 0) // in milliseconds it is no int64
	for _, q := range []driver.Query{
		{App: e.app, CreatedFrom: time.Unix(-1<<62, 0), CreatedTo: far}, {App: e.app, SeenTo: far}, {App: e.app, ExpiresTo: far},
		{App: e.app, SeenFrom: far}, {App: e.app, After: driver.Cursor{Created: far}},
		{App: e.app, After: driver.Cursor{Created: far, Order: driver.OrderNewest}, Order: driver.OrderNewest},
		{App: e.app, Agent: strings.Repeat("long*", 5000)},
	} {
		e.wantFound(q, kept)
	}
}

// testInvalid makes queries that nothing could be told of.
func testInvalid(e *env) {
	e.createAll(e.some(4))
	e.settle()
	at := driver.Cursor{Created: e.now}
	for _, q := range []driver.Query{
		{Order: "random"}, {Order: driver.OrderSeen, After: at}, {Reason: driver.EndRevoked}, {EndedFrom: e.now},
		{Ended: true, Kind: driver.KindLedger}, {Ended: true, Agent: "x"}, {Ended: true, Order: driver.OrderSeen},
		{Ended: true, SeenTo: e.now}, {Ended: true, CreatedFrom: e.now}, {Ended: true, ExpiresTo: e.now},
		{Ended: true, Address: netip.MustParsePrefix("::/0")}, {Address: netip.PrefixFrom(netip.MustParseAddr("192.0.2.1"), 99)},
	} {
		found, err := e.search(q)
		if !errors.Is(err, driver.ErrInvalid) || len(found) != 0 {
			e.Errorf("the query %s yields %d records and %v, want ErrInvalid", describeQuery(q), len(found), err)
		}
		if in, ok := e.store.(driver.Inspector); ok && q.After == (driver.Cursor{}) {
			ctx, cancel := e.context()
			if _, err := in.Summarize(ctx, q); !errors.Is(err, driver.ErrInvalid) {
				e.Errorf("Summarize %s: %v, want ErrInvalid", describeQuery(q), err)
			}
			cancel()
		}
	}
}
