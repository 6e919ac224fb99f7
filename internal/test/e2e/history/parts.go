package history

import "github.com/anishathalye/porcupine"

// parts splits a family's operations into those that have to do with each
// other: of sessions that were made from one another by signing in, and of
// sessions of a principal that was signed out everywhere. An order of each part
// makes an order of all, and is found much faster.
func parts(all []porcupine.Operation) [][]porcupine.Operation {
	revoked := map[string]bool{}
	for _, p := range all {
		if o := p.Input.(*Op); o.Kind == Revoke {
			revoked[o.Principal] = true
		}
	}
	// Sessions are joined by their numbers, principals by their names.
	parent := map[any]any{}
	var find func(x any) any
	find = func(x any) any {
		if p, ok := parent[x]; ok {
			root := find(p)
			parent[x] = root
			return root
		}
		return x
	}
	touched := func(o *Op) []any {
		var t []any
		if o.Session > 0 {
			t = append(t, o.Session)
		}
		if o.NewSession > 0 {
			t = append(t, o.NewSession)
		}
		if t == nil || o.Principal != "" && revoked[o.Principal] {
			t = append(t, o.Principal) // or "", where an answer made no sense
		}
		return t
	}
	for _, p := range all {
		t := touched(p.Input.(*Op))
		for i := 1; i < len(t); i++ {
			if a, b := find(t[0]), find(t[i]); a != b {
				parent[a] = b
			}
		}
	}
	place := map[any]int{}
	var split [][]porcupine.Operation
	for _, p := range all {
		root := find(touched(p.Input.(*Op))[0])
		i, ok := place[root]
		if !ok {
			i = len(split)
			place[root] = i
			split = append(split, nil)
		}
		split[i] = append(split[i], p)
	}
	return split
}
