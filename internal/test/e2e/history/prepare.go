package history

import (
	"cmp"

	"github.com/anishathalye/porcupine"
)

// prepare turns a family's operations into what Porcupine takes. Operations of
// unknown outcome may happen at any moment after their call, or never; to try
// all of those would take forever, and is not needed:
//
//   - What reads have no trace of needs no place: every Get tells all values,
//     and the number that a Set or Update puts in is its own. So such an
//     operation is left out, and one that was seen has happened, before the
//     first Get that saw it returned.
//   - Of a session that was perhaps ended or renewed, the state keeps that this
//     is open, from the call on.
//   - Only an Unset leaves no mark of its own. It stays open to the end, unless
//     no Get found its key missing.
func prepare(f *Family) []porcupine.Operation {
	spans := narrow(f)
	missing := map[string]int64{} // the last return of a Get that didn't see a key
	for i := range f.Ops {
		if o := &f.Ops[i]; o.Values != nil {
			for _, k := range Keys() {
				if o.Values.Keys[k] == 0 {
					missing[k] = max(missing[k], o.Return)
				}
			}
		}
	}
	var all []porcupine.Operation
	add := func(o *Op) {
		all = append(all, porcupine.Operation{ClientId: o.Client, Input: o, Call: o.Call, Return: o.Return})
	}
	for i := range f.Ops {
		o := f.Ops[i]
		if o.Kind == Sweep || o.Outcome == Unavailable && !o.mayHaveHappened() {
			continue
		}
		if o.mayHaveHappened() && (o.Kind == Renew || f.endedMeanwhile(&o)) {
			try := o
			try.Outcome, try.Return = Unknown, o.Call
			add(&try)
		}
		if o.Outcome == Unavailable {
			continue
		}
		s, seen := spans[o.N]
		seen = seen && s.to < never
		if o.Outcome != Unknown {
			if o.Outcome == Done && (o.Kind == Set || o.Kind == Update) {
				if from, to := max(o.Call, s.from), min(o.Return, cmp.Or(s.to, never)); from <= to { // else there is no order
					o.Call, o.Return = from, to
				}
			}
			add(&o)
			continue
		}
		if o.Ended { // as if it had looked again
			look := o
			look.Kind, look.Outcome, look.Ended = Update, Gone, false
			add(&look)
		}
		switch o.Kind {
		case Set, Update:
			if !seen {
				continue
			}
			o.Outcome, o.Return, o.ClockReturn = Done, max(o.Call, s.to), never
			o.Call = min(o.Return, max(o.Call, s.from))
		case Unset:
			if missing[o.Key] < o.Call {
				continue
			}
			o.Return = never
		case Renew, Login, Destroy, Revoke: // the state keeps what is open; see above
			all = append(all, porcupine.Operation{ClientId: o.Client, Input: &o, Call: o.Call, Return: o.Call})
			continue
		default: // nobody knows what it made
			continue
		}
		add(&o)
	}
	return all
}

// mayHaveHappened: a renewal that says that the session has ended doesn't say
// whether it ended before it or after. Nor does a sign-in: its own grave may lie
// under another, if it has dug it and somebody ends the session once more before
// it has learned that. It begins again then, and what it says is of its last try.
func (o *Op) mayHaveHappened() bool {
	switch o.Kind {
	case Renew:
		return o.Outcome == Gone
	case Login:
		return o.Session > 0 && (o.Outcome == Gone || o.Outcome == Revoked || o.Outcome == Unavailable)
	}
	return false
}

// endedMeanwhile reports whether some other operation that ends sessions,
// whatever their version, was under way together with o.
func (f *Family) endedMeanwhile(o *Op) bool {
	for i := range f.Ops {
		p := &f.Ops[i]
		if (p.Kind == Revoke || p.Kind == Destroy) && p.Call < o.Return && o.Call < p.Return {
			return true
		}
	}
	return false
}
