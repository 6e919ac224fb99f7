package storetest

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is searches: what they find, and what may go on beside them.

// testSearch checks Search.
func testSearch(e *env) {
	e.openStore()

	e.run("nothing", testSearchNothing)

	if store, ok := e.store.(driver.Refresher); ok {
		e.run("I10_refresh", func(e *env) { testRefresh(e, store) })
	}
	e.run("filters", testFilters)
	e.run("principals", testPrincipals)
	e.run("paging", testPaging)
	e.run("more_than_a_page", testManyFound)
	e.run("use_while_searching", testUseWhileSearching)

	e.run("graves_are_left_out", testSearchGravesAreLeftOut)
	e.run("the_expired_are_found", testSearchTheExpiredAreFound)
	e.run("early_break", testSearchEarlyBreak)
	e.run("many_search_at_once", testSearchManySearchAtOnce)

	e.run("clients", testClients)
	e.run("seen", testSeen)
	e.run("orders", testOrders)
	e.run("ended", testEnded)
	e.run("scan", testScan)
	e.run("invalid", testInvalid)
}

func testSearchNothing(e *env) {
	// Before anything was written, and with other apps' records there.
	if found := e.mustSearch(driver.Query{}); len(found) != 0 {
		e.Errorf("an empty store yields %d records", len(found))
	}
	other := *e
	other.app = newApp()
	e.mustCreate(other.record(driver.LayoutDay))
	e.settle()
	if found := e.mustSearch(driver.Query{App: e.app}); len(found) != 0 {
		e.Errorf("an app without records has %d", len(found))
	}
}

func testSearchGravesAreLeftOut(e *env) {
	var live []*driver.Record
	for i := range 8 {
		r := e.record(layouts[i%5])
		r.Principal = "alice" // which graves keep
		kept := e.mustCreate(r)
		switch i % 3 {
		case 0:
			live = append(live, kept)
		case 1:
			e.mustBury(kept.ID, e.grave(kept), kept.Version)
		case 2:
			e.mustBury(kept.ID, e.grave(kept), driver.Version{})
		}
	}
	missing := e.missing(driver.LayoutImport)
	e.mustBury(missing.ID, e.grave(missing), driver.Version{})
	e.settle()
	found := e.mustSearch(driver.Query{App: e.app})
	for _, r := range found {
		if r.Grave != nil {
			e.Errorf("Search yields the grave of %s", r.ID)
		}
	}
	if len(found) != len(live)+1 { // and the neighbour of the missing
		e.Errorf("Search found %d records, want %d", len(found), len(live)+1)
	}
	e.wantFound(driver.Query{App: e.app, Principal: "alice"}, live)
}

func testSearchTheExpiredAreFound(e *env) {
	// Expiry isn't the store's: only a sweep ends anything.
	r := e.record(driver.LayoutDay)
	r.Expires = e.now.Add(-time.Minute)
	kept := e.mustCreate(r)
	r = e.record(driver.LayoutImport)
	r.Expires = e.now.Add(-48 * time.Hour)
	r.Deadline = r.Expires
	kept2 := e.mustCreate(r)
	e.settle()
	e.wantFound(driver.Query{App: e.app}, []*driver.Record{kept, kept2})
	e.wantRecord(kept)
	e.wantRecord(kept2)
}

func testSearchEarlyBreak(e *env) {
	e.createAll(e.some(30))
	e.settle()
	for n := range 40 { // more than a store has connections
		ctx, cancel := e.context()
		got := 0
		for r, err := range e.store.Search(ctx, driver.Query{App: e.app}) {
			if err != nil {
				e.Fatalf("Search: %v", err)
			}
			if r == nil {
				e.Fatal("Search yields no record")
			}
			if got++; got > n%5 {
				break
			}
		}
		cancel()
		if got != n%5+1 {
			e.Fatalf("the search stopped at %d, want %d", got, n%5+1)
		}
	}
	// The store is as good as before.
	e.wantRecord(e.mustUpdate(next(e.mustCreate(e.record(driver.LayoutDay)))))
}

func testSearchManySearchAtOnce(e *env) {
	kept := e.createAll(e.some(25))
	e.settle()
	e.together(min(e.h.Many, 64), func(i int) error {
		q := driver.Query{App: e.app, Limit: i % 7}
		found, err := e.search(q)
		if err != nil {
			return err
		}
		if want := expect(kept, q); len(found) != len(want) {
			return faultf("found %d records, want %d", len(found), len(want))
		}
		return nil
	})
}

