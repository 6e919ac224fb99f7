package history

// span is when an operation can have happened, at the earliest and the latest.
type span struct{ from, to int64 }

// narrow returns, for the numbers that Gets saw, when they were put in: before
// the first Get that saw them returned; an Update, whose number no later one
// takes out of a session's log, after each Get of the session was called that
// didn't see it, and in the order of the log. It saves the search for an order
// most of its dead ends.
func narrow(f *Family) map[int]span {
	spans := map[int]span{}
	updates := map[int]*Op{} // by number
	for i := range f.Ops {
		if o := &f.Ops[i]; o.Kind == Update {
			updates[o.N] = o
		}
	}
	for i := range f.Ops {
		if f.Ops[i].Values == nil {
			continue
		}
		g := &f.Ops[i]
		note := func(n int) {
			s, ok := spans[n]
			if !ok {
				s.to = never
			}
			spans[n] = span{s.from, min(s.to, g.Return)}
		}
		for _, n := range g.Values.Keys {
			note(n)
		}
		seen := map[int]bool{}
		for _, n := range g.Values.Log {
			note(n)
			seen[n] = true
		}
		for n, u := range updates {
			if u.Session == g.Session && !seen[n] {
				s, ok := spans[n]
				if !ok {
					s.to = never
				}
				spans[n] = span{max(s.from, g.Call), s.to}
			}
		}
	}
	for n, u := range updates {
		if s, ok := spans[n]; ok && u.Outcome != Unknown {
			spans[n] = span{max(s.from, u.Call), min(s.to, u.Return)}
		}
	}
	for i := range f.Ops {
		if f.Ops[i].Values == nil {
			continue
		}
		log := f.Ops[i].Values.Log
		for j := 1; j < len(log); j++ {
			spans[log[j]] = span{max(spans[log[j]].from, spans[log[j-1]].from), spans[log[j]].to}
		}
		for j := len(log) - 2; j >= 0; j-- {
			spans[log[j]] = span{spans[log[j]].from, min(spans[log[j]].to, spans[log[j+1]].to)}
		}
	}
	return spans
}
