package history

import (
	"maps"
	"slices"
	"sort"
	"time"
)

// shrinkTime is how long one check may take while a history is made smaller.
const shrinkTime = 2 * time.Second

// smallest returns the smallest history it finds in a family that fails, that
// fails as well: the shortest beginning, without what can be left out of any
// sound history.
func smallest(f Family) Family {
	f.Ops = slices.Clone(f.Ops)
	byCall(f.Ops)
	if !fails(f) { // it took longer than we have
		return f
	}
	var ends []int64
	for i := range f.Ops {
		ends = append(ends, f.Ops[i].Return)
	}
	slices.Sort(ends)
	n := sort.Search(len(ends), func(i int) bool { return fails(upTo(f, ends[i])) })
	if n < len(ends) {
		f = upTo(f, ends[n])
	}
	for _, k := range Keys() {
		if g := withoutKey(f, k); fails(g) {
			f = g
		}
	}
	for smaller := true; smaller; {
		smaller = false
		for _, o := range slices.Clone(f.Ops) {
			if o.Kind != Update || o.Outcome == Unavailable {
				continue
			}
			if g := withoutUpdate(f, o.N); fails(g) {
				f, smaller = g, true
			}
		}
		for i := range slices.Backward(f.Ops) {
			if !spare(f.Ops, i) {
				continue
			}
			g := f
			g.Ops = slices.Delete(slices.Clone(f.Ops), i, i+1)
			if fails(g) {
				f, smaller = g, true // the places before i are the same
			}
		}
	}
	return f
}

func fails(f Family) bool { return Check(f, shrinkTime).Failed() }

// upTo returns what was known at a moment: what had not returned by then may or
// may not have happened.
func upTo(f Family, at int64) Family {
	var ops []Op
	for _, o := range f.Ops {
		switch {
		case o.Call > at:
			continue
		case o.Return <= at:
			ops = append(ops, o)
			continue
		case o.Outcome == Done, o.Outcome == Unknown, o.mayHaveHappened():
			ops = append(ops, o.without(Unknown))
		case o.Token > 0 && o.Outcome != NotFound:
			ops = append(ops, o.without(Unavailable))
		}
	}
	f.Ops = ops
	return f
}

// without returns the operation with an outcome that tells less.
func (o Op) without(outcome Outcome) Op {
	o.Outcome, o.NewSession, o.NewToken, o.Values, o.Ended = outcome, 0, 0, nil, false
	return o
}

// leaveOut leaves operations out. What they did to values is gone, but not that they
// presented a token, where that tells.
func leaveOut(f *Family, which func(o *Op) bool) {
	ops := slices.Clone(f.Ops)
	f.Ops = nil
	told := &Family{Ops: ops}
	for i := range ops {
		switch o := &ops[i]; {
		case !which(o):
			f.Ops = append(f.Ops, *o)
		case told.tellsUse(o):
			f.Ops = append(f.Ops, o.without(Unavailable))
		}
	}
}

// tellsUse reports whether it matters that an operation presented its token: it is of a
// sign-in that some other one, whose session comes from the same, may repeat, and none
// did so earlier.
func (f *Family) tellsUse(o *Op) bool {
	made := f.maker(o.Session)
	if o.Token == 0 || made == nil || made.Session == 0 || !f.otherLogin(made, o.Session) {
		return false
	}
	u := usesOf(f)[o.Session]
	return o.Call == u.from || o.Return == u.by
}

// maker returns the operation that made a session.
func (f *Family) maker(session int) *Op {
	for i := range f.Ops {
		if session > 0 && f.Ops[i].NewSession == session {
			return &f.Ops[i]
		}
	}
	return nil
}

// otherLogin reports whether there is a sign-in beside one that begins with a session
// which comes from the same.
func (f *Family) otherLogin(login *Op, session int) bool {
	root := f.root(session)
	return slices.ContainsFunc(f.Ops, func(o Op) bool {
		return o.Kind == Login && o.N != login.N && o.Session > 0 && f.root(o.Session) == root
	})
}

// root returns the first of the sessions that one was made from.
func (f *Family) root(session int) int {
	for made := f.maker(session); made != nil && made.Session > 0; made = f.maker(session) {
		session = made.Session
	}
	return session
}

// withoutUpdate leaves an update out, and what Gets saw of it: updates don't
// depend on each other.
func withoutUpdate(f Family, n int) Family {
	leaveOut(&f, func(o *Op) bool { return o.N == n })
	for i := range f.Ops {
		if v := f.Ops[i].Values; v != nil {
			log := slices.DeleteFunc(slices.Clone(v.Log), func(m int) bool { return m == n })
			f.Ops[i].Values = &Values{Keys: v.Keys, Count: v.Count - len(v.Log) + len(log), Log: log}
		}
	}
	return f
}

// withoutKey leaves all that concerns a key out: keys don't depend on each
// other.
func withoutKey(f Family, key string) Family {
	leaveOut(&f, func(o *Op) bool { return o.Key == key && (o.Kind == Set || o.Kind == Unset) })
	for i := range f.Ops {
		o := &f.Ops[i]
		if o.Key == key {
			o.Key = ""
		}
		if v := o.Values; v != nil {
			keys := maps.Clone(v.Keys)
			delete(keys, key)
			o.Values = &Values{Keys: keys, Count: v.Count, Log: v.Log}
		}
	}
	return f
}

// spare reports whether an operation can be left out without making a sound
// history unsound: nothing that is left tells of it.
func spare(ops []Op, i int) bool {
	o := &ops[i]
	anyOther := func(f func(p *Op) bool) bool {
		for j := range ops {
			if j != i && f(&ops[j]) {
				return true
			}
		}
		return false
	}
	ended := func(p *Op) bool { return p.Outcome == NotFound || p.Outcome == Gone || p.Ended }
	if f := (&Family{Ops: ops}); f.tellsUse(o) || o.Kind == Login && o.Session > 0 && f.otherLogin(o, o.Session) {
		return false
	}
	if o.Outcome != Done && o.Outcome != Unknown && !o.mayHaveHappened() {
		return true
	}
	if o.Ended {
		return false
	}
	seen := func(p *Op) bool {
		return p.Values != nil && (slices.Contains(p.Values.Log, o.N) || p.Values.Keys[o.Key] == o.N)
	}
	switch o.Kind {
	case Set, Update:
		return !anyOther(seen)
	case Unset:
		return !anyOther(func(p *Op) bool { return p.Values != nil && p.Values.Keys[o.Key] == 0 })
	case Renew:
		return !anyOther(func(p *Op) bool {
			return p.Session == o.Session && (ended(p) || p.Token == o.NewToken || p.Outcome == Kept || p.Outcome == Conflict)
		})
	case Create:
		return o.NewSession == 0 || !anyOther(func(p *Op) bool { return p.Session == o.NewSession })
	case Login:
		return !anyOther(func(p *Op) bool {
			return o.NewSession > 0 && (p.Session == o.NewSession || p.Except == o.NewSession) ||
				p.Session > 0 && p.Session == o.Session && ended(p)
		})
	case Destroy:
		return !anyOther(func(p *Op) bool { return p.Session == o.Session && ended(p) || p.Again })
	case Revoke:
		return !anyOther(func(p *Op) bool { return ended(p) || p.Outcome == Revoked || p.Again })
	case Begin:
		return !anyOther(func(p *Op) bool { return p.Attempt == o.N })
	}
	return true // Get, Sweep
}