// some makes records of all layouts in periods, many with the same times.
func (e *env) some(n int) []*driver.Record {
	var records []*driver.Record
	for i := range n {
		created := e.now.Add(-time.Duration(e.rand.IntN(5)) * 7 * time.Hour)
		r := e.recordAt([]driver.Layout{driver.LayoutDay, driver.LayoutImport, driver.LayoutDay, driver.LayoutImport,
			driver.LayoutMonth, driver.LayoutLedger}[i%6], created)
		r.Principal = []string{"", "alice", "bob", "Alice", ""}[e.rand.IntN(5)]
		if r.Kind == driver.KindLedger && r.Principal == "" {
			r.Principal = "carol"
		}
		r.Expires = created.Add(time.Duration(1+e.rand.IntN(12)) * time.Hour)
		records = append(records, r)
	}
	return records
}

// expect is what a query must find among records.
func expect(records []*driver.Record, q driver.Query) []*driver.Record {
	var want []*driver.Record
	for _, r := range records {
		if q.Matches(r) {
			want = append(want, r)
		}
	}
	slices.SortFunc(want, q.Compare)
	if q.Limit > 0 && len(want) > q.Limit {
		want = want[:q.Limit]
	}
	return want
}

// wantFound checks that a query finds what it must, among the app's records.
func (e *env) wantFound(q driver.Query, records []*driver.Record) {
	e.Helper()
	found, want := e.mustSearch(q), expect(records, q)
	if d := diffFound(found, want); d != "" {
		e.Fatalf("the query %s\n%s", describeQuery(q), d)
	}
}

func diffFound(found, want []*driver.Record) string {
	for i := range max(len(found), len(want)) {
		switch {
		case i >= len(found):
			return fmt.Sprintf("found %d records, want %d; the first that is left out: %s", len(found), len(want), describe(want[i]))
		case i >= len(want):
			return fmt.Sprintf("found %d records, want %d; the first too many: %s", len(found), len(want), describe(found[i]))
		case found[i].ID != want[i].ID:
			return fmt.Sprintf("found %d records, want %d; at place %d: %s\n\twant: %s", len(found), len(want), i,
				describe(found[i]), describe(want[i]))
		}
		if d := diff(found[i], want[i]); d != "" {
			return fmt.Sprintf("yields a record that differs from what was saved, %s:\n%s", name(want[i]), d)
		}
	}
	return ""
}

func describeQuery(q driver.Query) string {
	var parts []string
	add := func(name string, value any, set bool) {
		if set {
			parts = append(parts, fmt.Sprintf("%s %v", name, value))
		}
	}
	add("kind", q.Kind, q.Kind != "")
	add("app", q.App, q.App != "")
	add("principal", q.Principal, q.Principal != "")
	add("created from", stamp(q.CreatedFrom), !q.CreatedFrom.IsZero())
	add("created to", stamp(q.CreatedTo), !q.CreatedTo.IsZero())
	add("expires from", stamp(q.ExpiresFrom), !q.ExpiresFrom.IsZero())
	add("expires to", stamp(q.ExpiresTo), !q.ExpiresTo.IsZero())
	add("address", q.Address, q.Address.IsValid())
	add("agent", q.Agent, q.Agent != "")
	add("seen from", stamp(q.SeenFrom), !q.SeenFrom.IsZero())
	add("seen to", stamp(q.SeenTo), !q.SeenTo.IsZero())
	add("ended", q.Ended, q.Ended)
	add("reason", q.Reason, q.Reason != "")
	add("ended from", stamp(q.EndedFrom), !q.EndedFrom.IsZero())
	add("ended to", stamp(q.EndedTo), !q.EndedTo.IsZero())
	add("order", q.Order, q.Order != "")
	add("scan", q.Scan, q.Scan != 0)
	add("after", stamp(q.After.Created)+" "+q.After.ID.String(), q.After != driver.Cursor{})
	add("limit", q.Limit, q.Limit != 0)
	return "(" + strings.Join(parts, ", ") + ")"
}

func testFilters(e *env) {
	kept := e.createAll(e.some(60))
	other := *e
	other.app = newApp()
	e.createAll(other.some(10))
	e.settle()

	all := driver.Query{App: e.app}
	e.wantFound(all, kept)
	e.wantFound(driver.Query{App: e.app, Kind: driver.KindSession}, kept)
	e.wantFound(driver.Query{App: e.app, Kind: driver.KindLedger}, kept)
	for _, p := range []string{"alice", "Alice", "bob", "ALICE", "ali", "nobody"} {
		e.wantFound(driver.Query{App: e.app, Principal: p}, kept)
	}

	// From is inclusive, to is exclusive, to the millisecond.
	t, ms := kept[0].Created, time.Millisecond
	for _, from := range []time.Time{{}, t.Add(-ms), t, t.Add(ms)} {
		for _, to := range []time.Time{{}, t.Add(-ms), t, t.Add(ms)} {
			e.wantFound(driver.Query{App: e.app, CreatedFrom: from, CreatedTo: to}, kept)
		}
	}
	t = kept[0].Expires
	for _, from := range []time.Time{{}, t.Add(-ms), t, t.Add(ms)} {
		for _, to := range []time.Time{{}, t.Add(-ms), t, t.Add(ms)} {
			e.wantFound(driver.Query{App: e.app, ExpiresFrom: from, ExpiresTo: to}, kept)
		}
	}

	// All at once, by chance.
	for range 40 {
		e.wantFound(e.query(kept), kept)
	}

	// Updates are found by what they set, and by nothing older.
	for i, r := range kept {
		u := next(r)
		if i%2 == 0 {
			u.Principal = []string{"alice", "dora", "Bob"}[i%3]
		}
		u.Expires = u.Expires.Add(time.Duration(i%5-2) * time.Hour)
		kept[i] = e.mustUpdate(u)
	}
	e.settle()
	for range 40 {
		e.wantFound(e.query(kept), kept)
	}

	testWithoutApp(e, kept, other.app)
}

