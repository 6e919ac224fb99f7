package driver

import "github.com/cloakroom-go/cloakroom/figures"

// This file is Counter, through which stores tell what they do in this process.

// Counter is an optional interface of stores that count what they do, for consoles and
// exporters. A store whose every operation is done at once in memory has nothing to tell.
type Counter interface {
	// Figures returns what this store has done since it was opened. Each Get that the store
	// sent to its engine is in Reads, and each Create, Update and Bury in Writes, whatever
	// the answer was, once its method has returned. It does no I/O, and works on a closed
	// store as well.
	Figures() figures.Store
}
