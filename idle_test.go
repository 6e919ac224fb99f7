package cloakroom_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of idle timeouts that a sign-in gives its session (invariant
// 11).

const day = 24 * time.Hour

// in signs a principal in with options.
func (r *rig) in(principal string, o *cloakroom.LoginOptions) *cloakroom.Session {
	r.Helper()
	s := r.stored(0)
	if err := s.Login(r.Context(), principal, o); err != nil {
		r.Fatal(err)
	}
	r.store.since()
	return s
}

// A session that is to be remembered outlives days of absence, up to its deadline. The
// others have the configuration's idle timeout, or that of their sign-in.
func TestI11_RememberedThroughAbsence(t *testing.T) {
	for name, test := range map[string]struct {
		config  cloakroom.Config
		options cloakroom.LoginOptions
		lives   time.Duration // without a request
		own     string        // in the record
	}{
		"neither":                        {cloakroom.Config{}, cloakroom.LoginOptions{}, day, ""},
		"remember":                       {cloakroom.Config{}, cloakroom.LoginOptions{Remember: true}, 30 * day, "0"},
		"remember, no idle timeout":      {cloakroom.Config{IdleTimeout: -1}, cloakroom.LoginOptions{Remember: true}, 30 * day, "0"},
		"remember for a week of absence": {cloakroom.Config{}, cloakroom.LoginOptions{Remember: true, IdleTimeout: 7 * day}, 7 * day, "604800000"},
		"shorter":                        {cloakroom.Config{}, cloakroom.LoginOptions{IdleTimeout: 15 * time.Minute}, 15 * time.Minute, "900000"},
		"a millisecond":                  {cloakroom.Config{}, cloakroom.LoginOptions{IdleTimeout: time.Millisecond + 999}, time.Millisecond, "1"},
		"longer":                         {cloakroom.Config{IdleTimeout: time.Hour}, cloakroom.LoginOptions{IdleTimeout: day}, day, "86400000"},
		"longer than the session":        {cloakroom.Config{}, cloakroom.LoginOptions{IdleTimeout: 90 * day}, 30 * day, "7776000000"},
		"negative":                       {cloakroom.Config{}, cloakroom.LoginOptions{IdleTimeout: -1}, 30 * day, "0"},
		"beyond all":                     {cloakroom.Config{}, cloakroom.LoginOptions{IdleTimeout: cloakroom.MaxLifetime + 1}, 30 * day, "0"},
		"where others have none":         {cloakroom.Config{IdleTimeout: -1}, cloakroom.LoginOptions{IdleTimeout: time.Hour}, time.Hour, "3600000"},
		"none at all":                    {cloakroom.Config{IdleTimeout: -1}, cloakroom.LoginOptions{}, 30 * day, ""},
	} {
		runInBubble(t, name, func(t *testing.T) {
			config := test.config
			r := newRig(t, &config)
			s := r.in("ann", &test.options)
			rec, err := r.kept(s.ID())
			if err != nil {
				t.Fatal(err)
			}
			if got := string(rec.Extra.Get(driver.ExtraIdle)); got != test.own {
				t.Errorf("the record's own idle timeout is %q, want %q", got, test.own)
			}
			if want := 34 - len(rec.Verifier); (want == 0) != (test.own != "") {
				t.Errorf("its verifier has %d bytes", len(rec.Verifier))
			}
			if got := s.Info().Expires.Sub(r.clock.now()); got != test.lives {
				t.Errorf("it expires in %v, want %v", got, test.lives)
			}
			open := func(when string, want bool) {
				t.Helper()
				for what, err := range map[string]error{
					"Find": func() error { _, err := r.m.Admin().Find(t.Context(), s.ID()); return err }(),
					"Sessions": func() error {
						list, err := r.m.Admin().Sessions(t.Context(), "ann")
						if err == nil && len(list) == 0 {
							err = cloakroom.ErrNotFound
						}
						return err
					}(),
				} {
					if (err == nil) != want || err != nil && !errors.Is(err, cloakroom.ErrNotFound) {
						t.Errorf("%s: %s: %v", when, what, err)
					}
				}
			}
			r.clock.add(test.lives - time.Millisecond)
			if _, err := r.store.Sweep(t.Context(), r.clock.now()); err != nil {
				t.Fatal(err)
			}
			open("before", true)
			if test.lives < 30*day { // a visit counts from then on
				r.as(s).want(200, r.sure(s))
				synctest.Wait()
				if test.lives > time.Millisecond {
					r.clock.add(test.lives - time.Millisecond)
					open("before, again", test.lives < 15*day)
				}
			}
			r.clock.add(time.Millisecond)
			r.wantOpen("after", s.Token(), false)
			open("after", false)
		})
	}
	r := newRig(t, nil)
	if err := r.stored(1).Login(t.Context(), "ann", &cloakroom.LoginOptions{IdleTimeout: 999 * time.Microsecond}); err == nil || errors.Is(err, cloakroom.ErrUnavailable) {
		t.Errorf("an idle timeout below a millisecond: %v", err)
	}
}

// Activity is recorded as often as an idle timeout of the session's own takes.
func TestI5_TouchEveryOfItsOwn(t *testing.T) {
	for _, test := range []struct{ every, own, want time.Duration }{
		{0, 0, time.Minute}, {0, -1, time.Minute}, {0, 5 * time.Minute, 30 * time.Second}, {0, day, time.Minute},
		{10 * time.Minute, 5 * time.Minute, 30 * time.Second}, {time.Second, time.Minute, time.Second},
		{-1, time.Minute, time.Millisecond}, {10 * time.Minute, -1, 10 * time.Minute},
	} {
		runInBubble(t, fmt.Sprint(test.every, test.own), func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{TouchEvery: test.every})
			s := r.in("ann", &cloakroom.LoginOptions{IdleTimeout: test.own})
			r.open(s) // the first use is recorded by itself
			r.store.since()
			r.clock.add(test.want - time.Millisecond)
			r.as(s).want(200, look)
			synctest.Wait()
			r.wantOps("get 1")
			r.clock.add(time.Millisecond)
			r.as(s).want(200, look)
			synctest.Wait()
			r.wantOps("get 1, update 1")
		})
	}
}

