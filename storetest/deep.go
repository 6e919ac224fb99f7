package storetest

import (
	"encoding/json"
	"strings"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is what is nested as deep as may be, and what is nested deeper.

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

	e.eachLayout("comes_back", testDeepComesBack)

	for name, text := range deep(driver.MaxDepth) {
		list := driver.NewValueList(map[string]json.RawMessage{"note": json.RawMessage(`1`), "deep": text})
		e.run("comes_back_or_is_refused/"+name, func(e *env) { testDeepExtra(e, list) })
	}
	for name, text := range deep(driver.MaxDepth + 1) {
		list := driver.NewValueList(map[string]json.RawMessage{"note": json.RawMessage(`1`), "deep": text})
		e.run("is_refused/values/"+name, func(e *env) {
			testDeepIsRefused(e, func(r *driver.Record) { r.Values = list })
		})
		e.run("is_refused/extra/"+name, func(e *env) {
			testDeepIsRefused(e, func(r *driver.Record) { r.Extra = list })
		})
		e.run("is_refused/grave/"+name, func(e *env) { testDeepGraveIsRefused(e, list) })
	}
}

// An engine that can't keep as much in Extra refuses it.
func testDeepExtra(e *env, list driver.ValueList) {
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
}

func testDeepIsRefused(e *env, put func(*driver.Record)) {
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
}

func testDeepGraveIsRefused(e *env, list driver.ValueList) {
	kept := e.mustCreate(e.record(driver.LayoutDay))
	g := e.grave(kept)
	g.Extra = list
	err := e.bury(kept.ID, g, kept.Version)
	e.wantError(err, driver.ErrInvalid, "Bury with what is nested too deep")
	err = e.bury(kept.ID, g, driver.Version{})
	e.wantError(err, driver.ErrInvalid, "Bury with what is nested too deep")
	e.wantRecord(kept)
}

func testDeepComesBack(e *env, l driver.Layout) {
	r := e.record(l)
	r.Values = driver.NewValueList(deep(driver.MaxDepth))
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
}
