package cloakroom_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is clocks of machines that lie apart.

// apart makes one more manager on the rig's store, of a machine whose clock is ahead of
// the rig's by so much.
func (r *rig) apart(ahead time.Duration, config cloakroom.Config) *cloakroom.Manager {
	r.Helper()
	config.Now = func() time.Time { return r.clock.now().Add(ahead) }
	return r.manager(&config)
}

// A session that a machine with a wrong clock has used is told, and neither ended nor
// moved back.
func TestI11_SessionsFromTheFuture(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		type met struct {
			id    cloakroom.ID
			ahead time.Duration
		}
		var told []met
		config := cloakroom.Config{IdleTimeout: time.Hour, Events: &cloakroom.Events{
			ClockSkew: func(_ context.Context, id cloakroom.ID, ahead time.Duration) { told = append(told, met{id, ahead}) },
		}}
		r := newRig(t, &config)
		const far = driver.ClockTolerance + 3*time.Minute
		s, other := r.signedIn("ann"), r.signedIn("ann")
		use := func(ahead time.Duration) {
			t.Helper()
			m := r.apart(ahead, cloakroom.Config{IdleTimeout: time.Hour})
			visits.Update(r.openBy(m, s.Token()), plusOne)
			if got := r.openBy(m, s.Token()); got.Info().Seen.After(r.clock.now().Add(ahead)) {
				t.Fatal("it was used later than that")
			}
			mine := r.openBy(m, s.Token())
			visits.Update(mine, plusOne)
			r.save(mine)
		}
		wantTold := func(what string, want int, lines string) {
			t.Helper()
			if len(told) != want {
				t.Errorf("%s: told %d times, want %d", what, len(told), want)
			}
			for _, m := range told {
				if m.id != s.ID() || m.ahead != far {
					t.Errorf("%s: told of %v, %v ahead", what, m.id, m.ahead)
				}
			}
			told = nil
			if got := r.log.take(); lines == "" && strings.Contains(got, "clock") || !strings.Contains(got, lines) {
				t.Errorf("%s: logged %q, want %q", what, got, lines)
			}
		}
		code := func() []string {
			t.Helper()
			report, err := r.m.Admin().Report(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			var codes []string
			for _, p := range report.Problems {
				codes = append(codes, p.Code)
			}
			return codes
		}
		r.log.take()

		use(driver.ClockTolerance)
		r.as(s).want(200, look)
		wantTold("within the tolerance", 0, "")
		if slices.Contains(code(), "clock-skew") {
			t.Error("it is a problem within the tolerance")
		}

		use(far)
		seen := r.clock.now().Add(far)
		r.as(s).want(200, look)
		wantTold("a request", 1, fmt.Sprint("session=", s.ID(), " ahead=5m0s tolerated=2m0s times=1"))
		r.as(s).want(200, visit)
		r.as(other).want(200, visit)
		wantTold("another within the minute", 1, "")
		r.devices("ann")
		if _, err := r.m.Admin().Find(t.Context(), s.ID()); err != nil {
			t.Error(err)
		}
		wantTold("a list, and Find", 2, "")
		time.Sleep(time.Minute)
		r.as(s).want(200, look)
		wantTold("after the minute", 1, "times=4")
		if !slices.Contains(code(), "clock-skew") {
			t.Error("it is no problem")
		}
		rec, err := r.kept(s.ID())
		if err != nil || !rec.Seen.Equal(seen.Truncate(time.Millisecond)) {
			t.Errorf("it was last seen at %v (%v), want %v", rec.Seen, err, seen)
		}
		r.clock.add(far + time.Hour - time.Millisecond)
		r.wantOpen("by its own times", s.Token(), true)
	})
}

// One that was made in the future shows in lists: requests with its token are refused.
func TestI11_MadeInTheFuture(t *testing.T) {
	var told int
	r := newRig(t, &cloakroom.Config{Events: &cloakroom.Events{
		ClockSkew: func(context.Context, cloakroom.ID, time.Duration) { told++ },
	}})
	s, err := r.apart(time.Hour, cloakroom.Config{}).Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.m.Admin().Find(t.Context(), s.ID()); err != nil || told != 1 {
		t.Errorf("Find: %v, told %d times", err, told)
	}
	r.wantOpen("as its id is from the future", s.Token(), false)
	if told != 1 {
		t.Errorf("told %d times", told)
	}
}

// A late request comes to a machine whose clock is ahead of, or behind, that of the one
// that signed in or out. The grace is there all the same, so it begins no session, and
// it ends.
func TestI11_GraceWithClocksApart(t *testing.T) {
	const grace = 10 * time.Second
	for name, do := range map[string]page{"sign-in": loginAs("ann", nil), "sign-out": logout} {
		for _, ahead := range []time.Duration{-driver.ClockTolerance, -100 * time.Second, 0, 100 * time.Second, driver.ClockTolerance} {
			t.Run(fmt.Sprint(name, ", ", ahead), func(t *testing.T) {
				config := cloakroom.Config{RenewGrace: grace}
				r := newRig(t, &config)
				s := r.stored(3)
				late := r.as(s)
				late.m = r.apart(ahead, config)
				r.as(s).want(200, do)
				r.clock.add(grace - time.Millisecond)
				if w := late.want(http.StatusConflict, visit); len(w.Result().Cookies()) != 0 {
					t.Errorf("a late request got %v", w.Result().Cookies())
				}
				r.clock.add(2*driver.ClockTolerance + time.Millisecond)
				late.want(http.StatusOK, visit)
			})
		}
	}
}

