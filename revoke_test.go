package cloakroom_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of sign-out everywhere, the ledger and the limit per
// principal (invariant 10).

// ledgerOf is a principal's ledger as it is in the store.
type ledgerOf struct {
	Generation   driver.WriteID
	Live, Ending []struct{ ID cloakroom.ID }
	rec          *driver.Record
}

func (r *rig) ledger(principal string) (l ledgerOf) {
	r.Helper()
	rec, err := r.kept(driver.LedgerID("session", principal))
	if errors.Is(err, cloakroom.ErrNotFound) {
		return l
	}
	if err == nil {
		err = json.Unmarshal(rec.Values.Get("ledger"), &l)
	}
	if err != nil {
		r.Fatalf("ledger of %s: %v", principal, err)
	}
	l.rec = rec
	return l
}

// wantLedger checks how many ids a ledger keeps.
func (r *rig) wantLedger(principal string, live, ending int) {
	r.Helper()
	if l := r.ledger(principal); len(l.Live) != live || len(l.Ending) != ending {
		r.Errorf("the ledger of %s keeps %d live and %d ending, want %d and %d", principal, len(l.Live), len(l.Ending), live, ending)
	}
}

func (r *rig) revokeAll(principal string, except ...cloakroom.ID) {
	r.Helper()
	if err := r.m.Admin().RevokeAll(context.Background(), principal, except...); err != nil {
		r.Errorf("RevokeAll: %v", err)
	}
}

func TestI10_RevokeAll(t *testing.T) {
	var out []string
	var ended []cloakroom.ID
	r := newRig(t, &cloakroom.Config{Events: &cloakroom.Events{
		SignedOut: func(_ context.Context, principal string) { out = append(out, principal) },
		Ended: func(_ context.Context, e cloakroom.Ending) {
			if e.Reason == cloakroom.EndRevoked && e.Principal == "ann" {
				ended = append(ended, e.ID)
			}
		},
	}})
	var anns []*cloakroom.Session
	for range 5 {
		anns = append(anns, r.signedIn("ann"))
	}
	bob, nobody := r.signedIn("bob"), r.stored(1)
	r.wantLedger("ann", 5, 0)
	r.revokeAll("ann", anns[2].ID(), bob.ID(), nobody.ID())
	for i, s := range anns {
		if i == 2 {
			r.wantOpen("as an exception", s.Token(), true)
			continue
		}
		r.wantGrave(s.ID(), cloakroom.EndRevoked)
		r.wantShut(s.ID(), s.Token())
	}
	r.wantDevices("ann", anns[2].ID())
	want := []cloakroom.ID{anns[0].ID(), anns[1].ID(), anns[3].ID(), anns[4].ID()}
	if !slices.Equal(sorted(ended), sorted(want)) {
		t.Errorf("told of the ends of %v, want %v", ended, want)
	}
	r.wantLedger("ann", 1, 0)
	r.wantOpen("after ann was signed out", bob.Token(), true)
	r.wantOpen("after ann was signed out", nobody.Token(), true)
	r.revokeAll("ann")
	r.wantGrave(anns[2].ID(), cloakroom.EndRevoked)
	r.revokeAll("ann") // once more
	r.wantDevices("ann")
	if !slices.Equal(out, []string{"ann", "ann", "ann"}) {
		t.Errorf("events of signing out: %q", out)
	}
	s := r.signedIn("ann") // and in again
	r.wantDevices("ann", s.ID())
	r.wantOpen("after signing in again", s.Token(), true)
}

