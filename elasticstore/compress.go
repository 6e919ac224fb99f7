package elasticstore

import (
	"bytes"
	"compress/gzip"
	"io"
	"net/http"
	"sync"
)

// This file is the compression of requests and answers, for ClientConfig.Compress.

// leastCompressed is the smallest body that is compressed, in bytes: a smaller one is one
// packet anyway.
const leastCompressed = 1 << 10

var zippers = sync.Pool{New: func() any {
	w, _ := gzip.NewWriterLevel(io.Discard, gzip.BestSpeed) // the level is a known one
	return w
}}

// compress asks for a compressed answer, and compresses the request's body if that makes
// it smaller.
func compress(req *http.Request) error {
	req.Header.Set("Accept-Encoding", "gzip")
	if req.ContentLength < leastCompressed || req.GetBody == nil {
		return nil
	}
	body, err := req.GetBody()
	if err != nil {
		return err
	}
	var small bytes.Buffer
	small.Grow(int(req.ContentLength / 4))
	z := zippers.Get().(*gzip.Writer)
	z.Reset(&small)
	_, err = io.Copy(z, body)
	_ = body.Close() // a buffer in memory
	if closed := z.Close(); err == nil {
		err = closed
	}
	zippers.Put(z)
	if err != nil || int64(small.Len()) >= req.ContentLength {
		return err
	}
	_ = req.Body.Close() // likewise
	req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(small.Bytes())), nil }
	req.Body, _ = req.GetBody() // always nil
	req.ContentLength = int64(small.Len())
	req.Header.Set("Content-Encoding", "gzip")
	return nil
}

// decompress has the body of a compressed answer read as it was.
func decompress(res *http.Response) {
	if res.Header.Get("Content-Encoding") != "gzip" {
		return
	}
	res.Header.Del("Content-Encoding")
	res.Header.Del("Content-Length")
	res.ContentLength = -1
	res.Body = &unzipped{compressed: res.Body}
}

// unzippers are readers that are used again: a new one costs 40 KB.
var unzippers = sync.Pool{New: func() any { return new(gzip.Reader) }}

// unzipped reads a compressed body. One goroutine reads and closes it.
type unzipped struct {
	compressed io.ReadCloser
	z          *gzip.Reader // nil: nothing was read yet, or it is closed
	err        error        // all reads fail with it
}

func (u *unzipped) Read(p []byte) (int, error) {
	if u.err != nil {
		return 0, u.err
	}
	if u.z == nil {
		u.z = unzippers.Get().(*gzip.Reader)
		if u.err = u.z.Reset(u.compressed); u.err != nil {
			return 0, u.err
		}
	}
	return u.z.Read(p)
}

func (u *unzipped) Close() error {
	if u.z != nil {
		unzippers.Put(u.z)
		u.z = nil
	}
	u.err = http.ErrBodyReadAfterClose
	return u.compressed.Close()
}
