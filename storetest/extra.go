package storetest

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is what newer versions put beside the fields of a record or a grave (Extra).

// extra makes a list of names and JSON texts.
func extra(namesAndTexts ...string) driver.ValueList {
	m := map[string]json.RawMessage{}
	for i := 0; i < len(namesAndTexts); i += 2 {
		m[namesAndTexts[i]] = json.RawMessage(namesAndTexts[i+1])
	}
	return driver.NewValueList(m)
}

// extraSets are what newer versions and operators may put into a record.
func extraSets() []valueSet {
	return []valueSet{
		{"nil", nil},
		{"empty", driver.ValueList{}},
		{"one", extra("note", `"by hand"`)},
		{"spoken_for", extra(
			driver.ExtraIdle, `900000`, driver.ExtraMethod, `"passkey"`, driver.ExtraLevel, `2`, driver.ExtraActor, `"support \"bob\""`,
			driver.ExtraLabels, `{"name":"Ann's phone","größe":""}`, driver.ExtraAliases, `["a","b"]`, driver.ExtraDeviceKey, `"AQID"`)},
		{"this_format", extra(driver.ExtraFormat, `1`, driver.ExtraLevel, `1`)},
		{"json", extra("a", `null`, "b", `true`, "c", `false`, "d", `""`, "e", `{}`, "f", `[]`, "g", `1.10`, "h", `-0`,
			"i", `12345678901234567890123`, "j", `[1,"1",null,{"":{"x":[]}}]`, "k", `"\u0000 é \ud83e\udde5 \\ \" <&>"`, "l", `{"a.b":1,"a":{"b":2}}`,
			"m", `"2026-01-02T03:04:05Z"`, "n", "[ 1 ,\n\t{\r\n\"a\" : 2 } ]")},
		{"names", extra(`"`, `1`, `'`, `2`, `\`, `3`, `a"b\c`, `4`, "é", `5`, "e\u0301", `6`, "🧥", `7`, "«", `8`, "a b", `9`, "A", `10`, "a", `11`,
			"%s", `12`, "'; DROP TABLE records; --", `13`, "a.b", `14`, "Format", `"15"`, strings.Repeat("n", 300), `16`)},
		{"types_like_fields", extra("verifiers", `{"type":"keyword"}`, "times", `"never"`, "number", `"12"`)},
		{"64_KiB", extra("big", `"`+strings.Repeat("a coat ", 1<<16/7)+`"`, "small", `0`)},
	}
}

// testExtra checks that what a record and a grave have beyond their fields comes
// back.
func testExtra(e *env) {
	e.openStore()

	e.run("round_trip", testExtraRoundTrip)
	e.eachLayout("layouts", testExtraLayouts)
	e.run("without_values", testExtraWithoutValues)

	if store, ok := e.store.(driver.OwnedUpdater); ok {
		e.run("owned_updates", func(e *env) {
			r := e.mustCreate(e.record(driver.LayoutDay))
			owned := next(r)
			owned.Extra = extra("note", `"é"`)
			kept := clone(owned)
			ctx, cancel := e.context()
			defer cancel()
			if err := store.UpdateOwned(ctx, owned); err != nil {
				e.Fatalf("UpdateOwned: %v", err)
			}
			kept.Version = owned.Version
			e.wantRecord(kept)
		})
	}

	e.run("graves", testExtraGraves)
	e.run("sweep", testExtraSweep)
	e.run("names_that_may_be_refused", testExtraNamesThatMayBeRefused)
}

func testExtraRoundTrip(e *env) {
	for _, set := range extraSets() {
		e.run(set.name, func(e *env) {
			r := e.record(driver.LayoutDay)
			r.Extra = set.values
			kept := e.mustCreate(r)
			e.wantRecord(kept)
			kept = e.mustUpdate(next(kept)) // passed on
			e.wantRecord(kept)

			// By an update of a record that had other members.
			r = e.record(driver.LayoutImport)
			r.Extra = extra("leaves", `{"with":"the update"}`, "note", `0`)
			u := next(e.mustCreate(r))
			u.Extra = set.values
			u = e.mustUpdate(u)
			e.wantRecord(u)

			e.settle()
			found := e.mustSearch(driver.Query{App: e.app})
			if d := diffFound(found, expect([]*driver.Record{kept, u}, driver.Query{})); d != "" {
				e.Fatalf("a search %s", d)
			}
			// What Search yields can be passed on as well.
			for _, got := range found {
				e.wantRecord(e.mustUpdate(next(got)))
			}
		})
	}
}

