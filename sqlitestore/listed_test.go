package sqlitestore

import (
	"path/filepath"
	"sync"
	"testing"
)

// This file tests listings that go on at once.

// TestListAtOnce: what goes on behind an end isn't disturbed when the listing before is
// asked for once more.
func TestListAtOnce(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"), nil)
	for _, r := range samples(3 * pageRows) {
		if _, err := s.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	first, err := s.List(t.Context(), "")
	if err != nil {
		t.Fatal(err)
	}
	_, next := listAll(t, s, first.Next)
	at, err := readListing(next)
	if err != nil {
		t.Fatal(err)
	}
	behind := s.listings.find(&at) // has begun
	behind.mu.Unlock()
	goOn := func() {
		if _, err := s.List(t.Context(), first.Next); err != nil {
			t.Error(err)
		}
	}
	var work sync.WaitGroup
	work.Go(goOn)
	part, err := s.List(t.Context(), listing{row: 1, name: behind.name}.String())
	work.Wait()
	goOn()
	if err != nil || len(part.Items) != 0 || !part.End {
		t.Errorf("listed %d, and nothing was written: %v", len(part.Items), err)
	}
}
