// Package storetest checks that a store keeps the contract of driver.Store.
// A store's whole test is one call:
//
//	func TestStore(t *testing.T) {
//		storetest.Run(t, storetest.Harness{
//			Open: func(t testing.TB) driver.Store { return mystore.New() },
//		})
//	}
//
// A store that keeps its records somewhere opens with an empty place for them, such
// as t.TempDir(), and tells the suite how to open that place again and how to
// damage a record in it:
//
//	storetest.Run(t, storetest.Harness{
//		Open: func(t testing.TB) driver.Store { return open(t, t.TempDir()) },
//		Second: func(t testing.TB, s driver.Store) driver.Store {
//			return open(t, s.(*mystore.Store).Dir())
//		},
//		Corrupt: func(t testing.TB, s driver.Store, id driver.ID) { … },
//		Many:    50, // where each write waits for a disk
//	})
//
// Run it with the race detector too. In a store of one's own, whose module is
// another, nothing but this package and package driver is needed for that; the
// module examples/ownstore is an example.
//
// The other fields of Harness say what a store can do beyond that, and give the
// suite the means to check it: a second store on the same data, the refresh of
// a search index, damaged records. What a harness has no means for is skipped,
// with the reason.
//
// The suite's subtests are grouped in families, each of which opens one store
// (some open more). Within a family the subtests share it: each uses an app and
// ids of its own. Subtests whose names begin with a letter and a number, such as
// I2_create_on_grave, prove an invariant of the project's design. To run one
// family alone, ask for it as usual: go test -run 'TestStore/Sweep'.
//
// The suite never waits for time to pass; it hands in times. Those lie around
// the time at which it was started, so that stores which keep records by periods
// of time find their usual ones.
package storetest

import (
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
)

// Harness tells the suite how to handle a store. Only Open is required.
type Harness struct {
	// Open returns a new store with nothing in it. It is called once per
	// family and a few times more. If the store has a method Close() error,
	// the suite calls it when it is done, before what Open left with t.Cleanup.
	Open func(t testing.TB) driver.Store

	// Second opens another store on the data that s keeps, as another process
	// would, or the same one after a restart: s may be open or have been closed,
	// and both are used at the same time. The suite closes what it returns. Nil:
	// the data can't be opened twice, or ends with the store. A store for one
	// process at a time has to test by itself what it keeps over a restart.
	Second func(t testing.TB, s driver.Store) driver.Store

	// Settle makes everything that was acknowledged visible to Search, Sweep
	// and Inspector. Nil: it is so at once.
	Settle func(t testing.TB, s driver.Store)

	// ForgetTombstones makes the engine forget what it remembers of records
	// that were removed, as it does by itself after some time. Nil: it keeps
	// no such memory, or needs none.
	ForgetTombstones func(t testing.TB, s driver.Store)

	// Corrupt damages the stored record of an id so that it can't be
	// understood any more, but is there. Nil: there is nothing to damage.
	Corrupt func(t testing.TB, s driver.Store, id driver.ID)

	// DropForgets declares that the store, once it has dropped a whole period,
	// may give the versions of that period's records again to records that
	// are created in it anew. The ids of such records are older than any
	// session can be, so no manager writes them.
	DropForgets bool

	// TooLarge is the size, in bytes, of a value that the store refuses with
	// driver.ErrTooLarge in a record, while it takes a value of a hundredth of that. Zero:
	// the store has no such bound, or one that is too high to be tried.
	TooLarge int

	// Many is how many callers the stress tests have at a time. With fewer the
	// suite is faster for a store whose operations wait for a disk. Defaults to
	// 300.
	Many int

	// Patience is how long a single operation may take, among Many others,
	// before it counts as stuck. Defaults to 30 seconds.
	Patience time.Duration

	// Seed seeds the suite's choices, to have those of an earlier run again;
	// each run logs its seed. The environment variable STORETEST_SEED does the
	// same. Defaults to 0: a random seed.
	Seed uint64
}

