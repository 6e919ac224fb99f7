package history

import (
	"slices"

	"github.com/anishathalye/porcupine"
)

// model is what a family's sessions promise, as a machine that does one
// operation after the other. Where it says "may", the comment of the root
// package does.
func model(f *Family) porcupine.Model {
	sessions := 0
	for i := range f.Ops {
		sessions = max(sessions, f.Ops[i].NewSession, f.Ops[i].Session)
	}
	return porcupine.Model{
		Partition: parts,
		Init:      func() any { return &state{sessions: make([]session, sessions+1)} },
		Step: func(s, input, _ any) (bool, any) {
			next := s.(*state).clone()
			return next.step(input.(*Op), f.Idle), next
		},
		Equal: func(s, t any) bool { return s.(*state).equal(t.(*state)) },
		Hash:  func(s any) uint64 { return s.(*state).hash() },
		DescribeOperation: func(input, _ any) string {
			return input.(*Op).String()
		},
		DescribeState: func(s any) string { return s.(*state).String() },
	}
}

// step does an operation, and reports whether it can have had its outcome.
func (s *state) step(o *Op, idle int64) bool {
	v := view{&s.sessions[o.Session], o, idle}
	switch {
	case o.Kind == Begin:
		r := s.realm(o.Principal)
		s.attempts = append(s.attempts, attempt{o.N, len(r.revokes), r.settled})
		return true
	case o.Kind == Revoke:
		return s.revoke(o, idle)
	case o.Kind == Create && o.Outcome == Gone: // its answer was lost, and it had expired before it was found out
		return idle > 0 && o.ClockReturn >= o.ClockCall+idle
	case o.Kind == Create:
		if o.Outcome != Done { // nobody else knows what it makes
			return false
		}
		s.sessions[o.NewSession] = session{status: live, token: o.NewToken}
		v.session = &s.sessions[o.NewSession]
		v.put()
		v.use()
		return true
	case o.Outcome == NotFound:
		return v.refused()
	}
	switch o.Kind {
	case Get:
		if o.Outcome != Done || o.Values == nil || !v.open() || o.Token != v.token && o.Token != v.previous || !v.shows(o.Values) {
			return false
		}
		v.mayUse() // it takes its time to write that down
		return true
	case Set, Unset, Update:
		return v.save()
	case Renew:
		return v.renew()
	case Destroy:
		return v.destroy()
	case Login:
		return s.login(v)
	}
	return false
}

// put does what the operation does to values.
func (v view) put() {
	switch {
	case v.op.Kind == Update:
		v.log += string(rune(v.op.N))
	case v.op.Kind == Unset:
		*v.value(v.op.Key) = 0
	case v.op.Key != "":
		*v.value(v.op.Key) = v.op.N
	}
}

// save: acknowledged means that it happened while the session was live; whether
// the token was still good then was checked earlier, and is for the audit.
func (v view) save() bool {
	switch v.op.Outcome {
	case Done:
		if !v.open() {
			return false
		}
		if v.op.Kind == Unset && *v.value(v.op.Key) == 0 { // with nothing to remove, nothing is written
			v.mayUse()
		} else {
			v.use()
		}
		v.put()
		return true
	case Gone:
		return v.gone()
	case Unknown: // it has been seen, or is an Unset, which can't be: see prepare
		if v.open() {
			v.put()
			v.mayUse()
		}
		return true
	}
	return false
}

// gone: the session was opened, and had ended then. An administrator opens
// nothing first.
func (v view) gone() bool {
	if v.unborn() {
		return true
	}
	if v.op.Token == 0 {
		return v.over()
	}
	if v.status != live && v.op.Call > v.until || !v.fresh() {
		return false
	}
	return v.over()
}

// renew: only the current token's does something.
func (v view) renew() bool {
	switch v.op.Outcome {
	case Done:
		if !v.open() || v.token != v.op.Token {
			return false
		}
		v.previous, v.token, v.renewing = v.token, v.op.NewToken, false
		v.use()
		return true
	case Kept:
		v.mayUse()
		return v.open() && v.renewed()
	case Gone:
		return v.gone()
	case Unknown:
		v.renewing = v.renewing || v.token == v.op.Token
		v.mayUse()
		return true
	}
	return false
}

// destroy: whoever ended it, it was open when the operation began.
func (v view) destroy() bool {
	switch v.op.Outcome {
	case Done:
		if !v.wasOpen() {
			return false
		}
		if v.status == ended {
			v.end(min(v.until, v.op.Return))
		} else {
			v.end(v.op.Return)
		}
		return true
	case Unknown:
		v.unsure()
		return true
	}
	return false
}

// realm returns a principal's realm.
func (s *state) realm(principal string) *realm {
	i := slices.IndexFunc(s.realms, func(r realm) bool { return r.principal == principal })
	if i < 0 {
		i = len(s.realms)
		s.realms = append(s.realms, realm{principal: principal})
	}
	return &s.realms[i]
}

// revoke ends the sessions that are signed in, each at a moment of its own
// before it returns.
func (s *state) revoke(o *Op, idle int64) bool {
	r := s.realm(o.Principal)
	switch o.Outcome {
	case Done:
		r.revokes = append(slices.Clip(r.revokes), o.Return)
		r.settle(o)
	case Unknown:
		r.unsure = max(r.unsure, o.Return)
	default:
		return false
	}
	for i := range s.sessions {
		v := view{&s.sessions[i], o, idle}
		switch {
		case v.principal != o.Principal || i == o.Except:
		case o.Outcome == Unknown:
			v.unsure()
		case v.status == live, v.status == maybe:
			v.status, v.until = dying, o.Return
		case v.status == dying:
			v.until = min(v.until, o.Return)
		}
	}
	return true
}

// login moves a session to a new one at the moment when the old one is retired.
// By then the new one is in the ledger, so that a sign-out everywhere that comes
// in between ends it.
func (s *state) login(v view) bool {
	o, r := v.op, s.realm(v.op.Principal)
	from := o.Session != 0
	// The sign-outs that may have come after its attempt began.
	var since []int64
	raced := r.unsure > 0
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
	raced = raced || len(since) > 0
	switch o.Outcome {
	case Done:
		next := session{status: live, principal: o.Principal, token: o.NewToken}
		keep := true
		if from {
			if !v.open() {
				return false
			}
			if keep = v.principal == "" || v.principal == o.Principal; keep {
				next.a, next.b, next.c, next.log = v.a, v.b, v.c, v.log
			}
			v.end(o.Return)
		}
		if len(since) > 0 {
			if slices.Min(since) < o.Call { // it was over before this began
				return false
			}
			if o.Attempt > 0 {
				next.status, next.until = dying, slices.Min(since)
			} else { // before its attempt or after
				next.status, next.until = maybe, slices.Max(since)
			}
		}
		s.sessions[o.NewSession] = next
		v.session = &s.sessions[o.NewSession]
		r.settle(o)
		if r.unsure > 0 {
			v.unsure()
		}
		if keep {
			v.put()
		}
		v.use()
		return true
	case Revoked:
		return raced && (!from || v.wasOpen())
	case Gone: // the old one, or the new one
		if raced {
			return !from || v.status != ended || v.wasOpen()
		}
		return from && v.gone()
	case Conflict:
		if v.status == ended {
			return v.wasOpen()
		}
		return from && v.open() && v.renewed()
	case Unknown:
		if from {
			v.unsure()
			v.mayUse()
		}
		return true
	}
	return false
}
