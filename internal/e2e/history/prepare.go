package history

import "github.com/anishathalye/porcupine"

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
	seen := map[int]int64{} // number to the return of the first Get that saw it
	missing := map[string]int64{}
	for i := range f.Ops {
		o := &f.Ops[i]
		if o.Values == nil {
			continue
		}
		note := func(n int) {
			if at, ok := seen[n]; !ok || o.Return < at {
				seen[n] = o.Return
			}
		}
		for _, n := range o.Values.Log {
			note(n)
		}
		for _, k := range Keys() {
			if n, ok := o.Values.Keys[k]; ok {
				note(n)
			} else {
				missing[k] = max(missing[k], o.Return)
			}
		}
	}
	var all []porcupine.Operation
	add := func(o *Op) {
		all = append(all, porcupine.Operation{ClientId: o.Client, Input: o, Call: o.Call, Return: o.Return})
	}
	for i := range f.Ops {
		o := f.Ops[i]
		if o.Kind == Sweep || o.Outcome == Unavailable {
			continue
		}
		if o.Outcome != Unknown {
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
			at, ok := seen[o.N]
			if !ok {
				continue
			}
			o.Outcome, o.Return = Done, at
			o.ClockReturn = never
		case Unset:
			if missing[o.Key] < o.Call {
				continue
			}
			o.Return = never
		case Renew, Login, Destroy, Revoke:
			o.Return = o.Call
		default: // nobody knows what it made
			continue
		}
		add(&o)
	}
	return all
}
