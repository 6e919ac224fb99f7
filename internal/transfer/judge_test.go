package transfer

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests the judgement as a function of two states.

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

// made is a session after some writes, whose write ids are their numbers. by tells the
// writes of one writer from another's.
func made(n int, by byte) *driver.Record {
	r := &driver.Record{
		ID: driver.ID{1, 2, 3, 4, 5, 6, byte(driver.LayoutDay), 9}, Kind: driver.KindSession, App: "shop",
		Created: noon.Add(-time.Hour), Seen: noon, Expires: noon.Add(time.Hour), Deadline: noon.Add(24 * time.Hour), Writes: uint64(n),
		Values: driver.ValueList{{Name: "n", JSON: json.RawMessage("1")}},
	}
	for i := n; i > 0 && len(r.WriteIDs) < driver.MaxWriteIDs; i-- {
		r.WriteIDs = append(r.WriteIDs, driver.WriteID{by, byte(i >> 8), byte(i)})
	}
	return r
}

// then is a state that later writes were made on.
func then(r *driver.Record, more int, by byte) *driver.Record {
	next := *r
	for range more {
		next.Writes++
		next.WriteIDs = driver.PushWriteID(next.WriteIDs, driver.WriteID{by, byte(next.Writes >> 8), byte(next.Writes)})
		next.Values = next.Values.With("n", json.RawMessage("2"))
	}
	return &next
}

func buried(r *driver.Record, by byte) *driver.Record {
	g := r.GraveFor(driver.EndDestroyed, noon, driver.WriteID{by, 0xff})
	return &driver.Record{ID: r.ID, Grave: &g}
}

// blindly is a burial that didn't read the record.
func blindly(r *driver.Record) *driver.Record {
	return &driver.Record{ID: r.ID, Grave: &driver.Grave{Reason: driver.EndRevoked, At: noon, Until: r.Deadline, WriteIDs: []driver.WriteID{{9, 9}}}}
}

// again is a grave that another one has replaced.
func again(r *driver.Record, by byte) *driver.Record {
	g := *r.Grave
	g.Reason, g.Writes, g.WriteIDs = driver.EndRevoked, g.Writes+1, driver.PushWriteID(g.WriteIDs, driver.WriteID{by, 0xfe})
	return &driver.Record{ID: r.ID, Grave: &g}
}

func due(r *driver.Record, expires, deadline time.Duration) *driver.Record {
	next := *r
	next.Expires, next.Deadline = noon.Add(expires), noon.Add(deadline)
	return &next
}

