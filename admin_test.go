package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of Admin: finding, listing, ending and changing sessions by
// id, and sessions outside of requests.

func TestAdminFind(t *testing.T) {
	r := newRig(t, nil)
	s := r.signedIn("ann")
	rec, err := r.m.Admin().Find(t.Context(), s.ID())
	if err != nil || rec.ID != s.ID() || rec.Principal != "ann" {
		t.Errorf("Find: %v, %v", rec, err)
	}
	if rec, err := cloakroom.NewAdmin(r.store, "").Find(t.Context(), s.ID()); err != nil || rec.ID != s.ID() {
		t.Errorf("Find without keys: %v, %v", rec, err)
	}
	ended := r.stored(1)
	endedID := ended.ID()
	if err := ended.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	expired := r.stored(1)
	other := cloakroom.NewAdmin(r.store, "other")
	for name, test := range map[string]struct {
		a    *cloakroom.Admin
		id   cloakroom.ID
		want error
	}{
		"missing":     {r.m.Admin(), driver.NewID(driver.LayoutDay, r.clock.now()), cloakroom.ErrNotFound},
		"ended":       {r.m.Admin(), endedID, cloakroom.ErrNotFound},
		"a ledger":    {r.m.Admin(), driver.LedgerID("session", "ann"), cloakroom.ErrNotFound},
		"another app": {other, s.ID(), cloakroom.ErrNotFound},
	} {
		rec, err := test.a.Find(t.Context(), test.id)
		if rec != nil {
			t.Errorf("%s: found %v", name, rec.ID)
		}
		r.wantErr("Find of "+name, err, test.want)
	}
	r.clock.add(24 * time.Hour)
	_, err = r.m.Admin().Find(t.Context(), expired.ID())
	r.wantErr("Find of what has expired", err, cloakroom.ErrNotFound)
	r.store.answer(isOp("get"), cloakroom.ErrCorrupt)
	_, err = r.m.Admin().Find(t.Context(), s.ID())
	r.wantErr("Find of what is corrupt", err, cloakroom.ErrCorrupt)
	r.store.heal()
	r.store.answer(isOp("get"), fmt.Errorf("no route"))
	_, err = r.m.Admin().Find(t.Context(), s.ID())
	r.wantErr("Find in an outage", err, cloakroom.ErrUnavailable)
}

func TestAdminSearch(t *testing.T) {
	r := newRig(t, nil)
	var anns []cloakroom.ID
	for range 3 {
		anns = append(anns, r.signedIn("ann").ID())
		r.clock.add(time.Second)
	}
	bob := r.signedIn("bob").ID()
	other := r.manager(&cloakroom.Config{App: "other"})
	if _, err := other.Create(t.Context()); err != nil {
		t.Fatal(err)
	}
	search := func(q driver.Query) (ids []cloakroom.ID) {
		t.Helper()
		for rec, err := range r.m.Admin().Search(t.Context(), q) {
			if err != nil {
				t.Error(err)
				break
			}
			if rec.Kind != driver.KindSession || rec.App != "session" {
				t.Errorf("found a %s of app %q", rec.Kind, rec.App)
			}
			ids = append(ids, rec.ID)
		}
		return ids
	}
	for _, test := range []struct {
		name string
		q    driver.Query
		want []cloakroom.ID
	}{
		{"all", driver.Query{}, append(slices.Clone(anns), bob)},
		{"by principal", driver.Query{Principal: "ann"}, anns},
		{"with a limit", driver.Query{Principal: "ann", Limit: 2}, anns[:2]},
		{"other apps and kinds stay out", driver.Query{App: "other", Kind: driver.KindLedger}, append(slices.Clone(anns), bob)},
		{"nobody", driver.Query{Principal: "eve"}, nil},
	} {
		if got := search(test.q); !slices.Equal(got, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, got, test.want)
		}
	}
	rec, err := r.kept(anns[0])
	if err != nil {
		t.Fatal(err)
	}
	if got := search(driver.Query{After: rec.Cursor()}); !slices.Equal(got, append(slices.Clone(anns[1:]), bob)) {
		t.Errorf("after a cursor: %v", got)
	}
}

