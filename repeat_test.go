package cloakroom_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of a sign-in whose answer was lost, and that is repeated
// (invariant 9).

var (
	basket = cloakroom.NewKey[string]("basket")
	rank   = cloakroom.NewKey[string]("rank")
)

func put(text string) page {
	return func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		basket.Set(s, text)
		return nil
	}
}

// lostLogin is a visitor with a full cart whose sign-in had no answer: the browser
// still has the token of before. heard has the one that the answer brought. The
// handler goes on with then.
func lostLogin(r *rig, o *cloakroom.LoginOptions, then page) (lost, heard *guest) {
	r.Helper()
	lost = r.guest()
	lost.want(200, put("full"))
	heard = &guest{r: r, m: r.m, token: lost.token}
	heard.want(200, func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
		if err := s.Login(req.Context(), "ann", o); err != nil || then == nil {
			return err
		}
		return then(w, req, s)
	})
	if heard.token == lost.token {
		r.Fatal("the sign-in handed out no token")
	}
	return lost, heard
}

// wantIs checks the principal of the session that a browser's next request finds, and
// its cart.
func (g *guest) wantIs(principal, text string) {
	g.r.Helper()
	g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if s.Principal() != principal || basket.Get(s) != text {
			g.r.Errorf("the browser is %q with the cart %q, want %q with %q", s.Principal(), basket.Get(s), principal, text)
		}
		return nil
	})
}

func (r *rig) wantDeviceCount(principal string, want int) {
	r.Helper()
	all, err := r.m.Admin().Sessions(r.Context(), principal)
	if err != nil {
		r.Fatal(err)
	}
	if len(all) != want {
		r.Errorf("%s has %d devices, want %d", principal, len(all), want)
	}
}

// A sign-in whose answer is lost costs one more sign-in, with the cart and without a
// second device.
func TestI9_LostSignIn(t *testing.T) {
	for _, after := range []time.Duration{0, 29 * time.Second, 31 * time.Second, time.Hour - time.Millisecond} {
		t.Run(after.String(), func(t *testing.T) {
			r := newRig(t, nil)
			lost, heard := lostLogin(r, nil, nil)
			r.clock.add(after)
			lost.want(200, loginAs("ann", nil))
			r.wantDeviceCount("ann", 1)
			lost.wantIs("ann", "full")
			// Should the first answer turn up after all, its token opens nothing.
			heard.wantIs("", "")
		})
	}
}

// An hour after the sign-in it is as if there had been none.
func TestI9_LostSignInOfLongAgo(t *testing.T) {
	r := newRig(t, nil)
	lost, heard := lostLogin(r, nil, nil)
	r.clock.add(time.Hour)
	lost.want(200, loginAs("ann", nil))
	lost.wantIs("ann", "")
	heard.wantIs("ann", "full")
}

// The old token by itself opens nothing, and tells nothing of the new session.
func TestI9_ReplacedTokenOpensNothing(t *testing.T) {
	for _, after := range []time.Duration{0, time.Minute} {
		r := newRig(t, nil)
		lost, heard := lostLogin(r, nil, nil)
		id := idIn(t, heard.token)
		r.clock.add(after)
		w := lost.want(200, func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			all, err := r.m.Devices(req.Context())
			if !s.IsNew() || s.Principal() != "" || s.ID() != (cloakroom.ID{}) || basket.Get(s) != "" || s.Token() != "" || len(all) != 0 {
				t.Errorf("the old token opens %v of %q: %+v", s, s.Principal(), s.Info())
			}
			fmt.Fprintf(w, "%v %+v", s, s.Info())
			return err
		})
		if body := w.Body.String(); strings.Contains(body, id.String()) || strings.Contains(body, "ann") {
			t.Errorf("the old token shows %s", body)
		}
		lost.do(put("empty"))
		lost.do(renew)
		lost.do(logout)
		heard.wantIs("ann", "full")
	}
}