func TestJudge(t *testing.T) {
	const ours, theirs = 1, 2
	bare := made(0, ours)
	bare.Writes = 0
	edited := made(3, ours)
	edited.Values = nil
	ledger := func(r *driver.Record) *driver.Record { next := *r; next.Kind = driver.KindLedger; return &next }
	imported := due(made(3, ours), -time.Hour, time.Hour)
	imported.ID[6] = byte(driver.LayoutImport)
	for name, tt := range map[string]struct {
		src, dst *driver.Record
		want     verdict
		why      Reason
	}{
		"nothing there":                             {made(3, ours), nil, write, Missing},
		"a grave, nothing there":                    {buried(made(3, ours), ours), nil, write, Missing},
		"idle, nothing there":                       {due(made(3, ours), -time.Hour, time.Hour), nil, nothing, ""},
		"idle within the tolerance":                 {due(made(3, ours), -time.Minute, time.Hour), nil, write, Missing},
		"an import, idle":                           {imported, nil, write, Missing},
		"a ledger past Expires":                     {ledger(due(made(3, ours), -time.Hour, time.Hour)), nil, write, Missing},
		"past the deadline":                         {due(made(3, ours), -time.Hour, -time.Hour), nil, nothing, ""},
		"the same":                                  {made(3, ours), made(3, ours), nothing, ""},
		"the same, copied":                          {made(3, ours), marked(made(3, ours)), nothing, ""},
		"the same, copied to and fro":               {marked(made(3, ours)), marked(made(3, ours)), nothing, ""},
		"one write later":                           {then(made(3, ours), 1, ours), marked(made(3, ours)), write, Behind},
		"one write later, without a mark":           {then(made(3, ours), 1, ours), made(3, ours), write, Behind},
		"seven writes later, without a mark":        {then(made(3, ours), 7, ours), made(3, ours), write, Behind},
		"eight writes later, without a mark":        {then(made(3, ours), 8, ours), made(3, ours), leave, Diverged},
		"many writes later":                         {then(made(3, ours), 300, ours), marked(made(3, ours)), write, Behind},
		"many writes later, moved back":             {then(marked(made(3, ours)), 300, ours), made(3, ours), write, Behind},
		"many later, and used since it was copied":  {then(made(3, ours), 300, ours), then(marked(made(3, ours)), 1, theirs), leave, Diverged},
		"one later, and used since it was copied":   {then(made(3, ours), 1, ours), then(marked(made(3, ours)), 1, theirs), leave, Diverged},
		"three later, and used since":               {then(made(3, ours), 3, ours), then(marked(made(3, ours)), 1, theirs), leave, Diverged},
		"not changed, and used at the target":       {made(3, ours), then(marked(made(3, ours)), 1, theirs), leave, Diverged},
		"not changed, and used often at the target": {made(3, ours), then(marked(made(3, ours)), 30, theirs), leave, Diverged},
		"the source went back":                      {made(3, ours), marked(then(made(3, ours), 2, ours)), leave, Rewound},
		"the source went back and on":               {then(made(3, ours), 2, theirs), marked(then(made(3, ours), 1, ours)), leave, Rewound},
		"edited by hand":                            {edited, marked(made(3, ours)), leave, Rewound},
		"another session of the id":                 {made(5, ours), made(2, theirs), leave, Diverged},
		"without write ids":                         {bare, marked(made(0, ours)), nothing, ""},
		"made again, and the copy is over":          {ledger(made(1, theirs)), ledger(marked(due(made(30, ours), -time.Hour, -time.Hour))), write, Behind},
		"made again, and the copy isn't over":       {ledger(made(1, theirs)), ledger(marked(made(30, ours))), leave, Rewound},

		"ended":                                    {buried(then(made(3, ours), 2, ours), ours), marked(made(3, ours)), write, Ended},
		"ended much later":                         {buried(then(made(3, ours), 30, ours), ours), marked(made(3, ours)), write, Ended},
		"ended much later, without a mark":         {buried(then(made(3, ours), 30, ours), ours), made(3, ours), write, Ended},
		"ended blindly":                            {blindly(made(3, ours)), marked(made(3, ours)), write, Ended},
		"ended blindly, without a mark":            {blindly(made(3, ours)), made(3, ours), write, Ended},
		"ended, and used since":                    {buried(made(3, ours), ours), then(marked(made(3, ours)), 1, theirs), write, EndedInUse},
		"ended, and used more often since":         {buried(made(3, ours), ours), then(marked(made(3, ours)), 9, theirs), write, EndedInUse},
		"ended, and the source had gone back":      {buried(made(3, ours), ours), marked(then(made(3, ours), 4, theirs)), write, Ended},
		"ended once more, without a mark":          {again(buried(made(3, ours), ours), ours), buried(made(3, ours), ours), write, Behind},
		"ended on both sides alike":                {buried(made(3, ours), ours), marked(buried(made(3, ours), ours)), nothing, ""},
		"ended at the source once more":            {blindly(made(3, ours)), marked(buried(made(3, ours), ours)), write, Behind},
		"ended on both sides":                      {buried(made(3, ours), ours), buried(made(3, ours), theirs), nothing, ""},
		"ended at the target":                      {made(3, ours), buried(marked(made(3, ours)), theirs), leave, EndedAtTarget},
		"ended at the target, and written since":   {then(made(3, ours), 2, ours), buried(marked(made(3, ours)), theirs), leave, EndedAtTarget},
		"back at the source, where it had ended":   {made(3, ours), marked(buried(made(3, ours), ours)), leave, EndedAtTarget},
		"ended, past its time, and the copy lives": {due2(buried(made(3, ours), ours)), marked(made(3, ours)), write, Ended},
		"ended, past its time, and nothing there":  {due2(buried(made(3, ours), ours)), nil, nothing, ""},
	} {
		got, why := judge(tt.src, tt.dst, noon)
		if got != tt.want || why != tt.why {
			t.Errorf("%s: %d %q, want %d %q", name, got, why, tt.want, tt.why)
		}
	}
}

// due2 is a grave past its Until.
func due2(r *driver.Record) *driver.Record {
	g := *r.Grave
	g.Until = noon.Add(-time.Hour)
	return &driver.Record{ID: r.ID, Grave: &g}
}

