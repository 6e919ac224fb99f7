package protocol

import (
	"errors"
	"sync"
)

// This file is eachParallel: the same operation on several records at once.

// eachParallel calls f for 0 to n-1, up to 64 at a time, and returns their errors joined.
// Stores gather operations that come at the same time.
func eachParallel(n int, f func(int) error) error {
	errs := make([]error, n)
	room := make(chan struct{}, 64)
	var all sync.WaitGroup
	for i := range n {
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			errs[i] = f(i)
		})
	}
	all.Wait()
	return errors.Join(errs...)
}
