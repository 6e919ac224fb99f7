package cloakroom_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of a visitor's own sessions: their list, and EndDevice, the end of
// one by its id.

// ending is the page that ends a device.
func (r *rig) ending(id cloakroom.ID) page {
	return func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
		return r.m.EndDevice(req.Context(), id)
	}
}

// wantLives checks that a session has not ended.
func (r *rig) wantLives(what string, id cloakroom.ID) {
	r.Helper()
	if rec, err := r.kept(id); err != nil || rec.Grave != nil {
		r.Errorf("%s: %v", what, err)
	}
}

func TestI2_EndDevice(t *testing.T) {
	var told []string
	r := newRig(t, &cloakroom.Config{Events: &cloakroom.Events{Ended: func(_ context.Context, e cloakroom.Ending) {
		told = append(told, fmt.Sprint(e.ID, " ", e.Reason))
	}}})
	mine, other, third := r.signedIn("ann"), r.signedIn("ann"), r.signedIn("ann")
	late := r.open(other)
	visits.Set(late, 7)
	told = nil
	g := r.as(mine)
	if w := g.want(200, r.ending(other.ID())); len(w.Result().Cookies()) != 0 {
		t.Errorf("the client's cookie is changed: %v", w.Result().Cookies())
	}
	r.wantGrave(other.ID(), cloakroom.EndRevoked)
	r.wantErr("a save that was under way", late.Save(t.Context()), cloakroom.ErrGone)
	r.wantDevices("ann", mine.ID(), third.ID())
	r.wantLedger("ann", 2, 0)
	if want := fmt.Sprint(other.ID(), " revoked"); len(told) != 1 || told[0] != want {
		t.Errorf("told %q, want %q", told, want)
	}
	r.wantShut(other.ID(), other.Token())

	// The request's own, as by a sign-out.
	told = nil
	g.want(200, r.ending(mine.ID()))
	r.wantGrave(mine.ID(), cloakroom.EndDestroyed)
	if g.token != "" || len(told) != 1 || told[0] != fmt.Sprint(mine.ID(), " destroyed") {
		t.Errorf("of its own session the client keeps %q, and told was %q", g.token, told)
	}
	r.wantDevices("ann", third.ID())
}

