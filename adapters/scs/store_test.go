package scsstore_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	scsstore "github.com/cloakroom-go/cloakroom/adapters/scs"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests what scs asks of its stores, and what is kept.

// token is as long as those of scs.
const token = "pJ1bKzTqQ9h3vYw5nXoC7dEfGmRsUa2LiNkVtOyB0cM"

func TestFindCommitDelete(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db driver.Store) {
		c := newClock()
		s := newStore(t, db, scsstore.Config{Now: c.Now})
		wantMissing(t, s, token)
		commit(t, s, token, "one", c.Now().Add(time.Minute))
		wantFound(t, s, token, "one")
		commit(t, s, token, "two", c.Now().Add(time.Hour))
		c.add(2 * time.Minute)
		wantFound(t, s, token, "two")
		wantMissing(t, s, token[1:])
		remove(t, s, token)
		wantMissing(t, s, token)
		remove(t, s, token)
		remove(t, s, "never committed")
		wantMissing(t, s, "never committed")
	})
}

func TestData(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db driver.Store) {
		c := newClock()
		s := newStore(t, db, scsstore.Config{Now: c.Now})
		every := make([]byte, 256)
		for i := range every {
			every[i] = byte(i)
		}
		for _, data := range [][]byte{nil, {}, {0}, every, bytes.Repeat(every, 1<<12)} {
			given := bytes.Clone(data)
			if err := s.Commit(token, given, c.Now().Add(time.Hour)); err != nil {
				t.Fatal(err)
			}
			clear(given) // the caller's memory is the caller's
			for range 2 {
				got, found, err := s.Find(token)
				if err != nil || !found || !bytes.Equal(got, data) {
					t.Fatalf("%d bytes: found %v with %d bytes, error %v", len(data), found, len(got), err)
				}
				clear(got) // and so is the result
			}
		}
		err := s.Commit(token, make([]byte, 1<<20+1), c.Now().Add(time.Hour))
		if !errors.Is(err, driver.ErrTooLarge) || errors.Is(err, driver.ErrUnavailable) {
			t.Errorf("Commit of too much: %v", err)
		}
		if got, _, _ := s.Find(token); len(got) != 1<<20 {
			t.Errorf("a Commit that was refused left %d bytes", len(got))
		}
	})
}

// Tokens may be any texts.
func TestTokens(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db driver.Store) {
		c := newClock()
		s := newStore(t, db, scsstore.Config{Now: c.Now})
		other := newStore(t, db, scsstore.Config{Now: c.Now, App: "other"})
		tokens := []string{"x", " ", "\x00", "\xff\xfe", "a b\nc", "../..", token, token + "=", strings.Repeat("long", 10000)}
		for _, token := range tokens {
			commit(t, s, token, "of "+token, c.Now().Add(time.Hour))
		}
		for _, token := range tokens {
			wantFound(t, s, token, "of "+token)
			wantMissing(t, other, token)
			remove(t, other, token)
			wantFound(t, s, token, "of "+token)
			remove(t, s, token)
			wantMissing(t, s, token)
		}
	})
}

// scs deletes the empty token when a visitor without a session signs out.
func TestEmptyToken(t *testing.T) {
	db := newFaulty(memstore.New(nil), func(op string, _ int) fate { t.Errorf("%s: the database was asked", op); return pass })
	s := newStore(t, db, scsstore.Config{})
	const hash = "47DEQpj8HBSa-_TImW-5JCeuQeRkm5NMpJWZG3hSuFU" // what scs makes of it
	for _, token := range []string{"", hash} {
		remove(t, s, token)
		wantMissing(t, s, token)
		if err := s.Commit(token, nil, time.Now().Add(time.Hour)); !errors.Is(err, driver.ErrInvalid) {
			t.Errorf("Commit of %q: %v", token, err)
		}
	}
}

