package protocol

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of judge, through all that can happen to a record (invariant
// 13).

// TestI13_Judge goes through the cases of judge's comment, with their borders.
func TestI13_Judge(t *testing.T) {
	mine, second := driver.WriteID{1}, driver.WriteID{2}
	// others returns n write ids of other writers, ours among them at the places
	// that are given.
	others := func(n int, ours ...driver.WriteID) []driver.WriteID {
		ids := make([]driver.WriteID, n)
		for i := range ids {
			ids[i] = driver.WriteID{0xee, byte(i)}
		}
		for i, r := range ours {
			ids[len(ids)-1-i] = r
		}
		return ids
	}
	at := func(base uint64) []attempt { return []attempt{{id: mine, base: base}} }
	out := func(base uint64) []attempt { return []attempt{{id: mine, base: base, ruledOut: true}} }
	heard := func(base uint64) []attempt { return []attempt{{id: mine, base: base, answered: true}} }
	for _, tt := range []struct {
		name    string
		open    []attempt
		seen    sighting
		want    verdict
		pending []attempt
	}{
		{"nothing was sent", nil, sighting{stateLive, 5, others(5)}, verdictNotApplied, nil},
		{"nothing was sent, missing", nil, sighting{state: stateMissing}, verdictNotApplied, nil},
		{"nothing was sent, grave", nil, sighting{stateGrave, 5, others(5)}, verdictNotApplied, nil},

		{"our write id is the newest", at(4), sighting{stateLive, 5, []driver.WriteID{mine, {9}}}, verdictApplied, nil},
		{"our write id is the oldest kept", at(4), sighting{stateLive, 12, others(8, mine)}, verdictApplied, nil},
		{"our write id, count cut short", at(4), sighting{stateLive, 1, others(1, mine)}, verdictApplied, nil},
		{"our write id, in a grave", at(4), sighting{stateGrave, 6, others(6, mine)}, verdictApplied, nil},
		{"our write id is the grave's own", at(4), sighting{stateGrave, 5, []driver.WriteID{mine}}, verdictApplied, nil},
		{"the first of two", []attempt{{id: mine, base: 4}, {id: second, base: 5}}, sighting{stateLive, 6, others(6, mine)}, verdictApplied, nil},
		{"the second of two", []attempt{{id: mine, base: 4}, {id: second, base: 5}}, sighting{stateLive, 6, others(6, second)}, verdictApplied, nil},

		{"the count didn't move", at(4), sighting{stateLive, 4, others(4)}, verdictNotApplied, at(4)},
		{"moved by one", at(4), sighting{stateLive, 5, others(5)}, verdictNotApplied, out(4)},
		{"moved by all that is kept", at(4), sighting{stateLive, 4 + driver.MaxWriteIDs, others(8)}, verdictNotApplied, out(4)},
		{"moved by one more", at(4), sighting{stateLive, 5 + driver.MaxWriteIDs, others(8)}, verdictUnknown, nil},
		{"moved by very much", at(0), sighting{stateLive, 1 << 63, others(8)}, verdictUnknown, nil},
		{"went back", at(4), sighting{stateLive, 3, others(3)}, verdictUnknown, nil},
		{"one past, one pending", []attempt{{id: mine, base: 4}, {id: second, base: 5}}, sighting{stateLive, 5, others(5)}, verdictNotApplied, append(out(4), attempt{id: second, base: 5})},
		{"one unknown, one past", []attempt{{id: mine, base: 1}, {id: second, base: 9}}, sighting{stateLive, 10, others(8)}, verdictUnknown, nil},
		{"two pending", []attempt{{id: mine, base: 4}, {id: second, base: 4}}, sighting{stateLive, 4, others(4)}, verdictNotApplied, []attempt{{id: mine, base: 4}, {id: second, base: 4}}},

		{"ruled out before, and there", out(4), sighting{stateLive, 6, others(6, mine)}, verdictApplied, nil},
		{"ruled out before, the count didn't move", out(4), sighting{stateLive, 4, others(4)}, verdictNotApplied, out(4)},
		{"ruled out before, moved by too many", out(4), sighting{stateLive, 5 + driver.MaxWriteIDs, others(8)}, verdictUnknown, nil},
		{"answered, moved by too many", heard(4), sighting{stateLive, 5 + driver.MaxWriteIDs, others(8)}, verdictUnknown, nil},
		{"answered and ruled out before, moved by too many", []attempt{{mine, 4, true, true}}, sighting{stateLive, 5 + driver.MaxWriteIDs, others(8)}, verdictNotApplied, nil},
		{"answered and ruled out before, moved by all that is kept", []attempt{{mine, 4, true, true}}, sighting{stateLive, 4 + driver.MaxWriteIDs, others(8)}, verdictNotApplied, []attempt{{mine, 4, true, true}}},

		{"a grave dug at the next count", at(4), sighting{stateGrave, 5, others(5)}, verdictNotApplied, out(4)},
		{"a grave dug later", at(4), sighting{stateGrave, 4 + driver.MaxWriteIDs, others(8)}, verdictNotApplied, out(4)},
		{"a grave dug too much later", at(4), sighting{stateGrave, 5 + driver.MaxWriteIDs, others(8)}, verdictUnknown, nil},
		{"a grave of the same count", at(4), sighting{stateGrave, 4, others(4)}, verdictUnknown, nil},
		{"a grave that wasn't read", at(4), sighting{stateGrave, 0, others(1)}, verdictUnknown, nil},
		{"a grave in the way of a create", at(0), sighting{stateGrave, 0, others(1)}, verdictUnknown, nil},

		{"a create, still missing", at(0), sighting{state: stateMissing}, verdictNotApplied, at(0)},
		{"a create, made by someone else", at(0), sighting{stateLive, 1, others(1)}, verdictNotApplied, out(0)},
		{"an update, missing", at(4), sighting{state: stateMissing}, verdictUnknown, nil},
		{"an update and a create, missing", []attempt{{id: mine, base: 0}, {id: second, base: 4}}, sighting{state: stateMissing}, verdictUnknown, nil},
	} {
		t.Run(tt.name, func(t *testing.T) {
			open := slices.Clone(tt.open)
			got, pending := judge(open, tt.seen)
			if got != tt.want || !slices.Equal(pending, tt.pending) {
				t.Errorf("verdict %s, pending %v; want %s, %v", verdictNames[got], pending, verdictNames[tt.want], tt.pending)
			}
			if !slices.Equal(open, tt.open) {
				t.Errorf("judge changed what it was given: %v", open)
			}
		})
	}
}

var verdictNames = map[verdict]string{verdictApplied: "applied", verdictNotApplied: "not applied", verdictUnknown: "unknown"}

// world is one record, with the truth about it.
type world struct {
	state   recordState
	count   uint64
	ids     []driver.WriteID
	blind   bool // it was buried by someone who hadn't read it
	made    bool // it was there once
	tries   []try
	history string
}

// try is a write of ours, and its true outcome.
type try struct {
	attempt
	burial  bool
	applied bool
}

func (w world) sees() sighting {
	if w.state == stateMissing {
		return sighting{state: stateMissing}
	}
	return sighting{w.state, w.count, w.ids}
}

// canStill reports whether a try may be carried out yet: it is checked against
// the state that it was made for.
func (w world) canStill(tr try) bool {
	if tr.applied || w.count != tr.base {
		return false
	}
	return w.state == stateLive || w.state == stateMissing && tr.base == 0 && !tr.burial && !w.made
}

func (w world) write(id driver.WriteID, burial bool) world {
	w.count++
	w.ids = driver.PushWriteID(w.ids, id)
	w.state, w.made = stateLive, true
	if burial {
		w.state = stateGrave
	}
	return w
}

// steps yields each thing that can happen next, by whomever.
func (w world) steps(yield func(name string, next world)) {
	id := driver.WriteID{0xee, byte(len(w.history))} // another one each time
	if w.state != stateGrave && (w.state == stateLive || !w.made) {
		yield("o", w.write(id, false)) // another writes
	}
	if w.state == stateLive {
		yield("b", w.write(id, true)) // another buries the state that it read
	}
	if w.state != stateGrave {
		next := w
		next.state, next.count, next.ids, next.blind = stateGrave, 0, []driver.WriteID{id}, true
		yield("u", next) // another buries without looking
	}
	// A record is removed long after its deadline only, when nobody waits for
	// the answer to having made it.
	if w.state != stateMissing && !slices.ContainsFunc(w.tries, func(tr try) bool { return tr.base == 0 }) {
		next := w
		next.state, next.count, next.ids = stateMissing, 0, nil
		yield("x", next)
	}
	if len(w.tries) < 2 && (w.state == stateLive || !w.made) {
		for _, burial := range []bool{false, true} {
			if burial && w.state != stateLive {
				continue
			}
			next := w
			next.tries = append(slices.Clip(w.tries), try{attempt{id: driver.WriteID{byte(len(w.tries) + 1)}, base: w.count}, burial, false})
			yield(map[bool]string{false: "s", true: "S"}[burial], next) // we send, on the state that we have read
		}
	}
	for i, tr := range w.tries {
		if w.canStill(tr) {
			next := w.write(tr.id, tr.burial)
			next.tries = slices.Clone(w.tries)
			next.tries[i].applied = true
			yield(fmt.Sprint(i+1), next) // it is carried out, late perhaps
		}
	}
}

// TestI13_JudgeNeverGuesses lets everything happen in every order, up to some
// more writes than write ids are kept, and asks judge after each step.
func TestI13_JudgeNeverGuesses(t *testing.T) {
	const longest = driver.MaxWriteIDs + 6
	full := make([]driver.WriteID, driver.MaxWriteIDs)
	for i := range full {
		full[i] = driver.WriteID{0xdd, byte(i)}
	}
	asked, told := 0, map[verdict]int{}
	var walk func(w world)
	walk = func(w world) {
		if len(w.tries) > 0 {
			v := checkJudge(t, w)
			asked++
			told[v]++
		}
		if len(w.history) == longest || t.Failed() {
			return
		}
		w.steps(func(name string, next world) {
			next.history = w.history + name
			// Only the writes of others may be many.
			if len(next.history)-strings.Count(next.history, "o") <= 5 {
				walk(next)
			}
		})
	}
	for _, start := range []world{
		{state: stateMissing},
		{state: stateLive, made: true, count: 1, ids: full[:1]},
		{state: stateLive, made: true, count: 30, ids: full},
	} {
		walk(start)
	}
	t.Logf("asked %d times: %d applied, %d not applied, %d unknown", asked, told[verdictApplied], told[verdictNotApplied], told[verdictUnknown])
	for v, name := range verdictNames {
		if told[v] == 0 {
			t.Errorf("judge never said %s: the walk is too narrow", name)
		}
	}
}

// checkJudge compares judge's verdict with the truth.
func checkJudge(t *testing.T, w world) verdict {
	open := make([]attempt, len(w.tries))
	happened := false
	for i, tr := range w.tries {
		open[i] = tr.attempt
		happened = happened || tr.applied
	}
	got, pending := judge(open, w.sees())
	fail := func(what string) {
		t.Errorf("after %q: %s, although %s. tries %+v, seen %+v", w.history, verdictNames[got], what, w.tries, w.sees())
	}
	switch got {
	case verdictApplied:
		if !happened {
			fail("nothing was")
		}
	case verdictNotApplied:
		if happened {
			fail("it was")
		}
		for _, tr := range w.tries {
			if w.canStill(tr) && !slices.Contains(pending, tr.attempt) {
				fail(fmt.Sprintf("try %x may happen yet and isn't pending", tr.id[0]))
			}
		}
	case verdictUnknown:
		// It must know where it can: the record lives, or was buried by someone
		// who read it, and no write id can have been pushed out.
		near := !slices.ContainsFunc(open, func(a attempt) bool { return w.count-a.base > driver.MaxWriteIDs })
		if w.state == stateLive && near {
			fail("all that matters is there")
		}
		if w.state == stateGrave && !w.blind && near {
			fail("the grave tells")
		}
	}
	return got
}

// TestI13_See: a store's answers, as judge gets them.
func TestI13_See(t *testing.T) {
	live := &driver.Record{Writes: 3, WriteIDs: []driver.WriteID{{1}}}
	grave := &driver.Record{Grave: &driver.Grave{Writes: 4, WriteIDs: []driver.WriteID{{2}}}}
	wrapped := func(err error) error { return fmt.Errorf("store: %w", err) }
	for _, tt := range []struct {
		name string
		rec  *driver.Record
		err  error
		want recordState
		ok   bool
	}{
		{"a record", live, nil, stateLive, true},
		{"a grave", grave, wrapped(driver.ErrGone), stateGrave, true},
		{"missing", nil, wrapped(driver.ErrNotFound), stateMissing, true},
		{"a grave that isn't shown", nil, wrapped(driver.ErrGone), 0, false},
		{"no answer", nil, wrapped(driver.ErrUnavailable), 0, false},
		{"another error", nil, errors.New("?"), 0, false},
		{"corrupt", nil, wrapped(driver.ErrCorrupt), 0, false},
	} {
		got, ok := see(tt.rec, tt.err)
		if ok != tt.ok || ok && got.state != tt.want {
			t.Errorf("%s: %v %+v", tt.name, ok, got)
		}
		switch {
		case got.state == stateLive && ok && (got.writes != 3 || len(got.ids) != 1 || got.ids[0] != driver.WriteID{1}),
			got.state == stateGrave && ok && (got.writes != 4 || len(got.ids) != 1 || got.ids[0] != driver.WriteID{2}):
			t.Errorf("%s: count or write ids are wrong: %+v", tt.name, got)
		}
	}
}

// Where nothing was read there is nothing to write over: a create that is still on
// its way must not find a record that nobody asked for.
func TestI13_NothingIsConfirmedWhereNothingWasRead(t *testing.T) {
	w := &Records{} // without a store to ask
	if rec, err := w.confirm(t.Context(), &driver.Record{}); err == nil {
		t.Errorf("confirmed %v", rec)
	}
}
