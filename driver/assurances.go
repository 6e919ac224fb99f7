package driver

// This file is what a store may vouch for beyond the contract.

// Assurer is what a store may offer beside Store if it can vouch for more than every
// store has to. Whoever wraps a store, and may repeat a request, lose an answer, or
// answer in the store's place, must not pass this on. To embed a
// value of type Store passes nothing on; to embed a store's own type does.
type Assurer interface {
	Assurances() Assurances
}

// Assurances are what a store vouches for. The zero value vouches for nothing.
type Assurances struct {
	// Reads: what Get returns was there at some moment of the call, and all that was
	// there was acknowledged or will be. So a read proves a state by itself. A store
	// whose nodes can be cut off from each other can't say that.
	Reads bool

	// Answers: a write that is answered with ErrConflict, ErrExists, ErrGone or
	// ErrNotFound didn't happen, and never will. That says nothing of other writes,
	// not even of an earlier one with the same content. A store whose engine, or the
	// way to it, repeats requests by itself can't say that: the repetition may meet
	// what the first has written.
	Answers bool
}

// AssurancesOf returns what a store vouches for.
func AssurancesOf(s Store) Assurances {
	if a, ok := s.(Assurer); ok {
		return a.Assurances()
	}
	return Assurances{}
}
