package history

import (
	"slices"

	"github.com/anishathalye/porcupine"
)

// model is what a family's sessions promise, as a machine that does one
// operation after the other. Where it says "may", the comment of the root
// package does.
func model(f *Family) porcupine.Model {
	facts := factsOf(f)
	machine := porcupine.NondeterministicModel{
		Partition: parts,
		Init:      func() []any { return []any{&state{facts: facts, sessions: make([]session, facts.places)}} },
		Step: func(s, input, _ any) (next []any) {
			for _, t := range s.(*state).clone().steps(input.(*Op)) {
				next = append(next, t)
			}
			return next
		},
		Equal: func(s, t any) bool { return s.(*state).equal(t.(*state)) },
		Hash:  func(s any) uint64 { return s.(*state).hash() },
		DescribeOperation: func(input, _ any) string {
			return input.(*Op).String()
		},
		DescribeState: func(s any) string { return s.(*state).String() },
	}
	return machine.ToModel()
}

// steps does an operation, and returns the states that it can have left with the
// outcome that it had. It may change s.
func (s *state) steps(o *Op) []*state {
	if o.Kind == Login && o.Outcome != NotFound {
		return s.login(o)
	}
	if !s.step(o) {
		return nil
	}
	return []*state{s}
}

// step does an operation other than a sign-in, and reports whether it can have had its
// outcome.
func (s *state) step(o *Op) bool {
	v := s.view(o.Session, o)
	switch {
	case o.Kind == Begin:
		r := s.realm(o.Principal)
		s.attempts = append(s.attempts, attempt{o.N, len(r.revokes), r.settled})
		return true
	case o.Kind == Revoke:
		return s.revoke(o)
	case o.Kind == Create && o.Outcome == Gone: // its answer was lost, and it had expired before it was found out
		return v.idle > 0 && o.ClockReturn >= o.ClockCall+v.idle
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
		if o.Outcome != Done || o.Values == nil || !v.open() || v.forgotten() || !v.shows(o.Values) {
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
		v.renewedTo(v.op.NewToken)
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
		v.other = true
		if v.status == ended {
			v.end(min(v.until, v.op.Return))
		} else {
			v.end(v.op.Return)
		}
		return true
	case Unknown:
		v.other = true
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
func (s *state) revoke(o *Op) bool {
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
		v := s.view(i, o)
		if v.principal != o.Principal || i == o.Except {
			continue
		}
		v.other = v.other || v.status != ended || o.Call <= v.until
		switch {
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