func testExtraLayouts(e *env, l driver.Layout) {
	r := e.record(l)
	r.Extra = extra("note", `[1]`, driver.ExtraLabels, `{"a":"b"}`)
	kept := e.mustCreate(r)
	e.wantRecord(kept)
	got, err := e.get(kept.ID)
	if err != nil {
		e.Fatalf("Get: %v", err)
	}
	kept = e.mustUpdate(next(got))
	e.wantRecord(kept)
	u := next(kept)
	u.Extra = nil // a write replaces the whole record
	e.wantRecord(e.mustUpdate(u))
}

func testExtraWithoutValues(e *env) {
	r := e.record(driver.LayoutImport)
	r.Values, r.Extra = nil, extra("note", `{"values":{"self":1}}`)
	e.wantRecord(e.mustCreate(r))
	r = e.record(driver.LayoutImport)
	r.Values, r.Extra = extra("note", `1`, "labels", `2`), extra("labels", `3`, "note", `4`)
	e.wantRecord(e.mustCreate(r))
}

func testExtraGraves(e *env) {
	for _, set := range extraSets() {
		e.run(set.name, func(e *env) {
			r := e.record(driver.LayoutImport)
			r.Extra = extra("of", `"the record"`)
			kept := e.mustCreate(r)
			g := e.grave(kept)
			g.Extra = set.values
			e.mustBury(kept.ID, g, kept.Version)
			v := e.wantGrave(kept.ID, g)

			// As it was read, at its own version.
			got, err := e.get(kept.ID)
			if !errors.Is(err, driver.ErrGone) {
				e.Fatalf("Get: %v", err)
			}
			e.mustBury(kept.ID, *got.Grave, v)
			e.wantGrave(kept.ID, g)

			missing := e.missing(driver.LayoutDay)
			g = e.grave(missing)
			g.Extra = set.values
			e.mustBury(missing.ID, g, driver.Version{})
			e.wantGrave(missing.ID, g)
			g.Extra = nil
			e.mustBury(missing.ID, g, driver.Version{})
			e.wantGrave(missing.ID, g)
		})
	}
}

func testExtraSweep(e *env) {
	// A grave has the record's app and principal, and none of its Extra. Those
	// of graves stay for as long as they do.
	r := e.recordAt(driver.LayoutImport, e.now.Add(-2*time.Hour))
	r.Principal, r.Expires = "alice", e.now.Add(-ms)
	r.Extra = extra("note", `1`, driver.ExtraLabels, `{}`)
	kept := e.mustCreate(r)
	gone := e.mustCreate(e.record(driver.LayoutImport))
	g := e.grave(gone)
	g.Extra = extra("note", `2`)
	e.mustBury(gone.ID, g, gone.Version)
	e.mustSweep(e.now)
	e.wantExpired(kept, e.now)
	e.wantGrave(gone.ID, g)
}

func testExtraNamesThatMayBeRefused(e *env) {
	// Who can't keep a name says so, and changes nothing.
	for _, name := range []string{"", " ", ".", "..", "a..b", ".a", "a.", "\n", "\u2028", "a\nb", "\x00", "*", "_id", strings.Repeat("a.", 200) + "a"} {
		r := e.record(driver.LayoutImport)
		r.Extra = extra(name, `"x"`, "note", `1`)
		v, err := e.create(r)
		if err == nil {
			e.wantRecord(e.at(r, v))
			continue
		}
		e.wantError(err, driver.ErrInvalid, "Create with a member of an awkward name")
		e.wantMissing(r.ID)
	}
}
