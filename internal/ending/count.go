package ending

import (
	"sync"
	"sync/atomic"
)

// This file is Count: what became of the sessions of a selection.

// Count counts sessions. It may be read while they are ended.
type Count struct {
	ended, over, spared, failed, unsure atomic.Int64

	mu    sync.Mutex // guards first
	first error
}

// Ended returns how many were ended.
func (c *Count) Ended() int64 { return c.ended.Load() }

// Over returns how many had ended before their turn came.
func (c *Count) Over() int64 { return c.over.Load() }

// Spared returns how many weren't selected any more when their turn came.
func (c *Count) Spared() int64 { return c.spared.Load() }

// Failed returns how many couldn't be ended.
func (c *Count) Failed() int64 { return c.failed.Load() }

// Unsure returns how many may have ended or not.
func (c *Count) Unsure() int64 { return c.unsure.Load() }

// First returns the error of the first that couldn't be ended, or may not have, or nil.
func (c *Count) First() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.first
}

// fail counts one that wasn't ended.
func (c *Count) fail(err error) { c.keep(&c.failed, err) }

// doubt counts one that may have ended or not.
func (c *Count) doubt(err error) { c.keep(&c.unsure, err) }

func (c *Count) keep(n *atomic.Int64, err error) {
	n.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.first == nil {
		c.first = err
	}
}
