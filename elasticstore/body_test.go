package elasticstore

import (
	"errors"
	"io"
	"net/http"
	"sync"
	"testing"
)

// TestBodyIsReadWhole reuses buffers while readers come and go: no reader may see
// another body's bytes.
func TestBodyIsReadWhole(t *testing.T) {
	var wg sync.WaitGroup
	for c := range byte(8) {
		wg.Go(func() {
			for n := range 500 {
				b := newBody(n)
				for range n {
					b.bytes = append(b.bytes, c)
				}
				first, second := b.reader(), b.reader()
				b.leave()
				closeBody(t, first)
				got, err := io.ReadAll(second)
				if err != nil || len(got) != n {
					t.Errorf("%d bytes, %v; want %d", len(got), err, n)
				}
				for _, g := range got {
					if g != c {
						t.Errorf("a byte of reader %d in the body of %d", g, c)
						return
					}
				}
				closeBody(t, second)
				closeBody(t, second) // again: it must not leave twice
				if _, err := second.Read(make([]byte, 1)); !errors.Is(err, http.ErrBodyReadAfterClose) {
					t.Errorf("reading what was closed: %v", err)
				}
			}
		})
	}
	wg.Wait()
}

func closeBody(t *testing.T, r io.Closer) {
	if err := r.Close(); err != nil {
		t.Error(err)
	}
}
