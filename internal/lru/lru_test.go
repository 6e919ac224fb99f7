package lru

import "testing"

// TestBound: a cache keeps the values that were used last, within its bytes.
func TestBound(t *testing.T) {
	for _, test := range []struct{ bytes, most int }{
		{0, 100}, {LeastBytes, 100}, {2 * LeastBytes, 50}, {100 * LeastBytes / 16, 16}, {100*LeastBytes/16 + 1, 0},
	} {
		c := New[int, int](100 * LeastBytes)
		for key := range 1000 {
			c.Put(key, key, test.bytes)
			c.Get(0)
		}
		if n := c.Len(); n != test.most || c.Bytes() != n*max(test.bytes, LeastBytes) {
			t.Errorf("%d values of %d bytes are kept and count %d, want %d", n, test.bytes, c.Bytes(), test.most)
		}
		for _, key := range []int{0, 999} {
			if v, ok := c.Peek(key); ok != (test.most > 0) || ok && v != key {
				t.Errorf("values of %d bytes: %d of those used last is kept: %t", test.bytes, v, ok)
			}
		}
	}
}

func TestPeekIsNoUse(t *testing.T) {
	c := New[int, int](16 * LeastBytes)
	for key := range 17 {
		c.Put(key, key, 0)
		c.Peek(0)
	}
	if _, ok := c.Peek(0); ok {
		t.Error("what was only peeked at is kept")
	}
}

// TestReplace: a value that is replaced counts once, by its present size.
func TestReplace(t *testing.T) {
	c := New[string, int](100 * LeastBytes)
	c.Put("a", 1, 5*LeastBytes)
	c.Put("b", 2, LeastBytes)
	c.Put("a", 3, 2*LeastBytes)
	if v, _ := c.Get("a"); v != 3 || c.Len() != 2 || c.Bytes() != 3*LeastBytes {
		t.Errorf("%d of %d values, which count %d", v, c.Len(), c.Bytes())
	}
	c.Put("a", 4, 50*LeastBytes) // too large
	if _, ok := c.Get("a"); ok || c.Bytes() != LeastBytes {
		t.Errorf("kept: %t; %d bytes", ok, c.Bytes())
	}
	c.Remove("b")
	c.Remove("b")
	c.Put("c", 5, 0)
	c.Purge()
	if c.Len() != 0 || c.Bytes() != 0 {
		t.Errorf("%d values of %d bytes are left", c.Len(), c.Bytes())
	}
}

// TestNoRoom: without room nothing is kept, and nothing goes wrong.
func TestNoRoom(t *testing.T) {
	for _, bound := range []int{0, -1} {
		c := New[int, int](bound)
		c.Put(1, 1, 1)
		if _, ok := c.Get(1); ok || c.Len() != 0 || c.Bytes() != 0 {
			t.Errorf("a bound of %d keeps something", bound)
		}
	}
}
