package history

import (
	"fmt"
	"slices"
)

// audit looks for broken promises that counting finds, without a search for an
// order. It knows less than the model, but where both know, it says what is
// wrong.
func audit(f *Family) []string {
	a := newAuditor(f)
	for i := range f.Ops {
		if o := &f.Ops[i]; o.Outcome == Failed {
			a.broken(o, "an answer that nothing promises: %s", o.Note)
		}
	}
	for i := range f.Ops {
		if o := &f.Ops[i]; o.Values != nil {
			a.origins(o, (*Op).happened)
			a.updates(o)
			a.newest(o)
		}
	}
	a.endings()
	a.renewals()
	return a.found
}

type auditor struct {
	f      *Family
	byN    map[int]*Op
	parent map[int]*Op // who made a session
	found  []string
}

func newAuditor(f *Family) *auditor {
	a := &auditor{f: f, byN: map[int]*Op{}, parent: map[int]*Op{}}
	for i := range f.Ops {
		o := &f.Ops[i]
		a.byN[o.N] = o
		if o.NewSession > 0 {
			a.parent[o.NewSession] = o
		}
	}
	return a
}

func (a *auditor) broken(o *Op, format string, args ...any) {
	a.found = append(a.found, fmt.Sprintf("operation %d, %v: ", o.N, o)+fmt.Sprintf(format, args...))
}

// happened reports whether an operation may have had its effect before a time.
func (o *Op) happened(before int64) bool {
	return o != nil && (o.Outcome == Done || o.Outcome == Unknown || o.mayHaveHappened()) && o.Call < before
}

// opened reports whether the operation's token opened its session for certain.
func (o *Op) opened() bool {
	if o.Token == 0 || o.Again {
		return false
	}
	switch o.Outcome {
	case Done, Kept, Gone, Conflict, Revoked:
		return true
	}
	return false
}

// origins: what is read was put in by an operation, once, that may have had its
// effect before a time.
func (a *auditor) origins(g *Op, may func(o *Op, before int64) bool) {
	if g.Values.Count != len(g.Values.Log) {
		a.broken(g, "the counter shows %d of %d updates, which change both at once", g.Values.Count, len(g.Values.Log))
	}
	seen := map[int]bool{}
	for _, n := range g.Values.Log {
		if seen[n] {
			a.broken(g, "update %d was done twice", n)
		}
		seen[n] = true
		if u := a.byN[n]; !may(u, g.Return) || u.Kind != Update {
			a.broken(g, "update %d is there, which did not happen: %v", n, u)
		}
	}
	for k, n := range g.Values.Keys {
		if s := a.byN[n]; !may(s, g.Return) || s.Key != k || s.Kind == Unset {
			a.broken(g, "%s=%d is there, which nobody set", k, n)
		}
	}
}

// updates: all that were acknowledged before are there, those of the sessions
// that it was made from included.
func (a *auditor) updates(g *Op) {
	session, until := g.Session, g.Call
	for session > 0 {
		for i := range a.f.Ops {
			u := &a.f.Ops[i]
			if u.Kind == Update && u.Session == session && u.Outcome == Done && u.Return < until && !slices.Contains(g.Values.Log, u.N) {
				a.broken(g, "update %d, which was acknowledged, is lost", u.N)
			}
		}
		made := a.parent[session]
		if made == nil || made.Session == 0 || !a.keeps(made) {
			return
		}
		session, until = made.Session, min(until, made.Call)
	}
}

// keeps reports whether a sign-in certainly takes the values along: it began with the
// session of its token, since that was there and nothing else can have ended it.
func (a *auditor) keeps(login *Op) bool {
	made := a.parent[login.Session]
	if login.Again && login.Since > 0 && made != nil && made.Return >= login.Since {
		return false // a node that was cut off may not have known the session
	}
	if made != nil && made.Principal != "" && made.Principal != login.Principal {
		return false
	}
	before := map[int]*Op{login.Session: login} // the sessions that it came from, and what replaced them
	for o := made; o != nil && o.Session > 0; o = a.parent[o.Session] {
		before[o.Session] = o
	}
	return !slices.ContainsFunc(a.f.Ops, func(o Op) bool {
		if !o.happened(login.Return) {
			return false
		}
		switch o.Kind {
		case Login: // or a repetition of one of those before
			known := before[o.Session]
			return known != nil && known.N != o.N
		case Destroy, Renew:
			return login.Again && o.Session == login.Session
		case Revoke:
			return login.Again && made != nil && o.Principal == made.Principal
		}
		return false
	})
}

