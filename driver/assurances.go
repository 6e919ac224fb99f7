package driver

// This file is Assurances, which a store may give beyond the contract.

// Assurer is an optional interface of stores that can vouch for more than every store
// must. A wrapper of a store must not pass it on if the wrapper may repeat a request,
// lose an answer, or answer in the store's place. Embedding a value of type Store passes
// nothing on; embedding a store's own type does.
type Assurer interface {
	Assurances() Assurances
}

// Assurances are the properties for which a store vouches. The zero value vouches for
// nothing.
type Assurances struct {
	// Reads: a result of Get was the store's state at some moment of the call, and every
	// write that it shows was acknowledged or will be. So a read proves a state by
	// itself. A store whose nodes can be isolated from each other can't vouch for that.
	Reads bool

	// Answers: a write that is answered with ErrConflict, ErrExists, ErrGone or
	// ErrNotFound didn't happen, and never will. That says nothing of other writes, not
	// even of an earlier one with the same content. A store can't vouch for that if its
	// engine, or the way to it, repeats requests by itself: the repetition may meet the
	// first one's write.
	Answers bool
}

// AssurancesOf returns a store's Assurances, the zero value if it has none.
func AssurancesOf(s Store) Assurances {
	if a, ok := s.(Assurer); ok {
		return a.Assurances()
	}
	return Assurances{}
}
