package batch

import (
	"context"
	"runtime"
	"runtime/debug"
	"slices"
	"time"
)

// This file is flushes: their start, their items and their end.
//
// The plain scheme starts a flush whenever an item waits and fewer than InFlight flushes
// run. It cuts poor batches just when load is high. A flush of 64 hands out its results,
// its callers come back one by one, and the first of them takes the free slot alone.
// Four rules mend that, none with a delay.
//
//  1. One flusher at a time is about to take a batch. Another starts only for the
//     items that it leaves behind. The other rules build on this.
//  2. If other flushes are in flight, or the last batch had more than one item,
//     that flusher first yields to the goroutines that are ready to run, and again
//     for as long as more items arrive. So callers that have just got their results
//     can queue again before the batch is cut. (Go's scheduler returns to a goroutine
//     that yielded after some 60 others, so one yield isn't enough.)
//  3. Beside others a flush starts only if it would carry fewItems, and its fair
//     share: 1/InFlight of all items that wait or are in flight. A full batch may
//     always start. Fewer items gather until they are enough, or until no flush is
//     in flight.
//  4. A batch takes no more than its fair share of all items that wait or are in
//     flight, unless that is less than fewItems. So the engine has other batches to
//     work on while the results of one are read and its callers come back.
//
// A lone caller meets none of these rules, and pays nothing. A flush in flight for
// longer than longFlight is taken to hang, and counts no more. So it holds up others for
// twice that at most.
//
// Measured on 2 cores beside OpenSearch, 4 in flight. With one yield, and two slots free
// for any caller, 256 callers made batches of 76; by these rules they make batches of
// 63, of even sizes. 16 callers of a store with one writer made batches of 8, and make
// batches of 15 by these rules. 64 visitors who read and write over HTTP make batches of
// 16 reads and 26 writes. With fewItems at 24 these were 10 and 20, at a sixth more
// processor time; on an engine that has run long enough for its code to be compiled,
// values from 16 to 48 come to the same. 4 callers get their answers as fast as with a
// flush for each. With two or three in flight a tenth of the processors was idle; six or
// eight in flight cost more than they gained.

// flight holds the buffers of one flusher.
type flight[T, R any] struct {
	calls []*call[T, R]
	items []T // of calls, in the same order
	began time.Time
	hangs bool // in flight for longer than longFlight: not counted
}

// mayStart reports whether a flusher should take a batch now. It is true whenever the
// queue isn't empty and no flush is in flight or about to start, so no item waits for
// ever. b.mu must be held.
func (b *Batcher[T, R]) mayStart() bool {
	if b.queue.items == 0 || b.taker || len(b.air) >= b.cfg.InFlight {
		return false
	}
	return b.full() || b.enough()
}

// enough reports whether enough items wait for a flush beside those in flight (rule 3).
// b.mu must be held.
func (b *Batcher[T, R]) enough() bool {
	flights, items := 0, 0
	for _, f := range b.air {
		if !f.hangs {
			flights++
			items += len(f.calls)
		}
	}
	n := b.queue.items
	return flights == 0 || n >= fewItems && n*b.cfg.InFlight >= n+items
}

// watch has look called after longFlight, if items wait that another flush could take.
// b.mu must be held.
func (b *Batcher[T, R]) watch() {
	if b.watched == nil && b.queue.items > 0 && !b.taker && len(b.air) < b.cfg.InFlight {
		b.watched = time.AfterFunc(longFlight, b.look)
	}
}

// look stops counting flushes that hang.
func (b *Batcher[T, R]) look() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.watched = nil
	now := time.Now()
	for _, f := range b.air {
		f.hangs = now.Sub(f.began) >= longFlight
	}
	b.start()
}

// full reports whether the queue holds a batch that cannot grow. b.mu must be held.
func (b *Batcher[T, R]) full() bool {
	return b.cfg.MaxItems > 0 && b.queue.items >= b.cfg.MaxItems ||
		b.cfg.MaxBytes > 0 && b.queue.bytes >= b.cfg.MaxBytes
}

// start starts a flusher if one is due. b.mu must be held.
func (b *Batcher[T, R]) start() {
	if b.mayStart() {
		b.taker = true
		b.flushers.Add(1)
		go b.run()
	}
	b.watch()
}

// run is a flusher: it takes and flushes batches as long as one is due. Whoever starts
// it has set b.taker for it.
func (b *Batcher[T, R]) run() {
	defer b.flushers.Done()
	for again := true; again; {
		f := b.take()
		again = f != nil && b.flush(f)
	}
}

// fewItems is about the number of items from which on a flush costs more for its items
// than for being one. 64 was measured to cost more, and so was 24 on an engine that had
// just started.
const fewItems = 48

