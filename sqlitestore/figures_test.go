package sqlitestore

import (
	"sync"
	"testing"
	"time"
)

// TestWaitingWriters: while another process writes, the figures tell how many saves wait
// for it, the one that has its turn next and those behind it.
func TestWaitingWriters(t *testing.T) {
	s := openTest(t, nil)
	c := operator(t, s)
	do(t, c, "BEGIN IMMEDIATE")
	var all sync.WaitGroup
	for i := range 3 {
		all.Go(func() {
			if _, err := s.Create(t.Context(), sample(i)); err != nil {
				t.Errorf("Create: %v", err)
			}
		})
	}
	for s.Figures().Writes.Waiting < 3 {
		time.Sleep(time.Millisecond)
	}
	do(t, c, "COMMIT")
	all.Wait()
	if f := s.Figures(); f.Writes.Waiting != 0 || f.Writes.Sizes.Sum != 3 || f.Requests != f.Writes.Sizes.Count {
		t.Errorf("when all are done the figures are %+v", f)
	}
}