// A renewal, the first use of the new secret and a late request with the old one come to
// machines whose clocks lie apart. The grace is there all the same, whichever of them
// writes meanwhile, so the visitor stays in, and it ends.
func TestI11_RenewalsGraceWithClocksApart(t *testing.T) {
	const grace = 10 * time.Second
	config := cloakroom.Config{RenewGrace: grace}
	for _, ahead := range []time.Duration{-driver.ClockTolerance, -100 * time.Second, 0, 100 * time.Second, driver.ClockTolerance} {
		clocks := [2]time.Duration{0, ahead}
		begin := func(t *testing.T) (r *rig, machines [2]*cloakroom.Manager, late, fresh *guest) {
			r = newRig(t, &config)
			s := r.stored(3)
			return r, [2]*cloakroom.Manager{r.m, r.apart(ahead, config)}, r.as(s), r.as(s)
		}
		// writeAll has each machine write. None may drop a secret that another's
		// requests need.
		writeAll := func(machines [2]*cloakroom.Manager, fresh *guest) {
			for _, m := range machines {
				fresh.m = m
				fresh.want(http.StatusOK, visit)
				synctest.Wait()
			}
		}
		for i := range 8 {
			renews, uses, comes := i&1, i>>1&1, i>>2
			for name, use := range map[string]page{"read": look, "save": visit, "renewal": renew} {
				runInBubble(t, fmt.Sprintf("%v, renewed by %d, first %s by %d, late request to %d", ahead, renews, name, uses, comes), func(t *testing.T) {
					r, machines, late, fresh := begin(t)
					late.m, fresh.m = machines[comes], machines[renews]
					fresh.want(http.StatusOK, renew)
					late.wantQuiet(http.StatusOK, visit)
					fresh.m = machines[uses]
					fresh.want(http.StatusOK, use)
					fresh.want(http.StatusOK, look) // of the newest, if it was a renewal
					synctest.Wait()
					r.clock.add(grace - time.Millisecond)
					writeAll(machines, fresh)
					n := visits.Get(r.openBy(r.m, fresh.token))
					late.wantQuiet(http.StatusOK, visit)
					late.wantReads("within the grace", n+1)
					r.clock.add(driver.ClockTolerance + clocks[uses] - clocks[comes])
					late.wantReads("within the grace, as the clocks say,", n+1)
					r.clock.add(time.Millisecond)
					late.wantReads("after the grace", 0)
				})
			}
			if uses == 0 { // the renewal is the only use
				runInBubble(t, fmt.Sprintf("%v, renewed strictly by %d, late request to %d", ahead, renews, comes), func(t *testing.T) {
					r, machines, late, fresh := begin(t)
					late.m, fresh.m = machines[comes], machines[renews]
					fresh.want(http.StatusOK, renewStrict)
					r.clock.add(grace - time.Millisecond)
					writeAll(machines, fresh)
					late.wantQuiet(http.StatusConflict, visit)
					r.clock.add(driver.ClockTolerance + clocks[renews] - clocks[comes])
					late.wantQuiet(http.StatusConflict, visit)
					late.wantReads("ended by the renewal,", 0)
					r.clock.add(time.Millisecond)
					late.want(http.StatusOK, visit)
					late.wantReads("that it then gets", 1)
				})
			}
		}
	}
}

// New warns of settings that are too short for clocks that lie apart, and not of the
// defaults.
func TestI11_ShortSettingsAreSaidByNew(t *testing.T) {
	for _, c := range []struct {
		config cloakroom.Config
		want   []string
	}{
		{cloakroom.Config{}, nil},
		{cloakroom.Config{IdleTimeout: -1}, nil},
		{cloakroom.Config{CacheFor: time.Second, RenewGrace: time.Second, SaveTimeout: time.Second}, nil},
		{cloakroom.Config{IdleTimeout: time.Minute}, []string{"idle-below-tolerance"}},
		{cloakroom.Config{Lifetime: time.Minute}, []string{"lifetime-below-tolerance"}},
		{cloakroom.Config{AnonymousLifetime: time.Minute}, []string{"anonymous-lifetime-below-tolerance"}},
	} {
		log := new(logLines)
		c.config.Logger = slog.New(slog.NewTextHandler(log, nil))
		store := newPlace(t).open(t)
		m, err := cloakroom.New(store, testKeyring(t), &c.config)
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
		var got []string
		for line := range strings.Lines(log.take()) {
			if _, code, ok := strings.Cut(strings.TrimSpace(line), " problem="); ok && strings.Contains(line, "level=WARN") {
				got = append(got, code)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("New said %q, want %q", got, c.want)
		}
	}
}

// CacheFor holds where Config.Now is set back: a remembered session lives no longer by
// the real clock.
func TestI11_CacheForHoldsWhenTheClockIsSetBack(t *testing.T) {
	const keep = 5 * time.Second
	for _, back := range []time.Duration{0, time.Second, keep - time.Second, time.Hour} {
		runInBubble(t, back.String(), func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{CacheFor: keep})
			s := r.signedIn("ann")
			begun := time.Now()
			r.clock.add(keep - time.Second)
			r.wantOpen("as it was remembered just now", s.Token(), true)
			if err := r.apart(0, cloakroom.Config{}).Admin().Revoke(t.Context(), s.ID()); err != nil {
				t.Fatal(err)
			}
			for time.Since(begun) < keep {
				time.Sleep(time.Second)
				r.clock.add(time.Second - back) // and again and again
			}
			r.wantOpen("longer than CacheFor after it was remembered", s.Token(), false)
		})
	}
}
