package batch

// This file is the queue of operations that have not been sent.

// call is one operation on its way from Do to a flush and back.
type call[T, R any] struct {
	item T
	size int // bytes

	// done gets exactly one result if the call is sent, none otherwise. It has a buffer
	// of one, so that the flusher goes on when the caller has left.
	done chan Result[R]

	// Guarded by Batcher.mu.
	queued     bool
	prev, next *call[T, R]
}

// newCall returns a call with an empty done channel, not queued.
func (b *Batcher[T, R]) newCall(item T, size int) *call[T, R] {
	c, ok := b.calls.Get().(*call[T, R])
	if !ok {
		c = &call[T, R]{done: make(chan Result[R], 1)}
	}
	c.item, c.size = item, size
	return c
}

// recycle keeps c for a later operation. Only c's caller may call it, and only if no
// flusher will touch c again: because c never was sent, or because its one result has
// been received.
func (b *Batcher[T, R]) recycle(c *call[T, R]) {
	var none T
	c.item = none // so that the pool keeps nothing alive
	b.calls.Put(c)
}

// queue holds the calls that have not been sent, in order of arrival. It is a linked
// list, so that a caller can leave from the middle at once.
type queue[T, R any] struct {
	head, tail   *call[T, R]
	items, bytes int
}

func (q *queue[T, R]) push(c *call[T, R]) {
	c.prev = q.tail
	if q.tail == nil {
		q.head = c
	} else {
		q.tail.next = c
	}
	q.tail = c
	c.queued = true
	q.items++
	q.bytes += c.size
}

func (q *queue[T, R]) remove(c *call[T, R]) {
	if c.prev == nil {
		q.head = c.next
	} else {
		c.prev.next = c.next
	}
	if c.next == nil {
		q.tail = c.prev
	} else {
		c.next.prev = c.prev
	}
	c.prev, c.next = nil, nil
	c.queued = false
	q.items--
	q.bytes -= c.size
}
