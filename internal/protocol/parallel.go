package protocol

import (
	"errors"
	"sync"
	"sync/atomic"
)

// This file is eachParallel: the same operation on several records at once.

// eachParallel calls f for 0 to n-1, up to 64 at a time, and returns their errors joined.
// Stores gather operations that come at the same time.
//
// A panic of f, which comes from a store, goes on in the caller's goroutine. There
// net/http survives it; here it would end the process.
func eachParallel(n int, f func(int) error) error {
	errs := make([]error, n)
	var panicked atomic.Pointer[any]
	room := make(chan struct{}, 64)
	var all sync.WaitGroup
	for i := range n {
		room <- struct{}{}
		all.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					panicked.Store(&p)
				}
				<-room
			}()
			errs[i] = f(i)
		})
	}
	all.Wait()
	if p := panicked.Load(); p != nil {
		panic(*p)
	}
	return errors.Join(errs...)
}
