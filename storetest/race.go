package storetest

import (
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is operations that meet on one id.

// raceRounds is how often each race is run.
const raceRounds = 10

// racers is how many callers meet in a race.
func (e *env) racers() int { return max(8, min(64, e.h.Many/5)) }

// testRace checks operations that meet on one id.
func testRace(e *env) {
	e.openStore()

	e.eachLayout("one_create_wins", testRaceOneCreateWins)
	e.eachLayout("one_update_wins", testRaceOneUpdateWins)
	e.eachLayout("one_update_or_bury_wins", testRaceOneUpdateOrBuryWins)
	e.eachLayout("I2_buried_for_good", testRaceBuriedForGood)
	e.run("I2_bury_or_create_the_missing", testRaceBuryOrCreateTheMissing)
	e.run("I1_no_increment_is_lost", testRaceNoIncrementIsLost)
	e.run("I1_read_your_writes", testRaceReadYourWrites)
}

func testRaceOneCreateWins(e *env, l driver.Layout) {
	for range raceRounds {
		id := newID(l, e.now)
		var won atomic.Pointer[driver.Record]
		e.together(e.racers(), func(i int) error {
			r := e.record(l)
			r.ID = id
			r.Values = r.Values.With("caller", json.RawMessage(fmt.Sprint(i)))
			v, err := e.create(r)
			if err != nil {
				return isError(err, driver.ErrExists)
			}
			r.Version = v
			if !won.CompareAndSwap(nil, r) {
				return errors.New("two creates of one id succeeded")
			}
			return nil
		})
		if won.Load() == nil {
			e.Fatal("no create succeeded")
		}
		e.wantRecord(won.Load())
	}
}

func testRaceOneUpdateWins(e *env, l driver.Layout) {
	kept := e.mustCreate(e.record(l))
	for range raceRounds {
		var won atomic.Pointer[driver.Record]
		e.together(e.racers(), func(i int) error {
			u := next(kept)
			u.Values = u.Values.With("caller", json.RawMessage(fmt.Sprint(i)))
			v, err := e.update(u)
			if err != nil {
				return isError(err, driver.ErrConflict)
			}
			u.Version = v
			if !won.CompareAndSwap(nil, u) {
				return errors.New("two updates at one version succeeded")
			}
			return nil
		})
		if won.Load() == nil {
			e.Fatal("no update succeeded")
		}
		kept = won.Load()
		e.wantRecord(kept)
	}
}

func testRaceOneUpdateOrBuryWins(e *env, l driver.Layout) {
	for range raceRounds {
		kept := e.mustCreate(e.record(l))
		var updated atomic.Pointer[driver.Record]
		var buried atomic.Pointer[driver.Grave]
		var won atomic.Int32
		e.together(e.racers(), func(i int) error {
			var err error
			if i%2 == 0 {
				u := next(kept)
				if u.Version, err = e.update(u); err == nil {
					updated.Store(u)
				}
			} else {
				g := e.grave(kept)
				if err = e.bury(kept.ID, g, kept.Version); err == nil {
					buried.Store(&g)
				}
			}
			switch {
			case err == nil:
				won.Add(1)
				return nil
			case i%2 == 0 && updated.Load() != nil && buried.Load() == nil:
				return isError(err, driver.ErrConflict)
			case errors.Is(err, driver.ErrConflict), errors.Is(err, driver.ErrGone):
				return nil
			}
			return faultf("error %w, want ErrConflict or ErrGone", err)
		})
		if n := won.Load(); n != 1 {
			e.Fatalf("%d updates and burials at one version succeeded, want 1", n)
		}
		if u := updated.Load(); u != nil {
			e.wantRecord(u)
		} else {
			e.wantGrave(kept.ID, *buried.Load())
		}
	}
}

func testRaceBuriedForGood(e *env, l driver.Layout) {
	// Whatever saves are on their way when a session is ended
	// unconditionally: afterwards it is a grave, and stays one.
	for range raceRounds {
		kept := e.mustCreate(e.record(l))
		g := e.grave(kept)
		g.Reason = driver.EndRevoked
		var dug, failed atomic.Bool
		e.together(e.racers(), func(i int) error {
			if i == 0 {
				err := e.bury(kept.ID, g, driver.Version{})
				dug.Store(err == nil)
				failed.Store(err != nil)
				return err
			}
			for last := kept; !failed.Load(); runtime.Gosched() {
				after := dug.Load() // then the write below begins after the burial
				var err error
				if i%3 == 0 {
					_, err = e.create(last)
					if !errors.Is(err, driver.ErrExists) {
						return faultf("Create over what is there: error %v, want ErrExists", err)
					}
					if after {
						return nil
					}
					continue
				}
				u := next(last)
				u.Version, err = e.update(u)
				switch {
				case err == nil && after:
					return errors.New("an update succeeded after the burial was acknowledged")
				case err == nil:
					last = u
					continue
				case errors.Is(err, driver.ErrGone):
					return nil
				case !errors.Is(err, driver.ErrConflict):
					return faultf("Update: %w", err)
				case after:
					return faultf("Update after the burial: error %w, want ErrGone", err)
				}
				r, err := e.get(last.ID)
				if errors.Is(err, driver.ErrGone) {
					return nil
				}
				if err != nil {
					return faultf("Get: %w", err)
				}
				last = r
			}
			return nil
		})
		e.wantGrave(kept.ID, g)
	}
}

func testRaceBuryOrCreateTheMissing(e *env) {
	for range raceRounds {
		r := e.missing(driver.LayoutDay)
		g := e.grave(r)
		e.together(2, func(i int) error {
			if i == 0 {
				return e.bury(r.ID, g, driver.Version{})
			}
			if _, err := e.create(r); err != nil {
				return isError(err, driver.ErrExists)
			}
			return nil
		})
		e.wantGrave(r.ID, g)
	}
}

func testRaceNoIncrementIsLost(e *env) {
	const each = 8
	counters := min(e.racers(), 24)
	first := e.record(driver.LayoutDay)
	first.Values = first.Values.With("n", json.RawMessage(`0`))
	first = e.mustCreate(first)
	e.together(counters, func(int) error {
		for range each {
			if err := e.increment(first.ID); err != nil {
				return err
			}
		}
		return nil
	})
	last, err := e.get(first.ID)
	if err != nil {
		e.Fatalf("Get: %v", err)
	}
	if got, want := string(last.Values.Get("n")), fmt.Sprint(counters*each); got != want {
		e.Fatalf("the counter is at %s after %s acknowledged increments", got, want)
	}
	if want := uint64(1 + counters*each); last.Writes != want {
		e.Fatalf("%d writes were counted, want %d", last.Writes, want)
	}
}

func testRaceReadYourWrites(e *env) {
	// A Get that begins after an update was acknowledged sees it, or a
	// later one, whoever asks.
	first := e.mustCreate(e.record(driver.LayoutDay))
	var acknowledged atomic.Uint64
	acknowledged.Store(first.Writes)
	var done atomic.Bool
	var mu sync.Mutex
	versionOf := map[uint64]driver.Version{first.Writes: first.Version}
	e.together(e.racers(), func(i int) error {
		if i == 0 {
			defer done.Store(true)
			last := first
			for range 100 {
				u := next(last)
				v, err := e.update(u)
				if err != nil {
					return faultf("Update: %w", err)
				}
				u.Version = v
				mu.Lock()
				versionOf[u.Writes] = v
				mu.Unlock()
				acknowledged.Store(u.Writes)
				last = u
				if err := e.isKept(last); err != nil {
					return faultf("after an update was acknowledged: %w", err)
				}
			}
			return nil
		}
		for last := uint64(0); !done.Load(); {
			atLeast := max(acknowledged.Load(), last)
			r, err := e.get(first.ID)
			if err != nil {
				return faultf("Get: %w", err)
			}
			if r.Writes < atLeast {
				return faultf("Get returned write %d after write %d had been acknowledged or seen", r.Writes, atLeast)
			}
			if got, want := string(r.Values.Get("write")), fmt.Sprint(r.Writes); r.Writes > 1 && got != want {
				return faultf("Get returned the values of write %s in write %s", got, want)
			}
			mu.Lock()
			want, known := versionOf[r.Writes]
			mu.Unlock()
			if known && r.Version != want {
				return faultf("Get returned write %d at version %s, want %s", r.Writes, r.Version, want)
			}
			last = r.Writes
		}
		return nil
	})
}

// increment adds one to a record's counter, until it succeeds.
func (e *env) increment(id driver.ID) error {
	ctx, cancel := e.context()
	defer cancel()
	for ctx.Err() == nil {
		r, err := e.get(id)
		if err != nil {
			return faultf("Get: %w", err)
		}
		var n int
		if err := json.Unmarshal(r.Values.Get("n"), &n); err != nil {
			return faultf("the counter: %w", err)
		}
		u := next(r)
		u.Values = u.Values.With("n", json.RawMessage(fmt.Sprint(n+1)))
		_, err = e.update(u)
		if err == nil {
			return nil
		}
		if !errors.Is(err, driver.ErrConflict) {
			return faultf("Update: %w", err)
		}
	}
	return errors.New("an update at the version just read came to conflict again and again")
}
