package cloakroom_test

import (
	"context"
	"encoding/json"
	"net/http"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/token"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the tests of statements in SECURITY.md about attackers that no other
// test shows, above all one who writes to the store. A test that fails here may be good
// news. Then SECURITY.md has to say so.

// putBack puts a record back to an earlier state of its own.
func (r *rig) putBack(earlier *driver.Record) {
	r.Helper()
	r.rewrite(earlier.ID, func(rec *driver.Record) {
		version := rec.Version
		*rec = *earlier
		rec.Version = version
	})
}

func (r *rig) mustKeep(id cloakroom.ID) *driver.Record {
	r.Helper()
	rec, err := r.kept(id)
	if err != nil {
		r.Fatal(err)
	}
	return rec
}

// restored returns a manager on another store, which has the records of a backup and
// nothing else.
func (r *rig) restored(config *cloakroom.Config, backup ...*driver.Record) *cloakroom.Manager {
	r.Helper()
	store := memstore.New(nil)
	for _, rec := range backup {
		if _, err := store.Create(r.Context(), new(*rec)); err != nil {
			r.Fatal(err)
		}
	}
	return r.managerOn(newFaulty(store), config)
}

// wantUnnoticed checks that nobody was told of anything.
func (r *rig) wantUnnoticed(refused []cloakroom.Refusal) {
	r.Helper()
	if got := r.log.take(); got != "" || len(refused) > 0 {
		r.Errorf("told: refused %q, logged %q", refused, got)
	}
}

// Fields that no verifier covers can be edited in the store, and nobody notices.
func TestEditedValuesAreNotNoticed(t *testing.T) {
	var refused []cloakroom.Refusal
	r := newRig(t, &cloakroom.Config{Events: &cloakroom.Events{
		Refused: func(_ context.Context, _ cloakroom.ID, why cloakroom.Refusal) { refused = append(refused, why) },
	}})
	s := r.signedIn("ann")
	r.rewrite(s.ID(), func(rec *driver.Record) {
		rec.Values = rec.Values.With("visits", json.RawMessage("1000"))
		rec.Client = cloakroom.Client{Address: "192.0.2.1", UserAgent: "nobody's"}
		rec.Persistent = true
	})
	got := r.open(s)
	if got.Principal() != "ann" || visits.Get(got) != 1000 {
		t.Errorf("it opens for %q with %d visits", got.Principal(), visits.Get(got))
	}
	r.wantUnnoticed(refused)
}

// An attacker who writes to the store can keep a session from being idle, but not
// beyond its deadline.
func TestEditedActivityLastsToTheDeadline(t *testing.T) {
	r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour, Lifetime: 5 * time.Hour})
	kept, left := r.signedIn("ann"), r.signedIn("ann")
	for range 4 {
		r.clock.add(time.Hour)
		now := r.clock.now().UTC()
		r.rewrite(kept.ID(), func(rec *driver.Record) { rec.Seen, rec.Expires = now, now.Add(100*time.Hour) })
	}
	if _, err := r.m.Admin().Find(t.Context(), kept.ID()); err != nil {
		t.Errorf("the session that was kept from being idle: %v", err)
	}
	r.wantOpen("kept from being idle", kept.Token(), true)
	r.wantOpen("left alone", left.Token(), false)
	r.clock.add(time.Hour)
	r.rewrite(kept.ID(), func(rec *driver.Record) { rec.Seen = r.clock.now().UTC() })
	r.wantOpen("at its deadline", kept.Token(), false)
}

// A whole record that is put back to an earlier state is not noticed: the values of then
// are back, and the secret of then opens it.
func TestRecordPutBackIsNotNoticed(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var refused []cloakroom.Refusal
		r := newRig(t, &cloakroom.Config{Events: &cloakroom.Events{
			Refused: func(_ context.Context, _ cloakroom.ID, why cloakroom.Refusal) { refused = append(refused, why) },
		}})
		g := r.as(r.signedIn("ann"))
		g.want(200, visit)
		stolen := &guest{r: r, m: r.m, token: g.token}
		earlier := r.mustKeep(idIn(t, g.token))
		g.want(200, visit)
		g.want(200, func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			return s.RenewStrict(req.Context())
		})
		r.wantOpen("after a strict renewal", stolen.token, false)
		refused = nil

		r.putBack(earlier)
		s := r.openBy(r.m, stolen.token)
		if s.Principal() != "ann" || visits.Get(s) != 1 {
			t.Errorf("put back, it opens for %q with %d visits", s.Principal(), visits.Get(s))
		}
		r.wantUnnoticed(refused)
		r.wantOpen("the newest secret", g.token, false)
	})
}