// newest: of what was acknowledged for a key, one after the other, the last is
// there.
func (a *auditor) newest(g *Op) {
	for _, k := range Keys() {
		since := int64(0) // when what is there was put in, at the latest
		n := g.Values.Keys[k]
		if s := a.byN[n]; n > 0 {
			if s == nil || s.Outcome != Done || s.Session != g.Session {
				continue // unknown outcomes may come late
			}
			since = s.Return
		}
		for i := range a.f.Ops {
			o := &a.f.Ops[i]
			if o.Session != g.Session || o.Key != k || o.Outcome != Done || o.Call < since || o.Return > g.Call {
				continue
			}
			switch {
			case o.Kind == Unset && n > 0, o.Kind == Set && n > 0 && o.N != n:
				a.broken(g, "%s=%d is there, and was replaced by operation %d", k, n, o.N)
			case o.Kind == Set && n == 0 && !a.unset(o, g):
				a.broken(g, "%s=%d is not there, and nobody removed it", k, o.N)
			}
		}
	}
}

// unset reports whether something may have removed what was set, before a Get.
func (a *auditor) unset(set, g *Op) bool {
	return slices.ContainsFunc(a.f.Ops, func(o Op) bool {
		return o.Kind == Unset && o.Session == set.Session && o.Key == set.Key && o.happened(g.Return) &&
			(o.Outcome == Unknown || o.Return > set.Call)
	})
}

// endings: what has ended stays so.
func (a *auditor) endings() {
	ends := a.ends()
	for i := range a.f.Ops {
		a.opensNothing(&a.f.Ops[i], ends)
	}
}

// opensNothing: an operation doesn't open what had ended before.
func (a *auditor) opensNothing(o *Op, ends map[int]end) {
	if e, ok := ends[o.Session]; ok && o.Call > e.at && o.opened() {
		a.broken(o, "it opened a session that operation %d, %v, had ended", e.by.N, e.by)
	}
}

// end is when a session had ended, as an operation tells.
type end struct {
	at int64
	by *Op
}

// ends returns the first end of each session that has ended.
func (a *auditor) ends() map[int]end {
	ends := map[int]end{}
	note := func(session int, by *Op) {
		if e, ok := ends[session]; session > 0 && (!ok || by.Return < e.at) {
			ends[session] = end{by.Return, by}
		}
	}
	for i := range a.f.Ops {
		o := &a.f.Ops[i]
		switch {
		case o.Outcome == Gone && o.Kind != Login, o.Ended:
			if made := a.parent[o.Session]; o.Since == 0 || made == nil || made.Return < o.Since { // else it may be older than the session
				note(o.Session, o)
			}
		case o.Outcome != Done:
		case o.Kind == Destroy, o.Kind == Login && !o.Again: // else the token may have opened nothing
			note(o.Session, o)
		case o.Kind == Revoke:
			for session, made := range a.parent {
				if made.Principal == o.Principal && made.Return < o.Call && session != o.Except {
					note(session, o)
				}
			}
		}
	}
	return ends
}

// renewals: a token that was renewed doesn't renew or sign in, whoever was told
// that it was, and one of long before opens nothing.
func (a *auditor) renewals() {
	next := map[int]*Op{} // token to its renewal
	kept := map[int]*Op{} // token to the first who was told that it had been renewed
	for i := range a.f.Ops {
		o := &a.f.Ops[i]
		if before := kept[o.Token]; o.Outcome == Kept && (before == nil || o.Return < before.Return) {
			kept[o.Token] = o
		}
		if o.Kind == Renew && o.Outcome == Done {
			if before := next[o.Token]; before != nil {
				a.broken(o, "operation %d has renewed the token already", before.N)
			}
			next[o.Token] = o
		}
	}
	for i := range a.f.Ops {
		o := &a.f.Ops[i]
		if k := kept[o.Token]; k != nil && o.opened() && (o.Kind == Renew || o.Kind == Login) && o.Outcome == Done && o.Call > k.Return {
			a.broken(o, "operation %d was told that the token had been renewed", k.N)
		}
		once := next[o.Token]
		if once == nil || o == once || !o.opened() {
			continue
		}
		if (o.Kind == Renew || o.Kind == Login) && o.Outcome == Done && o.Call > once.Return {
			a.broken(o, "the token was renewed by operation %d", once.N)
		}
		last := once
		for n := 0; n < keptTokens && last != nil; n++ {
			last = next[last.NewToken]
		}
		if last != nil && o.Call > last.Return {
			a.broken(o, "the token was renewed %d times, by operations %d to %d", keptTokens+1, once.N, last.N)
		}
	}
}
