package history_test

import (
	"errors"
	"os"
	"testing"
	"time"

	. "github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// endless is a family that no order explains, and that no time is enough for:
// the answers contradict each other beside so many others, which may be in any
// order.
func endless() Family {
	ops := []Op{create}
	for i := range int64(40) {
		ops = append(ops, at(100+i, 1000+i, setA))
	}
	return told(append(ops, at(2000, 2001, get(2)), at(2002, 2003, get(3)))...)
}

// A checker keeps what is undecided, up to a number, and what is undecided the
// second time counts as before.
func TestUndecidedStaysUndecided(t *testing.T) {
	o := &Options{Timeout: 10 * time.Millisecond, Dir: t.TempDir()}
	c := NewChecker(o)
	for range MaxOpen + 1 {
		c.Add(endless())
	}
	r := c.Close()
	for range 2 {
		if r.Undecided != MaxOpen+1 || len(r.Open) != MaxOpen || r.Failed != 0 {
			t.Errorf("%d undecided, %d open, %d failed", r.Undecided, len(r.Open), r.Failed)
		}
		files, err := r.Again(o)
		if err != nil || len(files) != MaxOpen {
			t.Fatalf("histories written: %v, %v", files, err)
		}
		f, err := os.Open(files[0])
		if err != nil {
			t.Fatal(err)
		}
		all, err := Read(f)
		if err := errors.Join(err, f.Close()); err != nil || len(all) != 1 || len(all[0].Ops) != len(endless().Ops) {
			t.Errorf("%s has %d families, %v", files[0], len(all), err)
		}
	}
}

// What is decided the second time is no longer undecided.
func TestUndecidedIsDecidedAgain(t *testing.T) {
	sound, broken := told(create, get(0)), told(create, notFound)
	r := Report{Families: 10, Undecided: 4, Open: []Family{sound, broken}}
	files, err := r.Again(&Options{Dir: t.TempDir()})
	if len(files) > 0 || err != nil {
		t.Errorf("histories of what was decided are written: %v, %v", files, err)
	}
	if r.Undecided != 2 || len(r.Open) != 0 || r.Failed != 1 || len(r.Failures) != 1 || r.Families != 10 {
		t.Errorf("%d undecided, %d open, %d failed with %d failures, of %d", r.Undecided, len(r.Open), r.Failed, len(r.Failures), r.Families)
	}
}
