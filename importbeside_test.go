package cloakroom_test

import (
	"errors"
	"testing"
)

// This file is the tests of a foreign cookie beside a token of ours (invariant 15).

func TestI15_BesideOurToken(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for _, how := range []struct {
			name string
			f    page
		}{{"sign-out", logout}, {"sign-in", loginAs("bob", nil)}} {
			p := newPort(t, nil)
			v := &immigrant{guest: p.guest()}
			v.want(200, put("mine"))
			both := p.arrives("ann", "hers")
			id := both.oldID()
			both.token = v.token
			stays := both.copy()
			both.wantSees("", "mine")
			if !p.lib.has(id) {
				t.Errorf("%s: the old session was imported beside a token that opens a session", how.name)
			}
			stays.want(200, how.f)
			if p.lib.has(id) {
				t.Errorf("%s: the old session is still there", how.name)
			}
			p.lib.put(id, "user", `"ann"`) // as if it couldn't be ended
			again := &immigrant{guest: p.guest(), old: id + ".good"}
			again.wantSees("", "")
		}
	})
}

// TestI15_BesideOurTokenHangs: who signs in or out beside a foreign cookie doesn't need the
// old library's store for it.
func TestI15_BesideOurTokenHangs(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for name, f := range map[string]page{"sign-out": logout, "sign-in": loginAs("bob", nil)} {
			p := newPort(t, nil)
			v := p.arrives("ann", "hers")
			again := v.copy()
			v.token = p.signedIn("cid").Token()
			im := *p.config.Import
			im.From = hanging{p.lib}
			p.config.Import = &im
			v.m = p.another()
			if w := v.do(f); w.Code != 200 {
				t.Errorf("%s: got status %d %q, want 200", name, w.Code, w.Body)
			}
			again.wantSees("", "")
		}
	})
}

// TestI15_OurTokenCanNotBeRead: an outage is not an import.
func TestI15_OurTokenCanNotBeRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "hers")
		s := p.signedIn("bob")
		v.token = s.Token()
		p.store.answer(isOn("get", s.ID()), errors.New("down"))
		v.want(503, look)
		p.store.heal()
		v.wantSees("bob", "")
	})
}