// An id that isn't one of the principal's live sessions is not found, and nobody learns
// more.
func TestEndDeviceOfAnother(t *testing.T) {
	r := newRig(t, nil)
	mine, bobs, nobodys := r.signedIn("ann"), r.signedIn("bob"), r.stored(1)
	destroyed := r.signedIn("ann")
	destroyedID := destroyed.ID()
	if err := destroyed.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	abroad := r.manager(&cloakroom.Config{App: "abroad"})
	foreign, err := abroad.Create(t.Context())
	if err == nil {
		err = foreign.Login(t.Context(), "ann", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	corrupt := r.signedIn("ann")
	r.poison(corrupt.ID())
	idle := r.signedIn("ann")
	r.rewrite(idle.ID(), func(rec *driver.Record) { rec.Expires = r.clock.now() })
	ids := map[string]cloakroom.ID{
		"another's": bobs.ID(), "nobody's": nobodys.ID(), "ended": destroyedID, "another app's": foreign.ID(), "unknown": driver.NewID(driver.LayoutDay, r.clock.now()),
		"a ledger": driver.LedgerID("session", "ann"), "zero": {}, "corrupt": corrupt.ID(), "expired": idle.ID(),
	}
	g := r.as(mine)
	for what, id := range ids {
		w := g.want(404, func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
			err := r.m.EndDevice(req.Context(), id)
			r.wantErr(what, err, cloakroom.ErrNotFound)
			if want := fmt.Sprintf("cloakroom: session %v of %q: not found", id, "ann"); err == nil || err.Error() != want {
				t.Errorf("%s: %v, want %s", what, err, want)
			}
			return err
		})
		if strings.Contains(w.Body.String(), id.String()) {
			t.Errorf("%s: the client is told %q", what, w.Body)
		}
	}
	for what, id := range map[string]cloakroom.ID{"another's": bobs.ID(), "nobody's": nobodys.ID(), "another app's": foreign.ID()} {
		r.wantLives(what, id)
	}
	r.wantGrave(destroyedID, cloakroom.EndDestroyed)
	r.wantGrave(idle.ID(), cloakroom.EndExpired)
	if l := r.ledger("ann"); l.rec == nil {
		t.Error("the ledger was buried")
	}
	if got := r.log.take(); got != "" {
		t.Errorf("logged: %s", got)
	}
	// A visitor who isn't signed in has no sessions.
	for _, g := range []*guest{r.guest(), r.as(r.stored(1))} {
		g.want(404, r.ending(bobs.ID()))
	}
	r.wantLives("another's", bobs.ID())
	if err := r.m.EndDevice(t.Context(), bobs.ID()); err == nil {
		t.Error("it works without a request")
	}
}

// The ledger isn't asked whose a session is.
func TestI10_EndDeviceWithoutALedger(t *testing.T) {
	r := newRig(t, nil)
	mine, other := r.signedIn("ann"), r.signedIn("ann")
	r.loseLedger("ann")
	r.as(mine).want(200, r.ending(other.ID()))
	r.wantGrave(other.ID(), cloakroom.EndRevoked)
}

// A previous secret ends nothing, also where the cache doesn't know that it is one; nor
// does a session that was ended elsewhere.
func TestI9_EndDeviceTakesTheCurrentSecret(t *testing.T) {
	for _, cached := range []time.Duration{0, time.Minute} {
		r := newRig(t, &cloakroom.Config{CacheFor: cached})
		elsewhere := r.manager(nil)
		mine, other := r.signedIn("ann"), r.signedIn("ann")
		g := r.as(mine)
		if err := r.openBy(elsewhere, g.token).Renew(t.Context()); err != nil {
			t.Fatal(err)
		}
		g.want(409, r.ending(other.ID()))
		g.want(409, r.ending(mine.ID()))
		r.wantLives("with a previous secret", other.ID())
		r.wantLives("with a previous secret, itself", mine.ID())

		bobs, bobsOther := r.signedIn("bob"), r.signedIn("bob")
		if err := elsewhere.Admin().Revoke(t.Context(), bobs.ID()); err != nil {
			t.Fatal(err)
		}
		want := 404 // nobody is signed in
		if cached > 0 || *cacheFlag > 0 {
			want = 409
		}
		r.as(bobs).want(want, r.ending(bobsOther.ID()))
		r.wantLives("by one that was revoked", bobsOther.ID())
	}
	// Nor do several sessions, or one that has just been signed out.
	r := newRig(t, nil)
	anns, bobs, other := r.signedIn("ann"), r.signedIn("bob"), r.signedIn("ann")
	req := r.as(anns).request(t.Context())
	req.AddCookie(&http.Cookie{Name: "session", Value: bobs.Token()})
	if w := r.guest().send(req, r.ending(other.ID())); w.Code != 409 {
		t.Errorf("with two sessions: %d", w.Code)
	}
	g := r.as(anns)
	if err := anns.Destroy(t.Context()); err != nil {
		t.Fatal(err)
	}
	g.want(409, r.ending(other.ID()))
	r.wantLives("by two, or by one that was signed out", other.ID())
}

// Whatever happens to the burial, nil says that the session has ended.
func TestI13_FaultsOfEndDevice(t *testing.T) {
	for name, fates := range fates {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			mine, other := r.signedIn("ann"), r.signedIn("ann")
			r.store.fate(isOn("bury", other.ID()), fates...)
			r.as(mine).want(200, r.ending(other.ID()))
			r.store.deliver()
			r.wantGrave(other.ID(), cloakroom.EndRevoked)
		})
	}
	runInBubble(t, "no answers", func(t *testing.T) {
		r := newRig(t, nil)
		mine, other := r.signedIn("ann"), r.signedIn("ann")
		r.store.answer(isOn("bury", other.ID()), errNoAnswer)
		r.as(mine).want(503, func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
			err := r.m.EndDevice(req.Context(), other.ID())
			r.wantErr("EndDevice", err, cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
			return err
		})
	})
	// A grave that only a node that was cut off has: the session has not ended.
	runInBubble(t, "a phantom grave", func(t *testing.T) {
		r := newRig(t, nil)
		mine, other := r.signedIn("ann"), r.signedIn("ann")
		r.store.hook(func(c *call) fate {
			if isOn("bury", other.ID())(c) {
				return phantom
			}
			return pass
		})
		r.wantErr("Revoke", r.m.Admin().Revoke(t.Context(), other.ID()), cloakroom.ErrUnknown)
		r.store.mu.Lock()
		r.store.hooks = nil
		r.store.mu.Unlock()
		r.wantLives("a phantom grave", other.ID())
		r.as(mine).want(200, r.ending(other.ID()))
		r.wantGrave(other.ID(), cloakroom.EndRevoked)
	})
}

// A record of a newer version can't be judged yet: 503.
func TestI8_EndDeviceOfANewerVersion(t *testing.T) {
	r := newRig(t, nil)
	mine, other := r.signedIn("ann"), r.signedIn("ann")
	r.rewrite(other.ID(), func(rec *driver.Record) { rec.Extra = rec.Extra.With(driver.ExtraFormat, []byte("2")) })
	r.as(mine).want(503, r.ending(other.ID()))
}

// TestLatestDevices: of more than so many the own one and the latest come, and the others are
// counted.
func TestLatestDevices(t *testing.T) {
	r := newRig(t, nil)
	mine := r.signedIn("ann")
	var all []cloakroom.ID
	for range 5 {
		r.clock.add(time.Minute)
		all = append(all, r.signedIn("ann").ID())
	}
	for most, want := range map[int][]cloakroom.ID{
		1: {mine.ID()}, 3: {all[4], all[3], mine.ID()}, 5: {all[4], all[3], all[2], all[1], mine.ID()},
		6: {all[4], all[3], all[2], all[1], all[0], mine.ID()}, 0: {all[4], all[3], all[2], all[1], all[0], mine.ID()},
	} {
		r.as(mine).want(200, func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
			list, older, err := r.m.LatestDevices(req.Context(), most)
			var got []cloakroom.ID
			for _, d := range list {
				got = append(got, d.ID)
				if d.Ending || d.Current != (d.ID == mine.ID()) {
					t.Errorf("%d: %+v", most, d)
				}
			}
			if !slices.Equal(got, want) || older != 6-len(want) {
				t.Errorf("%d: %v and %d older, want %v", most, got, older, want)
			}
			return err
		})
	}
}
