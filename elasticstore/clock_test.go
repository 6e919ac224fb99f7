package elasticstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests the engine's clock, and that a machine with a wrong one ends nothing.

// wantTime checks the engine's time, which is that of this machine.
func wantTime(t *testing.T, s *Store) {
	t.Helper()
	before := time.Now().Truncate(time.Millisecond)
	got, err := s.EngineTime(testContext(t))
	if after := time.Now(); err != nil || got.Before(before) || got.After(after) {
		t.Errorf("the engine's time is %v (%v), want one from %v to %v", got, err, before, after)
	}
}

// TestEngineTime has the engine's time told in both ways, and where one of them is shut.
func TestEngineTime(t *testing.T) {
	t.Parallel()
	for _, one := range []bool{false, true} {
		l := newLab(t)
		f := newFaulty(l.client)
		s := l.open(t, f, func(c *Config) { c.OneIndex = one })
		if one {
			if _, err := s.EngineTime(testContext(t)); !errors.Is(err, errors.ErrUnsupported) {
				t.Errorf("without the index: %v", err)
			}
		} else {
			wantTime(t, s) // by the name
		}
		mustCreate(t, s, session(driver.LayoutDay, time.Now()))
		wantTime(t, s)
		if now, err := s.timeOfRange(testContext(t)); err != nil || time.Since(now).Abs() > patient {
			t.Errorf("by the aggregation: %v, %v", now, err)
		}
		denied := instead(func() *http.Response {
			return replyJSON(403, `{"error":{"type":"security_exception","reason":"no permissions"},"status":403}`)
		})
		f.set(denied)
		if _, err := s.EngineTime(testContext(t)); !errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("without the right to read: %v", err)
		}
		f.set(onKind("_search", denied))
		if _, err := s.EngineTime(testContext(t)); one != errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("without the right to search: %v", err)
		}
		f.set(instead(func() *http.Response { return replyJSON(503, unavailableBody) }))
		if _, err := s.EngineTime(testContext(t)); !errors.Is(err, driver.ErrUnavailable) || errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("in an outage: %v", err)
		}
		f.set(onKind("_search", instead(func() *http.Response { return replyJSON(200, `{"aggregations":{"clock":{"buckets":[]}}}`) })))
		if _, err := s.EngineTime(testContext(t)); one != errors.Is(err, errors.ErrUnsupported) {
			t.Errorf("without a bucket: %v", err)
		}
		f.set(nil)
		wantTime(t, s)
		over, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := s.EngineTime(over); !errors.Is(err, context.Canceled) {
			t.Errorf("of a context that is over: %v", err)
		}
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		_, err := s.EngineTime(testContext(t))
		wantError(t, err, driver.ErrClosed)
	}
}

// machine is a Manager on a machine whose clock may be wrong.
type machine struct {
	*cloakroom.Manager
	log listener

	mu   sync.Mutex
	told []time.Duration // by Events.ClockApart
}

func newMachine(t *testing.T, s driver.Store, ahead time.Duration, config cloakroom.Config) *machine {
	t.Helper()
	keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	m := &machine{}
	config.SaveTimeout, config.Logger = patient, m.log.logger()
	config.Now = func() time.Time { return time.Now().Add(ahead) }
	config.Events = &cloakroom.Events{ClockApart: func(_ context.Context, ahead time.Duration) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.told = append(m.told, ahead)
	}}
	if config.SweepEvery == 0 {
		config.SweepEvery = -1
	}
	if m.Manager, err = cloakroom.New(s, keyring, &config); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	return m
}

