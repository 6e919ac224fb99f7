package cloakroom

import (
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the counts behind Figures that are the Manager's own.

// ownFigures are those that neither Records nor the events count.
type ownFigures struct {
	since time.Time

	_          [128]byte    // a line of the cache, and more
	remembered atomic.Int64 // written by each request that memory answers
	_          [128]byte

	touches atomic.Int64
}

// told counts events, whether a function of Events is called for them or not.
type told struct {
	created, imported, signedIn, renewed, signedOut atomic.Int64

	ended   counts[EndReason]
	refused counts[Refusal]
}

func newTold() told {
	return told{
		ended: newCounts(driver.EndReasons()...),
		refused: newCounts(RefusedForged, RefusedAge, RefusedSecret, RefusedAmbiguous, RefusedMany,
			RefusedForeign, RefusedForeignRate),
	}
}

// counts count by kind. The kinds are fixed, so the map may be read concurrently.
type counts[K ~string] map[K]*atomic.Int64

func newCounts[K ~string](kinds ...K) counts[K] {
	c := make(counts[K], len(kinds))
	for _, k := range kinds {
		c[k] = new(atomic.Int64)
	}
	return c
}

// add counts one of a kind. A kind that there isn't is left out.
func (c counts[K]) add(kind K) {
	if n := c[kind]; n != nil {
		n.Add(1)
	}
}

// read returns the count of each kind.
func (c counts[K]) read() map[K]int64 {
	all := make(map[K]int64, len(c))
	for k, n := range c {
		all[k] = n.Load()
	}
	return all
}
