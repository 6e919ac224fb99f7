package sqlitestore

import (
	"crypto/rand"
	"slices"
	"sync"
)

// This file remembers the versions of the rows that were listed, so that the next listing
// can tell which were written since.

// listings are the listings of this process. There are few: the oldest is forgotten.
type listings struct {
	mu  sync.Mutex
	all []*rowsListed
}

const (
	mostListings = 4
	listingName  = 26      // characters, as rand.Text makes them
	mostListed   = 4 << 20 // rows that are remembered of a listing
)

// rowsListed is the rows of a listing. A nil before lists everything.
type rowsListed struct {
	mu     sync.Mutex
	name   string
	before *rowsListed

	rows, seqs []int64 // in order; of the rows up to the place that the listing has come to
	partial    bool    // some are missing
	ended      bool
}

// find returns the listing that a place is in, locked: the next one, behind an end. It
// sets the place's name. A listing that isn't known goes on without versions.
func (x *listings) find(at *listing) *rowsListed {
	x.mu.Lock()
	defer x.mu.Unlock()
	var there *rowsListed
	if i := slices.IndexFunc(x.all, func(l *rowsListed) bool { return l.name == at.name }); i >= 0 {
		there = x.all[i]
	}
	if there != nil && !at.end {
		there.mu.Lock()
		return there
	}
	next := &rowsListed{name: rand.Text(), partial: at.row > 0}
	if there != nil {
		there.mu.Lock()
		if there.ended && !there.partial {
			next.before = there
		}
		there.mu.Unlock()
	}
	at.name = next.name
	if len(x.all) == mostListings {
		x.all = slices.Delete(x.all, 0, 1)
	}
	x.all = append(x.all, next)
	next.mu.Lock()
	return next
}

// cut forgets the rows behind a place, from which the listing goes on once more.
func (l *rowsListed) cut(row int64) {
	if i, _ := slices.BinarySearch(l.rows, row+1); i < len(l.rows) {
		l.rows, l.seqs, l.ended = l.rows[:i], l.seqs[:i], false
	} else if len(l.rows) > 0 && l.rows[len(l.rows)-1] < row {
		l.partial = true // it goes on further ahead
	}
}

// saw remembers the version of the next row.
func (l *rowsListed) saw(row, seq int64) {
	if l.partial {
		return
	}
	if len(l.rows) == mostListed {
		l.partial, l.rows, l.seqs = true, nil, nil
		return
	}
	l.rows, l.seqs = append(l.rows, row), append(l.seqs, seq)
}

// has reports whether a row was listed at a version.
func (l *rowsListed) has(row, seq int64) bool {
	i, ok := slices.BinarySearch(l.rows, row)
	return ok && l.seqs[i] == seq
}

// end ends a listing, and reports whether the next one can tell what was written since.
func (l *rowsListed) end() bool {
	l.ended, l.before = true, nil // a chain would keep all listings
	return !l.partial
}
