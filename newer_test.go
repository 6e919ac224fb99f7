package cloakroom_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of records that a newer version wrote: they are an outage,
// and their unknown members are kept.

// rewrite changes the record of a session in the store, as another version of the
// package could have written it. A touch of the request before may come in between.
func (r *rig) rewrite(id cloakroom.ID, change func(*driver.Record)) {
	r.Helper()
	for n := 1; ; n++ {
		rec, err := r.kept(id)
		if err != nil {
			r.Fatal(err)
		}
		next := *rec
		next.Writes++
		next.WriteIDs = driver.PushWriteID(rec.WriteIDs, driver.NewWriteID())
		change(&next)
		switch _, err := r.store.Store.Update(r.Context(), &next); {
		case err == nil:
			return
		case n == 5 || !errors.Is(err, driver.ErrConflict):
			r.Fatal(err)
		}
	}
}

// A session that a newer version wrote, and this one can't work with, is an outage for
// its visitor: no sign-out, no fresh session, and the token is left alone. It can be
// ended.
func TestI8_NewerVersionsSession(t *testing.T) {
	for _, tt := range []struct {
		name   string
		change func(*driver.Record)
	}{
		{"a record of a later format", func(r *driver.Record) { r.Extra = r.Extra.With(driver.ExtraFormat, json.RawMessage("2")) }},
		{"a verifier of a later version", func(r *driver.Record) { r.Verifier = append([]byte{2}, make([]byte, 40)...) }},
		{"a previous verifier of a later version, in its grace", func(r *driver.Record) {
			r.Verifier = append([]byte(nil), r.Verifier...)
			r.Verifier[5]++ // of another secret
			r.Previous, r.PreviousEnds = append([]byte{3}, make([]byte, 40)...), r.Seen.Add(time.Hour)
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.signedIn("alice")
			token := s.Token()
			r.rewrite(s.ID(), tt.change)

			g := r.guest()
			g.token = token
			for _, f := range []page{look, visit, loginAs("alice", nil), loginAs("eve", nil), renew, logout} {
				if w := g.want(http.StatusServiceUnavailable, f); len(w.Result().Cookies()) > 0 {
					t.Errorf("it sends the cookies %v", w.Result().Cookies())
				}
			}
			_, err := r.m.Retrieve(t.Context(), token)
			r.wantErr("Retrieve", err, driver.ErrNewer, cloakroom.ErrUnavailable)
			// The way out for who wants one.
			if err := r.m.Admin().Revoke(t.Context(), s.ID()); err != nil {
				t.Errorf("Revoke: %v", err)
			}
			r.wantGrave(s.ID(), cloakroom.EndRevoked)
			r.wantShut(s.ID(), token)
		})
	}
}

// A newer version's verifier that comes between a request's read and its renewal or
// sign-in is an outage too: neither succeeds without having been done, nor blames
// the visitor's token.
func TestI8_NewerVerifierInBetween(t *testing.T) {
	for name, do := range map[string]func(*cloakroom.Session) error{
		"Renew": func(s *cloakroom.Session) error { return s.Renew(t.Context()) },
		"Login": func(s *cloakroom.Session) error { return s.Login(t.Context(), "alice", nil) },
	} {
		r := newRig(t, nil)
		s := r.open(r.signedIn("alice"))
		r.rewrite(s.ID(), func(rec *driver.Record) { rec.Verifier = append([]byte{2}, make([]byte, 40)...) })
		r.wantErr(name, do(s), driver.ErrNewer, cloakroom.ErrUnavailable)
	}
}

// A list of a principal's sessions says that it can't tell, rather than leave one out.
func TestI10_ListsWithANewerSession(t *testing.T) {
	r := newRig(t, nil)
	s, newer := r.signedIn("alice"), r.signedIn("alice")
	r.rewrite(newer.ID(), func(rec *driver.Record) { rec.Extra = rec.Extra.With(driver.ExtraFormat, json.RawMessage("2")) })
	_, err := r.m.Admin().Sessions(t.Context(), "alice")
	r.wantErr("Admin.Sessions", err, driver.ErrNewer, cloakroom.ErrUnavailable)
	r.as(s).want(http.StatusServiceUnavailable, func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
		_, err := r.m.Devices(req.Context())
		return err
	})
}

// Signing out everywhere also ends sessions that a newer version wrote.
func TestI10_RevokeAllOfNewerRecords(t *testing.T) {
	r := newRig(t, nil)
	s := r.signedIn("alice")
	r.rewrite(s.ID(), func(rec *driver.Record) { rec.Extra = rec.Extra.With(driver.ExtraFormat, json.RawMessage("9")) })
	if err := r.m.Admin().RevokeAll(t.Context(), "alice"); err != nil {
		t.Fatal(err)
	}
	r.wantGrave(s.ID(), cloakroom.EndRevoked)
}