// TestDigest: each part of a record or grave counts, and nothing that stores may spell
// otherwise.
func TestDigest(t *testing.T) {
	full := func() *driver.Record {
		r := made(3, 1)
		r.Principal, r.Authenticated, r.Verifier, r.Previous, r.PreviousEnds = "ann", noon, []byte{1}, []byte{2}, noon
		r.Client, r.Persistent = driver.Client{Address: "192.0.2.1", UserAgent: "x"}, true
		r.Extra = driver.ValueList{{Name: "idle", JSON: json.RawMessage("5")}}
		return r
	}
	d := new(digester)
	same, seen := d.of(full()), map[digest]string{}
	for name, change := range map[string]func(r *driver.Record){
		"version":                 func(r *driver.Record) { r.Version.Seq++ },
		"mark":                    func(r *driver.Record) { *r = *marked(r) },
		"space":                   func(r *driver.Record) { r.Values = r.Values.With("n", json.RawMessage(" 1\n")) },
		"bytes that aren't UTF-8": func(r *driver.Record) { r.Client.UserAgent = "x" },
	} {
		r := full()
		if change(r); d.of(r) != same {
			t.Errorf("%s changes the digest", name)
		}
	}
	for name, change := range map[string]func(r *driver.Record){
		"id": func(r *driver.Record) { r.ID[8]++ }, "kind": func(r *driver.Record) { r.Kind = driver.KindLedger },
		"app": func(r *driver.Record) { r.App = "x" }, "principal": func(r *driver.Record) { r.Principal = "x" },
		"created": func(r *driver.Record) { r.Created = noon.Add(1e6) }, "authenticated": func(r *driver.Record) { r.Authenticated = time.Time{} },
		"seen": func(r *driver.Record) { r.Seen = noon.Add(1e6) }, "expires": func(r *driver.Record) { r.Expires = noon }, "deadline": func(r *driver.Record) { r.Deadline = noon },
		"verifier": func(r *driver.Record) { r.Verifier = nil }, "previous": func(r *driver.Record) { r.Previous = nil }, "previousEnds": func(r *driver.Record) { r.PreviousEnds = time.Time{} },
		"persistent": func(r *driver.Record) { r.Persistent = false }, "address": func(r *driver.Record) { r.Client.Address = "" }, "agent": func(r *driver.Record) { r.Client.UserAgent = "y" },
		"writes": func(r *driver.Record) { r.Writes++ }, "write ids": func(r *driver.Record) { r.WriteIDs = r.WriteIDs[:2] },
		"value": func(r *driver.Record) { r.Values = r.Values.With("n", json.RawMessage("2")) }, "name": func(r *driver.Record) { r.Values = r.Values.With("m", json.RawMessage("1")) },
		"no value": func(r *driver.Record) { r.Values = nil }, "extra": func(r *driver.Record) { r.Extra = nil },
		"value moved to extra": func(r *driver.Record) { r.Extra, r.Values = r.Values, r.Extra },
		"grave":                func(r *driver.Record) { *r = *buried(r, 1) },
		"reason":               func(r *driver.Record) { *r = *buried(r, 1); r.Grave.Reason = driver.EndExpired },
		"at":                   func(r *driver.Record) { *r = *buried(r, 1); r.Grave.At = noon.Add(1e6) },
		"until":                func(r *driver.Record) { *r = *buried(r, 1); r.Grave.Until = noon },
		"successor":            func(r *driver.Record) { *r = *buried(r, 1); r.Grave.Successor[0]++ },
		"grave's extra": func(r *driver.Record) {
			*r = *buried(r, 1)
			r.Grave.Extra = driver.ValueList{{Name: "replaced", JSON: json.RawMessage("{}")}}
		},
		"grave's app":       func(r *driver.Record) { *r = *buried(r, 1); r.Grave.App = "" },
		"grave's principal": func(r *driver.Record) { *r = *buried(r, 1); r.Grave.Principal = "" },
		"grave's writes":    func(r *driver.Record) { *r = *buried(r, 1); r.Grave.Writes = 0 },
		"grave's write ids": func(r *driver.Record) { *r = *buried(r, 1); r.Grave.WriteIDs = nil },
	} {
		r := full()
		change(r)
		got := d.of(r)
		if other, twice := seen[got]; twice || got == same {
			t.Errorf("%s has the digest of %q", name, other)
		}
		seen[got] = name
	}
}