// families are the parts of the suite, in the order in which they run.
var families = []struct {
	name string
	run  func(e *env)
}{
	{"Record", testRecord},
	{"Values", testValues},
	{"Extra", testExtra},
	{"Deep", testDeep},
	{"Newer", testNewer},
	{"Write", testWrite},
	{"Version", testVersion},
	{"Race", testRace},
	{"Assurances", testAssurances},
	{"Stress", testStress},
	{"Search", testSearch},
	{"Sweep", testSweep},
	{"SweepRace", testSweepRace},
	{"Period", testPeriod},
	{"Context", testContext},
	{"Close", testClose},
	{"Second", testSecond},
	{"Corrupt", testCorrupt},
	{"Inspector", testInspector},
	{"List", testList},
	{"Fence", testFence},
	{"Figures", testFigures},
}

// Run checks a store. It looks for goroutines that the store leaves behind, of
// the store's own package and of this module. So it may not run beside other
// tests of the same process, and what is to outlive the store, such as an engine
// that several tests share, has to be started before.
func Run(t *testing.T, h Harness) {
	t.Helper()
	if h.Open == nil {
		t.Fatal("storetest: Harness.Open is nil")
	}
	if h.Many <= 0 {
		h.Many = 300
	}
	if h.Patience <= 0 {
		h.Patience = 30 * time.Second
	}
	if s := os.Getenv("STORETEST_SEED"); s != "" {
		n, err := strconv.ParseUint(s, 10, 64)
		if err != nil {
			t.Fatalf("storetest: STORETEST_SEED: %v", err)
		}
		h.Seed = n
	}
	if h.Seed == 0 {
		h.Seed = rand.Uint64()
	}
	t.Logf("storetest: seed %d", h.Seed)

	// Goroutines count as the store's if they come from its package.
	var mu sync.Mutex
	paths := map[string]bool{}
	open := h.Open
	h.Open = func(t testing.TB) driver.Store {
		t.Helper()
		s := open(t)
		if s == nil {
			t.Fatal("storetest: Harness.Open returned nil")
		}
		mu.Lock()
		defer mu.Unlock()
		if path := packageOf(s); path != "" {
			paths[path] = true
		}
		return s
	}
	watched := func() []string {
		mu.Lock()
		defer mu.Unlock()
		var list []string
		for p := range paths {
			list = append(list, p)
		}
		return list
	}

	for i, f := range families {
		t.Run(f.name, func(t *testing.T) {
			leaktest.CheckFunc(t, watched)
			e := &env{T: t, h: &h, now: time.Now().UTC().Truncate(time.Millisecond)}
			e.rand = rand.New(rand.NewPCG(h.Seed, uint64(i)))
			e.app = newApp()
			f.run(e)
		})
	}
}

// packageOf returns the import path of the package that a store is from.
func packageOf(s driver.Store) string {
	typ := reflect.TypeOf(s)
	if typ.Kind() == reflect.Pointer {
		typ = typ.Elem()
	}
	return typ.PkgPath()
}

// closer is what stores have that can be closed.
type closer interface{ Close() error }

// openStore gives the family its store.
func (e *env) openStore() {
	e.Helper()
	e.store = e.open()
}

// open opens a new store and closes it when the test ends.
func (e *env) open() driver.Store {
	e.Helper()
	s := e.h.Open(e.T)
	e.closeLater(s)
	return s
}

// second opens another store on what s keeps.
func (e *env) second(s driver.Store) driver.Store {
	e.Helper()
	if e.h.Second == nil {
		e.Skip("Harness.Second is nil: nothing to open twice")
	}
	t := e.h.Second(e.T, s)
	e.closeLater(t)
	return t
}

func (e *env) closeLater(s driver.Store) {
	c, ok := s.(closer)
	if !ok {
		return
	}
	e.Cleanup(func() {
		if err := c.Close(); err != nil {
			e.Errorf("Close: %v", err)
		}
	})
}

// settle makes what was acknowledged visible to Search.
func (e *env) settle() {
	e.Helper()
	if e.h.Settle != nil {
		e.h.Settle(e.T, e.store)
	}
}

// newApp returns the name of an app that nothing else uses.
func newApp() string {
	return fmt.Sprintf("storetest-%016x", rand.Uint64())
}
