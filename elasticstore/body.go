package elasticstore

import (
	"io"
	"net/http"
	"sync"
	"sync/atomic"
)

// This file is the bodies of requests, in buffers that are used again.

// body is the body of a request. Its buffer is used again once nobody reads it any
// more. A transport may go on reading after it has returned, and closes its reader
// when it is done. A transport that never does so only keeps the buffer from reuse.
type body struct {
	bytes []byte
	users atomic.Int32 // the sender and the readers
}

var bodies = sync.Pool{New: func() any { return new(body) }}

// newBody returns an empty body with room for n bytes. The caller owns it until it
// calls leave.
func newBody(n int) *body {
	b := bodies.Get().(*body)
	b.users.Store(1)
	if cap(b.bytes) < n {
		b.bytes = make([]byte, 0, n)
	}
	b.bytes = b.bytes[:0]
	return b
}

// leave tells that one user is done.
func (b *body) leave() {
	if b.users.Add(-1) == 0 && cap(b.bytes) <= mostKept {
		bodies.Put(b)
	}
}

// reader returns a reader of the whole body. The sender must not have left yet.
func (b *body) reader() io.ReadCloser {
	b.users.Add(1)
	return &bodyReader{body: b}
}

// bodyReader reads a body. Once closed it reads nothing, since the buffer may by then
// be another request's.
type bodyReader struct {
	mu   sync.Mutex
	body *body // nil: closed
	at   int
}

func (r *bodyReader) Read(p []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.body == nil:
		return 0, http.ErrBodyReadAfterClose
	case r.at == len(r.body.bytes):
		return 0, io.EOF
	}
	n := copy(p, r.body.bytes[r.at:])
	r.at += n
	return n, nil
}

func (r *bodyReader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.body != nil {
		r.body.leave()
		r.body = nil
	}
	return nil
}
