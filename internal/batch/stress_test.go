package batch

import (
	"context"
	"errors"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestStress: hundreds of callers have contexts that end at any time, and Flush fails in
// every way. Each item must be answered to its own caller. It must be sent once, or
// never if its caller is told so.
func TestStress(t *testing.T) {
	t.Run("real time", func(t *testing.T) { stress(t, false) })
	t.Run("fake time", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) { stress(t, true) })
	})
}

func stress(t *testing.T, fakeTime bool) {
	const callers, each, inFlight = 300, 60, 4
	type item struct{ id, size int }
	var (
		errItem  = errors.New("error of one item")
		errLeft  = errors.New("left")
		sent     [callers * each]atomic.Int32
		now      atomic.Int32
		answered [6]atomic.Int64 // by kind, in the order of the switch below
	)
	b := New(Config[item, int]{
		Flush: func(_ context.Context, items []item) []Result[int] {
			if n := now.Add(1); n > inFlight {
				t.Errorf("%d flushes at once", n)
			}
			defer now.Add(-1)
			bytes := 0
			for _, it := range items {
				sent[it.id].Add(1)
				bytes += it.size
			}
			if len(items) > 32 || bytes > 500 && len(items) > 1 {
				t.Errorf("flush of %d items, %d bytes", len(items), bytes)
			}
			if fakeTime {
				time.Sleep(time.Duration(rand.IntN(200)) * time.Microsecond)
			} else {
				for range rand.IntN(20) { // others go on meanwhile
					runtime.Gosched()
				}
			}
			switch rand.IntN(60) {
			case 0:
				panic("stress")
			case 1:
				runtime.Goexit()
			case 2:
				return nil
			}
			results := make([]Result[int], len(items))
			for i, it := range items {
				results[i].Value = it.id
				if it.id%10 == 0 {
					results[i].Err = errItem
				}
			}
			return results
		},
		Size:       func(it item) int { return it.size },
		MaxItems:   32,
		MaxBytes:   500,
		QueueItems: 200,
		QueueBytes: 6000,
		InFlight:   inFlight,
	})

	one := func(id int) {
		ctx, cancel := context.WithCancelCause(t.Context())
		defer cancel(nil)
		if rand.IntN(3) == 0 {
			stop := time.AfterFunc(time.Duration(rand.IntN(1500))*time.Microsecond, func() { cancel(errLeft) })
			defer stop.Stop()
		}
		v, err := b.Do(ctx, item{id: id, size: rand.IntN(60)})
		var p *PanicError
		kind := 0
		switch {
		case err == nil:
			if v != id || id%10 == 0 {
				t.Errorf("item %d was answered %d", id, v)
			}
		case errors.Is(err, errItem):
			kind = 1
			if v != id || id%10 != 0 {
				t.Errorf("item %d was answered %d, %v", id, v, err)
			}
		case errors.Is(err, ErrFull):
			kind = 2
		case errors.Is(err, errLeft) && errors.Is(err, ErrNotSent):
			kind = 3
		case errors.Is(err, errLeft):
			kind = 4
		case errors.As(err, &p), errors.Is(err, errGoexit), strings.Contains(err.Error(), "Flush returned 0 results"):
			kind = 5
		default:
			t.Errorf("item %d: %v", id, err)
		}
		answered[kind].Add(1)
		want := int32(1)
		if errors.Is(err, ErrNotSent) {
			want = 0
		}
		// The flush of an item whose caller left may not have begun yet, so such items
		// are checked in the end.
		if kind != 4 && sent[id].Load() != want {
			t.Errorf("item %d was sent %d times, want %d: %v", id, sent[id].Load(), want, err)
		}
		if want == 0 {
			sent[id].Add(1) // so that a later sending shows
		}
	}
	var wg sync.WaitGroup
	for c := range callers {
		wg.Go(func() {
			for i := range each {
				one(c*each + i)
				if fakeTime {
					time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
				}
			}
		})
	}
	wg.Wait()
	b.Close()
	for id := range sent {
		if n := sent[id].Load(); n != 1 {
			t.Errorf("item %d counts %d in the end, want 1", id, n)
		}
	}
	atRest(t, b)
	for kind := range answered {
		n := answered[kind].Load()
		if fakeTime && n == 0 {
			t.Errorf("the test met no case of kind %d", kind)
		}
		t.Logf("kind %d: %d", kind, n)
	}
}