// testWithoutApp searches without an app, which finds the records of all apps.
func testWithoutApp(e *env, kept []*driver.Record, other string) {
	found := e.mustSearch(driver.Query{})
	var mine []*driver.Record
	foreign := 0
	for _, r := range found {
		switch r.App {
		case e.app:
			mine = append(mine, r)
		case other:
			foreign++
		}
	}
	if d := diffFound(mine, expect(kept, driver.Query{App: e.app})); d != "" {
		e.Errorf("a query without app %s", d)
	}
	if foreign == 0 {
		e.Error("a query without app finds nothing of other apps")
	}
}

// query makes a query by chance that finds some of the records.
func (e *env) query(records []*driver.Record) driver.Query {
	q := driver.Query{App: e.app}
	pick := func() *driver.Record { return records[e.rand.IntN(len(records))] }
	chance := func(n int) bool { return e.rand.IntN(n) == 0 }
	if chance(5) {
		q.Kind = driver.KindLedger
	}
	if chance(3) {
		q.Principal = pick().Principal
	}
	if chance(3) {
		q.CreatedFrom = pick().Created
	}
	if chance(3) {
		q.CreatedTo = pick().Created
	}
	if chance(3) {
		q.ExpiresFrom = pick().Expires
	}
	if chance(3) {
		q.ExpiresTo = pick().Expires
	}
	if chance(2) {
		q.Limit = 1 + e.rand.IntN(20)
	}
	if chance(3) {
		q.After = pick().Cursor()
	}
	return q
}

// testPrincipals checks that principals and apps are matched exactly.
func testPrincipals(e *env) {
	names := []string{"alice", "Alice", "ALICE", "alic", "alice ", " alice", "alice bob", "bob", "al*", "a%", "a?ice", "alice@example.com",
		"alice@example.org", "é", "e\u0301", "ß", "ss", "0", "00", "true", "null", `"alice"`, `alice\`, "alice/1", "a:b", "a AND b",
		strings.Repeat("x", 511), strings.Repeat("x", 512), strings.Repeat("x", 511) + "y", strings.Repeat("🧥", 128)}
	var records []*driver.Record
	for _, p := range names {
		r := e.record(driver.LayoutDay)
		r.Principal = p
		records = append(records, r)
	}
	kept := e.createAll(records)
	e.settle()
	for _, p := range append(names, "ALIC", "nobody", "al?ce") {
		q := driver.Query{App: e.app, Principal: p}
		e.wantFound(q, kept)
	}
	for _, app := range []string{strings.ToUpper(e.app), e.app[:len(e.app)-1], e.app + " ", e.app[:9] + "*"} {
		if found := e.mustSearch(driver.Query{App: app}); len(found) != 0 {
			e.Errorf("the app %q has the records of %q", app, e.app)
		}
	}
}

// testUseWhileSearching writes what a search yields in its own loop.
func testUseWhileSearching(e *env) {
	kept := e.createAll(e.some(30))
	e.settle()
	want := expect(kept, driver.Query{App: e.app})
	ctx, cancel := e.context()
	defer cancel()
	n := 0
	for r, err := range e.store.Search(ctx, driver.Query{App: e.app}) {
		if err != nil {
			e.Fatalf("Search: %v", err)
		}
		if r.Grave != nil {
			e.Fatalf("Search yields the grave of %s", r.ID)
		}
		if n%2 == 0 {
			e.wantRecord(e.mustUpdate(next(r)))
		} else {
			e.mustBury(r.ID, e.grave(r), r.Version)
		}
		if n == 3 { // another search within the loop
			if got, err := e.search(driver.Query{App: e.app, Limit: 5}); err != nil || len(got) == 0 {
				e.Fatalf("a search within the loop of another one found %d records, error %v", len(got), err)
			}
		}
		n++
	}
	if n != len(want) {
		e.Fatalf("the search yields %d records while they were written, want %d", n, len(want))
	}
}