// Nothing that a session goes through changes its own idle timeout, but a sign-in, which
// begins anew.
func TestI11_OwnIdleTimeoutStays(t *testing.T) {
	runInBubble(t, "whatever is written", func(t *testing.T) {
		r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour})
		if err := r.m.Admin().RevokeAll(t.Context(), "ann"); err != nil { // so that there is a generation
			t.Fatal(err)
		}
		s := r.in("ann", &cloakroom.LoginOptions{IdleTimeout: 7 * day})
		g := r.as(s)
		update := func(http.ResponseWriter, *http.Request, *cloakroom.Session) error {
			return r.m.Admin().Update(t.Context(), s.ID(), func(tx *cloakroom.Tx) error { visits.Set(tx, 9); return nil })
		}
		for i, f := range []page{look, visit, renew, look, visit, renew, update, renew} {
			r.clock.add(2 * day)
			g.want(200, f)
			synctest.Wait()
			rec, err := r.kept(s.ID())
			if err != nil {
				t.Fatal(err)
			}
			if string(rec.Extra.Get(driver.ExtraIdle)) != "604800000" || rec.Extra.Get(driver.ExtraGeneration) == nil || len(rec.Verifier) != 34 || rec.Expires.Sub(rec.Seen) != 7*day {
				t.Errorf("after step %d: %s, a verifier of %d bytes, expires %v after it was seen", i, rec.Extra, len(rec.Verifier), rec.Expires.Sub(rec.Seen))
			}
		}
		g.want(200, r.sure(s))
	})
	runInBubble(t, "a sign-in", func(t *testing.T) {
		r := newRig(t, nil)
		g := r.guest()
		for i, o := range []*cloakroom.LoginOptions{{Remember: true}, nil, {IdleTimeout: time.Hour}, {Remember: true}, {}} {
			g.want(200, loginAs("ann", o))
			g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				info := s.Info()
				want := []time.Duration{30 * day, day, time.Hour, 30 * day, day}[i]
				if got := info.Expires.Sub(info.Created); got != want {
					t.Errorf("sign-in %d: it expires after %v, want %v", i, got, want)
				}
				return nil
			})
		}
	})
}

