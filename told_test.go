package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of Events.Ended: each end is told once (invariants 10 and
// 13).

// endsTold keeps the ends of sessions that were told.
type endsTold struct {
	mu   sync.Mutex
	list []cloakroom.Ending
}

func (e *endsTold) config(c cloakroom.Config) *cloakroom.Config {
	c.Events = &cloakroom.Events{Ended: func(_ context.Context, end cloakroom.Ending) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.list = append(e.list, end)
	}}
	return &c
}

// want checks that the ends of these sessions were told since the last call, each once.
func (e *endsTold) want(r *rig, why cloakroom.EndReason, ids ...cloakroom.ID) {
	r.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	var got, want []string
	for _, end := range e.list {
		got = append(got, fmt.Sprint(end.ID, " ", end.Reason, " ", end.Principal))
	}
	for _, id := range ids {
		want = append(want, fmt.Sprint(id, " ", why, " ann"))
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		r.Errorf("told of the ends\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	e.list = nil
}

// forget drops the ends that were told up to now, such as those of sessions that
// sign-ins replaced.
func (e *endsTold) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.list = nil
}

func idsOf(sessions ...*cloakroom.Session) (ids []cloakroom.ID) {
	for _, s := range sessions {
		ids = append(ids, s.ID())
	}
	return ids
}

// Whatever happens to the burials' answers, each session that RevokeAll ends is told
// once, and none that goes on.
func TestI10_EachThatRevokeAllEndsIsTold(t *testing.T) {
	for name, fates := range fates {
		runInBubble(t, name, func(t *testing.T) {
			var told endsTold
			r := newRig(t, told.config(cloakroom.Config{}))
			gone, stays := []*cloakroom.Session{r.signedIn("ann"), r.signedIn("ann")}, r.signedIn("ann")
			told.forget()
			r.store.fate(isOn("bury", gone[0].ID()), fates...)
			r.revokeAll("ann", stays.ID())
			told.want(r, cloakroom.EndRevoked, idsOf(gone...)...)
			r.store.heal()
			r.store.deliver()
			r.revokeAll("ann", stays.ID())
			told.want(r, "")
			r.wantOpen("as an exception", stays.Token(), true)
		})
	}
}

// During an outage nothing is told. Whoever ends the rest tells of it, also of sessions
// that had ended without an answer.
func TestI10_EndingsAreToldAfterAnOutage(t *testing.T) {
	for name, kind := range map[string]fate{"not done": dropped, "done without an answer": lost} {
		runInBubble(t, name, func(t *testing.T) {
			var told endsTold
			r := newRig(t, told.config(cloakroom.Config{}))
			a, b := r.signedIn("ann"), r.signedIn("ann")
			told.forget()
			r.store.hook(func(c *call) fate {
				if c.op == "bury" && c.id == a.ID() {
					return kind
				}
				return pass
			})
			if err := r.m.Admin().RevokeAll(t.Context(), "ann"); !errors.Is(err, cloakroom.ErrUnavailable) {
				t.Errorf("RevokeAll: %v", err)
			}
			told.want(r, cloakroom.EndRevoked, b.ID())
			r.store.heal()
			r.revokeAll("ann")
			told.want(r, cloakroom.EndRevoked, a.ID())
			if err := r.m.Admin().Revoke(t.Context(), a.ID()); err != nil {
				t.Error(err)
			}
			told.want(r, "")
		})
	}
}

// Several callers that end the same sessions at the same time tell of each once.
func TestI10_EndingsOfTheSameMomentAreToldOnce(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var told endsTold
		r := newRig(t, told.config(cloakroom.Config{}))
		all := make([]*cloakroom.Session, 8)
		for i := range all {
			all[i] = r.signedIn("ann")
		}
		told.forget()
		r.store.slow()
		var done sync.WaitGroup
		for _, s := range all[:3] {
			done.Go(func() {
				if err := r.m.Admin().Revoke(context.Background(), s.ID()); err != nil {
					t.Error(err)
				}
			})
		}
		for range 4 {
			done.Go(func() { r.revokeAll("ann") })
		}
		done.Wait()
		told.want(r, cloakroom.EndRevoked, idsOf(all...)...)
	})
}