// An operation that is carried through although the caller has gone is told likewise:
// events get a context that goes on, for as long as the operation may take.
func TestEventsOfACallerThatHasGone(t *testing.T) {
	var told []string
	look := func(event string) func(context.Context) {
		return func(ctx context.Context) {
			if _, bounded := ctx.Deadline(); ctx.Err() != nil || !bounded {
				t.Errorf("%s gets a context that is bounded: %t, and has ended with: %v", event, bounded, ctx.Err())
			}
			told = append(told, event)
		}
	}
	signedIn, signedOut, ended := look("SignedIn"), look("SignedOut"), look("Ended")
	r := newRig(t, &cloakroom.Config{Events: &cloakroom.Events{
		SignedIn:  func(ctx context.Context, _ cloakroom.Info) { signedIn(ctx) },
		SignedOut: func(ctx context.Context, _ string) { signedOut(ctx) },
		Ended:     func(ctx context.Context, _ cloakroom.Ending) { ended(ctx) },
	}})
	attempt, err := r.m.BeginLogin(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	s := r.stored(1)
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range []error{
		s.Login(gone, "ann", &cloakroom.LoginOptions{Attempt: attempt}),
		r.m.Admin().RevokeAll(gone, "ann"),
		r.m.Admin().Revoke(gone, r.stored(1).ID()),
		r.stored(1).Destroy(gone),
	} {
		if err != nil {
			t.Error(err)
		}
	}
	if slices.Sort(told); !slices.Equal(told, []string{"Ended", "Ended", "Ended", "Ended", "SignedIn", "SignedOut"}) {
		t.Errorf("told were %q", told)
	}
}

// RevokeAll works with keys of no kind, from another process.
func TestI10_RevokeAllByAnAdminWithoutKeys(t *testing.T) {
	r := newRig(t, nil)
	s := r.signedIn("ann")
	if err := cloakroom.NewAdmin(r.store, "other").RevokeAll(t.Context(), "ann"); err != nil {
		t.Error(err)
	}
	r.wantOpen("after another app's RevokeAll", s.Token(), true)
	if err := cloakroom.NewAdmin(r.store, "").RevokeAll(t.Context(), "ann"); err != nil {
		t.Error(err)
	}
	r.wantGrave(s.ID(), cloakroom.EndRevoked)
}

// RevokeAll comes in at each step of a sign-in: no session that the sign-in returned
// before opens afterwards.
func TestI10_RevokeAllDuringLogin(t *testing.T) {
	for step, match := range map[string]matcher{
		"before the attempt":        isLedger("get"),
		"before creating":           isOp("create"),
		"before the ledger is read": nil,
		"before entering":           isLedger("update"),
		"before retiring":           isOp("bury"),
	} {
		for _, known := range []bool{true, false} {
			runInBubble(t, fmt.Sprint(step, ", known ", known), func(t *testing.T) {
				r, match := newRig(t, nil), match
				if known {
					r.signedIn("ann")
				} else if step == "before entering" {
					match = isLedger("create")
				}
				old := r.stored(2)
				oldID := old.ID()
				synctest.Wait() // until nobody remembers the ledger
				if match == nil {
					reads := 0
					match = func(c *call) bool {
						if c.op == "get" && c.ledger() {
							reads++
						}
						return reads == 2
					}
				}
				next := r.made()
				g := r.store.hold(match)
				done := later(func() error { return old.Login(t.Context(), "ann", nil) })
				<-g.reached
				other := cloakroom.NewAdmin(r.store, "")
				if err := other.RevokeAll(t.Context(), "ann"); err != nil {
					t.Error(err)
				}
				g.let(pass)
				err := <-done
				if step == "before the attempt" {
					if err != nil {
						t.Errorf("a sign-in whose attempt began later: %v", err)
					}
					r.wantDevices("ann", *next)
					return
				}
				if step == "before retiring" {
					// The new session may be ended before the sign-in returns: it opens
					// nothing, whatever the sign-in says.
					r.wantGrave(*next, cloakroom.EndRevoked)
				} else {
					r.wantErr("Login", err, cloakroom.ErrRevoked)
					r.wantGrave(*next, cloakroom.EndAbandoned)
					r.wantVisits(oldID, 2) // the anonymous session goes on
				}
				r.wantDevices("ann")
				r.wantLedger("ann", 0, 0)
			})
		}
	}
}

func TestI10_AttemptFromBeforeRevokeAll(t *testing.T) {
	for _, known := range []bool{true, false} {
		for _, process := range []string{"the same process", "another one", "without keys"} {
			runInBubble(t, fmt.Sprint("known ", known, ", ", process), func(t *testing.T) {
				r := newRig(t, nil)
				if known {
					r.signedIn("ann")
				}
				attempt, err := r.m.BeginLogin(t.Context(), "ann")
				if err != nil {
					t.Fatal(err)
				}
				admin := r.m.Admin()
				switch process {
				case "another one":
					admin = r.manager(nil).Admin()
				case "without keys":
					admin = cloakroom.NewAdmin(r.store, "")
				}
				if err := admin.RevokeAll(t.Context(), "ann"); err != nil {
					t.Fatal(err)
				}
				if r.ledger("ann").Generation == (driver.WriteID{}) {
					t.Error("RevokeAll left no generation")
				}
				g, next := r.guest(), r.made()
				w := g.want(409, loginAs("ann", &cloakroom.LoginOptions{Attempt: attempt}))
				if len(w.Result().Cookies()) != 0 {
					t.Errorf("got cookies %v", w.Result().Cookies())
				}
				r.wantGrave(*next, cloakroom.EndAbandoned)
				r.wantDevices("ann")
				g.want(200, loginAs("ann", nil)) // a new attempt
				if ids := r.devices("ann"); len(ids) != 1 {
					t.Errorf("ann has the sessions %v", ids)
				}
			})
		}
	}
}

// The ledger stays until no attempt from before a RevokeAll can be used, and until the
// deadlines of its sessions.
func TestI10_LedgerOutlivesAttemptsAndSessions(t *testing.T) {
	const life = 10 * 24 * time.Hour
	r := newRig(t, &cloakroom.Config{Lifetime: life})
	now := r.clock.now()
	r.revokeAll("ann")
	if least, got := now.Add(30*time.Minute+life+driver.ClockTolerance), r.ledger("ann").rec.Deadline; got.Before(least) {
		t.Errorf("after RevokeAll the ledger stays until %v, want %v at least", got, least)
	}
	s := r.signedIn("bob")
	if got := r.ledger("bob").rec.Deadline; got.Before(s.Info().Deadline) {
		t.Errorf("the ledger stays until %v, and its session until %v", got, s.Info().Deadline)
	}
	attempt, err := r.m.BeginLogin(t.Context(), "ann")
	if err != nil {
		t.Fatal(err)
	}
	r.clock.add(30 * time.Minute)
	r.revokeAll("ann")
	// The last sign-in with this attempt is over by now; even so:
	for r.clock.now().Before(now.Add(life)) {
		if _, err := r.store.Sweep(t.Context(), r.clock.now()); err != nil {
			t.Fatal(err)
		}
		if r.ledger("ann").rec == nil {
			t.Fatalf("the ledger was swept after %v", r.clock.now().Sub(now))
		}
		r.clock.add(24 * time.Hour)
	}
	r.wantErr("Login", r.stored(0).Login(t.Context(), "ann", &cloakroom.LoginOptions{Attempt: attempt}), cloakroom.ErrRevoked)
}

func TestI10_Devices(t *testing.T) {
	r := newRig(t, nil)
	devices := func(g *guest) (list []cloakroom.Device) {
		t.Helper()
		g.want(200, func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) (err error) {
			list, err = r.m.Devices(req.Context())
			return err
		})
		return list
	}
	if list := devices(r.guest()); len(list) != 0 {
		t.Errorf("a stranger has the devices %v", list)
	}
	if list := devices(r.as(r.stored(1))); len(list) != 0 {
		t.Errorf("an anonymous visitor has the devices %v", list)
	}
	var all []*cloakroom.Session
	for range 3 {
		all = append(all, r.signedIn("ann"))
		r.clock.add(time.Minute)
	}
	r.signedIn("bob")
	g := r.as(all[1])
	list := devices(g)
	if len(list) != 3 {
		t.Fatalf("got %d devices, want 3", len(list))
	}
	for i, d := range list {
		if want := all[2-i]; d.ID != want.ID() || d.Current != (i == 1) || d.Principal != "ann" || !d.Created.Equal(want.Info().Created) {
			t.Errorf("device %d is %+v", i, d)
		}
	}
	r.as(all[0]).want(200, logout) // seen at once
	if list = devices(g); len(list) != 2 {
		t.Errorf("after a logout there are %d devices, want 2", len(list))
	}
	r.wantLedger("ann", 2, 0)
	r.clock.add(12 * time.Hour)
	g.want(200, visit)
	r.clock.add(13 * time.Hour) // the other one is idle for too long
	if list = devices(g); len(list) != 1 || !list[0].Current {
		t.Errorf("got the devices %+v, want the current one", list)
	}
	r.store.answer(isOn("get", all[2].ID()), cloakroom.ErrCorrupt)
	if list = devices(g); len(list) != 1 {
		t.Errorf("with a corrupt record there are the devices %+v", list)
	}
	r.store.answer(isLedger("get"), errNoAnswer)
	g.want(503, func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
		_, err := r.m.Devices(req.Context())
		return err
	})
}

