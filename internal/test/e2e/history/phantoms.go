package history

import "slices"

// This file is phantom reads: what was read of phantom writes, and what has to hold
// even of that.
//
// A phantom write is one that only a node has that was cut off, and that is lost
// without anybody having been told that it was done. A node that had the primary
// and goes on carries out what waited in its sockets, and shows it until it learns
// that it isn't the primary any more. OpenSearch 2.19, stopped while 200 writes
// waited, showed all 200 for seconds when it went on.

// mayBePhantom reports whether an operation's answer may be a phantom read: it was
// read where a node was cut off, and nothing was written for certain.
func (o *Op) mayBePhantom() bool {
	return o.Since > 0 && !o.changed() && (o.Kind != Destroy || o.Outcome != Done) && o.Outcome != Unavailable && o.Outcome != Failed
}

// withoutPhantoms returns the family without what may be phantom reads. An Unset
// that found nothing to remove may have removed nothing. Who opened a session may have
// been recorded.
func withoutPhantoms(f Family) Family {
	var ops []Op
	for _, o := range f.Ops {
		switch {
		case !o.mayBePhantom():
		case o.Kind == Unset && o.Outcome == Done:
			o.Outcome = Unknown
		case o.Token > 0 && o.Outcome != NotFound:
			o.Outcome, o.NewToken, o.Values = Unavailable, 0, nil
		default:
			continue
		}
		ops = append(ops, o)
	}
	f.Ops = ops
	return f
}

// wrongPhantoms returns what is wrong even with phantom reads. A phantom write was
// asked for by somebody, and is there once. It builds on what there was when the
// node was cut off: no update is missing that had been acknowledged, and nothing
// opens that had ended.
func wrongPhantoms(f Family) []string {
	without := withoutPhantoms(f)
	ends := newAuditor(&without).ends()
	f = aged(f)
	a := newAuditor(&f)
	for i := range f.Ops {
		o := &f.Ops[i]
		if !o.mayBePhantom() {
			continue
		}
		if o.Values != nil {
			a.origins(o, (*Op).asked)
			a.updates(o)
		}
		a.opensNothing(o, ends)
		if (o.Outcome == NotFound || o.Outcome == Gone) && !slices.ContainsFunc(a.f.Ops, func(p Op) bool { return p.endsOrRenews() && p.asked(o.Return) }) {
			a.broken(o, "nobody had asked for an end of any session, or for another token")
		}
	}
	return a.found
}

// asked reports whether an operation had been called before a time, whatever became
// of it.
func (o *Op) asked(before int64) bool { return o != nil && o.Call < before }

func (o *Op) endsOrRenews() bool {
	return o.Kind == Destroy || o.Kind == Revoke || o.Kind == Login || o.Kind == Renew
}
