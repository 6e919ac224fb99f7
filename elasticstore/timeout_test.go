package elasticstore

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/batch"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests that operations end in time without a timer of their own.

// noEngine makes a Store without an engine.
func noEngine(t *testing.T, answer func(req *http.Request, body []byte) (*http.Response, error)) *Store {
	f := newFaulty(nil)
	f.set(func(req *http.Request, body []byte, _ func() (*http.Response, error)) (*http.Response, error) {
		return answer(req, body)
	})
	return (&lab{index: "x"}).open(t, f, nil)
}

// TestCloseStopsTimers: the timers that end operations stop with Close.
func TestCloseStopsTimers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := noEngine(t, nil)
		ctx, done, err := s.begin(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		_, late := ctx.(batch.Bounded).Ends()
		done()
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(4 * s.cfg.RequestTimeout)
		synctest.Wait()
		select {
		case <-late:
			t.Error("a timer went on")
		default:
		}
	})
}

// watched is a context that notices when package context derives another from it, with a
// timer or without.
type watched struct {
	context.Context
	t    *testing.T
	done chan struct{}
}

// Done is a channel that package context doesn't know, so that it asks AfterFunc.
func (w watched) Done() <-chan struct{} { return w.done }

func (w watched) AfterFunc(func()) (stop func() bool) {
	w.t.Error("a context was made for the operation")
	return func() bool { return true }
}

// TestManagerMakesNoTimer: the timeouts of managers and stores share timers, so no
// operation makes one.
func TestManagerMakesNoTimer(t *testing.T) {
	t.Parallel()
	var asked atomic.Int64
	s := noEngine(t, func(req *http.Request, body []byte) (*http.Response, error) {
		if kindOf(req) == "_mget" { // that nothing was found has the index looked at as well
			asked.Add(1)
		}
		index, _, _ := strings.Cut(strings.TrimPrefix(req.URL.Path, "/"), "/")
		id := strings.TrimSuffix(strings.TrimPrefix(string(body), `{"ids":["`), `"]}`)
		return replyJSON(http.StatusOK, fmt.Sprintf(`{"docs":[{"_index":%q,"_id":%q,"found":false}]}`, index, id)), nil
	})
	other := memstore.New(nil)
	t.Cleanup(func() { _ = other.Close() })
	elsewhere, err := newManager(t, other).Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	m := newManager(t, s)
	_, err = m.Retrieve(watched{t.Context(), t, make(chan struct{})}, elsewhere.Token())
	if wantError(t, err, driver.ErrNotFound); asked.Load() != 1 {
		t.Errorf("the engine was asked %d times", asked.Load())
	}
}
