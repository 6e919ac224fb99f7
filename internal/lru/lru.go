// Package lru keeps what was used last, within a bound of bytes.
package lru

import "github.com/hashicorp/golang-lru/v2/simplelru"

// LeastBytes is what anything that is kept counts at least, so that the number of
// things is bounded as well.
const LeastBytes = 1 << 10

// Cache keeps values by their keys, and drops those that were used longest ago. It
// is not safe for concurrent use.
type Cache[K comparable, V any] struct {
	bound, bytes int
	entries      *simplelru.LRU[K, entry[V]]
}

type entry[V any] struct {
	value V
	bytes int
}

// New returns a cache for so many bytes. If they aren't positive then it keeps
// nothing.
func New[K comparable, V any](bound int) *Cache[K, V] {
	c := &Cache[K, V]{bound: bound}
	var err error
	c.entries, err = simplelru.NewLRU(max(bound/LeastBytes, 1), func(_ K, e entry[V]) { c.bytes -= e.bytes })
	if err != nil {
		panic("lru: " + err.Error()) // only of a size that isn't positive
	}
	return c
}

// Get returns a value, and counts as a use of it.
func (c *Cache[K, V]) Get(key K) (V, bool) {
	e, ok := c.entries.Get(key)
	return e.value, ok
}

// Peek returns a value, and doesn't count as a use.
func (c *Cache[K, V]) Peek(key K) (V, bool) {
	e, ok := c.entries.Peek(key)
	return e.value, ok
}

// Put keeps a value of so many bytes in the place of the one that the key had. One
// that would fill a sixteenth of the room isn't kept.
func (c *Cache[K, V]) Put(key K, value V, bytes int) {
	bytes = max(bytes, LeastBytes)
	if bytes > c.bound/16 {
		c.entries.Remove(key)
		return
	}
	old, _ := c.entries.Peek(key)
	c.bytes += bytes - old.bytes // as Add tells of those alone that it drops
	c.entries.Add(key, entry[V]{value, bytes})
	for c.bytes > c.bound {
		c.entries.RemoveOldest()
	}
}

// Remove drops a value.
func (c *Cache[K, V]) Remove(key K) { c.entries.Remove(key) }

// Purge drops all values.
func (c *Cache[K, V]) Purge() { c.entries.Purge() }

// Len is the number of values.
func (c *Cache[K, V]) Len() int { return c.entries.Len() }

// Bytes is what the values count.
func (c *Cache[K, V]) Bytes() int { return c.bytes }