func TestI10_LimitPerPrincipal(t *testing.T) {
	r := newRig(t, &cloakroom.Config{MaxPerPrincipal: 3})
	var all []*cloakroom.Session
	for i := range 6 {
		s := r.signedIn("ann")
		all = append(all, s)
		var want []cloakroom.ID
		for _, s := range all[max(0, i-2):] {
			want = append(want, s.ID())
		}
		r.wantDevices("ann", want...)
		r.wantLedger("ann", len(want), 0)
		if i >= 3 {
			r.wantGrave(all[i-3].ID(), cloakroom.EndOverLimit)
			r.wantShut(all[i-3].ID(), all[i-3].Token())
		}
	}
	r.signedIn("bob")
	r.wantLedger("ann", 3, 0)

	r = newRig(t, &cloakroom.Config{MaxPerPrincipal: -1})
	var signIns sync.WaitGroup
	for range 120 {
		signIns.Go(func() { r.guest().want(200, loginAs("ann", nil)) })
	}
	signIns.Wait()
	r.wantLedger("ann", 120, 0)
}

// Signing in again replaces a session: that makes it no more of them, and must
// not end the very session that signs in.
func TestI10_SigningInAgainAtTheLimit(t *testing.T) {
	for limit := range 3 {
		runInBubble(t, fmt.Sprint("limit ", limit+1), func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{MaxPerPrincipal: limit + 1})
			first := r.signedIn("ann")
			all := []cloakroom.ID{}
			for range limit {
				all = append(all, r.signedIn("ann").ID())
			}
			if err := first.Login(t.Context(), "ann", nil); err != nil {
				t.Errorf("signing in again from the oldest of %d sessions: %v", limit+1, err)
				return
			}
			r.wantDevices("ann", append(all, first.ID())...)
		})
	}
}