// Live passes over sessions that have expired and aren't swept yet, and its limit
// counts the rest.
func TestAdminLive(t *testing.T) {
	r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour})
	var all []cloakroom.ID
	for range 6 {
		all = append(all, r.stored(7).ID())
		r.clock.add(20 * time.Minute)
	}
	live := func(a *cloakroom.Admin, q driver.Query) (ids []cloakroom.ID) {
		t.Helper()
		for rec, err := range a.Live(t.Context(), q) {
			if err != nil {
				t.Fatal(err)
			}
			if n := visits.Get(rec); n != 7 {
				t.Errorf("%v has %d visits", rec.ID, n)
			}
			ids = append(ids, rec.ID)
		}
		return ids
	}
	want := func(what string, got, want []cloakroom.ID) {
		t.Helper()
		if !slices.Equal(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	if err := r.store.Refresh(t.Context()); err != nil {
		t.Fatal(err)
	}
	a := r.m.Admin()
	want("all", live(a, driver.Query{}), all[4:]) // the fourth is an hour old now
	want("two of them", live(a, driver.Query{Limit: 1}), all[4:5])
	rec, err := a.Find(t.Context(), all[4])
	if err != nil {
		t.Fatal(err)
	}
	want("behind the first", live(a, driver.Query{After: rec.Cursor()}), all[5:])
	want("that end sooner", live(a, driver.Query{ExpiresTo: rec.Expires}), nil)
	want("with a shorter idle timeout", live(r.manager(&cloakroom.Config{IdleTimeout: 30 * time.Minute}).Admin(), driver.Query{}), all[5:])

	r.store.answer(isOp("search"), fmt.Errorf("no route"))
	for rec, err := range a.Live(t.Context(), driver.Query{}) {
		if rec != nil || err == nil {
			t.Errorf("in an outage: %v, %v", rec, err)
		}
	}
}

// A key reads a record, which has nowhere to keep an error.
func TestKeyOfARecord(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(3)
	rec, err := r.m.Admin().Find(t.Context(), s.ID())
	if err != nil {
		t.Fatal(err)
	}
	if n, ok, err := visits.Lookup(rec); n != 3 || !ok || err != nil {
		t.Errorf("Lookup: %d, %v, %v", n, ok, err)
	}
	if _, ok, err := cloakroom.NewKey[int]("none").Lookup(rec); ok || err != nil {
		t.Errorf("Lookup of what isn't there: %v, %v", ok, err)
	}
	asText := cloakroom.NewKey[string]("visits")
	if text := asText.Get(rec); text != "" {
		t.Errorf("Get of what can't be decoded: %q", text)
	}
	if _, _, err := asText.Lookup(rec); err == nil {
		t.Error("Lookup of what can't be decoded is no error")
	}
}

func TestAdminDevices(t *testing.T) {
	r := newRig(t, nil)
	s := r.signedIn("ann")
	list, err := cloakroom.NewAdmin(r.store, "").Sessions(t.Context(), "ann")
	if err != nil || len(list) != 1 || list[0].ID != s.ID() {
		t.Errorf("Devices: %v, %v", list, err)
	}
	list, err = r.m.Admin().Sessions(t.Context(), "nobody")
	if err != nil || len(list) != 0 {
		t.Errorf("Devices of nobody: %v, %v", list, err)
	}
	r.store.answer(isOn("get", s.ID()), fmt.Errorf("no route"))
	_, err = r.m.Admin().Sessions(t.Context(), "ann")
	r.wantErr("Devices in an outage", err, cloakroom.ErrUnavailable) // rather than too few
}

func TestAdminRevoke(t *testing.T) {
	var ended []cloakroom.ID
	r := newRig(t, &cloakroom.Config{Events: &cloakroom.Events{Ended: func(_ context.Context, e cloakroom.Ending) {
		if e.Reason == cloakroom.EndRevoked {
			ended = append(ended, e.ID)
		}
	}}})
	revoke := func(id cloakroom.ID) error { return r.m.Admin().Revoke(t.Context(), id) }
	live := func() *cloakroom.Session { return r.signedIn("ann") }

	s := live()
	if err := revoke(s.ID()); err != nil {
		t.Fatal(err)
	}
	r.wantGrave(s.ID(), cloakroom.EndRevoked)
	r.wantShut(s.ID(), s.Token())
	r.wantLedger("ann", 0, 0)
	rec, _ := r.kept(s.ID())
	if !rec.Grave.Until.Equal(s.Info().Deadline) {
		t.Errorf("the grave stays until %v, want the session's deadline %v", rec.Grave.Until, s.Info().Deadline)
	}
	if !slices.Equal(ended, []cloakroom.ID{s.ID()}) {
		t.Errorf("events: %v, want one of %v", ended, s.ID())
	}
	if err := revoke(s.ID()); err != nil { // again
		t.Error(err)
	}

	missing := driver.NewID(driver.LayoutDay, r.clock.now().Add(-time.Hour))
	if err := revoke(missing); err != nil {
		t.Fatal(err)
	}
	r.wantGrave(missing, cloakroom.EndRevoked)
	rec, _ = r.kept(missing)
	if want := missing.Time().Add(driver.LayoutDay.MaxLifetime()); rec.Grave.Until.Before(want) {
		t.Errorf("the grave stays until %v, want %v at least", rec.Grave.Until, want)
	}
	imported := cloakroom.ID{6: byte(driver.LayoutImport), 15: 9} // which doesn't tell its time
	if err := revoke(imported); err != nil {
		t.Fatal(err)
	}
	rec, _ = r.kept(imported)
	if want := r.clock.now().Add(cloakroom.MaxLifetime - time.Second); rec == nil || rec.Grave == nil || rec.Grave.Until.Before(want) {
		t.Errorf("revoking an imported session that is missing leaves %+v", rec)
	}

	corrupt := live()
	r.poison(corrupt.ID())
	if err := revoke(corrupt.ID()); err != nil {
		t.Fatal(err)
	}
	r.wantGrave(corrupt.ID(), cloakroom.EndRevoked)
	r.store.heal()

	expired := live()
	r.clock.add(25 * time.Hour)
	if err := revoke(expired.ID()); err != nil {
		t.Fatal(err)
	}
	r.wantGrave(expired.ID(), cloakroom.EndRevoked)

	r.store.since()
	ledger := driver.LedgerID("session", "ann")
	for name, id := range map[string]cloakroom.ID{
		"a ledger": ledger, "nothing": {}, "an unknown layout": {6: 99},
	} {
		r.wantErr("Revoke of "+name, revoke(id), cloakroom.ErrInvalid)
	}
	r.wantOps("nothing")
	if _, err := r.kept(ledger); err != nil {
		t.Errorf("the ledger: %v", err)
	}
	r.wantErr("Revoke by another app", cloakroom.NewAdmin(r.store, "other").Revoke(t.Context(), live().ID()), cloakroom.ErrNotFound)
}

func TestI13_FaultsOfRevoke(t *testing.T) {
	for name, fates := range fates {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.signedIn("ann")
			r.store.fate(isOp("bury"), fates...)
			if err := r.m.Admin().Revoke(t.Context(), s.ID()); err != nil {
				t.Error(err)
			}
			r.wantGrave(s.ID(), cloakroom.EndRevoked)
			r.store.heal()
			r.store.deliver()
			r.wantGrave(s.ID(), cloakroom.EndRevoked)
			r.wantDevices("ann")
		})
	}
	runInBubble(t, "an outage", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.signedIn("ann")
		r.store.answer(isOp("bury"), errNoAnswer)
		r.wantErr("Revoke", r.m.Admin().Revoke(t.Context(), s.ID()), cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
		r.wantDevices("ann", s.ID())
		r.wantOpen("after a Revoke that failed", s.Token(), true)
	})
}