// problems returns the codes of the Report's problems.
func (m *machine) problems(t *testing.T) string {
	t.Helper()
	report, err := m.Admin().Report(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	var codes []string
	for _, p := range report.Problems {
		codes = append(codes, p.Code)
	}
	return strings.Join(codes, " ")
}

// TestI11_WrongClockEndsNothing has a machine whose clock is 40 days ahead, and one that is
// an hour ahead. Neither drops an index, nor ends a session that is idle or past its
// deadline by that clock alone, whatever comes upon it.
func TestI11_WrongClockEndsNothing(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{40 * 24 * time.Hour, time.Hour} {
		t.Run(fmt.Sprint(ahead), func(t *testing.T) {
			t.Parallel()
			config := cloakroom.Config{IdleTimeout: 30 * time.Minute, MaxPerPrincipal: 2}
			l, s := newStore(t)
			right := newMachine(t, s, 0, config)
			wrong := newMachine(t, l.open(t, nil, nil), ahead, config)
			signed, signed2 := signIn(t, right.Manager), signIn(t, right.Manager)
			anonymous, err := right.Create(testContext(t))
			if err != nil {
				t.Fatal(err)
			}
			l.refresh(t)
			before := l.list(t)

			// A sweep.
			if report, err := wrong.Admin().Sweep(testContext(t)); !errors.Is(err, driver.ErrClock) || report != (driver.SweepReport{}) {
				t.Errorf("Sweep: %+v, %v", report, err)
			}
			for _, index := range before {
				if !l.exists(t, index) {
					t.Errorf("the index %s is gone", index)
				}
			}
			coat := cloakroom.NewKey[string]("coat")
			// Visitors come there, save and touch; a console looks and saves.
			if !opens(t, wrong.Manager, signed) {
				t.Error("a session of today doesn't open there")
			}
			if s, err := wrong.Retrieve(testContext(t), anonymous.Token()); err != nil {
				t.Errorf("an anonymous session there: %v", err)
			} else if coat.Set(s, "green"); s.Save(testContext(t)) != nil {
				t.Errorf("a save there: %v", s.Err())
			}
			id := idOf(t, right.Manager, signed2)
			if err := wrong.Admin().Update(testContext(t), id, func(tx *cloakroom.Tx) error { return nil }); err != nil {
				t.Errorf("an Update there: %v", err)
			}
			if n, err := wrong.Admin().RebuildLedger(testContext(t), "alice"); n != 0 || err != nil {
				t.Errorf("RebuildLedger there: %d, %v", n, err)
			}
			// A sign-in at the limit ends the oldest, as it would anywhere, and no more.
			signIn(t, wrong.Manager)
			if opens(t, right.Manager, signed) || !opens(t, right.Manager, signed2) {
				t.Error("a sign-in there ended other sessions than the oldest")
			}
			if list, err := right.Admin().Sessions(testContext(t), "alice"); err != nil || len(list) != 2 {
				t.Errorf("the ledger has %d sessions (%v), want 2", len(list), err)
			}
			if _, err := right.Retrieve(testContext(t), anonymous.Token()); err != nil {
				t.Errorf("the anonymous session: %v", err)
			}
			// It is told, and no flood.
			if _, err := wrong.Admin().Sweep(testContext(t)); !errors.Is(err, driver.ErrClock) {
				t.Errorf("Sweep: %v", err)
			}
			if got := wrong.problems(t); !strings.Contains(got, "clock-ahead") {
				t.Errorf("problems there: %s", got)
			}
			if got := right.problems(t); strings.Contains(got, "clock-a") {
				t.Errorf("problems of the right one: %s", got)
			}
			if n := wrong.log.count("level=ERROR"); n != 1 {
				t.Errorf("%d lines of errors, want 1: %q", n, wrong.log.all())
			}
			if wrong.mu.Lock(); len(wrong.told) != 1 || (wrong.told[0]-ahead).Abs() > time.Minute {
				t.Errorf("told %v, want %v", wrong.told, ahead)
			}
			wrong.mu.Unlock()
			if len(right.told) > 0 || right.log.count("engine") > 0 {
				t.Errorf("told of the right one: %v, %q", right.told, right.log.all())
			}
		})
	}
}

// TestI11_ClockBehind has a machine that is behind: it ends nothing too early, so it sweeps,
// and says that it is behind. Sessions that were made by then open there.
func TestI11_ClockBehind(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	right := newMachine(t, s, 0, cloakroom.Config{})
	behind := newMachine(t, l.open(t, nil, nil), -time.Hour, cloakroom.Config{})
	signed := signIn(t, right.Manager)
	if _, err := behind.Admin().Sweep(testContext(t)); err != nil {
		t.Errorf("Sweep: %v", err)
	}
	if !opens(t, behind.Manager, signed) {
		t.Error("a session made just now doesn't open there")
	}
	if got := behind.problems(t); !strings.Contains(got, "clock-behind") {
		t.Errorf("problems: %s", got)
	}
	if n := behind.log.count("is behind that of the store's engine"); n != 1 {
		t.Errorf("%d lines, want 1: %q", n, behind.log.all())
	}
}

// TestI11_OverByBothEnds has sessions that are over by both clocks, though these lie apart.
func TestI11_OverByBothEnds(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	then := newMachine(t, s, -3*time.Hour, cloakroom.Config{IdleTimeout: time.Hour})
	old, err := then.Create(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	wrong := newMachine(t, l.open(t, nil, nil), 3*time.Hour, cloakroom.Config{IdleTimeout: time.Hour})
	if _, err := wrong.Retrieve(testContext(t), old.Token()); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("a session that is idle by both clocks: %v", err)
	}
	if _, err := s.Get(testContext(t), old.ID()); !errors.Is(err, driver.ErrGone) {
		t.Errorf("it isn't buried: %v", err)
	}
}
