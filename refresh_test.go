package cloakroom_test

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of Refresh, and of sessions that others ended.

func TestRefresh(t *testing.T) {
	for mode, save := range map[string]cloakroom.SaveMode{"SaveOnce": cloakroom.SaveOnce, "SaveManually": cloakroom.SaveManual, "SaveEach": cloakroom.SaveEach} {
		t.Run(mode, func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{Save: save})
			s := r.stored(1)
			r.save(s)
			mine, other := r.open(s), r.open(s)
			if save != cloakroom.SaveEach { // which saves it at once
				number(1).Set(mine, 7)
			}
			visits.Update(other, plusOne)
			r.save(other)
			r.store.since()
			if err := mine.Refresh(t.Context()); err != nil {
				t.Fatalf("Refresh: %v", err)
			}
			r.wantOps("get 1")
			if got := visits.Get(mine); got != 2 {
				t.Errorf("it reads %d visits, want those that another counted, 2", got)
			}
			if got := number(1).Get(mine); save != cloakroom.SaveEach && got != 7 {
				t.Errorf("its own change, not saved yet, reads %d, want 7", got)
			}
			r.wantVisits(s.ID(), 2)
			visits.Update(mine, plusOne)
			r.save(mine)
			r.wantVisits(s.ID(), 3)
		})
	}
}

func TestRefreshOfANewSession(t *testing.T) {
	r := newRig(t, nil)
	r.guest().want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		visits.Set(s, 1)
		r.store.since()
		if err := s.Refresh(req.Context()); err != nil || visits.Get(s) != 1 {
			t.Errorf("Refresh: %v; it reads %d", err, visits.Get(s))
		}
		r.wantOps("nothing")
		return nil
	})
}

// ends are the ways in which others end a session.
var ends = map[string]func(r *rig, s *cloakroom.Session) error{
	"RevokeAll":  func(r *rig, _ *cloakroom.Session) error { return r.m.Admin().RevokeAll(r.Context(), "ann") },
	"Revoke":     func(r *rig, s *cloakroom.Session) error { return r.m.Admin().Revoke(r.Context(), s.ID()) },
	"Destroy":    func(r *rig, s *cloakroom.Session) error { return r.open(s).Destroy(r.Context()) },
	"a sign-in":  func(r *rig, s *cloakroom.Session) error { return r.open(s).Login(r.Context(), "ann", nil) },
	"expiration": func(r *rig, _ *cloakroom.Session) error { r.clock.add(30 * 24 * time.Hour); return nil },
}

// A request whose session others ended is told that it has ended, and nothing of an
// outage. A save that is refused for certain is not unknown. A store that vouches for
// nothing may have carried out a write that it refuses; a grave that counts writes
// tells all the same.
func TestI13_EndedByOthers(t *testing.T) {
	for kind, vouch := range map[string]driver.Assurances{
		"a store that vouches":     {Reads: true, Answers: true},
		"a store that vouches not": {},
	} {
		for name, end := range ends {
			runInBubble(t, kind+", "+name, func(t *testing.T) {
				r := newRig(t, nil)
				r.store.vouch = vouch
				r.m = r.manager(nil)
				s := r.signedIn("ann")
				saves, reads := r.open(s), r.open(s)
				if err := end(r, s); err != nil {
					t.Fatal(err)
				}
				visits.Update(saves, plusOne)
				err := saves.Save(t.Context())
				r.wantErr("Save", err, cloakroom.ErrGone)
				if errors.Is(err, cloakroom.ErrUnavailable) {
					t.Errorf("Save: %v, want ErrGone alone: the store is well", err)
				}
				err = reads.Refresh(t.Context())
				r.wantErr("Refresh", err, cloakroom.ErrGone)
				r.wantErr("Refresh again", reads.Refresh(t.Context()), cloakroom.ErrGone)
				if errors.Is(err, cloakroom.ErrUnavailable) {
					t.Errorf("Refresh: %v, want ErrGone alone: the store is well", err)
				}
				visits.Update(reads, plusOne)
				r.wantErr("Save after Refresh", reads.Save(t.Context()), cloakroom.ErrGone)
				if reads.Token() != "" {
					t.Error("a session that has ended gives out its token")
				}
			})
		}
	}
}

// Refresh calls an idle session gone once it has been buried.
func TestI2_RefreshBuriesTheIdle(t *testing.T) {
	r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour, AnonymousLifetime: 24 * time.Hour})
	s := r.stored(1)
	mine := r.open(s)
	r.clock.add(time.Hour)
	r.wantErr("Refresh", mine.Refresh(t.Context()), cloakroom.ErrGone)
	r.wantGrave(s.ID(), cloakroom.EndExpired)
}

// After a renewal elsewhere the session goes on with the secret that it came with, and
// hands out no token.
func TestRefreshAfterARenewal(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(1)
	mine := r.open(s)
	r.as(s).want(200, renew)
	if err := mine.Refresh(t.Context()); err != nil {
		t.Fatalf("Refresh: %v", err)
	}
	if mine.Token() != "" {
		t.Error("it gives out the token that was renewed")
	}
	visits.Update(mine, plusOne)
	r.save(mine)
	r.wantVisits(s.ID(), 2)
}

func TestI8_RefreshInAnOutage(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		mine := r.open(s)
		visits.Update(mine, plusOne)
		r.store.answer(isOp("get"), errNoAnswer)
		err := mine.Refresh(t.Context())
		r.wantErr("Refresh", err, cloakroom.ErrUnavailable)
		if errors.Is(err, cloakroom.ErrUnknown) || visits.Get(mine) != 2 || mine.Err() != nil {
			t.Errorf("Refresh: %v; it reads %d, Err: %v", err, visits.Get(mine), mine.Err())
		}
		r.store.heal()
		held := r.store.hold(isOp("get"))
		ctx, cancel := context.WithCancel(t.Context())
		done := later(func() error { return mine.Refresh(ctx) })
		<-held.reached
		cancel()
		r.wantErr("Refresh whose context ends", <-done, cloakroom.ErrUnavailable)
		r.save(mine)
		r.wantVisits(s.ID(), 2)
	})
}
