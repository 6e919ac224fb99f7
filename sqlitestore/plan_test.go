package sqlitestore

import (
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests that queries use the indexes, and that the sweep looks at rows in
// time.

// plan returns SQLite's plan for a query.
func plan(t *testing.T, c *sqlite.Conn, sql string) string {
	t.Helper()
	stmt, _, err := c.PrepareTransient("EXPLAIN QUERY PLAN " + sql)
	if err != nil {
		t.Fatalf("%s: %v", sql, err)
	}
	defer stmt.Finalize()
	var steps []string
	for {
		ok, err := stmt.Step()
		if err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
		if !ok {
			return strings.Join(steps, "; ")
		}
		steps = append(steps, stmt.ColumnText(3))
	}
}

// TestPlans checks that nothing is sorted, and that queries use their index from the
// place where a page begins.
func TestPlans(t *testing.T) {
	s := openTest(t, &Config{IndexSeen: true})
	now := time.Now()
	for _, q := range []struct {
		query driver.Query
		index string
	}{
		{driver.Query{}, "records_order (kind=?"},
		{driver.Query{App: "a"}, "records_order (kind=?"},
		{driver.Query{Kind: driver.KindLedger, App: "a", ExpiresFrom: now, ExpiresTo: now}, "records_order (kind=?"},
		{driver.Query{Principal: "p"}, "records_principal (principal=? AND kind=?"},
		{driver.Query{App: "a", Principal: "p", ExpiresTo: now}, "records_principal (principal=? AND kind=?"},
		{driver.Query{App: "a", Order: driver.OrderNewest, SeenTo: now, ExpiresFrom: now}, "records_order (kind=?"},
		{driver.Query{Principal: "p", Order: driver.OrderNewest}, "records_principal (principal=? AND kind=?"},
		{driver.Query{App: "a", Order: driver.OrderSeen}, "records_seen (kind=?"},
		{driver.Query{App: "a", Ended: true}, "records_ended"},
		{driver.Query{App: "a", Ended: true, Reason: driver.EndExpired, Order: driver.OrderNewest}, "records_ended"},
		{driver.Query{App: "a", Principal: "p", Ended: true, Order: driver.OrderNewest}, "records_ended_principal (<expr>=?"},
	} {
		c := newCondition(q.query)
		sign := ">"
		if c.down {
			sign = "<"
		}
		one, pair := "created"+sign+"?", "(created,id)"+sign+"(?,?)"
		if c.time != "created" {
			one = "<expr>" + sign + "?"
			pair = one
		}
		from := c.and(c.time+" "+sign+"= ?", int64(1)).where
		behind := c.behind(&place{1, "x"}).where
		for _, where := range []struct{ sql, seeks string }{
			{c.where, ")"},
			{from, " AND " + one + ")"},
			{behind, " AND " + pair + ")"},
		} {
			got := plan(t, s.writer.conn, "SELECT "+columns+", "+c.time+", id FROM records WHERE "+where.sql+c.order()+" LIMIT ?")
			want := "SEARCH records USING INDEX " + q.index + where.seeks
			if q.index == "records_ended" { // its first column is the time
				want = strings.Replace(want, "records_ended AND ", "records_ended (", 1)
				if where.sql == c.where {
					want = "SCAN records USING INDEX records_ended"
				}
			}
			if got != want {
				t.Errorf("%s\n\tplan: %s\n\twant: %s", where.sql, got, want)
			}
		}
	}
	for sql, want := range map[string]string{
		dueSQL:                         "SEARCH records USING INDEX records_due",
		"SELECT count(*) FROM records": "USING COVERING INDEX",
		"SELECT count(*) FROM records WHERE " + newCondition(driver.Query{App: "a"}).where: "USING COVERING INDEX records_", // order or seen
		"SELECT count(*) FROM records INDEXED BY records_principal WHERE principal <> '' AND " +
			newCondition(driver.Query{App: "a"}).where: "USING COVERING INDEX records_principal",
		"SELECT count(*), count(nullif(principal, '')) FROM records WHERE " +
			newCondition(driver.Query{App: "a", SeenFrom: now, Order: driver.OrderSeen}).where: "USING COVERING INDEX records_seen (kind=? AND <expr>>?)",
		"SELECT count(*) FROM records WHERE " + newCondition(driver.Query{Ended: true}).where: "USING INDEX records_ended",
	} {
		if got := plan(t, s.writer.conn, sql); !strings.Contains(got, want) || strings.Contains(got, "B-TREE") {
			t.Errorf("%s\n\tplan: %s\n\twant: %s", sql, got, want)
		}
	}
}

// TestSaveMovesNoIndex: the common save opens the table and none of the indexes, so that
// they cost it nothing. With Config.IndexSeen it moves the record in one.
func TestSaveMovesNoIndex(t *testing.T) {
	for _, config := range []*Config{nil, {IndexSeen: true}} {
		s := openTest(t, config)
		stmt, _, err := s.writer.conn.PrepareTransient("EXPLAIN " + saveSQL)
		if err != nil {
			t.Fatal(err)
		}
		opened, want := 0, 1
		if config != nil {
			want = 2
		}
		for {
			ok, err := stmt.Step()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if stmt.ColumnText(1) == "OpenWrite" {
				opened++
			}
		}
		if err := stmt.Finalize(); err != nil {
			t.Fatal(err)
		}
		if opened != want {
			t.Errorf("with %+v a save opens %d trees, want %d", config, opened, want)
		}
	}
}

// dueIn returns a record's due.
func dueIn(t *testing.T, s *Store, id driver.ID) int64 {
	t.Helper()
	due, err := queryInt(s.writer.conn, "SELECT due FROM records WHERE id = '"+id.String()+"'")
	if err != nil {
		t.Fatal(err)
	}
	return due
}

// TestDue checks the column due: saves leave it alone as long as they can, the sweep
// moves it on, and it is never too late.
func TestDue(t *testing.T) {
	s := openTest(t, nil)
	r := sample(0)
	first := r.Expires
	v, err := s.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	update := func(expires, deadline time.Time) {
		t.Helper()
		u := *r
		u.Version, u.Expires, u.Deadline = v, expires, deadline
		if v, err = s.Update(t.Context(), &u); err != nil {
			t.Fatal(err)
		}
		r = &u
	}
	check := func(want time.Time) {
		t.Helper()
		if got := dueIn(t, s, r.ID); got != want.UnixMilli() {
			t.Errorf("due is %v from the first Expires, want %v", time.UnixMilli(got).Sub(first), want.Sub(first))
		}
	}
	sweep := func(now time.Time, want driver.SweepReport) {
		t.Helper()
		if got, err := s.Sweep(t.Context(), now); err != nil || got != want {
			t.Errorf("Sweep: %+v, %v; want %+v", got, err, want)
		}
	}
	check(first)
	update(first.Add(time.Hour), r.Deadline)
	check(first)
	sweep(first.Add(time.Millisecond), driver.SweepReport{})
	check(first.Add(time.Hour))
	if got, err := s.Get(t.Context(), r.ID); err != nil || got.Version != v {
		t.Errorf("a sweep that spares a session changed it: %v, %v", got, err)
	}
	update(first.Add(-time.Hour), r.Deadline)
	check(first.Add(-time.Hour))
	update(time.Time{}, r.Deadline)
	sweep(first, driver.SweepReport{})
	check(r.Deadline.Add(driver.ClockTolerance))
	update(time.Time{}, time.Time{})
	sweep(r.Seen.AddDate(100, 0, 0), driver.SweepReport{})
	if got := dueIn(t, s, r.ID); got != never {
		t.Errorf("due without any end is %d", got)
	}
	update(first, first.Add(time.Hour))
	check(first)
	sweep(first, driver.SweepReport{})
	sweep(first.Add(time.Nanosecond), driver.SweepReport{Buried: 1})
	end := first.Add(time.Hour + driver.ClockTolerance)
	check(end)
	sweep(end, driver.SweepReport{})
	sweep(end.Add(time.Nanosecond), driver.SweepReport{Removed: 1})
}

// TestSweepMany sweeps more records than one transaction takes, while saves go on.
func TestSweepMany(t *testing.T) {
	s := openTest(t, nil)
	records := samples(10*sweepRows + 7)
	for i, r := range records {
		if i%3 == 0 {
			r.Expires = r.Expires.Add(time.Hour)
		}
	}
	for _, err := range createAll(s, records) {
		if err != nil {
			t.Fatal(err)
		}
	}
	now := records[len(records)-1].Created.Add(24*time.Hour + time.Minute)
	got, err := s.Sweep(t.Context(), now)
	if want := (driver.SweepReport{Buried: len(records) - (len(records)+2)/3}); err != nil || got != want {
		t.Errorf("Sweep: %+v, %v; want %+v", got, err, want)
	}
	got, err = s.Sweep(t.Context(), now.AddDate(1, 0, 0))
	if want := (driver.SweepReport{Removed: len(records)}); err != nil || got != want {
		t.Errorf("Sweep: %+v, %v; want %+v", got, err, want)
	}
}