// Every write of a session or a ledger keeps the members that a newer version put
// there: in a record, in a ledger, in a ledger's entries.
func TestUnknownMembersAreKept(t *testing.T) {
	extra := driver.ValueList{{Name: "a new thing", JSON: json.RawMessage(`{"a":[1,"é"]}`)}, {Name: driver.ExtraLabels, JSON: json.RawMessage(`{}`)}}
	r := newRig(t, nil)
	s := r.signedIn("alice")
	ledgerID := driver.LedgerID("session", "alice")
	r.rewrite(s.ID(), func(rec *driver.Record) { rec.Extra = extra })
	r.rewrite(ledgerID, func(rec *driver.Record) {
		rec.Extra = extra
		var l map[string]any
		if err := json.Unmarshal(rec.Values.Get("ledger"), &l); err != nil {
			t.Fatal(err)
		}
		l["policy"] = "strict"
		l["live"].([]any)[0].(map[string]any)["name"] = "kitchen"
		raw, err := json.Marshal(l)
		if err != nil {
			t.Fatal(err)
		}
		rec.Values = rec.Values.With("ledger", raw).With("beside", json.RawMessage(`1`))
	})
	same := func(what string, id cloakroom.ID) *driver.Record {
		t.Helper()
		rec, err := r.kept(id)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		equal := func(a, b driver.Value) bool { return a.Name == b.Name && string(a.JSON) == string(b.JSON) }
		if !slices.EqualFunc(rec.Extra, extra, equal) {
			t.Errorf("after %s the record has %s, want %s", what, rec.Extra, extra)
		}
		return rec
	}
	ledger := func(what string) {
		t.Helper()
		rec := same(what, ledgerID)
		var l struct {
			Policy string
			Live   []struct{ ID, Name string }
		}
		if err := json.Unmarshal(rec.Values.Get("ledger"), &l); err != nil {
			t.Fatal(err)
		}
		named := slices.ContainsFunc(l.Live, func(e struct{ ID, Name string }) bool { return e.ID == s.ID().String() && e.Name == "kitchen" })
		if l.Policy != "strict" || !named || string(rec.Values.Get("beside")) != "1" {
			t.Errorf("after %s the ledger is %s", what, rec.Values)
		}
	}

	g := r.as(s)
	g.want(http.StatusOK, visit)
	same("a save", s.ID())
	r.clock.add(2 * time.Minute)
	g.want(http.StatusOK, look) // touches
	r.m.Close()                 // waits for that
	if rec := same("a touch", s.ID()); !rec.Seen.Equal(r.clock.now()) {
		t.Errorf("it was touched at %v, want %v", rec.Seen, r.clock.now())
	}
	r.m = r.manager(nil)
	g.m = r.m
	g.want(http.StatusOK, renew)
	same("a renewal", s.ID())
	if err := r.m.Admin().Update(t.Context(), s.ID(), func(tx *cloakroom.Tx) error { visits.Set(tx, 9); return nil }); err != nil {
		t.Fatal(err)
	}
	same("an Admin.Update", s.ID())

	other := r.signedIn("alice")
	ledger("another sign-in")
	if err := other.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	ledger("a sign-out")
	r.signedIn("alice")
	if err := r.m.Admin().RevokeAll(t.Context(), "alice", s.ID()); err != nil {
		t.Fatal(err)
	}
	ledger("signing out everywhere else")
}

// A grave tells whose session it was, so that ended sessions can be listed one day.
func TestGravesKeepAppAndPrincipal(t *testing.T) {
	for name, end := range map[string]func(r *rig, s *cloakroom.Session) error{
		"sign-out": func(r *rig, s *cloakroom.Session) error { return s.Destroy(r.Context()) },
		"sign-out after another's save": func(r *rig, s *cloakroom.Session) error {
			r.rewrite(s.ID(), func(rec *driver.Record) { rec.Seen = rec.Seen.Add(time.Second) }) // so it is buried unchecked
			return s.Destroy(r.Context())
		},
		"Revoke":              func(r *rig, s *cloakroom.Session) error { return r.m.Admin().Revoke(r.Context(), s.ID()) },
		"RevokeAll":           func(r *rig, s *cloakroom.Session) error { return r.m.Admin().RevokeAll(r.Context(), "alice") },
		"another sign-in":     func(r *rig, s *cloakroom.Session) error { return s.Login(r.Context(), "bob", nil) },
		"being found expired": func(r *rig, s *cloakroom.Session) error { r.clock.add(25 * time.Hour); r.as(s).do(look); return nil },
		"a sweep": func(r *rig, s *cloakroom.Session) error {
			r.clock.add(25 * time.Hour)
			_, err := r.store.Sweep(r.Context(), r.clock.now())
			return err
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.signedIn("alice")
			id := s.ID()
			if err := end(r, s); err != nil {
				t.Fatal(err)
			}
			rec, err := r.kept(id)
			if !driver.IsGone(rec, err) || rec.Grave.App != "session" || rec.Grave.Principal != "alice" {
				t.Errorf("it leaves %+v, %v", rec, err)
			}
		})
	}
}

// A save that meets the write of a newer version fails with that at once, and doesn't
// write over it.
func TestI13_SaveMeetsANewerRecord(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(1)
	open := r.open(s)
	r.rewrite(s.ID(), func(rec *driver.Record) { rec.Extra = rec.Extra.With(driver.ExtraFormat, json.RawMessage("2")) })
	r.store.since()
	visits.Set(open, 2)
	r.wantErr("Save", open.Save(t.Context()), cloakroom.ErrUnavailable, cloakroom.ErrUnknown)
	r.wantOps("get 1, update 1")
	if _, err := r.kept(s.ID()); !errors.Is(err, driver.ErrNewer) {
		t.Errorf("the store has %v", err)
	}
}