func TestAdminUpdate(t *testing.T) {
	r := newRig(t, &cloakroom.Config{MaxBytes: 100})
	a := r.m.Admin()
	s := r.stored(1)
	mine := r.open(s)
	visits.Update(mine, plusOne)
	seen := s.Info().Seen
	r.clock.add(time.Hour)
	add := func(tx *cloakroom.Tx) error { visits.Update(tx, func(n int) int { return n + 10 }); return nil }
	for _, a := range []*cloakroom.Admin{a, cloakroom.NewAdmin(r.store, "")} {
		if err := a.Update(t.Context(), s.ID(), add); err != nil {
			t.Error(err)
		}
	}
	rec, err := r.kept(s.ID())
	if err != nil {
		t.Fatal(err)
	}
	if !rec.Seen.Equal(seen) {
		t.Errorf("an admin's update counts as activity: seen at %v, before at %v", rec.Seen, seen)
	}
	r.save(mine)
	r.wantVisits(s.ID(), 22)

	broken := errors.New("broken")
	r.wantErr("an update that fails", a.Update(t.Context(), s.ID(), func(tx *cloakroom.Tx) error { visits.Set(tx, 0); return broken }), broken)
	if err := a.Update(t.Context(), s.ID(), func(*cloakroom.Tx) error { panic("broken") }); err == nil {
		t.Error("an update that panics succeeded")
	}
	big := cloakroom.NewKey[string]("big")
	r.wantErr("an update that is too large", a.Update(t.Context(), s.ID(), func(tx *cloakroom.Tx) error {
		big.Set(tx, string(make([]byte, 100)))
		return nil
	}), cloakroom.ErrTooLarge)
	r.wantVisits(s.ID(), 22)

	ended := r.stored(1)
	id := ended.ID()
	if err := ended.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	r.signedIn("ann")
	for name, id := range map[string]cloakroom.ID{
		"ended": id, "missing": driver.NewID(driver.LayoutDay, r.clock.now()), "a ledger": driver.LedgerID("session", "ann"),
	} {
		r.wantErr("Update of "+name, a.Update(t.Context(), id, add), cloakroom.ErrGone)
	}
	if _, err := r.kept(driver.NewID(driver.LayoutDay, r.clock.now())); !errors.Is(err, cloakroom.ErrNotFound) {
		t.Error("an update made a session")
	}
}

