package elasticstore

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests requests that operations share.

// TestOperationsAreGathered counts the requests of 256 callers.
func TestOperationsAreGathered(t *testing.T) {
	t.Parallel()
	_, f, s, r := faultyStore(t)
	const callers, each = 256, 20
	var wg sync.WaitGroup
	before := f.requests("_mget")
	for range callers {
		wg.Go(func() {
			for range each {
				if got, err := s.Get(testContext(t), r.ID); err != nil || got.Version != r.Version {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := f.requests("_mget") - before; n > callers*each/8 {
		t.Errorf("%d requests for %d reads", n, callers*each)
	}
	before = f.requests("_bulk")
	for range callers {
		wg.Go(func() {
			for range each {
				if _, err := s.Create(testContext(t), session(driver.LayoutDay, time.Now())); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	wg.Wait()
	if n := f.requests("_bulk") - before; n > callers*each/8 {
		t.Errorf("%d requests for %d writes", n, callers*each)
	}
}

// TestReadsJoinOnlyTheUnsent: a read that begins after a write was acknowledged never
// sees the state before it.
func TestReadsJoinOnlyTheUnsent(t *testing.T) {
	t.Parallel()
	_, f, s, r := faultyStore(t)
	var held atomic.Int64
	release := make(chan struct{})
	f.set(onKind("_mget", times(1, func(_ *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		res, err := send() // it has read the old state
		held.Add(1)
		<-release
		return res, err
	})))
	first := make(chan driver.Version)
	go func() {
		got, err := s.Get(testContext(t), r.ID)
		if err != nil {
			t.Error(err)
			first <- driver.Version{}
			return
		}
		first <- got.Version
	}()
	eventually(t, func() error {
		if held.Load() == 0 {
			return errors.New("not read yet")
		}
		return nil
	})
	v, err := s.Update(testContext(t), update(r, "1"))
	if err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(testContext(t), r.ID)
	if err != nil || got.Version != v {
		t.Errorf("a read after an update: %v, version %v, want %v", err, got.Version, v)
	}
	close(release)
	if old := <-first; old != r.Version {
		t.Errorf("the read before it: version %v, want %v", old, r.Version)
	}
}

// TestI8_QueueIsBounded: an engine that hangs doesn't pile up memory. Operations that
// aren't sent are told not to have happened.
func TestI8_QueueIsBounded(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	f := newFaulty(l.client)
	s := l.open(t, f, func(c *Config) { c.QueueItems, c.InFlight, c.MaxItems = 5, 1, 1 })
	mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	entered, release := make(chan struct{}, 20), make(chan struct{})
	f.set(onKind("_bulk", func(_ *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		entered <- struct{}{}
		<-release
		return send()
	}))
	ctx := testContext(t)
	results := make(chan error)
	create := func() {
		_, err := s.Create(ctx, session(driver.LayoutDay, time.Now()))
		results <- err
	}
	go create()
	<-entered
	for range 19 {
		go create()
	}
	for range 20 - 6 { // one is sent, five wait
		err := <-results
		wantError(t, err, driver.ErrUnavailable, driver.ErrOverloaded)
	}
	close(release)
	for range 6 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
}

// TestWaitersLeave: a caller that gives up doesn't disturb the batch, and is told
// whether its write may have been sent.
func TestWaitersLeave(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	f := newFaulty(l.client)
	s := l.open(t, f, func(c *Config) { c.InFlight = 1 })
	mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	entered, release := make(chan struct{}, 10), make(chan struct{})
	f.set(onKind("_bulk", func(_ *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		entered <- struct{}{}
		<-release
		return send()
	}))
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("the visitor left")
	sent, waiting := make(chan error), make(chan error)
	first := session(driver.LayoutDay, time.Now())
	go func() {
		_, err := s.Create(ctx, first)
		sent <- err
	}()
	<-entered
	go func() {
		_, err := s.Create(ctx, session(driver.LayoutDay, time.Now()))
		waiting <- err
	}()
	cancel(why)
	err := <-sent
	wantError(t, err, driver.ErrUnavailable, driver.ErrUnknown)
	if !errors.Is(err, context.Canceled) || !errors.Is(err, why) {
		t.Errorf("the error doesn't wrap the context's: %v", err)
	}
	err = <-waiting
	if !errors.Is(err, context.Canceled) || errors.Is(err, driver.ErrUnknown) {
		t.Errorf("what was not sent: %v", err)
	}
	close(release)
	eventually(t, func() error { // the write went on
		_, err := s.Get(testContext(t), first.ID)
		return err
	})
}

// TestAbandonedWritesKeepTheirDocuments: a flush that outlives its callers may send
// their documents once more, after other writes have come and gone.
func TestAbandonedWritesKeepTheirDocuments(t *testing.T) {
	t.Parallel()
	_, f, s, _ := faultyStore(t)
	var once atomic.Bool
	held, release := make(chan []byte), make(chan struct{})
	f.set(onKind("_bulk", func(_ *http.Request, body []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if bytes.Count(body, []byte("\n")) < 4 || !once.CompareAndSwap(false, true) {
			return send()
		}
		held <- body
		<-release
		return reply(http.StatusRequestEntityTooLarge, "text/plain", ""), nil // it goes out again in two
	}))
	ctx, cancel := context.WithCancel(t.Context())
	records := make([]*driver.Record, 64) // so many that some share a request
	var wg sync.WaitGroup
	for i := range records {
		records[i] = session(driver.LayoutDay, time.Now())
		wg.Go(func() { _, _ = s.Create(ctx, records[i]) })
	}
	body := <-held
	cancel()
	wg.Wait()
	for range 2 * len(records) { // at once, so that each needs memory
		wg.Go(func() {
			if _, err := s.Create(testContext(t), session(driver.LayoutDay, time.Now())); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	close(release)
	for _, r := range records {
		if bytes.Contains(body, []byte(r.ID.String())) {
			eventually(t, func() error {
				_, err := s.Get(testContext(t), r.ID)
				return err
			})
		}
	}
}

// TestTimeout: an operation on an engine that hangs ends in a bounded time, also without
// a deadline of the caller's.
func TestTimeout(t *testing.T) {
	f := newFaulty(nil)
	s := (&lab{index: "x"}).open(t, f, func(c *Config) { c.RequestTimeout = 100 * time.Millisecond })
	f.set(func(req *http.Request, _ []byte, _ func() (*http.Response, error)) (*http.Response, error) {
		<-req.Context().Done()
		return nil, req.Context().Err()
	})
	_, err := s.Get(context.Background(), driver.NewID(driver.LayoutDay, time.Now()))
	wantError(t, err, driver.ErrUnavailable)
	if errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("the caller's context has no end, but the error says so: %v", err)
	}
}
