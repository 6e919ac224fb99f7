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
	mu      sync.Mutex
	name    string
	before  *versions // of the listing before, as it ended
	now     versions  // up to the place that the listing has come to
	partial bool      // some are missing
	ended   bool
}

// versions are rows and their versions, in order. A copy stays as it is: they are only
// appended to.
type versions struct{ rows, seqs []int64 }

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
			before := there.now
			next.before = &before
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
	v := &l.now
	if i, _ := slices.BinarySearch(v.rows, row+1); i < len(v.rows) {
		v.rows, v.seqs, l.ended = slices.Clip(v.rows[:i]), slices.Clip(v.seqs[:i]), false // the next listing may look at them
	} else if len(v.rows) > 0 && v.rows[len(v.rows)-1] < row {
		l.partial = true // it goes on further ahead
	}
}

// saw remembers the version of the next row.
func (l *rowsListed) saw(row, seq int64) {
	if l.partial {
		return
	}
	if len(l.now.rows) == mostListed {
		l.partial, l.now = true, versions{}
		return
	}
	l.now.rows, l.now.seqs = append(l.now.rows, row), append(l.now.seqs, seq)
}

// has reports whether a row was listed at a version.
func (v *versions) has(row, seq int64) bool {
	i, ok := slices.BinarySearch(v.rows, row)
	return ok && v.seqs[i] == seq
}

// end ends a listing, and reports whether the next one can tell what was written since.
func (l *rowsListed) end() bool {
	l.ended, l.before = true, nil // it isn't needed any more
	return !l.partial
}