// longFlight is longer than a flush takes on an engine that is well.
const longFlight = 100 * time.Millisecond

// Bounds of a gathering flusher's yields. It stops after idleYields that brought nothing
// new; several, since another thread may still be waking callers. It stops after
// mostYields if new callers come without end.
const (
	idleYields = 3
	mostYields = 48
)

// gather lets items that are about to arrive join the batch (rule 2). b.mu must be held,
// and is released meanwhile.
func (b *Batcher[T, R]) gather() {
	seen := 0 // items, at most
	for n, idle := 0, 0; n < mostYields && idle < idleYields && !b.full(); n++ {
		if b.queue.items > seen {
			seen, idle = b.queue.items, 0
		} else {
			idle++
		}
		b.mu.Unlock()
		runtime.Gosched()
		b.mu.Lock()
	}
}

// most returns the most items that the next batch may have (rule 4). b.mu must be held.
func (b *Batcher[T, R]) most() int {
	share := (b.queue.items + b.flying + b.cfg.InFlight - 1) / b.cfg.InFlight
	most := max(share, fewItems)
	if b.cfg.MaxItems > 0 {
		most = min(most, b.cfg.MaxItems)
	}
	return most
}

// take cuts the next batch off the queue. It returns nil if all callers have left.
func (b *Batcher[T, R]) take() *flight[T, R] {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.air) > 0 || b.last > 1 {
		b.gather()
	}
	b.taker = false
	if b.queue.items == 0 {
		return nil
	}
	f := b.buffers()
	bytes, most := 0, b.most()
	for c := b.queue.head; c != nil; c = b.queue.head {
		n := len(f.items)
		if n >= most ||
			b.cfg.MaxBytes > 0 && n > 0 && c.size > b.cfg.MaxBytes-bytes {
			break
		}
		b.queue.remove(c)
		bytes += c.size
		f.calls = append(f.calls, c)
		f.items = append(f.items, c.item)
	}
	f.began, f.hangs = time.Now(), false
	b.air = append(b.air, f)
	b.flying += len(f.items)
	b.last = len(f.items)
	b.start() // for the items left behind
	return f
}

// flush carries out one batch and hands out its results, even if Flush fails. It reports
// whether this flusher should take another batch.
func (b *Batcher[T, R]) flush(f *flight[T, R]) (again bool) {
	var results []Result[R]
	err, returned := errGoexit, false
	defer func() {
		alive := returned
		if v := recover(); v != nil {
			err, alive = &PanicError{Value: v, Stack: debug.Stack()}, true
		}
		if !returned {
			f.items = nil // goroutines of Flush may still read them
		}
		f.hand(results, err)
		again = b.land(f, alive)
	}()
	results, err = b.call(f.items)
	returned = true
	return false // replaced above
}

// call calls Flush with a context of its own.
func (b *Batcher[T, R]) call(items []T) ([]Result[R], error) {
	ctx := context.Background()
	if b.cfg.FlushTimeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, b.cfg.FlushTimeout)
		defer cancel()
	}
	results := b.cfg.Flush(ctx, items)
	if len(results) != len(items) {
		return nil, countError(len(results), len(items))
	}
	return results, nil
}

// hand gives each caller its result, or err if that isn't nil. A call belongs to its
// caller again once its result is sent.
func (f *flight[T, R]) hand(results []Result[R], err error) {
	for i, c := range f.calls {
		if err != nil {
			c.done <- Result[R]{Err: err}
		} else {
			c.done <- results[i]
		}
	}
}

// land ends a flight. It reports whether its flusher should take another batch. If the
// flusher is not alive, land starts another if one is due.
func (b *Batcher[T, R]) land(f *flight[T, R], alive bool) (again bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.air = slices.DeleteFunc(b.air, func(g *flight[T, R]) bool { return g == f })
	b.flying -= len(f.calls)
	b.keep(f)
	if !alive {
		b.start()
		return false
	}
	if again = b.mayStart(); again {
		b.taker = true
	} else {
		b.watch()
	}
	return again
}

// buffers returns an empty flight. b.mu must be held.
func (b *Batcher[T, R]) buffers() *flight[T, R] {
	if n := len(b.spare); n > 0 {
		f := b.spare[n-1]
		b.spare = b.spare[:n-1]
		return f
	}
	return new(flight[T, R])
}

// keep empties f and keeps it for a later batch. b.mu must be held.
func (b *Batcher[T, R]) keep(f *flight[T, R]) {
	clear(f.calls)
	clear(f.items) // so that the buffer keeps nothing alive
	f.calls, f.items = f.calls[:0], f.items[:0]
	b.spare = append(b.spare, f)
}
