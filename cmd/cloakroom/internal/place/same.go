package place

import (
	"cmp"
	"os"
	"slices"
)

// This file tells whether two places are one.

// Same reports whether two places are the same store, as far as their names tell.
func (p Place) Same(other Place) bool {
	if p.kind != other.kind {
		return false
	}
	if p.kind == inFile {
		a, err := os.Stat(p.path)
		b, err2 := os.Stat(other.path)
		return p.path == other.path || err == nil && err2 == nil && os.SameFile(a, b)
	}
	return slices.Equal(p.shown, other.shown) && cmp.Or(p.store.Index, defaultIndex) == cmp.Or(other.store.Index, defaultIndex)
}
