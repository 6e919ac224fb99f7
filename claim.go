package cloakroom

import (
	"sync"
	"sync/atomic"
	"time"
)

// This file is the gate of a response. Whoever does what a response has to tell, since
// its client learns the token from no other, claims it first: a sign-in, a renewal, the
// first save of a session. So either the response has begun, and nothing is done, or
// its first byte waits until it can tell. A handler and its response part ways where an
// http.TimeoutHandler inside of Manager.Handler answers in the handler's place.

// gate decides who comes first: those that claim a response, or its first byte.
type gate struct {
	state atomic.Int32 // one of the following; changed with mu held

	mu       sync.Mutex
	claims   int32         // held now
	forsaken bool          // the response failed in spite of them
	changed  chan struct{} // closed at the next change of all this; nil: nobody waits
}

// The values of gate.state.
const (
	responseNew    = iota
	responseBegins // somebody saves the session, or sends an error
	responseSent   // headers are out
	responseFailed // an error was sent in its place, or the handler panicked
)

// claim keeps the response from beginning until release. It reports false if that has
// begun.
func (g *gate) claim() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state.Load() != responseNew {
		return false
	}
	g.claims++
	return true
}

// release ends a claim. It reports false if the response failed meanwhile all the same.
func (g *gate) release() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.claims--; g.claims == 0 {
		g.notify()
	}
	return !g.forsaken
}

// begin waits until nobody holds a claim, and reports whether the caller is the one
// that begins the response, and has to say what came of it with end. After limit it
// waits no longer. inTime is false then, and the response has to be an error: what is
// claimed could not be told by it.
func (g *gate) begin(limit time.Duration) (first, inTime bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	inTime = g.await(limit)
	if g.state.Load() != responseNew {
		return false, inTime
	}
	g.forsaken = !inTime
	g.state.Store(responseBegins)
	return true, inTime
}

// await waits until nobody holds a claim or is beginning the response, with mu held. It
// reports false if that took too long.
func (g *gate) await(limit time.Duration) bool {
	waits := func() bool { return g.claims > 0 || g.state.Load() == responseBegins }
	if !waits() {
		return true
	}
	timer := time.NewTimer(limit)
	defer timer.Stop()
	for waits() {
		if g.changed == nil {
			g.changed = make(chan struct{})
		}
		changed := g.changed
		g.mu.Unlock()
		select {
		case <-changed:
		case <-timer.C:
			g.mu.Lock()
			return !waits()
		}
		g.mu.Lock()
	}
	return true
}

// notify wakes who waits, with mu held.
func (g *gate) notify() {
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}

// end says what came of a beginning. It is responseNew again if that panicked.
func (g *gate) end(state int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state.CompareAndSwap(responseBegins, state)
	g.notify()
}

// abandon fails the response of a handler that panics, which net/http drops. It waits
// for nobody.
func (g *gate) abandon() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forsaken = g.forsaken || g.claims > 0
	g.state.Store(responseFailed)
	g.notify()
}
