package cloakroom

// This file is the foreign session that a request presents, as far as the response has to
// know of it. import.go opens it, and importbeside.go ends it.

// foreignVisit is that. It doesn't change.
type foreignVisit struct {
	ForeignToken
	beside bool // it doesn't count, since a token of ours does
	forget bool // the response has the client forget it
}

// forgets reports whether the response has the client forget a foreign cookie. f may be
// nil.
func (f *foreignVisit) forgets() bool { return f != nil && f.forget }