// In a store that was restored from a backup, sessions that had ended since open again,
// for anybody who still has the token. NotBefore is against that.
func TestRestoredBackupUndoesSignOuts(t *testing.T) {
	r := newRig(t, nil)
	signedOut, revoked := r.signedIn("ann"), r.signedIn("ann")
	tokens := []string{signedOut.Token(), revoked.Token()}
	backup := []*driver.Record{r.mustKeep(signedOut.ID()), r.mustKeep(revoked.ID())}
	if err := signedOut.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.revokeAll("ann")
	r.clock.add(time.Hour)

	careless := r.restored(nil, backup...)
	careful := r.restored(&cloakroom.Config{NotBefore: r.clock.now()}, backup...)
	for _, token := range tokens {
		r.wantOpen("as it was", token, false)
		if s := r.openBy(careless, token); s.Principal() != "ann" {
			t.Errorf("restored, it opens for %q", s.Principal())
		}
		_, err := careful.Retrieve(t.Context(), token)
		r.wantErr("restored, with NotBefore", err, cloakroom.ErrNotFound)
	}
	r.clock.add(40 * 24 * time.Hour) // past the deadlines
	late := r.restored(nil, backup...)
	for _, token := range tokens {
		_, err := late.Retrieve(t.Context(), token)
		r.wantErr("restored past the deadline", err, cloakroom.ErrNotFound)
	}
}

// A ledger that is put back lets a sign-in through that began before a RevokeAll. The next
// RevokeAll ends it.
func TestLedgerPutBackLetsAnAttemptThrough(t *testing.T) {
	r := newRig(t, nil)
	r.signedIn("ann")
	attempt, err := r.m.BeginLogin(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	earlier := r.mustKeep(driver.LedgerID("session", "ann"))
	r.revokeAll("ann")
	s := r.stored(0)
	r.wantErr("with the ledger as it is", s.Login(t.Context(), "ann", &cloakroom.LoginOptions{Attempt: attempt}), cloakroom.ErrRevoked)

	r.putBack(earlier)
	s = r.stored(0)
	if err := s.Login(t.Context(), "ann", &cloakroom.LoginOptions{Attempt: attempt}); err != nil {
		t.Errorf("with the ledger put back: %v", err)
	}
	r.wantOpen("the sign-in of before", s.Token(), true)
	r.revokeAll("ann")
	r.wantOpen("after the next RevokeAll", s.Token(), false)
}

// An attacker who writes to the store can't make a session that opens. With the keys as
// well it opens for any principal they like.
func TestMadeRecordOpensByTheKeysAlone(t *testing.T) {
	theirs, err := token.NewRing([][]byte{[]byte("the keys of an attacker: 32 bytes")})
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		prover, signer *token.Ring
		opens          bool
	}{
		"no keys":                 {theirs, theirs, false},
		"the verifier's alone":    {deskRing(t), theirs, false},
		"the token's alone":       {theirs, deskRing(t), false},
		"the application's, both": {deskRing(t), deskRing(t), true},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, nil)
			now := deskStart.UTC()
			rec := &driver.Record{
				ID: driver.NewID(driver.LayoutDay, now), Kind: driver.KindSession, App: "session", Principal: "root",
				Created: now, Authenticated: now, Seen: now, Expires: now.Add(time.Hour), Deadline: now.Add(time.Hour),
				Writes: 1, WriteIDs: []driver.WriteID{driver.NewWriteID()},
			}
			secret := [16]byte{1, 2, 3}
			rec.Verifier = c.prover.Verifier(token.Claims{
				App: rec.App, Principal: rec.Principal, ID: rec.ID,
				Created: now.UnixMilli(), Authenticated: now.UnixMilli(), Deadline: rec.Deadline.UnixMilli(),
			}, secret)
			if _, err := d.store.Create(t.Context(), rec); err != nil {
				t.Fatal(err)
			}
			who, ok := d.opens(c.signer.Sign(deskScope, rec.ID, secret))
			if ok != c.opens || ok && who != "root" {
				t.Errorf("it opens: %v, for %q", ok, who)
			}
		})
	}
}

// A token is good from wherever it comes.
func TestTokenIsBoundToNoClient(t *testing.T) {
	d := newDesk(t, nil)
	tok, _ := d.signIn("ann", nil, header("User-Agent", "ann's"))
	d.events.take()
	d.ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if s.Principal() != "ann" {
			t.Errorf("it opens for %q", s.Principal())
		}
		return nil
	}, bring(tok), header("User-Agent", "a thief's"), func(r *http.Request) { r.RemoteAddr = "203.0.113.7:1" })
	d.wantEvents("") // nobody is told
}
