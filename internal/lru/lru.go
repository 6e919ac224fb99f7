// Package lru is a cache of the values that were used last, bounded in bytes.
package lru

import "github.com/hashicorp/golang-lru/v2/simplelru"

// LeastBytes is the least that a value counts, so that the number of values is bounded
// as well.
const LeastBytes = 1 << 10

// Cache keeps values by their keys, and drops those that were used longest ago. It is
// not safe for concurrent use.
type Cache[K comparable, V any] struct {
	bound, bytes int
	entries      *simplelru.LRU[K, entry[V]]
}

type entry[V any] struct {
	value V
	bytes int
}

// New returns a cache of at most bound bytes. If bound isn't positive, it keeps nothing.
func New[K comparable, V any](bound int) *Cache[K, V] {
	c := &Cache[K, V]{bound: bound}
	var err error
	c.entries, err = simplelru.NewLRU(max(bound/LeastBytes, 1), func(_ K, e entry[V]) { c.bytes -= e.bytes })
	if err != nil {
		panic("lru: " + err.Error()) // only for a size that isn't positive
	}
	return c
}

// Get returns a value, and counts as its use.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	e, ok := c.entries.Get(key)
	return e.value, ok
}

// Peek returns a value, and doesn't count as its use.
func (c *Cache[K, V]) Peek(key K) (V, bool) {
	e, ok := c.entries.Peek(key)
	return e.value, ok
}

// Put keeps a value of so many bytes in place of the key's earlier one. A value larger
// than a sixteenth of the bound isn't kept.
func (c *Cache[K, V]) Put(key K, value V, bytes int) {
	bytes = max(bytes, LeastBytes)
	if bytes > c.bound/16 {
		c.entries.Remove(key)
		return
	}
	old, _ := c.entries.Peek(key)
	c.bytes += bytes - old.bytes // Add doesn't report a value that it replaces
	c.entries.Add(key, entry[V]{value, bytes})
	for c.bytes > c.bound {
		c.entries.RemoveOldest()
	}
}

// Remove drops a value.
func (c *Cache[K, V]) Remove(key K) { c.entries.Remove(key) }

// Purge drops all values.
func (c *Cache[K, V]) Purge() { c.entries.Purge() }

// Len returns the number of values.
func (c *Cache[K, V]) Len() int { return c.entries.Len() }

// Bytes returns the sum of the values' bytes.
func (c *Cache[K, V]) Bytes() int { return c.bytes }
