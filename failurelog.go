package cloakroom

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the log of failed requests: one line a second for each kind of failure, so
// that an outage doesn't flood it.

// failureLog logs requests that failed. In an outage all requests fail for the same
// reason, and a line for each would make things worse. So there is one line a second for
// each kind of failure, with the number of requests since the last.
type failureLog struct {
	logger *slog.Logger

	mu     sync.Mutex
	kinds  map[string]*failureKind
	closed bool
	late   sync.WaitGroup // lines that wait, or are being written
}

// failureKind is the failures of one kind that haven't been logged.
type failureKind struct {
	logged   time.Time // the last line; zero: none was
	requests int       // since then
	last     failure
	due      *time.Timer // the next line, if one has to wait; else nil
}

// failure is a request that failed.
type failure struct {
	level        slog.Level
	what         string
	method, path string // as the client sent them
	session      ID     // zero: none, or not stored
	status       int    // 0: the response had begun
	err          error
}

// logEvery is the least time between two lines of one kind.
const logEvery = time.Second

// The texts of the lines.
const (
	failedRequest     = "cloakroom: request failed"
	failedApplication = "cloakroom: the application failed a request"
	failedLate        = "cloakroom: a request failed after its response had begun"
	failedLateSave    = "cloakroom: what a handler changed after its response had begun was not saved"
)

// tell logs a request that failed, now or within logEvery.
func (l *failureLog) tell(r *http.Request, f failure) {
	f.method, f.path = kept(r.Method, methodBytes), kept(r.URL.Path, pathBytes)
	kind := kindOf(f.err)
	if kind == "" { // the application's errors have nothing in common
		f.log(r.Context(), l.logger, kind, 1)
		return
	}
	if n := l.count(f.what+kind, kind, f); n > 0 {
		f.log(r.Context(), l.logger, kind, n)
	}
}

// kept copies what is logged of a text. The line may come after the request, whose memory
// some servers use again.
func kept(s string, most int) string { return strings.Clone(s[:min(len(s), most)]) }

// answered logs a request that is answered with an error, if the error is worth a line.
func (l *failureLog) answered(r *http.Request, session ID, status int, err error) {
	f := failure{level: slog.LevelError, what: failedRequest, session: session, status: status, err: err}
	switch {
	case status == http.StatusRequestEntityTooLarge:
		f.level = slog.LevelWarn
	case status < http.StatusInternalServerError:
		return
	case kindOf(err) == "":
		f.what = failedApplication
	}
	l.tell(r, f)
}

// kindOverloaded is the kind of ErrOverloaded, and so of protocol.ErrTooMany.
const kindOverloaded = "overloaded"

// refused logs a request that was turned down. While a line waits that will tell of it,
// it is only counted.
func (l *failureLog) refused(r *http.Request) {
	if !l.joins(failedRequest + kindOverloaded) {
		l.tell(r, failure{level: slog.LevelError, what: failedRequest, status: http.StatusServiceUnavailable, err: protocol.ErrTooMany})
	}
}

// joins counts a failure that a line will tell which waits to be written. It reports false
// if there is none.
func (l *failureLog) joins(key string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kinds[key]
	if k == nil || k.due == nil {
		return false
	}
	k.requests++
	return true
}

// count counts a failure. It returns the number of failures that the caller has to log, 0
// if a later line tells them.
func (l *failureLog) count(key, kind string, f failure) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	k := l.kinds[key]
	if k == nil {
		if l.kinds == nil {
			l.kinds = make(map[string]*failureKind)
		}
		k = new(failureKind)
		l.kinds[key] = k
	}
	k.requests++
	k.last = f
	now := time.Now()
	switch soon := k.logged.Add(logEvery).Sub(now); {
	case k.due != nil:
		return 0
	case soon <= 0:
		return k.take(now)
	case !l.closed: // perhaps no further failure comes that would log it
		l.late.Add(1)
		k.due = time.AfterFunc(soon, func() { l.flush(k, kind) })
	}
	return 0
}

// take returns the number of failures that the next line tells, and begins to count anew.
func (k *failureKind) take(now time.Time) int {
	n := k.requests
	k.requests, k.logged, k.due = 0, now, nil
	return n
}

// flush logs the failures of a kind that have waited for logEvery to pass.
func (l *failureLog) flush(k *failureKind, kind string) {
	defer l.late.Done()
	l.mu.Lock()
	f, n := k.last, k.take(time.Now())
	l.mu.Unlock()
	if n > 0 {
		f.log(context.Background(), l.logger, kind, n)
	}
}

// close logs the failures that wait, and returns when the last such line is written.
// After it a failure within logEvery of a line goes untold.
func (l *failureLog) close() {
	l.mu.Lock()
	l.closed = true
	var late []func()
	for _, k := range l.kinds {
		if kind := kindOf(k.last.err); k.due != nil && k.due.Stop() {
			late = append(late, func() { l.flush(k, kind) })
		}
	}
	l.mu.Unlock()
	for _, f := range late {
		f()
	}
	l.late.Wait()
}

// log writes one line for a number of requests, of which f is the last.
func (f failure) log(ctx context.Context, l *slog.Logger, kind string, requests int) {
	list := make([]slog.Attr, 0, 8)
	if f.status != 0 {
		list = append(list, slog.Int("status", f.status))
	}
	if kind != "" {
		list = append(list, slog.String("kind", kind), slog.Int("requests", requests))
	}
	list = append(list, slog.String("method", clean(f.method, methodBytes)), slog.String("path", clean(f.path, pathBytes)))
	if !f.session.IsZero() {
		list = append(list, slog.Any("session", f.session))
	}
	l.LogAttrs(ctx, f.level, f.what, append(list, slog.Any("error", f.err))...)
}

// kindOf returns the kind of failure that many requests may have in common, "" for an
// error of the application's.
func kindOf(err error) string {
	for _, k := range [...]struct {
		is   error
		name string
	}{
		{ErrTooLarge, "too large"},
		{ErrOverloaded, kindOverloaded},
		{driver.ErrNewer, "newer"},
		{ErrUnknown, "unknown"},
		{ErrClosed, "closed"},
		{ErrUnavailable, "unavailable"},
		{ErrCorrupt, "corrupt"},
		{ErrTooLate, "too late"},
		{ErrGone, "gone"},
		{ErrConflict, "conflict"},
		{ErrRevoked, "revoked"},
		{ErrInvalid, "invalid"},
	} {
		if errors.Is(err, k.is) {
			return k.name
		}
	}
	if isBodyTooLarge(err) {
		return "body too large"
	}
	return ""
}

// hungUp reports whether an error says only that the client has gone.
func hungUp(r *http.Request, err error) bool { return errors.Is(err, context.Canceled) && hasGone(r) }

// hasGone reports whether the client of a server's request has gone.
func hasGone(r *http.Request) bool { return errors.Is(r.Context().Err(), context.Canceled) }