// Nothing of the new sign-in's standing comes from the lost one: not the values that
// were set after it, nor how long it lasts.
func TestI9_LostSignInGivesNoStanding(t *testing.T) {
	var r *rig
	promote := func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		rank.Set(s, "admin")
		basket.Set(s, "audited")
		return nil
	}
	for name, then := range map[string]page{
		"saved with the answer": promote,
		"saved at once": func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			return errors.Join(promote(w, req, s), s.Save(req.Context()))
		},
		"saved twice": func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			rank.Set(s, "guest")
			return errors.Join(s.Save(req.Context()), promote(w, req, s))
		},
		"and all else removed": func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			s.Clear()
			rank.Set(s, "admin")
			return nil
		},
		"removed and set again": func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			s.Clear()
			err := s.Save(req.Context())
			rank.Set(s, "admin")
			return err
		},
		"from elsewhere": func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			return r.m.Admin().Update(req.Context(), s.ID(), func(tx *cloakroom.Tx) error { rank.Set(tx, "admin"); return nil })
		},
	} {
		t.Run(name, func(t *testing.T) {
			r = newRig(t, nil)
			lost, _ := lostLogin(r, &cloakroom.LoginOptions{Remember: true, Lifetime: time.Hour}, then)
			r.clock.add(time.Second)
			lost.want(200, loginAs("ann", nil))
			lost.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				if rank.Get(s) != "" || basket.Get(s) != "full" {
					t.Errorf("the repeated sign-in has the role %q and the cart %q", rank.Get(s), basket.Get(s))
				}
				if i := s.Info(); i.Persistent || i.Deadline.Sub(i.Created) <= time.Hour || !i.Authenticated.Equal(i.Created) {
					t.Errorf("it stands as the lost one: %+v", i)
				}
				return nil
			})
		})
	}
}

// Once a request has presented the token of the sign-in, its answer wasn't lost. A
// visitor who signs in again with the old token begins with nothing, and the other
// session goes on.
func TestI9_HeardSignIn(t *testing.T) {
	uses := map[string]page{
		"reading": look, "saving": visit,
		"a socket": func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Get(s)
			return http.NewResponseController(w).Flush()
		},
		"saving at once": func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			return errors.Join(visit(w, req, s), s.Save(req.Context()))
		},
		"renewing": renew,
	}
	for name, use := range uses {
		for _, mode := range []cloakroom.SaveMode{cloakroom.SaveOnce, cloakroom.SaveEach, cloakroom.SaveManual} {
			t.Run(fmt.Sprint(name, mode), func(t *testing.T) {
				r := newRig(t, nil)
				lost, heard := lostLogin(r, nil, nil)
				heard.m = r.manager(&cloakroom.Config{Save: mode})
				heard.want(200, use)
				lost.want(200, loginAs("ann", nil))
				lost.wantIs("ann", "")
				heard.wantIs("ann", "full")
				r.wantDeviceCount("ann", 2)
			})
		}
	}
	t.Run("outside of a request", func(t *testing.T) {
		r := newRig(t, nil)
		lost, heard := lostLogin(r, nil, nil)
		r.openBy(r.m, heard.token)
		lost.want(200, loginAs("ann", nil))
		lost.wantIs("ann", "")
	})
	// The pages that need no session don't ask for it.
	t.Run("not asking", func(t *testing.T) {
		r := newRig(t, nil)
		lost, heard := lostLogin(r, nil, nil)
		r.m.Handler(http.NotFoundHandler()).ServeHTTP(httptest.NewRecorder(), heard.request(t.Context()))
		lost.want(200, loginAs("ann", nil))
		lost.wantIs("ann", "full")
	})
}

// The first request records that it came before its first byte, in the write of its
// save if there is one; later ones write nothing.
func TestI5I6_FirstUseIsRecorded(t *testing.T) {
	for name, use := range map[string]page{"reading": look, "saving": visit} {
		r := newRig(t, nil)
		_, heard := lostLogin(r, nil, nil)
		id := idIn(t, heard.token)
		r.store.since()
		heard.want(200, func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			if err := use(w, req, s); err != nil {
				return err
			}
			fmt.Fprintln(w, "the first byte")
			if rec, err := r.kept(id); err != nil || rec.Extra.Get(driver.ExtraUnused) != nil {
				t.Errorf("%s: the response has begun, and the session looks unused: %v", name, err)
			}
			return nil
		})
		r.wantOps("get 1, update 1")
		heard.want(200, look)
		r.wantOps("get 1")
	}
}

