package main

import (
	"context"
	"errors"
	"net"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := closed(t.Context(), time.Second, 4, func(context.Context, int, int) error {
			<-time.After(100 * time.Millisecond)
			return nil
		})
		if err != nil || r.N != 40 || r.Metrics[perSec] != 40 || r.Metrics[half] != 1e8 || r.Metrics[tail] != 1e8 {
			t.Errorf("%d operations, %v, %v", r.N, r.Metrics, err)
		}
	})
}

func TestClosedEndsWithAnError(t *testing.T) {
	broken := errors.New("broken")
	_, err := closed(t.Context(), time.Hour, 4, func(_ context.Context, caller, turn int) error {
		if caller == 3 && turn == 5 {
			return broken
		}
		return nil
	})
	if !errors.Is(err, broken) {
		t.Errorf("%v", err)
	}
}

// TestOpenCountsFromWhenDue: a side stalls, and all operations that are due meanwhile
// count their wait.
func TestOpenCountsFromWhenDue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		stalled := time.Now().Add(500 * time.Millisecond)
		r, err := open(t.Context(), time.Second, 10, all(func(_ context.Context, i int) error {
			if i == 9 {
				return errors.New("refused")
			}
			<-time.After(max(0, time.Until(stalled)))
			return nil
		}))
		if err != nil || r.N != 9 || r.Metrics["failed-ratio"] != 0.1 {
			t.Fatalf("%d operations, %v, %v", r.N, r.Metrics, err)
		}
		// Due at 0, 100, … ms and done at 500, or at once.
		if got := r.Latencies[len(r.Latencies)-1]; got != 500*time.Millisecond {
			t.Errorf("the longest took %v", got)
		}
		if got := r.Metrics[half]; got != 1e8 {
			t.Errorf("half took %v", time.Duration(got))
		}
	})
}

// TestOpenHoldsNobodyBack: operations take long, and yet each begins when it is due.
func TestOpenHoldsNobodyBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := time.Now()
		var workers atomic.Int64
		r, err := open(t.Context(), time.Second, 100, func() arrival {
			workers.Add(1)
			return func(_ context.Context, i int) error {
				if since, due := time.Since(begin), time.Duration(i)*10*time.Millisecond; since != due {
					t.Errorf("operation %d began after %v in place of %v", i, since, due)
				}
				time.Sleep(205 * time.Millisecond)
				return nil
			}
		})
		if n := workers.Load(); err != nil || r.N != 100 || n < 21 || n > 25 {
			t.Errorf("%d operations by %d workers, %v", r.N, n, err)
		}
	})
}

func TestOpenWithNothingDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, err := open(t.Context(), time.Second, 5, all(func(context.Context, int) error { return errors.New("refused") }))
		if err != nil || r.N != 0 || r.Metrics["failed-ratio"] != 1 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestShareStopsAtAnError(t *testing.T) {
	var done atomic.Int64
	broken := errors.New("broken")
	err := share(t.Context(), 2, 1000, func(_ context.Context, i int) error {
		if i == 10 {
			return broken
		}
		done.Add(1)
		return nil
	})
	if !errors.Is(err, broken) || done.Load() > 900 {
		t.Errorf("%v after %d", err, done.Load())
	}
}

func TestWire(t *testing.T) {
	for _, c := range []struct {
		answer, set, body string
		status            int
		bad               bool
	}{
		{answer: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a=b; Path=/\r\nset-cookie: c=d\r\n\r\n42", status: 200, set: "a=b", body: "42"},
		{answer: "HTTP/1.1 503 Service Unavailable\r\ncontent-length:0\r\n\r\n", status: 503},
		{answer: "HTTP/1.1 200 OK\r\n\r\n42", bad: true},
		{answer: "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n42", bad: true},
		{answer: "HTTP", bad: true},
	} {
		here, there := net.Pipe()
		w := newWire(here)
		go func() {
			defer there.Close()
			if _, err := there.Read(make([]byte, 4096)); err == nil {
				_, _ = there.Write([]byte(c.answer))
			}
		}()
		status, set, body, err := w.ask(t.Context(), pageRead, "a=b")
		if (err != nil) != c.bad || !c.bad && (status != c.status || set != c.set || string(body) != c.body) {
			t.Errorf("%q: %d %q %q %v", c.answer, status, set, body, err)
		}
		here.Close()
	}
}
