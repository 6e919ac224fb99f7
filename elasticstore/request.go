package elasticstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"mime"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// This file sends a request, reads its answer, and waits between attempts.

const (
	typeJSON  = "application/json"
	typeLines = "application/x-ndjson"
)

// mostAnswer bounds the answers that are read, in bytes. A full batch of large sessions
// stays far below.
const mostAnswer = 512 << 20

// request is one request to the engine.
type request struct {
	method, path, query string
	body                []byte
	shared              *body // in place of body; the caller of send owns it
	lines               bool  // the body is newline-delimited
	list                bool  // the answer is a list
	write               bool  // it may write records
}

// fewBytes bounds the shared bodies that are copied. Package net/http sends header and
// body as one if it knows the body's reader, which makes a lone operation some 5 %
// faster. For the bodies of batches the copy costs more than that.
const fewBytes = 4 << 10

func (r *request) String() string { return r.method + " " + r.path }

// answer is an answer, read to its end. Nothing of body may be kept after release.
type answer struct {
	status int
	body   []byte
	buf    *bytes.Buffer
}

var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }}

// mostKept is the largest buffer that is used again, in bytes.
const mostKept = 8 << 20

func (a *answer) release() {
	if a.buf != nil && a.buf.Cap() <= mostKept {
		a.buf.Reset()
		buffers.Put(a.buf)
	}
	a.buf, a.body = nil, nil
}

// build makes the HTTP request. Once over is set, GetBody fails. over may be nil if no
// body is shared.
func (r *request) build(ctx context.Context, over *atomic.Bool) (*http.Request, error) {
	req, err := http.NewRequestWithContext(ctx, r.method, r.path, bytes.NewReader(r.body))
	if err != nil {
		return nil, err
	}
	req.URL.RawQuery = r.query
	req.Header.Set("Accept", typeJSON)
	req.Header.Set("Accept-Encoding", "identity") // nodes are near; compressing costs them more than sending
	if b := r.shared; b != nil {
		req.Body, req.ContentLength = b.reader(), int64(len(b.bytes))
		req.GetBody = func() (io.ReadCloser, error) {
			if over.Load() {
				return nil, errors.New("elasticstore: the request is over")
			}
			return b.reader(), nil
		}
	}
	if len(r.body) == 0 && r.shared == nil {
		req.Body, req.GetBody, req.ContentLength = http.NoBody, nil, 0
	} else if r.lines {
		req.Header.Set("Content-Type", typeLines)
	} else {
		req.Header.Set("Content-Type", typeJSON)
	}
	return req, nil
}

// send sends a request and reads the answer. The answer's status is 2xx or one of
// expect; any other is a fault.
func (s *Store) send(ctx context.Context, r request, expect ...int) (*answer, error) {
	if b := r.shared; b != nil && len(b.bytes) <= fewBytes {
		r.body, r.shared = bytes.Clone(b.bytes), nil
	}
	var over *atomic.Bool
	if r.shared != nil {
		over = new(atomic.Bool)
		defer over.Store(true) // from then on the buffer may be another request's
	}
	req, err := r.build(ctx, over)
	if err != nil {
		return nil, r.fault(fault{text: "making the request", cause: err, certain: true})
	}
	s.counts.requests.Add(1)
	res, err := s.client.Perform(req)
	if err != nil {
		f := performFault(ctx, r.String(), err)
		f.certain = f.certain || !r.write
		return nil, f
	}
	if res == nil || res.Body == nil {
		return nil, r.fault(fault{text: "the client returned no answer", again: thrice})
	}
	defer func() { _ = res.Body.Close() }() // the answer is read, or given up
	a := &answer{status: res.StatusCode, buf: buffers.Get().(*bytes.Buffer)}
	a.buf.Reset()
	if n := res.ContentLength; n > 0 && n < mostAnswer {
		a.buf.Grow(int(n) + bytes.MinRead)
	}
	n, err := a.buf.ReadFrom(io.LimitReader(res.Body, mostAnswer))
	a.body = a.buf.Bytes()
	switch {
	case err != nil && ctx.Err() != nil:
		a.release()
		return nil, r.fault(fault{text: "the answer did not end in time"})
	case err != nil:
		a.release()
		return nil, r.fault(fault{text: "the answer broke off", cause: err, again: thrice})
	case n >= mostAnswer:
		a.release()
		return nil, r.fault(fault{text: fmt.Sprintf("the answer is longer than %d bytes", mostAnswer)})
	}
	if err := s.checkAnswer(&r, res, a, expect); err != nil {
		a.release()
		return nil, err
	}
	return a, nil
}