// The first use of a visitor who came in time is recorded, however late the write: that
// doesn't end the session.
func TestI5I11_FirstUseJustInTime(t *testing.T) {
	const idle = 10 * time.Minute
	for name, visit := range map[string]func(r *rig, g *guest){
		"a request": func(r *rig, g *guest) {
			g.want(200, func(http.ResponseWriter, *http.Request, *cloakroom.Session) error {
				r.clock.add(time.Second)
				return nil
			})
		},
		"outside of requests": func(r *rig, g *guest) {
			r.store.hook(func(c *call) fate {
				if c.op == "get" {
					r.clock.add(time.Second)
				}
				return pass
			})
			r.openBy(r.m, g.token)
			r.store.heal()
		},
	} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{IdleTimeout: idle})
			_, heard := lostLogin(r, nil, nil)
			r.clock.add(idle - time.Millisecond)
			visit(r, heard)
			synctest.Wait()
			heard.wantIs("ann", "full")
		})
	}
}

// A session that has ended by the time at which its first use is recorded isn't there.
func TestI2_FirstUseOutsideOfARequestMeetsTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		lost, heard := lostLogin(r, nil, nil)
		g := r.store.hold(isOn("update", idIn(t, heard.token)))
		done := later(func() error { _, err := r.m.Retrieve(t.Context(), heard.token); return err })
		<-g.reached
		lost.want(200, loginAs("ann", nil))
		g.let(pass)
		r.wantErr("Retrieve", <-done, cloakroom.ErrNotFound)
		lost.wantIs("ann", "full")
	})
}

// A request whose first use can't be recorded isn't answered.
func TestI5I8_FirstUseThatCannotBeRecorded(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		lost, heard := lostLogin(r, nil, nil)
		r.store.answer(isWrite, errFull)
		if w := heard.want(503, look); len(w.Result().Cookies()) != 0 {
			t.Errorf("the cookie is touched: %v", w.Result().Cookies())
		}
		synctest.Wait() // the request's touch would record the use as well
		r.store.heal()
		lost.want(200, loginAs("ann", nil))
		lost.wantIs("ann", "full")
	})
}

// Sign-ins that are lost one after the other.
func TestI9_ChainOfLostSignIns(t *testing.T) {
	r := newRig(t, nil)
	lost, heard := lostLogin(r, nil, nil)
	old := lost.token
	tokens := []string{old, heard.token}
	for n := range 5 {
		r.clock.add(3 * time.Minute)
		replaced := tokens[:len(tokens)-1]
		g := &guest{r: r, m: r.m, token: replaced[n/2%len(replaced)]}
		g.want(200, loginAs("ann", nil))
		tokens = append(tokens, g.token)
	}
	lost.want(200, loginAs("ann", nil))
	lost.wantIs("ann", "full")
	r.wantDeviceCount("ann", 1)
	for _, tok := range tokens[1:] {
		g := &guest{r: r, m: r.m, token: tok}
		g.wantIs("", "")
	}
	// The last one was heard. So the chain has come to an end.
	again := &guest{r: r, m: r.m, token: old}
	again.want(200, loginAs("ann", nil))
	again.wantIs("ann", "")
	lost.wantIs("ann", "full")
}

