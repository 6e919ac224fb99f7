package storetest

import (
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

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

	e.run("round_trip", func(e *env) {
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
	})

	e.eachLayout("layouts", func(e *env, l driver.Layout) {
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
	})

	e.run("without_values", func(e *env) {
		r := e.record(driver.LayoutImport)
		r.Values, r.Extra = nil, extra("note", `{"values":{"self":1}}`)
		e.wantRecord(e.mustCreate(r))
		r = e.record(driver.LayoutImport)
		r.Values, r.Extra = extra("note", `1`, "labels", `2`), extra("labels", `3`, "note", `4`)
		e.wantRecord(e.mustCreate(r))
	})

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

	e.run("graves", func(e *env) {
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
	})

	e.run("sweep", func(e *env) {
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
	})

	e.run("names_that_may_be_refused", func(e *env) {
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
	})
}

// deep is JSON of so many levels, of lists, objects, or both.
func deep(levels int) map[string]json.RawMessage {
	nested := func(open, inside, shut string, n int) json.RawMessage {
		return json.RawMessage(strings.Repeat(open, n) + inside + strings.Repeat(shut, n))
	}
	return map[string]json.RawMessage{
		"lists":   nested(`[`, ``, `]`, levels),
		"objects": nested(`{"a":`, `"]}"`, `}`, levels),
		"both":    append(append(json.RawMessage(`[`), nested(`{"a\"[{":`, `{}`, `}`, levels-2)...), ']'),
		"wide":    append(append(json.RawMessage(`[`), nested(`[[],`, `[]`, `]`, levels-2)...), ']'),
	}
}

// testDeep checks that what is nested as deep as may be comes back, and that what is
// nested deeper is refused, whoever keeps it.
func testDeep(e *env) {
	e.openStore()
	most, more := deep(driver.MaxDepth), deep(driver.MaxDepth+1)

	e.eachLayout("comes_back", func(e *env, l driver.Layout) {
		r := e.record(l)
		r.Values = driver.NewValueList(most)
		kept := e.mustCreate(r)
		e.wantRecord(kept)
		got, err := e.get(kept.ID)
		if err != nil {
			e.Fatalf("Get: %v", err)
		}
		kept = e.mustUpdate(next(got))
		e.wantRecord(kept)
		if l == driver.LayoutLedger {
			return
		}
		e.settle()
		if d := diffFound(e.mustSearch(driver.Query{App: e.app}), []*driver.Record{kept}); d != "" {
			e.Errorf("a search %s", d)
		}
	})

	// An engine that can't keep as much in Extra refuses it.
	for name, text := range most {
		list := driver.NewValueList(map[string]json.RawMessage{"note": json.RawMessage(`1`), "deep": text})
		e.run("comes_back_or_is_refused/"+name, func(e *env) {
			r := e.record(driver.LayoutImport)
			r.Extra = list
			v, err := e.create(r)
			if err == nil {
				e.wantRecord(e.mustUpdate(next(e.at(r, v))))
			} else {
				e.wantError(err, driver.ErrInvalid, "Create with a deep member")
				e.wantMissing(r.ID)
			}
			kept := e.mustCreate(e.record(driver.LayoutImport))
			g := e.grave(kept)
			g.Extra = list
			if err := e.bury(kept.ID, g, kept.Version); err == nil {
				e.wantGrave(kept.ID, g)
			} else {
				e.wantError(err, driver.ErrInvalid, "Bury with a deep member")
				e.wantRecord(kept)
			}
		})
	}

	for name, text := range more {
		list := driver.NewValueList(map[string]json.RawMessage{"note": json.RawMessage(`1`), "deep": text})
		for where, put := range map[string]func(*driver.Record){
			"values": func(r *driver.Record) { r.Values = list },
			"extra":  func(r *driver.Record) { r.Extra = list },
		} {
			e.run("is_refused/"+where+"/"+name, func(e *env) {
				r := e.record(driver.LayoutDay)
				put(r)
				_, err := e.create(r)
				e.wantError(err, driver.ErrInvalid, "Create with what is nested too deep")
				e.wantMissing(r.ID)
				kept := e.mustCreate(e.record(driver.LayoutDay))
				u := next(kept)
				put(u)
				_, err = e.update(u)
				e.wantError(err, driver.ErrInvalid, "Update with what is nested too deep")
				e.wantRecord(kept)
				if store, ok := e.store.(driver.OwnedUpdater); ok {
					u := next(kept)
					put(u)
					ctx, cancel := e.context()
					defer cancel()
					e.wantError(store.UpdateOwned(ctx, u), driver.ErrInvalid, "UpdateOwned with what is nested too deep")
					e.wantRecord(kept)
				}
				e.wantRecord(e.mustUpdate(next(kept)))
			})
		}
		e.run("is_refused/grave/"+name, func(e *env) {
			kept := e.mustCreate(e.record(driver.LayoutDay))
			g := e.grave(kept)
			g.Extra = list
			err := e.bury(kept.ID, g, kept.Version)
			e.wantError(err, driver.ErrInvalid, "Bury with what is nested too deep")
			err = e.bury(kept.ID, g, driver.Version{})
			e.wantError(err, driver.ErrInvalid, "Bury with what is nested too deep")
			e.wantRecord(kept)
		})
	}
}