// A limit that can't be kept just now is kept by the next sign-in.
func TestI10_LimitIsMadeUpFor(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &cloakroom.Config{MaxPerPrincipal: 1})
		first, next := r.signedIn("ann"), r.stored(0)
		r.store.answer(isOn("bury", first.ID()), errNoAnswer)
		if err := next.Login(t.Context(), "ann", nil); err != nil {
			t.Errorf("Login: %v", err)
		}
		r.wantLedger("ann", 1, 1)
		r.store.heal()
		last := r.signedIn("ann")
		r.wantGrave(first.ID(), cloakroom.EndOverLimit)
		r.wantDevices("ann", last.ID())
		r.wantLedger("ann", 1, 0)
	})
}

func TestI10_LeftoversOfARevokeAllThatCrashed(t *testing.T) {
	for name, next := range map[string]func(r *rig, spared cloakroom.ID){
		"the next RevokeAll":         func(r *rig, _ cloakroom.ID) { r.revokeAll("ann") },
		"one that would have spared": func(r *rig, id cloakroom.ID) { r.revokeAll("ann", id) },
		"the next sign-in":           func(r *rig, _ cloakroom.ID) { r.signedIn("ann") },
		"another process's sign-in": func(r *rig, _ cloakroom.ID) {
			s, err := r.manager(nil).Create(context.Background())
			if err == nil {
				err = s.Login(context.Background(), "ann", nil)
			}
			if err != nil {
				r.Error(err)
			}
		},
	} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			s, gone := r.signedIn("ann"), r.signedIn("ann")
			r.store.answer(isOn("bury", s.ID()), errNoAnswer)
			r.wantErr("RevokeAll", r.m.Admin().RevokeAll(t.Context(), "ann"), cloakroom.ErrUnavailable)
			r.wantLedger("ann", 0, 1)
			r.wantGrave(gone.ID(), cloakroom.EndRevoked)
			r.wantOpen("while it can't be buried", s.Token(), true)
			r.store.heal()
			next(r, s.ID())
			r.wantGrave(s.ID(), cloakroom.EndRevoked)
			if l := r.ledger("ann"); len(l.Ending) != 0 {
				t.Errorf("the ledger still has %v", l.Ending)
			}
		})
	}
}