// Neither for another principal, nor with another's token, nor after a sign-out.
func TestI9_WhoMayNotRepeat(t *testing.T) {
	t.Run("a session with an idle timeout of its own may", func(t *testing.T) {
		r := newRig(t, nil)
		old := r.guest()
		old.want(200, put("full"))
		old.want(200, loginAs("ann", &cloakroom.LoginOptions{Remember: true, IdleTimeout: time.Hour}))
		old.wantIs("ann", "full")
		heard := &guest{r: r, m: r.m, token: old.token}
		heard.want(200, loginAs("ann", &cloakroom.LoginOptions{Remember: true}))
		old.want(200, loginAs("ann", nil))
		old.wantIs("ann", "full")
		heard.wantIs("", "")
		r.wantDeviceCount("ann", 1)
	})
	t.Run("another principal", func(t *testing.T) {
		r := newRig(t, nil)
		lost, heard := lostLogin(r, nil, nil)
		lost.want(200, loginAs("bob", nil))
		lost.wantIs("bob", "")
		heard.wantIs("ann", "full")
	})
	t.Run("another secret", func(t *testing.T) {
		r := newRig(t, nil)
		lost, heard := lostLogin(r, nil, nil)
		g := &guest{r: r, m: r.m, token: deskRing(t).Sign(deskScope, idIn(t, lost.token), [16]byte{1})}
		g.want(409, loginAs("ann", nil))
		r.clock.add(3 * time.Minute)
		g.want(200, loginAs("ann", nil))
		g.wantIs("ann", "")
		heard.wantIs("ann", "full")
	})
	t.Run("a secret that had been renewed", func(t *testing.T) {
		r := newRig(t, nil)
		old := r.guest()
		old.want(200, put("full"))
		newer := &guest{r: r, m: r.m, token: old.token}
		newer.want(200, renew)
		heard := &guest{r: r, m: r.m, token: newer.token}
		heard.want(200, loginAs("ann", nil))
		r.clock.add(3 * time.Minute)
		old.want(200, loginAs("ann", nil))
		old.wantIs("ann", "")
		newer.want(200, loginAs("ann", nil))
		newer.wantIs("ann", "full")
	})
	t.Run("another app", func(t *testing.T) {
		r := newRig(t, nil)
		lost, heard := lostLogin(r, nil, nil)
		lost.m = r.manager(&cloakroom.Config{App: "shop"})
		lost.want(200, loginAs("ann", nil))
		lost.wantIs("ann", "")
		heard.wantIs("ann", "full")
	})
	t.Run("signed out", func(t *testing.T) {
		r := newRig(t, nil)
		lost, heard := lostLogin(r, nil, nil)
		heard.want(200, logout)
		lost.want(200, loginAs("ann", nil))
		lost.wantIs("ann", "")
	})
	t.Run("signed out everywhere", func(t *testing.T) {
		r := newRig(t, nil)
		lost, heard := lostLogin(r, nil, nil)
		if err := r.m.Admin().RevokeAll(t.Context(), "ann"); err != nil {
			t.Fatal(err)
		}
		lost.want(200, loginAs("ann", nil))
		lost.wantIs("ann", "")
		heard.wantIs("", "")
	})
	t.Run("expired", func(t *testing.T) {
		r := newRig(t, &cloakroom.Config{IdleTimeout: 10 * time.Minute})
		lost, _ := lostLogin(r, nil, nil)
		r.clock.add(10 * time.Minute)
		lost.want(200, loginAs("ann", nil))
		lost.wantIs("ann", "")
	})
	t.Run("an edited grave", func(t *testing.T) {
		r := newRig(t, nil)
		lost, heard := lostLogin(r, nil, nil)
		id := idIn(t, lost.token)
		rec, _ := r.kept(id)
		g := *rec.Grave
		g.Until = g.Until.Add(time.Hour)
		if err := r.store.Store.Bury(t.Context(), id, g, rec.Version); err != nil {
			t.Fatal(err)
		}
		lost.want(409, loginAs("ann", nil))
		heard.wantIs("ann", "full")
	})
}

// A second click on "sign in", before the first is answered, or after.
func TestI9_TwoClicks(t *testing.T) {
	for at, match := range map[string]matcher{"creation": isOp("create"), "entry": isLedger("update"), "retirement": isOp("bury")} {
		runInBubble(t, "the second comes before the "+at, func(t *testing.T) {
			r := newRig(t, nil)
			first := r.guest()
			first.want(200, put("full"))
			second := &guest{r: r, m: r.manager(nil), token: first.token}
			// The principal has signed in before, so that the ledger is updated.
			r.guest().want(200, loginAs("ann", nil))
			g := r.store.hold(match)
			done := later(func() int { return first.do(loginAs("ann", nil)).Code })
			<-g.reached
			second.want(200, loginAs("ann", nil))
			g.let(pass)
			if status := <-done; status != 200 {
				t.Errorf("the first click is answered with %d", status)
			}
			// The first click is the one that ended last.
			r.wantDeviceCount("ann", 2)
			first.wantIs("ann", "full")
			second.m = r.m // which remembers nothing of it
			second.wantIs("", "")
		})
	}
}

// The limit ends no bystander for a sign-in that is repeated.
func TestI10_RepeatedSignInAtTheLimit(t *testing.T) {
	r := newRig(t, &cloakroom.Config{MaxPerPrincipal: 2})
	bystander := r.guest()
	bystander.want(200, loginAs("ann", nil))
	bystander.wantIs("ann", "")
	r.clock.add(time.Second)
	lost, _ := lostLogin(r, nil, nil)
	for range 3 {
		r.clock.add(time.Second)
		g := &guest{r: r, m: r.m, token: lost.token}
		g.want(200, loginAs("ann", nil))
		r.wantDeviceCount("ann", 2)
		bystander.wantIs("ann", "")
	}
}

