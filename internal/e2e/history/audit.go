package history

import "fmt"

// audit looks for broken promises that counting finds, without a search for an
// order.
func audit(f *Family) []string {
	var broken []string
	for i := range f.Ops {
		if o := &f.Ops[i]; o.Outcome == Failed {
			broken = append(broken, fmt.Sprintf("operation %d: an unexpected answer: %s", o.N, o.Note))
		}
	}
	return broken
}