func TestExpiry(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db driver.Store) {
		c := newClock()
		s := newStore(t, db, scsstore.Config{Now: c.Now})
		expiry := c.Now().Add(time.Second)
		commit(t, s, token, "kept", expiry)
		c.add(999 * time.Millisecond)
		wantFound(t, s, token, "kept")
		c.add(time.Millisecond)
		wantMissing(t, s, token)

		// A request that came in time commits later, whatever a sweep has done meanwhile.
		for _, after := range []time.Duration{0, time.Second, driver.ClockTolerance - time.Second, driver.ClockTolerance + time.Second, time.Hour} {
			commit(t, s, token, "kept", c.Now().Add(time.Second))
			c.add(time.Second + after)
			wantMissing(t, s, token)
			if r := sweepAt(t, db, c.Now()); r.Buried != 0 || r.Removed != 0 && after <= driver.ClockTolerance {
				t.Errorf("swept %v after the expiry: %+v", after, r)
			}
			wantMissing(t, s, token)
		}
		commit(t, s, token, "back", c.Now().Add(time.Second))
		wantFound(t, s, token, "back")

		// Expiries that are no times of a session.
		for _, expiry := range []time.Time{{}, time.Unix(0, 0), c.Now(), c.Now().Add(-time.Hour), time.Unix(-1<<40, 0)} {
			commit(t, s, token, "over", expiry)
			wantMissing(t, s, token)
			if r := sweepAt(t, db, c.Now().Add(time.Hour)); r.Removed != 1 {
				t.Errorf("%v: a sweep ends %+v: what has expired stays for ever", expiry, r)
			}
		}
		far := []time.Time{c.Now().Add(2 * driver.MaxLifetime), time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC), time.Unix(1<<40, 0), time.Unix(1<<60, 0)}
		for _, expiry := range far {
			commit(t, s, token, "far", expiry)
			c.add(time.Hour)
			sweepAt(t, db, c.Now())
			wantFound(t, s, token, "far")
		}
		c.add(2 * driver.MaxLifetime)
		wantFound(t, s, token, "far")
	})
}

// A copy of the database opens no session.
func TestTokenIsNotKept(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	db := openFile(t, path)
	s := newStore(t, db, scsstore.Config{})
	commit(t, s, token, "data", time.Now().Add(time.Hour))
	commit(t, s, token+"2", "data", time.Now().Add(time.Hour))
	remove(t, s, token+"2")
	if text := fmt.Sprintf("%v %+v %#v", s, s, s); strings.Contains(text, token) || strings.Contains(text, "data") {
		t.Errorf("printed: %s", text)
	}
	if err := db.Close(); err != nil { // the file must not be opened beside it
		t.Fatal(err)
	}
	content, err := os.ReadFile(path)
	if err != nil || !bytes.Contains(content, []byte(s.ID(token).String())) {
		t.Fatalf("the file of %d bytes hasn't the session (%v)", len(content), err)
	}
	if bytes.Contains(content, []byte(token)) {
		t.Error("the file has the token")
	}
}

// An operator sees the sessions as those of another app, and ends them.
func TestAdmin(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db driver.Store) {
		s := newStore(t, db, scsstore.Config{})
		commit(t, s, token, "data", time.Now().Add(time.Hour))
		admin := cloakroom.NewAdmin(db, "scs")
		n := 0
		for rec, err := range admin.Live(t.Context(), driver.Query{}) {
			if err != nil || rec.ID != s.ID(token) || time.Until(rec.Deadline) > time.Hour {
				t.Errorf("%+v, error %v", rec, err)
			}
			n++
		}
		if n != 1 {
			t.Errorf("%d sessions are live", n)
		}
		for _, err := range cloakroom.NewAdmin(db, "").Live(t.Context(), driver.Query{}) {
			t.Errorf("a session is the default app's (%v)", err)
		}
		if err := admin.Revoke(t.Context(), s.ID(token)); err != nil {
			t.Fatal(err)
		}
		wantMissing(t, s, token)
		if err := s.Commit(token, nil, time.Now().Add(time.Hour)); !errors.Is(err, driver.ErrGone) {
			t.Errorf("Commit: %v", err)
		}
	})
}

