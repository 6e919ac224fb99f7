package history

import (
	"slices"
	"strings"
)

// This file is sign-ins, which may go unheard: who signs in again with the token that a
// sign-in replaced gets a new session in place of the one that the first made, with what
// that had been carried into it, as long as nobody has used it.
//
// A sign-in of unknown outcome is pending. It isn't tried at each moment at which it may
// have happened, but before the next sign-in that it matters to.

// replacement is how a session may be taken over from.
type replacement struct {
	// carried is what the session was given by its sign-in.
	carried values
	// used: its token was presented, as a sign-in has found.
	used bool

	// next is the session that took over when a sign-in ended this one; 0: it was
	// something else, or that isn't known.
	next int
	// repeated: that sign-in didn't rest on the session's own token, which nobody
	// had used.
	repeated bool
	// other: something other than a sign-in has ended it, or may have, be it once more.
	other bool
}

// login returns the states that a sign-in can have left.
func (s *state) login(o *Op) (all []*state) {
	if o.Outcome == Unknown {
		s.mayLogIn(o)
		return []*state{s}
	}
	for _, t := range s.caughtUp(o, nil) {
		if o.Outcome == Done {
			all = append(all, t.signIn(signIn{o, o.NewSession, o.Return, false})...)
		} else if t.refuses(o) {
			all = append(all, t)
		}
	}
	return all
}

// mayLogIn: a sign-in may replace a session from now on, at any time. If it was refused
// in the end, its grave lies under another, and nothing comes of it.
func (s *state) mayLogIn(o *Op) {
	if o.Session == 0 {
		return
	}
	heard := s.ops[o.N].Outcome != Unknown
	if !heard {
		s.pending += string(rune(o.N))
	}
	v := s.view(o.Session, o)
	v.unsure()
	v.mayUse()
	v.other = v.other || heard
	if h := s.head(o.Session); h != o.Session && s.sessions[h].principal == o.Principal && s.mayBeUnused(h, o) {
		v = s.view(h, o)
		v.unsure()
		v.other = v.other || heard
	}
}

// head returns the session that has taken over from one in the end.
func (s *state) head(i int) int {
	for j := i; ; i = s.sessions[i].next {
		if x := &s.sessions[i]; x.status != ended || x.next == 0 || i != j && !x.repeated {
			return i
		}
	}
}

// mayBeUnused reports whether the sign-in can have found that no request had presented
// the session's token.
func (s *state) mayBeUnused(i int, o *Op) bool {
	return !s.sessions[i].used && o.Call <= s.useOf(i).by
}

// caughtUp returns the states in which some of the pending sign-ins have happened that
// matter to one. Of two that come to the same in any order, one order is enough; last is
// the one that happened before.
func (s *state) caughtUp(o, last *Op) []*state {
	all := []*state{s}
	if o.Session == 0 {
		return all
	}
	for _, n := range s.pending {
		l := s.ops[int(n)]
		if s.head(l.Session) != s.head(o.Session) {
			continue
		}
		if last != nil && l.N < last.N && l.Principal == last.Principal && (l.Key == "" || l.Key != last.Key) {
			continue
		}
		for _, t := range s.signIn(signIn{l, s.hidden[l.N], o.Return, true}) {
			t.pending = strings.Replace(t.pending, string(n), "", 1)
			all = append(all, t.caughtUp(o, l)...)
		}
	}
	return all
}

// signIn is a sign-in that happens.
type signIn struct {
	*Op
	into   int
	by     int64 // it has happened by then
	hidden bool  // nobody was told of the new session
}

// signIn returns the states that a sign-in can have left by happening.
func (s *state) signIn(in signIn) (all []*state) {
	next, ok := s.begins(in)
	if !ok {
		return nil
	}
	if in.Session == 0 {
		s.enter(in, next, true)
		return []*state{s}
	}
	add := func(t *state, carries values, puts bool) {
		n := next
		n.values = carries
		t.enter(in, n, puts)
		all = append(all, t)
	}
	// From a session that is live. By then the new one is in the ledger, so that a
	// sign-out everywhere that comes in between ends it.
	t := s.clone()
	v := t.view(in.Session, in.Op)
	if v.replaceable(in) {
		keeps := v.principal == "" || v.principal == in.Principal
		var carries values
		if keeps {
			carries = v.values
		}
		v.replace(in, false)
		add(t, carries, keeps)
	}
	// From one that another sign-in has replaced.
	v = s.view(in.Session, in.Op)
	if v.status == ended && v.next != 0 && in.Token == v.token && (in.Again || in.Call <= v.until) {
		s.repeat(in, add)
	}
	if in.hidden || !in.Again {
		return all
	}
	// With a token that opens nothing, for another reason: as if there had been none.
	t = s.clone()
	if v = t.view(in.Session, in.Op); v.opensNothing() || v.endedOtherwise() || in.Since > 0 {
		add(t, values{}, true)
	}
	return all
}

