package transfer

import (
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the states of records and graves: the mark that copying leaves, and which
// state comes from which.

// history is the write count and the write ids of a record or a grave.
func history(r *driver.Record) (writes uint64, ids []driver.WriteID) {
	if r.Grave != nil {
		return r.Grave.Writes, r.Grave.WriteIDs
	}
	return r.Writes, r.WriteIDs
}

// newest names the last write of a record or a grave; the zero WriteID if it keeps none.
func newest(r *driver.Record) driver.WriteID {
	if _, ids := history(r); len(ids) > 0 {
		return ids[0]
	}
	return driver.WriteID{}
}

// markOf returns the write id that the last copying left as the newest.
func markOf(r *driver.Record) (w driver.WriteID, ok bool) {
	extra := r.Extra
	if r.Grave != nil {
		extra = r.Grave.Extra
	}
	var text string
	raw := extra.Get(driver.ExtraCopied)
	if raw == nil || json.Unmarshal(raw, &text) != nil || w.UnmarshalText([]byte(text)) != nil {
		return driver.WriteID{}, false
	}
	return w, true
}

// asCopied reports whether a record is as copying left it: nobody has written it since.
func asCopied(r *driver.Record) bool {
	mark, ok := markOf(r)
	return ok && mark == newest(r)
}

// marked returns a record, as it is to be written, with the mark.
func marked(r *driver.Record) *driver.Record {
	text, _ := json.Marshal(newest(r)) // it always can be
	next := *r
	if g := r.Grave; g != nil {
		grave := *g
		grave.Extra = g.Extra.With(driver.ExtraCopied, text)
		next.Grave = &grave
		return &next
	}
	next.Extra = r.Extra.With(driver.ExtraCopied, text)
	return &next
}

// descends reports whether then is proved to be an earlier state of now, of one id.
func descends(now, then *driver.Record) bool {
	writes, ids := history(now)
	before, _ := history(then)
	if writes < before {
		return false
	}
	if back := writes - before; back < uint64(len(ids)) {
		return back > 0 && ids[back] == newest(then)
	}
	if mark, ok := markOf(now); ok && mark == newest(then) {
		return true // copied from there, and written since
	}
	return asCopied(then)
}

// contradicts reports whether then is proved to be no earlier state of the grave now. The
// grave of a burial that didn't read the record proves nothing.
func contradicts(now, then *driver.Record) bool {
	writes, ids := history(now)
	before, _ := history(then)
	if writes == 0 {
		return false
	}
	return writes <= before || writes-before < uint64(len(ids)) && ids[writes-before] != newest(then)
}

// isOver reports whether a record or grave matters no more: it may be removed, or it is a
// session that nobody opens again. An import that has idled out still matters: its id
// keeps the foreign session from being imported once more.
func isOver(r *driver.Record, now time.Time) bool {
	switch {
	case r.Due(now) == driver.DueRemoval:
		return true
	case r.Grave != nil, r.ID.Layout() == driver.LayoutImport:
		return false
	}
	return r.Due(now.Add(-driver.ClockTolerance)) == driver.DueBurial
}

// tag tells states of one id apart, in little memory. ok is false for a state without
// write ids.
func tag(r *driver.Record) (t uint64, ok bool) {
	writes, ids := history(r)
	if len(ids) == 0 {
		return 0, false
	}
	t = binary.BigEndian.Uint64(ids[0][:]) ^ writes*0x9e3779b97f4a7c15
	if r.Grave != nil {
		t = ^t
	}
	return t, true
}