// What newer versions, or others, put beside the data stays there, and what can't be
// understood is no session and no end of one.
func TestWhatOthersWrite(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db driver.Store) {
		s := newStore(t, db, scsstore.Config{})
		commit(t, s, token, "one", time.Now().Add(time.Hour))
		edit := func(change func(*driver.Record)) {
			t.Helper()
			rec, err := db.Get(t.Context(), s.ID(token))
			if err != nil {
				t.Fatal(err)
			}
			next := *rec
			change(&next)
			if _, err := db.Update(t.Context(), &next); err != nil {
				t.Fatal(err)
			}
		}
		edit(func(r *driver.Record) { r.Extra = r.Extra.With("note", json.RawMessage(`"kept"`)) })
		commit(t, s, token, "two", time.Now().Add(time.Hour))
		rec, err := db.Get(t.Context(), s.ID(token))
		if err != nil || string(rec.Extra.Get("note")) != `"kept"` || rec.Writes != 2 || len(rec.WriteIDs) != 2 {
			t.Errorf("%+v, error %v", rec, err)
		}
		edit(func(r *driver.Record) { r.Values = r.Values.With("data", json.RawMessage(` "dHd\u0076" `)) })
		wantFound(t, s, token, "two"[:2]+"o")
		for _, raw := range []string{`null`, `"`, `5`, `["dHdv"]`, `"dHd"`, `"?"`, `"\u"`} {
			if !json.Valid([]byte(raw)) {
				continue
			}
			edit(func(r *driver.Record) { r.Values = r.Values.With("data", json.RawMessage(raw)) })
			if got, found, err := s.Find(token); !errors.Is(err, driver.ErrCorrupt) || found || got != nil {
				t.Errorf("%s: Find: %q, %v, error %v", raw, got, found, err)
			}
		}
		edit(func(r *driver.Record) { r.App = "another" })
		if _, _, err := s.Find(token); !errors.Is(err, driver.ErrCorrupt) {
			t.Errorf("Find: %v", err)
		}
		if err := s.Commit(token, nil, time.Now().Add(time.Hour)); !errors.Is(err, driver.ErrCorrupt) {
			t.Errorf("Commit: %v", err)
		}
		remove(t, s, token)
		wantMissing(t, s, token)
	})
}

// Reads end with their context, writes are carried through.
func TestContexts(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db driver.Store) {
		s := newStore(t, db, scsstore.Config{})
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		if err := s.CommitCtx(ended, token, []byte("data"), time.Now().Add(time.Hour)); err != nil {
			t.Errorf("CommitCtx: %v", err)
		}
		if _, found, err := s.FindCtx(ended, token); !errors.Is(err, context.Canceled) || found {
			t.Errorf("FindCtx: %v, error %v", found, err)
		}
		wantFound(t, s, token, "data")
		if err := s.DeleteCtx(ended, token); err != nil {
			t.Errorf("DeleteCtx: %v", err)
		}
		wantMissing(t, s, token)
	})
}

func TestConfig(t *testing.T) {
	if _, err := scsstore.New(nil, nil); err == nil {
		t.Error("no database: no error")
	}
	for _, c := range []scsstore.Config{
		{App: strings.Repeat("a", 129)}, {App: "\xff"}, {App: "a\n"},
		{KeepDeleted: -1}, {KeepDeleted: driver.MaxLifetime + 1}, {Timeout: -1},
	} {
		if s, err := scsstore.New(memstore.New(nil), &c); err == nil {
			s.Close()
			t.Errorf("%+v: no error", c)
		}
	}
}

func TestSweep(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		db := memstore.New(nil)
		s, err := scsstore.New(db, nil)
		if err != nil {
			t.Fatal(err)
		}
		commit(t, s, token, "data", time.Now().Add(time.Minute))
		time.Sleep(time.Hour)
		if _, err := db.Get(t.Context(), s.ID(token)); !driver.IsNotFound(err) {
			t.Errorf("an hour later: %v", err)
		}
		s.Close()
		s.Close()
		wantMissing(t, s, token)
	})
}

// engine is a database whose engine has a clock of its own.
type engine struct {
	*memstore.Store
	now func() time.Time
}

func (e engine) EngineTime(context.Context) (time.Time, error) { return e.now(), nil }

// A machine whose clock is ahead of the engine's removes nothing.
func TestSweepByAWrongClock(t *testing.T) {
	for ahead, want := range map[time.Duration]bool{-24 * time.Hour: true, 0: true, driver.ClockTolerance: true, 24 * time.Hour: false} {
		synctest.Test(t, func(t *testing.T) {
			db := engine{memstore.New(nil), func() time.Time { return time.Now().Add(-ahead) }}
			s, err := scsstore.New(db, &scsstore.Config{Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			commit(t, s, token, "data", time.Now().Add(time.Minute))
			time.Sleep(time.Hour)
			if _, err := db.Get(t.Context(), s.ID(token)); driver.IsNotFound(err) != want {
				t.Errorf("%v ahead, an hour later: %v", ahead, err)
			}
		})
	}
}