// repeat is a sign-in with the token of a session that another sign-in has replaced.
func (s *state) repeat(in signIn, add func(t *state, carries values, puts bool)) {
	h := s.head(in.Session)
	t := s.clone()
	v := t.view(h, in.Op)
	same := v.principal == in.Principal
	if same && s.mayBeUnused(h, in.Op) && v.replaceable(in) {
		carries := v.carried
		v.replace(in, true)
		add(t, carries, true)
	}
	if in.hidden { // to begin with nothing leaves no trace
		return
	}
	empty := func(t *state) { add(t, values{}, true) }
	t = s.clone()
	v = t.view(h, in.Op)
	if !same || !s.mayBeUnused(h, in.Op) || v.status == ended && v.next != 0 || s.mayBeLost(in.Session, h) || in.Since > 0 {
		empty(t)
		return
	}
	if v.endedOtherwise() {
		empty(t)
	}
	if t = s.clone(); t.useOf(h).from < in.Return {
		t.sessions[h].used = true
		empty(t)
	}
}

// mayBeLost reports whether the way from one session to another that took over may be
// lost, because something else has ended one of them once more.
func (s *state) mayBeLost(i, to int) bool {
	for ; i != to; i = s.sessions[i].next {
		if s.sessions[i].other {
			return true
		}
	}
	return false
}

// replaceable takes it that the sign-in found the session live. If nobody was told of
// the sign-in, it may be why others found it ended.
func (v view) replaceable(in signIn) bool {
	return v.open() || in.hidden && v.status == ended && v.next == 0 && in.Call <= v.until
}

// replace: a sign-in ended the session.
func (v view) replace(in signIn, repeated bool) {
	if v.status == ended {
		v.end(min(v.until, in.by))
	} else {
		v.end(in.by)
	}
	v.next, v.repeated = in.into, repeated
}

// opensNothing takes it that the session was live when the operation began, and the token
// of before was forgotten.
func (v view) opensNothing() bool {
	if v.status == ended && v.op.Call > v.until {
		return false
	}
	if v.dueToGo() && v.renewing {
		v.replaced()
	}
	return v.forgotten()
}

// endedOtherwise takes it that the operation found the session ended, and not by a
// sign-in.
func (v view) endedOtherwise() bool {
	if v.status == absent || v.status != live && !v.other {
		return false
	}
	return v.over()
}

// since returns when those sign-outs everywhere had returned that may have come after a
// sign-in's attempt began. raced: there are some, or one of unknown outcome.
func (s *state) since(o *Op) (since []int64, raced bool) {
	r := s.realm(o.Principal)
	raced = r.unsure > 0
	if i := slices.IndexFunc(s.attempts, func(a attempt) bool { return a.n == o.Attempt }); i >= 0 {
		since = r.revokes[s.attempts[i].revokes:]
		raced = raced || r.settled > s.attempts[i].settled
	} else {
		for _, returned := range r.revokes {
			if returned >= o.Call {
				since = append(since, returned)
			}
		}
	}
	return since, raced || len(since) > 0
}

// begins returns the session that a sign-in makes. ok is false if it can't have
// succeeded: everybody was signed out after its attempt, and before it began.
func (s *state) begins(in signIn) (next session, ok bool) {
	next = session{status: live, principal: in.Principal, token: in.NewToken}
	since, _ := s.since(in.Op)
	switch {
	case len(since) > 0 && slices.Min(since) < in.Call:
		return next, false
	case in.hidden:
		next.token = nobodys
		if s.mayBeRevoked(in.Principal, in.Call, in.by) {
			next.status, next.until = maybe, never
		}
	case len(since) > 0 && in.Attempt > 0:
		next.status, next.until = dying, slices.Min(since)
	case len(since) > 0: // before its attempt or after
		next.status, next.until = maybe, slices.Max(since)
	}
	next.other = next.status != live
	return next, true
}

// enter makes the new session. puts: with what the sign-in sets along the way.
func (s *state) enter(in signIn, next session, puts bool) {
	s.sessions[in.into] = next
	v, r := s.view(in.into, in.Op), s.realm(in.Principal)
	if !in.hidden {
		r.settle(in.Op)
		if r.unsure > 0 {
			v.other = true
			v.unsure()
		}
	}
	if puts {
		v.put()
	}
	v.carried = v.values
	v.use()
	for _, n := range s.pending { // one that is under way may repeat this one
		if l := s.ops[int(n)]; l.N != in.N && l.Principal == in.Principal && l.Return >= in.Call && s.head(l.Session) == in.into {
			v.unsure()
		}
	}
}

// refuses reports whether a sign-in can have been refused, as its outcome says.
func (s *state) refuses(o *Op) bool {
	v := s.view(o.Session, o)
	_, raced := s.since(o)
	from := o.Session != 0
	switch o.Outcome {
	case Revoked:
		return raced && (!from || o.Again || v.wasOpen())
	case Gone: // the old one, or the new one
		if raced {
			return !from || o.Again || v.status != ended || v.wasOpen()
		}
		return from && s.loginGone(v)
	case Conflict:
		if v.status == ended {
			return v.wasOpen()
		}
		return from && v.open() && v.renewed()
	}
	return false
}

// loginGone: the session had ended, and not by a sign-in that can be repeated.
func (s *state) loginGone(v view) bool {
	if v.op.Since > 0 || v.status == live {
		return v.gone()
	}
	if v.status == ended && v.next != 0 {
		renewed := v.op.Token != v.token || v.renewing
		if renewed && v.op.Again {
			return true
		}
		return (renewed || v.other) && v.gone()
	}
	return v.other && v.gone()
}