// A record whose idle timeout was edited, taken out or put in opens for nobody, and so
// does one whose generation was edited beside it.
func TestI4_EditedIdleTimeoutOpensNothing(t *testing.T) {
	own, none := &cloakroom.LoginOptions{IdleTimeout: time.Hour}, &cloakroom.LoginOptions{}
	for name, test := range map[string]struct {
		options *cloakroom.LoginOptions
		edit    func(*driver.Record)
	}{
		"longer":         {own, func(r *driver.Record) { r.Extra = r.Extra.With(driver.ExtraIdle, json.RawMessage("86400000")) }},
		"none":           {own, func(r *driver.Record) { r.Extra = r.Extra.With(driver.ExtraIdle, json.RawMessage("0")) }},
		"taken out":      {own, func(r *driver.Record) { r.Extra = r.Extra.Without(driver.ExtraIdle) }},
		"put in":         {none, func(r *driver.Record) { r.Extra = r.Extra.With(driver.ExtraIdle, json.RawMessage("3600000")) }},
		"put in as none": {none, func(r *driver.Record) { r.Extra = r.Extra.With(driver.ExtraIdle, json.RawMessage("0")) }},
		"generation": {own, func(r *driver.Record) {
			r.Extra = r.Extra.With(driver.ExtraGeneration, json.RawMessage(`"AAAAAAAAAAE"`))
		}},
		"no generation": {own, func(r *driver.Record) { r.Extra = r.Extra.Without(driver.ExtraGeneration) }},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			if err := r.m.Admin().RevokeAll(t.Context(), "ann"); err != nil { // so that there is a generation
				t.Fatal(err)
			}
			s := r.in("ann", test.options)
			r.wantOpen("as it is", s.Token(), true)
			r.rewrite(s.ID(), test.edit)
			r.m = r.manager(nil) // which remembers nothing
			r.wantOpen("edited", s.Token(), false)
			g := r.as(s)
			g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				if !s.IsNew() {
					t.Errorf("edited, it opens for %q", s.Principal())
				}
				return nil
			})
		})
	}
}

// A member that is no idle timeout makes the record corrupt: nobody could say when the
// session is over. It can be ended.
func TestI12_OwnIdleTimeoutThatIsNone(t *testing.T) {
	for _, raw := range []string{`"3600000"`, `-1`, `-0`, `1.5`, `1e6`, `null`, `{}`, `[1]`, `true`} {
		t.Run(raw, func(t *testing.T) {
			for _, cache := range []time.Duration{0, time.Minute} {
				r := newRig(t, &cloakroom.Config{CacheFor: cache})
				s := r.in("ann", &cloakroom.LoginOptions{IdleTimeout: time.Hour})
				mine := r.open(s)
				r.rewrite(s.ID(), func(rec *driver.Record) { rec.Extra = rec.Extra.With(driver.ExtraIdle, json.RawMessage(raw)) })
				r.m = r.manager(nil)
				_, err := r.m.Retrieve(t.Context(), s.Token())
				r.wantErr("Retrieve", err, cloakroom.ErrCorrupt)
				visits.Set(mine, 3)
				if err := mine.Save(t.Context()); err == nil {
					t.Error("it was saved")
				}
				g := r.as(s)
				g.want(500, look)
				if err := r.m.Admin().RevokeAll(t.Context(), "ann"); err != nil {
					t.Fatal(err)
				}
				r.wantGrave(s.ID(), cloakroom.EndRevoked)
			}
		})
	}
}

// A rotation of the keys makes the verifier anew, of the same version.
func TestRotationWithAnIdleTimeoutOfItsOwn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newRig(t, nil)
		s := d.in("ann", &cloakroom.LoginOptions{Remember: true})
		before, err := d.kept(s.ID())
		if err != nil {
			t.Fatal(err)
		}
		ring, err := cloakroom.NewKeyring([]byte("another secret, of 32 bytes and more"), []byte("a secret of a test: 32 bytes, no more"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := cloakroom.New(d.store, ring, &cloakroom.Config{Transport: cloakroom.Cookie{Insecure: true}, SweepEvery: -1, Now: d.clock.now})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		g := d.as(s)
		g.m = m
		g.want(200, d.sure(s))
		synctest.Wait()
		after, err := d.kept(s.ID())
		if err != nil {
			t.Fatal(err)
		}
		if len(after.Verifier) != 34 || string(after.Verifier) == string(before.Verifier) {
			t.Errorf("the verifier was %x, and is %x", before.Verifier, after.Verifier)
		}
		g.want(200, d.sure(s))
	})
}
