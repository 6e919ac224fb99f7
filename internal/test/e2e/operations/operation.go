package main

import (
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file is operation: one that is done while visitors come, and the check of what
// came of it.

// operation is a row of the table.
type operation struct {
	name  string // for -only and tests
	title string // for the table
	where need
	hasty bool // some wait for all of the timeout
	days  int  // how old the sessions are that visitors have

	before func(s *stage) // while nobody comes yet
	do     func(s *stage)
	end    func(s *stage) // ends what do began; nil: that lasts
	mend   func(s *stage) // what an operator does if it isn't over by itself; nil: nothing is known
	after  func(s *stage) // further checks, when visitors have gone

	want want
}

// need is what an operation needs of an engine.
type need int

const (
	anywhere   need = iota // quick, and on an engine that others use at the same time
	itself                 // an engine of its own: cluster-wide settings, or minutes
	openSearch             // the same, and reindexing, which the zip of Elasticsearch 8 for tests lacks
)

// want is what has to come of an operation. The zero want is that nobody notices, that
// nothing is logged, and that the report is as before.
type want struct {
	see     map[kind]string // the statuses that may be seen meanwhile; "" is 200 alone
	must    bool            // all of see has to be seen
	wait    time.Duration   // the longest that anybody may wait; 0: the timeout and some more
	out     string          // who is signed out; "?" says that it depends on the moment
	opens   opening         // whether what was signed out opens again
	log     []string        // texts that have to be logged, after their level; "*" stands for any others
	report  []string        // codes of the report meanwhile; a|b is either, "*" stands for any more
	after   []string        // codes of the report afterwards
	recover verdict
	lost    string // what is lost, in words; empty: nothing
	older   bool   // sessions may be as they were at an earlier time; else those that are there are whole
}

// verdict is whether trouble ends by itself.
type verdict string

const (
	well   verdict = "–"   // there was none
	itWill verdict = "yes" // when its cause is over, at once
	itCant verdict = "no"  // somebody has to mend it
	either verdict = "?"   // it depends on the moment
)

// opening is whether a session that was signed out opens again.
type opening int

const (
	never opening = iota
	maybe
)

// outcome is what came of an operation.
type outcome struct {
	op      *operation
	seen    map[kind][]int
	longest time.Duration
	out     string
	opens   bool
	log     []line
	report  []string
	after   []string
	recover verdict
	lost    []string
	err     error
}

// rounds is how many requests of each kind an operation has to outlast: so many that
// succeed, or one that fails, which may take all of the timeout. They are as many as those
// of a visit by somebody who signs in, looks and signs out, so that each is among them.
const rounds = 3

// run does an operation on an engine, and returns what came of it.
func (o *operation) run(t tb, on *place, timeout time.Duration) *outcome {
	t.Helper()
	s := newStage(t, on, timeout)
	r := &outcome{op: o, recover: well}
	s.openSites(nil)
	if o.before != nil {
		o.before(s)
	}
	s.settle(o.days)
	known := s.codes()
	known = slices.DeleteFunc(known, func(code string) bool { return code == noReport })
	t.Cleanup(s.rest)
	s.begin()
	lines := s.told.forget()
	s.next()
	o.do(s)
	during := s.next()
	s.outlast(during)
	r.report = s.newCodes(known, o.want.report)
	after := s.next()
	if o.end != nil {
		o.end(s)
		s.more = nil // what other servers reported was of before
		after = s.next()
	}
	troubled := !s.fine(during)
	limit := 15 * time.Second
	if o.want.recover == itCant {
		limit = timeout + 3*time.Second
	}
	fine := s.await(limit, func() bool { return s.served(after) })
	switch {
	case !fine && o.mend == nil:
		r.recover = itCant
	case !fine:
		r.recover = itCant
		o.mend(s)
		mended := s.next()
		if !s.await(patient, func() bool { return s.served(mended) }) {
			t.Errorf("%s: visitors aren't served after it was mended; logged: %v", o.name, s.told.since(0))
		}
	case troubled:
		r.recover = itWill
	}
	r.after = s.newCodes(known, o.want.after)
	r.log = s.told.since(lines)
	s.rest()
	s.summarize(r, during)
	if fine || o.mend != nil {
		s.audit()
	}
	if o.after != nil {
		o.after(s)
	}
	r.out, r.opens, r.lost = s.outs(), s.reopened, s.lost
	return r
}

// outlast waits until each kind of visitor has met the phase.
func (s *stage) outlast(phase int) {
	s.await(patient, func() bool {
		n := map[kind]int{}
		for _, a := range s.in(phase) {
			if n[a.kind]++; a.status != http.StatusOK {
				n[a.kind] += rounds
			}
		}
		return !slices.ContainsFunc(kinds, func(k kind) bool { return n[k] < rounds })
	})
}

// served reports whether each kind of visitor was served in a phase, at last.
func (s *stage) served(phase int) bool {
	last := map[kind]int{}
	n := map[kind]int{}
	for _, a := range s.in(phase) {
		last[a.kind] = a.status
		if n[a.kind]++; a.status != http.StatusOK {
			n[a.kind] = 0
		}
	}
	return !slices.ContainsFunc(kinds, func(k kind) bool { return last[k] != http.StatusOK || n[k] < rounds })
}

// fine reports whether everybody was served, and nobody was signed out.
func (s *stage) fine(phase int) bool {
	return s.outs() == "" && !slices.ContainsFunc(s.of(phase), func(a seen) bool { return a.status != http.StatusOK })
}

// summarize notes what visitors saw in a phase.
func (s *stage) summarize(r *outcome, phase int) {
	r.seen = map[kind][]int{}
	for _, a := range s.of(phase) {
		r.longest = max(r.longest, a.wait)
		if !slices.Contains(r.seen[a.kind], a.status) {
			r.seen[a.kind] = append(r.seen[a.kind], a.status)
		}
	}
	for k := range r.seen {
		slices.Sort(r.seen[k])
	}
}

// judge compares an outcome with what has to come of the operation. Each text is a
// deviation.
func (r *outcome) judge(timeout time.Duration) (wrong []string) {
	w := r.op.want
	bad := func(format string, args ...any) { wrong = append(wrong, fmt.Sprintf(format, args...)) }
	for _, k := range kinds {
		allowed := w.see[k]
		if allowed == "" {
			allowed = "200"
		}
		may := strings.Fields(allowed)
		if timeout <= short && slices.Contains(r.seen[k], http.StatusOK) {
			may = append(may, "503") // on a busy machine, of those who have no patience
		}
		for _, status := range r.seen[k] {
			if !slices.Contains(may, strconv.Itoa(status)) {
				bad("%s got %d; allowed is %s", k, status, allowed)
			}
		}
		if len(r.seen[k]) == 0 {
			bad("%s got no answer", k)
		}
		if !slices.Contains(may, "200") && slices.Contains(r.seen[k], http.StatusOK) || w.must && len(r.seen[k]) < len(strings.Fields(allowed)) {
			bad("%s got %v; wanted is %s", k, r.seen[k], allowed)
		}
	}
	limit := w.wait
	if limit == 0 {
		limit = 2*timeout + 5*time.Second // a sign-in writes twice
	}
	if r.longest > limit {
		bad("somebody waited %v; at most %v is allowed", r.longest, limit)
	}
	out := r.out
	if w.out != "" { // dora comes and goes: it depends on the moment whether she is in
		out = strings.TrimSuffix(out, ", dora")
	}
	if w.out != "?" && out != w.out {
		bad("signed out is %q; wanted is %q", r.out, w.out)
	}
	if r.opens && w.opens == never {
		bad("a session that was signed out opens again")
	}
	switch {
	case w.recover == either, w.recover == r.recover, w.recover == "" && r.recover == well:
	default:
		bad("it recovers by itself: %s; wanted is %s", r.recover, w.recover)
	}
	if len(r.lost) > 0 && !w.older {
		bad("lost: %s", strings.Join(r.lost, "; "))
	}
	if w.lost == "" && r.out != "" {
		bad("signed out is %q, and nothing is said to be lost", r.out)
	}
	wrong = append(wrong, differ("the report meanwhile", r.report, w.report)...)
	wrong = append(wrong, differ("the report afterwards", r.after, w.after)...)
	return append(wrong, r.judgeLog(w.log)...)
}

// differ compares codes.
func differ(what string, got, want []string) (wrong []string) {
	more := slices.Contains(want, "*")
	var known []string
	for _, code := range want {
		either := strings.Split(code, "|")
		known = append(known, either...)
		if code != "*" && !slices.ContainsFunc(either, func(c string) bool { return slices.Contains(got, c) }) {
			wrong = append(wrong, fmt.Sprintf("%s has %v; it lacks %s", what, got, code))
		}
	}
	for _, code := range got {
		if !more && !slices.Contains(known, code) {
			wrong = append(wrong, fmt.Sprintf("%s has %s, which isn't wanted", what, code))
		}
	}
	return wrong
}

// judgeLog compares the log with the texts that have to be in it. Without any, nothing
// above INFO may be logged.
func (r *outcome) judgeLog(want []string) (wrong []string) {
	for _, text := range want {
		if text != "*" && !slices.ContainsFunc(r.log, func(l line) bool { return hasText(l, text) }) {
			wrong = append(wrong, fmt.Sprintf("%q isn't logged, but %v", text, r.log))
		}
	}
	for _, l := range r.log {
		if len(want) == 0 && l.level > slog.LevelInfo {
			wrong = append(wrong, fmt.Sprintf("%v is logged, which isn't wanted", l))
		}
	}
	return wrong
}

// hasText reports whether a line has a level and a text.
func hasText(l line, want string) bool {
	level, text, _ := strings.Cut(want, " ")
	return l.level.String() == level && strings.Contains(l.text, text)
}
