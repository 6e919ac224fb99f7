package cloakroom

import (
	"sync"
	"sync/atomic"
	"time"
)

// This file is the gate of a response: who comes first, its first byte, or an operation
// that makes a token which only this response can tell the client. Such an operation
// claims the response: a sign-in, a renewal, the first save of a session. Either the
// response has begun, and the operation does nothing, or the first byte waits until the
// operation has ended. Handler and response part ways where an http.TimeoutHandler inside
// of Manager.Handler answers in the handler's place.

// gate orders the claims on a response and its first byte.
type gate struct {
	state atomic.Int32 // one of the values below; changed with mu held

	mu       sync.Mutex
	claims   int32         // those held now
	forsaken bool          // the response failed in spite of claims
	changed  chan struct{} // closed at the next change of state or claims; nil: nobody waits
}

// The values of gate.state, in order.
const (
	responseNew    = iota
	responseBegins // somebody saves the session, or sends an error
	responseSent   // headers are out
	responseFailed // an error was sent in its place, or the handler panicked
)

// claim keeps the response from beginning until release. It reports false if the response
// has begun.
func (g *gate) claim() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.state.Load() != responseNew {
		return false
	}
	g.claims++
	return true
}

// release ends a claim. It reports false if the response failed in spite of it.
func (g *gate) release() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.claims--; g.claims == 0 {
		g.notify()
	}
	return !g.forsaken
}

// begin waits until nobody holds a claim, for limit at most. first reports whether the
// caller begins the response, and then has to call end. inTime is false if a claim is
// still held: then the response has to be an error, since it couldn't tell the claimed
// token.
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
// reports false after limit.
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

// notify wakes those that wait, with mu held.
func (g *gate) notify() {
	if g.changed != nil {
		close(g.changed)
		g.changed = nil
	}
}

// end sets the outcome of a beginning. It is responseNew again if the beginning panicked.
func (g *gate) end(state int32) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.state.CompareAndSwap(responseBegins, state)
	g.notify()
}

// abandon fails the response of a handler that panics, which net/http drops. It waits for
// no claim.
func (g *gate) abandon() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forsaken = g.forsaken || g.claims > 0
	g.state.Store(responseFailed)
	g.notify()
}