// testNewer checks what becomes of records that only a newer version can work
// with.
func testNewer(e *env) {
	e.openStore()

	newer := func(r *driver.Record) *driver.Record {
		r.Extra = extra(driver.ExtraFormat, `2`, "note", `"of a newer version"`)
		return r
	}
	isNewer := func(id driver.ID) error {
		r, err := e.get(id)
		if r != nil {
			return faultf("Get %s: a record beside the error %v", id, err)
		}
		return isError(err, driver.ErrNewer)
	}
	wantNewer := func(e *env, id driver.ID) {
		e.Helper()
		if fault := isNewer(id); fault != nil {
			e.Fatalf("Get of a record of a newer format: %v", fault)
		}
	}

	e.eachLayout("I8_is_an_outage", func(e *env, l driver.Layout) {
		beside := e.mustCreate(e.record(l))
		kept := e.mustCreate(newer(e.record(l)))
		for range 2 {
			wantNewer(e, kept.ID)
			e.wantRecord(beside)
		}
		_, err := e.create(e.withID(l, kept.ID))
		e.wantError(err, driver.ErrExists, "Create over a record of a newer format")
		e.together(min(e.h.Many, 40), func(i int) error {
			if i%2 == 0 {
				return e.isKept(beside)
			}
			return isNewer(kept.ID)
		})

		// At its version it is replaced as any other, and at no other.
		first := kept
		kept = e.mustUpdate(next(kept))
		wantNewer(e, kept.ID)
		_, err = e.update(next(first))
		e.wantError(err, driver.ErrConflict, "Update of a record of a newer format at an old version")
		err = e.bury(first.ID, e.grave(first), first.Version)
		e.wantError(err, driver.ErrConflict, "Bury of a record of a newer format at an old version")
		wantNewer(e, kept.ID)
		u := next(kept)
		u.Extra = extra(driver.ExtraFormat, `1`)
		e.wantRecord(e.mustUpdate(u))
	})

	e.eachLayout("I2_can_be_buried", func(e *env, l driver.Layout) {
		for _, unconditional := range []bool{true, false} {
			kept := e.mustCreate(newer(e.record(l)))
			g, v := e.grave(kept), kept.Version
			if unconditional {
				v = driver.Version{}
			}
			e.mustBury(kept.ID, g, v)
			e.wantGrave(kept.ID, g)
			_, err := e.create(e.withID(l, kept.ID))
			e.wantError(err, driver.ErrExists, "Create on the grave of a record of a newer format")

			// A grave is a grave in every format.
			g.Extra = kept.Extra
			e.mustBury(kept.ID, g, driver.Version{})
			e.wantGrave(kept.ID, g)
		}
	})

	e.run("formats", func(e *env) {
		for text, want := range map[string]error{
			`1`: nil, `2`: driver.ErrNewer, `3`: driver.ErrNewer, `2147483647`: driver.ErrNewer,
			`0`: driver.ErrCorrupt, `-1`: driver.ErrCorrupt, `1.5`: driver.ErrCorrupt, `"2"`: driver.ErrCorrupt, `null`: driver.ErrCorrupt, `[2]`: driver.ErrCorrupt,
		} {
			r := e.record(driver.LayoutDay)
			r.Extra = extra(driver.ExtraFormat, text)
			kept := e.mustCreate(r)
			if want == nil {
				e.wantRecord(kept)
				continue
			}
			_, err := e.get(kept.ID)
			e.wantError(err, want, "Get of a record of the format "+text)
		}
	})

	e.run("is_passed_over", func(e *env) {
		// A page that begins, ends or consists of them is no end.
		var records []*driver.Record
		for i, r := range expect(e.some(24), driver.Query{}) {
			if i < 3 || i == 7 {
				newer(r)
			}
			records = append(records, r)
		}
		var rest []*driver.Record
		for _, r := range e.createAll(records) {
			if len(r.Extra) == 0 {
				rest = append(rest, r)
			}
		}
		e.settle()
		for _, limit := range []int{0, 1, 2, 3, 5} {
			q := driver.Query{App: e.app, Limit: limit}
			if d := diffFound(e.mustSearch(q), expect(rest, q)); d != "" {
				e.Errorf("the query %s %s", describeQuery(q), d)
			}
		}
		e.wantFound(driver.Query{App: e.app, Principal: "alice"}, rest)
	})

	e.run("I2_sweep", func(e *env) {
		// Whether it is idle is for a newer process to say; its end isn't.
		e.mustSweep(e.now)
		ending := func(l driver.Layout, expires, deadline time.Time) *driver.Record {
			r := newer(e.recordAt(l, e.now.Add(-2*time.Hour)))
			r.Expires, r.Deadline = expires, deadline
			return e.mustCreate(r)
		}
		idle := ending(driver.LayoutImport, e.now.Add(-ms), e.now.Add(time.Hour))
		long := ending(driver.LayoutImport, e.now.Add(-time.Hour), e.now.Add(-tolerance))
		over := ending(driver.LayoutImport, e.now.Add(-tolerance-ms), e.now.Add(-tolerance-ms))
		ledger := ending(driver.LayoutLedger, e.now.Add(-time.Hour), e.now.Add(time.Hour))
		for _, removed := range []int{1, 0} {
			e.wantReport(e.mustSweep(e.now), 0, removed)
			wantNewer(e, idle.ID)
			wantNewer(e, long.ID)
			wantNewer(e, ledger.ID)
			e.wantMissing(over.ID)
		}
		u := next(idle) // it is as it was, at its version
		u.Extra = nil
		idle = e.mustUpdate(u)
		e.wantRecord(idle)
		e.wantReport(e.mustSweep(e.now), 1, 0)
		e.wantExpired(idle, e.now)
		e.mustSweep(e.now.Add(ms))
		e.wantMissing(long.ID)
	})
}
