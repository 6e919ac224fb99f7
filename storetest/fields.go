package storetest

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is records and graves as a whole: each field comes back as it was written,
// and nobody's record changes afterwards. Values are in values.go.

// testRecord checks that all of a record comes back, but for its values.
func testRecord(e *env) {
	e.openStore()

	e.run("round_trip", testRecordRoundTrip)
	e.run("update_leaves_nothing", testRecordUpdateLeavesNothing)
	e.eachLayout("layout", testRecordLayout)
	e.run("I13_grave_round_trip", testRecordGraveRoundTrip)
	e.run("given_records_are_left_alone", testRecordGivenRecordsAreLeftAlone)
	e.run("given_records_are_the_callers_again", testRecordGivenRecordsAreTheCallersAgain)
	e.run("results_stay_as_they_are", testRecordResultsStayAsTheyAre)
}

// fieldSet is something that the fields of a record may hold.
type fieldSet struct {
	name string
	set  func(r *driver.Record)
}

func fieldSets() []fieldSet {
	ms := func(n int64) time.Time { return time.UnixMilli(n).UTC() }
	day := time.Date(2026, 2, 28, 23, 59, 59, 999*int(time.Millisecond), time.UTC)

	sets := []fieldSet{
		{"plain", func(*driver.Record) {}},
		{"all_zero", func(r *driver.Record) {
			*r = driver.Record{ID: r.ID, Kind: r.Kind, App: r.App}
		}},
		{"zero_times", func(r *driver.Record) {
			r.Created, r.Authenticated, r.Seen, r.Expires, r.Deadline, r.PreviousEnds =
				time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}, time.Time{}
		}},
		{"different_times", func(r *driver.Record) {
			r.Created, r.Authenticated, r.Seen = day, day.Add(time.Millisecond), day.Add(2*time.Millisecond)
			r.Expires, r.Deadline, r.PreviousEnds = day.Add(3*time.Hour), day.Add(4*time.Hour), day.Add(5*time.Second)
		}},
		{"the_epoch_is_a_time", func(r *driver.Record) {
			r.Created, r.Authenticated, r.Seen, r.PreviousEnds = ms(0), ms(0), ms(1), ms(0)
		}},
		{"early_and_late_times", func(r *driver.Record) {
			r.Created, r.Seen = ms(1000), ms(-1)
			r.Expires = time.Date(2199, 12, 31, 23, 59, 59, int(time.Millisecond), time.UTC)
			r.Deadline = time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC)
		}},
		{"principal", func(r *driver.Record) { r.Principal = "alice" }},
		{"principal_unicode", func(r *driver.Record) {
			r.Principal = "Łucja 例え \u202eשלום 👩‍👩‍👧 e\u0301 é \u2028"
		}},
		{"principal_512_bytes", func(r *driver.Record) { r.Principal = strings.Repeat("x", 512) }},
		{"principal_512_bytes_unicode", func(r *driver.Record) { r.Principal = strings.Repeat("🧥", 128) }},
		{"principal_awkward", func(r *driver.Record) { r.Principal = ` '; DROP TABLE "x"; -- \ * ? % _ AND OR ` }},
		{"verifiers", func(r *driver.Record) {
			r.Verifier = allBytes()
			r.Previous = bytes.Repeat([]byte{0}, 33)
			r.PreviousEnds = r.Created.Add(1234 * time.Millisecond)
		}},
		{"previous_verifiers", func(r *driver.Record) {
			r.Previous = bytes.Repeat(allBytes(), 2)[:401] // the most that is kept
			r.PreviousEnds = r.Created.Add(time.Hour)
		}},
		{"persistent", func(r *driver.Record) { r.Persistent = true }},
		{"client", func(r *driver.Record) {
			r.Client = driver.Client{Address: "2001:db8::1", UserAgent: "Mozilla/5.0 (\"quoted\"; <b>; \\; \t; ü)"}
		}},
		{"client_256_bytes", func(r *driver.Record) { r.Client.UserAgent = strings.Repeat("u", 256) }},
		{"client_replacement_character", func(r *driver.Record) { r.Client.UserAgent = "cut within a letter: \ufffd" }},
		{"writes_beyond_2_53", func(r *driver.Record) { r.Writes = 1<<53 + 1 }},
		{"write_ids_awkward", func(r *driver.Record) {
			r.WriteIDs = []driver.WriteID{{}, {255, 255, 255, 255, 255, 255, 255, 255}, {0, 1}}
		}},
		{"ledger", func(r *driver.Record) { r.Kind, r.Principal = driver.KindLedger, "bob" }},
	}
	for n := range driver.MaxWriteIDs + 1 {
		sets = append(sets, fieldSet{fmt.Sprintf("%d_write_ids", n), func(r *driver.Record) {
			r.WriteIDs = nil
			for range n {
				r.WriteIDs = append(r.WriteIDs, newWriteID())
			}
		}})
	}
	return sets
}