// The mark and the repetition at the same moment: the session goes on if the mark was
// first, and else the visitor has the cart in the new one.
func TestI9I13_MarkAgainstRepetition(t *testing.T) {
	runInBubble(t, "the mark is first", func(t *testing.T) {
		r := newRig(t, nil)
		lost, heard := lostLogin(r, nil, nil)
		g := r.store.hold(isOn("bury", idIn(t, heard.token)))
		done := later(func() int { return lost.do(loginAs("ann", nil)).Code })
		<-g.reached
		heard.wantIs("ann", "full")
		g.let(pass)
		if status := <-done; status != 200 {
			t.Errorf("the sign-in is answered with %d", status)
		}
		lost.wantIs("ann", "")
		heard.wantIs("ann", "full")
		r.wantDeviceCount("ann", 2)
	})
	runInBubble(t, "the repetition is first", func(t *testing.T) {
		r := newRig(t, nil)
		lost, heard := lostLogin(r, nil, nil)
		g := r.store.hold(isOn("update", idIn(t, heard.token)))
		done := later(func() int { return heard.do(look).Code })
		<-g.reached
		lost.want(200, loginAs("ann", nil))
		g.let(pass)
		if status := <-done; status != 200 {
			t.Errorf("a request that had read its session is answered with %d", status)
		}
		lost.wantIs("ann", "full")
		heard.wantIs("", "")
		r.wantDeviceCount("ann", 1)
	})
}

// The handler of the lost sign-in saves in the same moment.
func TestI9_SaveOfTheLostSignIn(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		lost := r.guest()
		lost.want(200, put("full"))
		s := r.openBy(r.m, lost.token)
		if err := s.Login(context.Background(), "ann", nil); err != nil {
			t.Fatal(err)
		}
		g := r.store.hold(isOn("bury", s.ID()))
		done := later(func() int { return lost.do(loginAs("ann", nil)).Code })
		<-g.reached
		rank.Set(s, "admin")
		r.save(s)
		g.let(pass)
		if status := <-done; status != 200 {
			t.Errorf("the sign-in is answered with %d", status)
		}
		rank.Set(s, "guest")
		r.wantErr("Save", s.Save(t.Context()), cloakroom.ErrGone)
		lost.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if rank.Get(s) != "" || basket.Get(s) != "full" {
				t.Errorf("role %q, cart %q", rank.Get(s), basket.Get(s))
			}
			return nil
		})
	})
}

// twoFaced shows a grave once, in the place of the record that is there.
type twoFaced struct {
	cloakroom.Store
	grave *driver.Record
}

func (s *twoFaced) Get(ctx context.Context, id cloakroom.ID) (*driver.Record, error) {
	if g := s.grave; g != nil && g.ID == id {
		s.grave = nil
		return g, cloakroom.ErrGone
	}
	return s.Store.Get(ctx, id)
}

// An isolated node may show a session that goes on as replaced. A visitor who signs in
// then doesn't begin with nothing, and leave that session behind.
func TestI9I13_PhantomOfAReplacement(t *testing.T) {
	r := newRig(t, nil)
	lost, heard := lostLogin(r, nil, nil)
	grave, _ := r.kept(idIn(t, lost.token))
	old := r.stored(0)
	old2 := r.as(old)
	old2.want(200, put("full"))
	// The same grave, of a session that is live, with its own verifier.
	rec, err := r.kept(old.ID())
	if err != nil {
		t.Fatal(err)
	}
	phantom := &driver.Record{ID: old.ID(), Grave: new(driver.Grave), Version: grave.Version}
	*phantom.Grave = rec.GraveFor(cloakroom.EndReplaced, r.clock.now(), driver.NewWriteID())
	phantom.Grave.Successor = idIn(t, heard.token)
	phantom.Grave.Extra = driver.NewValueList(map[string]json.RawMessage{driver.ExtraReplaced: fmt.Appendf(nil, `{"verifier":%q,"created":%d}`, base64.StdEncoding.EncodeToString(rec.Verifier), rec.Created.UnixMilli())})
	m := r.managerOn(newFaulty(&twoFaced{r.store.Store, phantom}), nil)
	g := &guest{r: r, m: m, token: old.Token()}
	if w := g.want(503, loginAs("ann", nil)); len(w.Result().Cookies()) != 0 {
		t.Errorf("cookies: %v", w.Result().Cookies())
	}
	g.want(200, loginAs("ann", nil))
	g.wantIs("ann", "full")
}
