package ledgers

import (
	"errors"
	"sync"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is work side by side, and the ledgers that it remembers.

// each calls f for 0 to n-1, some at a time, so that a store can gather the reads. It
// returns their errors joined.
func each(n int, f func(int) error) error {
	errs := make([]error, n)
	room := make(chan struct{}, atOnce)
	var all sync.WaitGroup
	for i := range n {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			errs[i] = f(i)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// recall returns the ledger that was read; nil if it isn't remembered.
func (c *Checker) recall(principal string) *view {
	c.mu.Lock()
	defer c.mu.Unlock()
	v, _ := c.known.Get(principal)
	return v
}

// remember keeps a ledger that was read; nil forgets it.
func (c *Checker) remember(principal string, v *view) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v == nil {
		c.known.Remove(principal)
		return
	}
	c.known.Put(principal, v, len(principal)+len(v.ids)*len(driver.ID{}))
}
