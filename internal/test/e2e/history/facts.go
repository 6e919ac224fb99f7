package history

import "slices"

// This file is what the model knows of a family as a whole, before it looks for an
// order.

// facts don't change.
type facts struct {
	idle    int64
	places  int // of sessions
	ops     map[int]*Op
	revokes []*Op
	uses    map[int]use // of sessions
	hidden  map[int]int // the places of sessions that nobody was told of, by the number of the sign-in
}

// use is when a session's token was presented first: at the earliest, and when that
// was certainly recorded.
type use struct{ from, by int64 }

func factsOf(f *Family) *facts {
	x := &facts{idle: f.Idle, ops: map[int]*Op{}, uses: usesOf(f), hidden: map[int]int{}}
	for i := range f.Ops {
		o := &f.Ops[i]
		x.ops[o.N] = o
		x.places = max(x.places, o.NewSession, o.Session)
		if o.Kind == Revoke && (o.Outcome == Done || o.Outcome == Unknown) {
			x.revokes = append(x.revokes, o)
		}
	}
	x.places++
	for i := range f.Ops {
		if o := &f.Ops[i]; o.Kind == Login && o.Outcome == Unknown {
			x.hidden[o.N] = x.places
			x.places++
		}
	}
	return x
}

// usesOf returns when the tokens of sessions were presented. An answer is recorded
// before it is given, but for one by a node that was cut off: what that had seen may be
// lost.
func usesOf(f *Family) map[int]use {
	uses := map[int]use{}
	for i := range f.Ops {
		o := &f.Ops[i]
		if o.Token == 0 || o.Outcome == NotFound {
			continue
		}
		u, ok := uses[o.Session]
		if !ok {
			u = use{never, never}
		}
		u.from = min(u.from, o.Call)
		if (o.Outcome == Done || o.Outcome == Kept) && o.Kind != Login && o.Kind != Destroy && (o.Since == 0 || o.changed()) {
			u.by = min(u.by, o.Return)
		}
		uses[o.Session] = u
	}
	return uses
}

// useOf returns when a session's token was presented.
func (x *facts) useOf(session int) use {
	if u, ok := x.uses[session]; ok {
		return u
	}
	return use{never, never}
}

// mayBeRevoked reports whether a principal may have been signed out everywhere in an
// interval.
func (x *facts) mayBeRevoked(principal string, from, to int64) bool {
	return slices.ContainsFunc(x.revokes, func(r *Op) bool {
		return r.Principal == principal && r.Call < to && (r.Outcome == Unknown || r.Return > from)
	})
}
