package cloakroom_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the promise that an acknowledged change took effect, also if it
// equals what the request had read.

var (
	role  = cloakroom.NewKey[string]("role")
	theme = cloakroom.NewKey[string]("theme")
)

// vouched runs a test on the bare store, which may vouch for its reads, and on one
// that vouches for nothing.
func vouched(t *testing.T, test func(t *testing.T, d *desk, other *cloakroom.Manager), config cloakroom.Config) {
	t.Helper()
	for name, wrap := range map[string]func(cloakroom.Store) cloakroom.Store{
		"as it is":             func(s cloakroom.Store) cloakroom.Store { return s },
		"vouching for nothing": func(s cloakroom.Store) cloakroom.Store { return struct{ cloakroom.Store }{s} },
	} {
		t.Run(name, func(t *testing.T) {
			store := wrap(openStore(t))
			d := newDeskOn(t, store, testKeyring(t), &config)
			other := newDeskOn(t, store, d.keyring, &config)
			test(t, d, other.m)
		})
	}
}

func (d *desk) session(m *cloakroom.Manager, token string) *cloakroom.Session {
	d.t.Helper()
	s, err := m.Retrieve(d.t.Context(), token)
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// fresh is a manager that remembers nothing.
func fresh(t *testing.T, d *desk) *cloakroom.Manager {
	t.Helper()
	return newDeskOn(t, d.store.Store, d.keyring, nil).m
}

// Process 1 saves role=admin. Process 2, which remembers role=user, is asked for
// role=user after that, and says 200.
func TestI1_SetOfWhatIsRemembered(t *testing.T) {
	for name, change := range map[string]func(s *cloakroom.Session){
		"Set":   func(s *cloakroom.Session) { role.Set(s, "user") },
		"Unset": func(s *cloakroom.Session) { theme.Delete(s) },
		"both":  func(s *cloakroom.Session) { role.Set(s, "user"); theme.Delete(s) },
		"Update": func(s *cloakroom.Session) {
			_ = s.Update(t.Context(), func(tx *cloakroom.Tx) error { role.Set(tx, "user"); theme.Delete(tx); return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			vouched(t, func(t *testing.T, d *desk, other *cloakroom.Manager) {
				_, token := d.begun(`role="user"`)
				d.ask(func(http.ResponseWriter, *http.Request, *cloakroom.Session) error { return nil }, bring(token)) // to remember
				s := d.session(other, token)
				role.Set(s, "admin")
				theme.Set(s, "dark")
				d.save(s)
				resp := d.ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
					change(s)
					return nil
				}, bring(token))
				if resp.StatusCode != http.StatusOK {
					t.Fatal(resp.Status)
				}
				got := d.session(fresh(t, d), token)
				if name != "Unset" && role.Get(got) != "user" || name != "Set" && theme.Get(got) != "" {
					t.Errorf("it was told 200, and the store has role %q and theme %q", role.Get(got), theme.Get(got))
				}
			}, cloakroom.Config{CacheFor: time.Minute})
		})
	}
}

// A handler that holds its session open for long has read an old state by the time of
// its Set and Save.
func TestI1_SetInALongHandler(t *testing.T) {
	vouched(t, func(t *testing.T, d *desk, other *cloakroom.Manager) {
		_, token := d.begun(`theme="dark"`, `n=0`)
		long := d.session(d.m, token)
		theme.Get(long)
		s := d.session(other, token)
		theme.Set(s, "light")
		counts := cloakroom.NewKey[int]("n")
		counts.Set(s, 7)
		d.save(s)

		theme.Set(long, "dark")
		d.save(long)
		if got := theme.Get(d.session(other, token)); got != "dark" {
			t.Errorf("the theme dark was saved, and the store has %q", got)
		}
		counts.Set(long, 0)
		told := counts.Update(long, plusOne)
		d.save(long)
		if got := counts.Get(d.session(other, token)); told != 1 || got != 1 {
			t.Errorf("n was set to 0 and counted up: it was told %d, and the store has %d", told, got)
		}
	}, cloakroom.Config{})
}

func TestI1_SetInSaveEach(t *testing.T) {
	vouched(t, func(t *testing.T, d *desk, other *cloakroom.Manager) {
		_, token := d.begun(`theme="dark"`)
		open := d.session(d.m, token)
		s := d.session(other, token)
		theme.Set(s, "light") // saved at once
		theme.Set(open, "dark")
		if err := open.Err(); err != nil {
			t.Fatal(err)
		}
		if got := theme.Get(d.session(other, token)); got != "dark" {
			t.Errorf("the theme dark was saved, and the store has %q", got)
		}
	}, cloakroom.Config{Save: cloakroom.SaveEach})
}

// Two forms have two fields each, one of which equals the stored value. One of the
// forms stays, and no mixture.
func TestI1_FormsAreTakenAsAWhole(t *testing.T) {
	vouched(t, func(t *testing.T, d *desk, other *cloakroom.Manager) {
		_, token := d.begun(`role="user"`, `theme="dark"`)
		one, two := d.session(d.m, token), d.session(other, token)
		role.Set(one, "user")
		theme.Set(one, "light")
		role.Set(two, "admin")
		theme.Set(two, "dark")
		d.save(two)
		d.save(one)
		got := d.session(other, token)
		if r, th := role.Get(got), theme.Get(got); r != "user" || th != "light" {
			t.Errorf("the last form was user and light, and the store has %s and %s", r, th)
		}
	}, cloakroom.Config{})
}

// A request that has read its session from a store that vouches for its reads writes
// nothing where it changes nothing; one that found it in memory asks first.
func TestI5_NothingChangedIsNotWritten(t *testing.T) {
	same := func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		role.Set(s, "user")
		theme.Delete(s)
		return nil
	}
	for _, cached := range []time.Duration{0, time.Minute} {
		d := newDesk(t, &cloakroom.Config{CacheFor: cached})
		first, then := "1 reads, 0 writes", "1 reads, 0 writes"
		if !driver.AssurancesOf(d.store).Reads { // a read proves nothing there
			first, then = "1 reads, 1 writes", "1 reads, 1 writes"
			if cached > 0 {
				first, then = "0 reads, 1 writes", "0 reads, 1 writes"
			}
		}
		_, token := d.begun(`role="user"`)
		d.store.since()
		d.ask(same, bring(token))
		d.wantOps(first)
		d.ask(same, bring(token))
		d.wantOps(then)
	}
}