func testRecordRoundTrip(e *env) {
	for _, f := range fieldSets() {
		e.run(f.name, func(e *env) {
			r := e.record(driver.LayoutImport)
			f.set(r)
			e.wantRecord(e.mustCreate(r))

			// The same by an update of a record that was different.
			r = e.record(driver.LayoutImport)
			u := clone(r)
			v := e.mustCreate(r).Version
			f.set(u)
			u.Version = v
			e.wantRecord(e.mustUpdate(u))
		})
	}
}

func testRecordUpdateLeavesNothing(e *env) {
	// Fields that an update leaves empty are empty afterwards.
	full := e.record(driver.LayoutImport)
	for _, f := range fieldSets() {
		if f.name != "all_zero" && f.name != "zero_times" {
			f.set(full)
		}
	}
	full.Kind = driver.KindSession
	kept := e.mustCreate(full)
	e.wantRecord(kept)
	bare := &driver.Record{ID: kept.ID, Kind: kept.Kind, App: kept.App, Created: kept.Created, Version: kept.Version}
	e.wantRecord(e.mustUpdate(bare))
}

func testRecordLayout(e *env, l driver.Layout) {
	kept := e.mustCreate(e.record(l))
	e.wantRecord(kept)
	e.wantRecord(e.mustUpdate(next(kept)))
}

func testRecordGraveRoundTrip(e *env) {
	for _, l := range []driver.Layout{driver.LayoutDay, driver.LayoutImport, driver.LayoutLedger} {
		for _, reason := range driver.EndReasons() {
			r := e.record(l)
			r.Principal = "alice \u202e \"é\""
			kept := e.mustCreate(r)
			g := e.grave(kept)
			g.Reason = reason
			g.At, g.Until = e.now.Add(time.Millisecond), e.now.Add(400*24*time.Hour)
			g.Writes = 1<<53 + 3
			g.WriteIDs = []driver.WriteID{newWriteID(), {}, newWriteID(), newWriteID(), newWriteID(), newWriteID(), newWriteID(), newWriteID()}
			if reason == driver.EndReplaced {
				g.Successor = newID(driver.LayoutDay, e.now)
			}
			e.mustBury(kept.ID, g, kept.Version)
			e.wantGrave(kept.ID, g)
		}
	}
	missing := e.missing(driver.LayoutImport)
	bare := driver.Grave{Reason: driver.EndRevoked, At: e.now, Until: e.now.Add(time.Hour)}
	e.mustBury(missing.ID, bare, driver.Version{})
	e.wantGrave(missing.ID, bare)
}

func testRecordGivenRecordsAreLeftAlone(e *env) {
	r := e.record(driver.LayoutDay)
	r.Version = driver.Version{Term: 7, Seq: 8} // to be ignored
	before := clone(r)
	ctx, cancel := e.context()
	defer cancel()
	v, err := e.store.Create(ctx, r)
	if err != nil {
		e.Fatalf("Create: %v", err)
	}
	if d := diff(r, before); d != "" {
		e.Errorf("Create changed the record it was given:\n%s", d)
	}
	u := next(e.at(r, v))
	before = clone(u)
	if _, err := e.store.Update(ctx, u); err != nil {
		e.Fatalf("Update: %v", err)
	}
	if d := diff(u, before); d != "" {
		e.Errorf("Update changed the record it was given:\n%s", d)
	}
}

func testRecordGivenRecordsAreTheCallersAgain(e *env) {
	given := e.record(driver.LayoutDay)
	ctx, cancel := e.context()
	defer cancel()
	v, err := e.store.Create(ctx, given)
	if err != nil {
		e.Fatalf("Create: %v", err)
	}
	kept := e.at(given, v)
	*given = driver.Record{ID: given.ID}
	e.wantRecord(kept)
	given = next(kept)
	if v, err = e.store.Update(ctx, given); err != nil {
		e.Fatalf("Update: %v", err)
	}
	kept = e.at(given, v)
	*given = driver.Record{ID: given.ID}
	e.wantRecord(kept)
}

func testRecordResultsStayAsTheyAre(e *env) {
	kept := e.mustCreate(e.record(driver.LayoutDay))
	e.settle()
	shared, err := e.get(kept.ID)
	if err != nil {
		e.Fatalf("Get: %v", err)
	}
	found := e.mustSearch(driver.Query{App: e.app})
	if len(found) != 1 {
		e.Fatalf("Search found %d records, want 1", len(found))
	}
	before, foundBefore := clone(shared), clone(found[0])

	last := kept
	for range 3 {
		last = e.mustUpdate(next(last))
		e.wantRecord(last)
	}
	e.mustBury(last.ID, e.grave(last), last.Version)
	if _, err := e.get(last.ID); !errors.Is(err, driver.ErrGone) {
		e.Fatalf("Get after Bury: %v", err)
	}
	if d := diff(shared, before); d != "" {
		e.Errorf("a record that Get returned changed afterwards:\n%s", d)
	}
	if d := diff(found[0], foundBefore); d != "" {
		e.Errorf("a record that Search yielded changed afterwards:\n%s", d)
	}
}

func allBytes() []byte {
	b := make([]byte, 256)
	for i := range b {
		b[i] = byte(i)
	}
	return b
}