// An admin's update and the visitor's requests meet in one queue.
func TestI3_AdminUpdateMerges(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(0)
		g, first := r.blocked(s)
		mine := r.saving(r.open(s))
		admin := later(func() error {
			return r.m.Admin().Update(t.Context(), s.ID(), func(tx *cloakroom.Tx) error { visits.Update(tx, plusOne); return nil })
		})
		synctest.Wait()
		r.store.since()
		g.let(pass)
		for _, c := range []<-chan error{first, mine, admin} {
			if err := <-c; err != nil {
				t.Error(err)
			}
		}
		r.wantOps("update 1")
		r.wantVisits(s.ID(), 2)
	})
}

func TestCreateRetrieveAttach(t *testing.T) {
	var created []cloakroom.ID
	r := newRig(t, &cloakroom.Config{Events: &cloakroom.Events{Created: func(_ context.Context, i cloakroom.Info) { created = append(created, i.ID) }}})
	s, err := r.m.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	r.wantOps("create 1")
	if s.IsNew() || s.ID().IsZero() || s.Token() == "" || s.Principal() != "" || !s.Authenticated().IsZero() {
		t.Errorf("Create: %+v", s.Info())
	}
	visits.Set(s, 1)
	r.save(s)
	again, err := r.m.Retrieve(t.Context(), s.Token())
	if err != nil || again.ID() != s.ID() || visits.Get(again) != 1 {
		t.Errorf("Retrieve: %v", err)
	}

	req := httptest.NewRequest(http.MethodGet, "/", nil)
	r.m.Attach(req, s)
	w := httptest.NewRecorder()
	r.m.With(func(_ http.ResponseWriter, _ *http.Request, mine *cloakroom.Session) error {
		if mine.ID() != s.ID() {
			t.Errorf("the request's session is %v, want %v", mine.ID(), s.ID())
		}
		return nil
	}).ServeHTTP(w, req)
	bearer := r.manager(&cloakroom.Config{Transport: cloakroom.Bearer{}})
	b, err := bearer.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	req = httptest.NewRequest(http.MethodGet, "/", nil)
	bearer.Attach(req, b)
	if got := req.Header.Get("Authorization"); got != "Bearer "+b.Token() {
		t.Errorf("Attach of a bearer token: %q", got)
	}
	if err := b.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	req = httptest.NewRequest(http.MethodGet, "/", nil)
	bearer.Attach(req, b)
	if len(req.Header) != 0 {
		t.Errorf("Attach of an ended session: %v", req.Header)
	}

	r.store.since()
	for name, token := range map[string]string{"nothing": "", "nonsense": "nonsense", "a bearer token": bearerToken(t, bearer)} {
		r.store.since()
		_, err := r.m.Retrieve(t.Context(), token)
		r.wantErr("Retrieve of "+name, err, cloakroom.ErrNotFound)
		r.wantOps("nothing")
	}
	if err := s.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	_, err = r.m.Retrieve(t.Context(), again.Token())
	r.wantErr("Retrieve of what has ended", err, cloakroom.ErrNotFound)
	if len(created) != 1 {
		t.Errorf("events: %v", created)
	}
}

func bearerToken(t *testing.T, m *cloakroom.Manager) string {
	t.Helper()
	s, err := m.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return s.Token()
}

// Retrieve is activity, as a request is.
func TestI5_RetrieveTouches(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		r.clock.add(time.Hour)
		r.open(s)
		synctest.Wait()
		r.wantOps("get 1, update 1")
		r.open(s)
		synctest.Wait()
		r.wantOps("get 1")
	})
}