// The end of a session by the limit is told with its reason, whoever buries it.
func TestI10_WhatTheLimitEndsIsTold(t *testing.T) {
	for _, later := range []string{"", "the next sign-in", "a list of sessions", "RevokeAll"} {
		runInBubble(t, "buried by "+later, func(t *testing.T) {
			var told endsTold
			r := newRig(t, told.config(cloakroom.Config{MaxPerPrincipal: 2, ClientAddr: func(*http.Request) string { return "2001:db8::1" }}))
			g := r.guest()
			g.want(200, loginAs("ann", nil))
			oldest := r.openBy(r.m, g.token)
			r.clock.add(time.Second)
			second := r.signedIn("ann")
			r.clock.add(time.Second)
			told.forget()
			if later != "" {
				r.store.answer(isOn("bury", oldest.ID()), errNoAnswer)
			}
			third := r.unused("ann")
			r.store.heal()
			want := idsOf(oldest)
			switch later {
			case "the next sign-in":
				r.signedIn("ann")
				want = append(want, second.ID())
			case "a list of sessions":
				r.wantDevices("ann", second.ID(), third.ID())
			case "RevokeAll":
				r.revokeAll("ann")
			}
			told.list = slices.DeleteFunc(told.list, func(e cloakroom.Ending) bool {
				if e.ID == oldest.ID() && (e.Client.Address != "2001:db8::1" || e.Created.IsZero()) {
					t.Errorf("told of %+v", e)
				}
				return e.Reason != cloakroom.EndOverLimit
			})
			told.want(r, cloakroom.EndOverLimit, want...)
			r.wantGrave(oldest.ID(), cloakroom.EndOverLimit)
		})
	}
}

// A missing session has no end. A session that can't be understood has.
func TestEndingsOfWhatIsMissingOrCorrupt(t *testing.T) {
	var told endsTold
	r := newRig(t, told.config(cloakroom.Config{}))
	if err := r.m.Admin().Revoke(t.Context(), driver.NewID(driver.LayoutDay, r.clock.now())); err != nil {
		t.Error(err)
	}
	told.want(r, "")
	s := r.signedIn("ann")
	told.forget()
	r.poison(s.ID())
	r.revokeAll("ann")
	told.want(r, cloakroom.EndRevoked, s.ID())
}

// A sign-in that has retired the old session, and fails later, has ended it all the same.
func TestEndingOfAFailedSignIn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var told endsTold
		r := newRig(t, told.config(cloakroom.Config{}))
		s := r.open(r.signedIn("ann"))
		old := s.ID()
		told.forget()
		g := r.store.hold(isOn("bury", old))
		done := later(func() error { return s.Login(t.Context(), "ann", nil) })
		<-g.reached
		other := r.store.hold(isOn("bury", old))
		signOut := later(func() error { return s.Destroy(t.Context()) })
		<-other.reached
		g.let(pass) // and then the session that signs in is signed out
		if err := <-done; err != nil {
			t.Error(err)
		}
		other.let(pass)
		if err := <-signOut; err != nil {
			t.Error(err)
		}
		told.list = slices.DeleteFunc(told.list, func(e cloakroom.Ending) bool { return e.ID != old })
		told.want(r, cloakroom.EndReplaced, old)
	})
}

// Revoke takes no read's word for it that a session has ended.
func TestI13_RevokeOfAPhantomGrave(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var told endsTold
		r := newRig(t, told.config(cloakroom.Config{}))
		s := r.signedIn("ann")
		told.forget()
		r.store.fate(isOn("bury", s.ID()), phantom) // a burial that one node alone has, and loses
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_ = r.store.Bury(ctx, s.ID(), driver.Grave{Reason: cloakroom.EndDestroyed, At: r.clock.now(), Until: s.Info().Deadline}, driver.Version{})
		err := r.m.Admin().Revoke(t.Context(), s.ID())
		if rec, _ := r.kept(s.ID()); err == nil && rec.Grave == nil {
			t.Error("Revoke returned nil, and the session goes on")
		}
		if err != nil {
			r.wantErr("Revoke", err, cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
			told.want(r, "")
		}
		if err := r.m.Admin().Revoke(t.Context(), s.ID()); err != nil {
			t.Error(err)
		}
		r.wantGrave(s.ID(), cloakroom.EndRevoked)
		told.want(r, cloakroom.EndRevoked, s.ID())
	})
}

// Retrieve tells a refused token as a request does.
func TestI4_RetrieveTellsRefusals(t *testing.T) {
	d := newDesk(t, &cloakroom.Config{CacheFor: time.Minute})
	s, err := d.m.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	old := s.Token()
	refused := func(token string) string {
		d.events.take()
		if _, err := d.m.Retrieve(t.Context(), token); !errors.Is(err, cloakroom.ErrNotFound) {
			t.Errorf("Retrieve: %v", err)
		}
		return d.events.take()
	}
	if got := refused("forged" + old[6:]); got != "refused forged" {
		t.Errorf("of a forged token it tells %q", got)
	}
	s, err = d.m.Retrieve(t.Context(), old)
	if err == nil {
		err = s.RenewStrict(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	if got, want := refused(old), fmt.Sprint("refused secret ", s.ID()); got != want {
		t.Errorf("of an old secret it tells %q, want %q", got, want)
	}
	d.clock.advance(31 * 24 * time.Hour)
	if got, want := refused(s.Token()), fmt.Sprint("refused age ", s.ID()); got != want {
		t.Errorf("of a token that is too old it tells %q, want %q", got, want)
	}
}