func TestI13_FaultsOfRevokeAll(t *testing.T) {
	for name, fates := range fates {
		for what, match := range map[string]matcher{
			"the ledger's write": isLedger("update"), "the first ledger": isLedger("create"), "burials": isOp("bury"),
		} {
			runInBubble(t, what+": "+name, func(t *testing.T) {
				r := newRig(t, nil)
				principal := "ann"
				var all []*cloakroom.Session
				if what == "the first ledger" {
					principal = "bob"
				} else {
					all = append(all, r.signedIn("ann"), r.signedIn("ann"))
				}
				attempt, err := r.m.BeginLogin(t.Context(), principal)
				if err != nil {
					t.Fatal(err)
				}
				r.store.fate(match, fates...)
				r.revokeAll(principal)
				for _, s := range all {
					r.wantGrave(s.ID(), cloakroom.EndRevoked)
				}
				r.store.heal()
				r.store.deliver()
				for _, s := range all {
					r.wantGrave(s.ID(), cloakroom.EndRevoked)
				}
				r.wantLedger(principal, 0, 0)
				r.wantErr("Login with an older attempt",
					r.stored(0).Login(t.Context(), principal, &cloakroom.LoginOptions{Attempt: attempt}), cloakroom.ErrRevoked)
				s := r.signedIn(principal)
				r.store.deliver()
				r.wantDevices(principal, s.ID())
			})
		}
	}
}

// RevokeAll reports that it couldn't end some, and ends them when it is called again.
func TestI10_RevokeAllInAnOutage(t *testing.T) {
	for what, match := range map[string]matcher{"reads": isLedger("get"), "the ledger": isLedger("update"), "burials": isOp("bury")} {
		runInBubble(t, what, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.signedIn("ann")
			synctest.Wait() // until nobody remembers the ledger
			r.store.answer(match, errNoAnswer)
			r.wantErr("RevokeAll", r.m.Admin().RevokeAll(t.Context(), "ann"), cloakroom.ErrUnavailable)
			r.store.heal()
			r.revokeAll("ann")
			r.wantGrave(s.ID(), cloakroom.EndRevoked)
		})
	}
}

// The ledger gets out of an ended session only after its burial.
func TestI10_LedgerLast(t *testing.T) {
	for name, e := range endings {
		if name == "expiry" {
			continue // leaves it there, until its deadline
		}
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, nil)
			s := r.signedIn("ann")
			id := s.ID()
			r.store.hook(func(c *call) fate {
				if c.op != "update" || !c.ledger() {
					return pass
				}
				var l ledgerOf
				if err := json.Unmarshal(c.rec.Values.Get("ledger"), &l); err != nil {
					t.Fatal(err)
				}
				for _, e := range append(l.Live, l.Ending...) {
					if e.ID == id {
						return pass
					}
				}
				if _, err := r.kept(id); !errors.Is(err, cloakroom.ErrGone) {
					t.Errorf("the id leaves the ledger while its session lives: %v", err)
				}
				return pass
			})
			e.end(r, r.open(s))
			for _, e := range r.ledger("ann").Live {
				if e.ID == id {
					t.Error("the ended session stays in the ledger")
				}
			}
		})
	}
}

// An id that is only idle for too long stays in the ledger, so that RevokeAll ends it
// whatever is under way.
func TestI10_IdleSessionsStayInTheLedger(t *testing.T) {
	r := newRig(t, &cloakroom.Config{IdleTimeout: time.Hour})
	s := r.signedIn("ann")
	r.clock.add(2 * time.Hour)
	r.signedIn("ann")
	r.wantLedger("ann", 2, 0)
	r.revokeAll("ann")
	r.wantGrave(s.ID(), cloakroom.EndRevoked)
	s = r.signedIn("ann")
	r.clock.add(s.Info().Deadline.Sub(r.clock.now()) + driver.ClockTolerance)
	r.signedIn("ann") // past its deadline the first one has no business there
	r.wantLedger("ann", 1, 0)
}