// checkAnswer tells an engine's answers from others', and success from failure.
func (s *Store) checkAnswer(r *request, res *http.Response, a *answer, expect []int) error {
	if slices.Contains(expect, a.status) {
		return nil
	}
	body := bytes.TrimSpace(a.body)
	if a.status/100 == 2 {
		kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
		var text string
		switch {
		case len(body) == 0:
			text = "the answer is empty"
		case body[0] != '{' && (!r.list || body[0] != '['):
			text = "the answer is not from Elasticsearch or OpenSearch: " + excerpt(body)
		case kind != typeJSON && !strings.HasSuffix(kind, "+json"):
			text = fmt.Sprintf("the answer is of the type %.80q instead of JSON", kind)
		default:
			return nil
		}
		return r.fault(fault{text: text, again: thrice})
	}
	e, ok := parseError(a.status, body)
	if !ok && len(body) > 0 && body[0] != '{' {
		e.reason = excerpt(body)
		if a.status != http.StatusUnauthorized { // security plugins answer it in plain text
			e.reason = "not from Elasticsearch or OpenSearch: " + e.reason
		}
	}
	f := e.fault(r.String(), r.write)
	switch a.status {
	case http.StatusUnauthorized:
		f.text += fmt.Sprintf("; the engine does not accept %s: check the user name and password, or the API key, and the file that has it", s.login())
	case http.StatusForbidden:
		if f.forbidden {
			f.text += " (" + s.login() + ")"
		}
	}
	return f
}

// login returns the login's name, without secrets.
func (s *Store) login() string {
	if c, ok := s.client.(interface{ login() string }); ok {
		return c.login()
	}
	return "the client's login"
}

// fault returns a fault of the request, whose text says which. A read is never in doubt.
func (r *request) fault(f fault) *fault {
	f.text, f.certain = r.String()+": "+f.text, f.certain || !r.write
	return &f
}

// malformed returns the fault of an engine's answer that makes no sense.
func malformed(r *request, format string, args ...any) *fault {
	return r.fault(fault{text: "answer not understood: " + fmt.Sprintf(format, args...), again: thrice})
}

// backoff waits between attempts, longer each time, with jitter.
type backoff struct {
	closing <-chan struct{} // ends the waiting
	tries   int
	lost    int    // tries after faults that allow three
	last    *fault // the fault before the last wait
}

func (s *Store) backoff() backoff { return backoff{closing: s.closing} }

const (
	firstWait = 20 * time.Millisecond
	mostWait  = time.Second
)

// wait waits after a fault, and reports whether to try again. It returns false if that
// won't help, or if ctx would end before the wait.
func (b *backoff) wait(ctx context.Context, f *fault) bool {
	switch f.again {
	case never:
		return false
	case thrice:
		if b.lost++; b.lost >= 3 {
			return false
		}
	}
	if !b.pause(ctx) {
		return false
	}
	b.last = f
	return true
}

// after adds the last fault to an error that only tells that the time is over.
func (b *backoff) after(err error) error {
	if b.last == nil {
		return err
	}
	return fmt.Errorf("%w, after %w", err, b.last)
}

func (b *backoff) pause(ctx context.Context) bool { return b.pauseUpTo(ctx, mostWait) }

// pauseUpTo is pause for a caller that has something to do after some time at most.
func (b *backoff) pauseUpTo(ctx context.Context, most time.Duration) bool {
	d := min(firstWait<<min(b.tries, 10), mostWait)
	b.tries++
	d = min(d/2+rand.N(d/2+1), max(most, firstWait))
	if end, ok := ctx.Deadline(); ok && time.Until(end) <= d {
		return false
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-b.closing:
		return false
	case <-timer.C:
		return true
	}
}

// ask sends a request that may be repeated, and tries three times at most.
func (s *Store) ask(ctx context.Context, r request, expect ...int) (*answer, error) {
	b := s.backoff()
	for {
		limited, cancel := context.WithTimeout(ctx, s.cfg.RequestTimeout)
		a, err := s.send(limited, r, expect...)
		cancel()
		var f *fault
		if err == nil || !errors.As(err, &f) {
			return a, err
		}
		if b.tries >= 2 || !b.wait(ctx, f) {
			return nil, err
		}
	}
}
