package history

// aged returns the family as the model is to see it: what may have been read
// from a node that was cut off may have happened since then. A change that was
// acknowledged has to be newer all the same.
func aged(f Family) Family {
	ops := make([]Op, len(f.Ops))
	copy(ops, f.Ops)
	for i := range ops {
		if o := &ops[i]; o.Since > 0 && o.Since < o.Call && !o.changed() {
			o.Call = o.Since
		}
	}
	f.Ops = ops
	return f
}

// changed reports whether an operation wrote something for certain: that it did
// is decided by a compare-and-set, which takes more than a node that was cut
// off. An Unset of what isn't there, and a Destroy of what has ended, write
// nothing.
func (o *Op) changed() bool {
	switch o.Kind {
	case Create, Set, Update, Renew, Login, Revoke:
		return o.Outcome == Done || o.Outcome == Unknown
	}
	return o.Outcome == Unknown
}