// A ledger that can't be understood keeps its principal from signing in, and from
// nothing else, until RevokeAll or RebuildLedger has replaced it.
func TestI12_CorruptLedger(t *testing.T) {
	for _, raw := range []string{`"nonsense"`, `{"live":[{"id":"x"}]}`} {
		for name, mend := range map[string]func(r *rig) error{
			"RevokeAll": func(r *rig) error { return r.m.Admin().RevokeAll(r.Context(), "ann") },
			"RebuildLedger": func(r *rig) error {
				n, err := r.m.Admin().RebuildLedger(r.Context(), "ann")
				if n != 1 {
					r.Errorf("RebuildLedger entered %d sessions, want 1", n)
				}
				return err
			},
		} {
			var faults []cloakroom.LedgerFault
			r := newRig(t, &cloakroom.Config{Events: &cloakroom.Events{
				LedgerFault: func(_ context.Context, _ string, what cloakroom.LedgerFault) { faults = append(faults, what) },
			}})
			s, other := r.signedIn("ann"), r.stored(0)
			r.rewrite(r.ledger("ann").rec.ID, func(rec *driver.Record) {
				rec.Values = driver.NewValueList(map[string]json.RawMessage{"ledger": json.RawMessage(raw)})
			})
			_, err := r.m.BeginLogin(t.Context(), "ann")
			r.wantErr("BeginLogin", err, cloakroom.ErrCorrupt)
			r.wantErr("Login", other.Login(t.Context(), "ann", nil), cloakroom.ErrCorrupt)
			_, err = r.m.Admin().Sessions(t.Context(), "ann")
			r.wantErr("Sessions", err, cloakroom.ErrCorrupt)
			r.as(s).want(200, visit) // the sessions themselves go on
			if err := other.Login(t.Context(), "bob", nil); err != nil {
				t.Error(err)
			}
			if err := mend(r); err != nil {
				t.Errorf("%s: %v", name, err)
			}
			if len(faults) == 0 || faults[0] != cloakroom.LedgerUnreadable {
				t.Errorf("%s told of %q", name, faults)
			}
			r.wantOpen("after "+name, s.Token(), name != "RevokeAll")
			if r.ledger("ann").Generation == (driver.WriteID{}) {
				t.Errorf("%s left no generation", name)
			}
			r.signedIn("ann")
		}
	}
}

func TestI10_ParallelLoginsOfOnePrincipal(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		r.store.slow()
		managers := []*cloakroom.Manager{r.m, r.manager(nil)}
		var done []<-chan cloakroom.ID
		for i := range 20 {
			done = append(done, later(func() cloakroom.ID {
				s, err := managers[i%2].Create(t.Context())
				if err == nil {
					err = s.Login(t.Context(), "ann", nil)
				}
				if err != nil {
					t.Error(err)
					return cloakroom.ID{}
				}
				return s.ID()
			}))
		}
		var ids []cloakroom.ID
		for _, c := range done {
			ids = append(ids, <-c)
		}
		r.wantDevices("ann", ids...)
	})
}

// TestI10_LastSignedOut: the ledger tells when its principal was last signed out everywhere,
// whatever comes after. A generation that an older version drew has no time.
func TestI10_LastSignedOut(t *testing.T) {
	r := newRig(t, nil)
	at := func(principal string) time.Time {
		t.Helper()
		got, err := r.m.Admin().LastSignedOut(context.Background(), principal)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	r.signedIn("ann")
	if got := at("ann"); !got.IsZero() {
		t.Errorf("before: %v", got)
	}
	r.revokeAll("ann")
	when := r.clock.now()
	r.clock.add(time.Hour)
	r.signedIn("ann")
	if got := at("ann"); !got.Equal(when) || !at("bob").IsZero() {
		t.Errorf("%v, want %v; bob %v", got, when, at("bob"))
	}
	// A sign-out that spares a session is none everywhere.
	kept := r.signedIn("ann")
	r.revokeAll("ann", kept.ID())
	if got := at("ann"); !got.Equal(when) {
		t.Errorf("after all others: %v, want %v", got, when)
	}
	spared := r.signedIn("bob")
	r.revokeAll("bob", spared.ID())
	if got := at("bob"); !got.IsZero() {
		t.Errorf("all others of bob: %v", got)
	}
	l := r.ledger("ann")
	older := *l.rec
	text := regexp.MustCompile(`^{"generation":"[^"]*"`).ReplaceAll(l.rec.Values.Get("ledger"), []byte(`{"generation":"AAAAAAAAAAE"`))
	older.Values = older.Values.With("ledger", text)
	if _, err := r.store.Update(t.Context(), &older); err != nil {
		t.Fatal(err)
	}
	if got := at("ann"); !got.IsZero() {
		t.Errorf("under another generation: %v", got)
	}
	if _, err := r.m.Admin().LastSignedOut(t.Context(), ""); !errors.Is(err, driver.ErrInvalid) {
		t.Error(err)
	}
}