// The whole life of a session outside of requests.
func TestSessionOutsideOfRequests(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(1)
	if err := s.Login(t.Context(), "ann", nil); err != nil {
		t.Fatal(err)
	}
	token := s.Token()
	mine := r.openBy(r.m, token)
	if err := mine.Renew(t.Context()); err != nil || mine.Token() == token {
		t.Errorf("Renew: %v", err)
	}
	visits.Update(mine, plusOne)
	r.save(mine)
	if again := r.open(mine); again.Principal() != "ann" || visits.Get(again) != 2 {
		t.Errorf("%q is signed in with %d visits", again.Principal(), visits.Get(again))
	}
	if err := mine.Destroy(t.Context()); err != nil || mine.Token() != "" || !mine.IsNew() {
		t.Errorf("Destroy: %v", err)
	}
	r.wantDevices("ann")
	visits.Set(mine, 9)
	r.save(mine)
	r.wantVisits(mine.ID(), 9)
}

// TestI15_ImportEnd: the end of imports is the earliest that was imported under, and none
// before anything was.
func TestI15_ImportEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		want := func(end time.Time) {
			t.Helper()
			for _, a := range []*cloakroom.Admin{p.m.Admin(), cloakroom.NewAdmin(p.store, p.config.App)} {
				if got, err := a.ImportEnd(t.Context(), p.lib.Name()); err != nil || !got.Equal(end.Truncate(time.Millisecond)) {
					t.Errorf("the end of imports is %v (%v), want %v", got, err, end)
				}
			}
		}
		v, w := p.arrives("ann", "full"), p.arrives("bob", "full")
		want(time.Time{})
		v.wantSees("ann", "full")
		want(p.config.Import.Until)
		im := *p.config.Import
		im.Until = p.clock.now().Add(time.Hour)
		p.config.Import = &im
		w.m = p.another()
		w.wantSees("bob", "full")
		want(im.Until)
		if got, err := p.m.Admin().ImportEnd(t.Context(), "another"); err != nil || !got.IsZero() {
			t.Errorf("the end of another importer's is %v, %v", got, err)
		}
	})
}

// TestStored: it shows what the store has, over or not, and ends nothing.
func TestStored(t *testing.T) {
	r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour})
	live, over, ended := r.signedIn("ann"), r.signedIn("bob"), r.signedIn("cy")
	admin := r.m.Admin()
	if admin.App() != "session" {
		t.Error(admin.App())
	}
	if err := admin.Revoke(t.Context(), ended.ID()); err != nil {
		t.Fatal(err)
	}
	r.clock.add(2 * time.Hour)
	for _, s := range []*cloakroom.Session{live, over} {
		if rec, err := admin.Stored(t.Context(), s.ID()); err != nil || rec.ID != s.ID() || rec.Grave != nil {
			t.Errorf("%v %v", rec, err)
		}
		if _, err := r.kept(s.ID()); err != nil {
			t.Errorf("reading ended it: %v", err)
		}
	}
	if rec, err := admin.Stored(t.Context(), ended.ID()); err != nil || rec.Grave == nil || rec.Grave.Reason != cloakroom.EndRevoked || rec.Grave.Principal != "cy" {
		t.Errorf("%v %v", rec, err)
	}
	other := cloakroom.NewAdmin(r.store, "other")
	for _, id := range []cloakroom.ID{live.ID(), ended.ID(), driver.LedgerID("session", "ann"), driver.NewID(driver.LayoutDay, time.Now())} {
		if _, err := other.Stored(t.Context(), id); !errors.Is(err, cloakroom.ErrNotFound) {
			t.Errorf("%v of another app: %v", id, err)
		}
	}
	if _, err := admin.Stored(t.Context(), driver.LedgerID("session", "ann")); !errors.Is(err, cloakroom.ErrNotFound) {
		t.Errorf("a ledger: %v", err)
	}
}

// TestReadSessions: it shows what Sessions shows, so many at most, and ends nothing.
func TestReadSessions(t *testing.T) {
	r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour})
	over := r.signedIn("ann")
	r.clock.add(2 * time.Hour)
	live := r.signedIn("ann")
	r.signedIn("bob")
	list, older, err := r.m.Admin().ReadSessions(t.Context(), "ann", 0)
	if err != nil || len(list) != 1 || list[0].ID != live.ID() || list[0].Ending || older != 0 {
		t.Errorf("%v, %d older, %v", list, older, err)
	}
	if rec, err := r.kept(over.ID()); err != nil || rec.Grave != nil {
		t.Errorf("reading ended it: %v", err)
	}
	last := r.signedIn("ann")
	list, older, err = r.m.Admin().ReadSessions(t.Context(), "ann", 1)
	if err != nil || len(list) != 1 || list[0].ID != last.ID() || older != 2 { // of which one is over
		t.Errorf("%v, %d older, %v", list, older, err)
	}
	if _, _, err := r.m.Admin().ReadSessions(t.Context(), "", 0); !errors.Is(err, driver.ErrInvalid) {
		t.Error(err)
	}
}
