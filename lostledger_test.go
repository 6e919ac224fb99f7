package cloakroom_test

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of sessions whose ledger was lost, emptied, overwritten or
// restored, and of sessions that are ending.

// loseLedger removes a ledger behind everybody's back.
func (r *rig) loseLedger(principal string) {
	r.Helper()
	r.rewrite(driver.LedgerID("session", principal), func(rec *driver.Record) { rec.Deadline = r.clock.now().Add(-time.Hour) })
	if _, err := r.store.Sweep(r.Context(), r.clock.now()); err != nil {
		r.Fatal(err)
	}
	if r.ledger(principal).rec != nil {
		r.Fatalf("the ledger of %s is still there", principal)
	}
}

// Whatever has happened to the ledger, RevokeAll ends all of the principal's sessions
// and none of another's, and afterwards the ledger is good again.
func TestI10_RevokeAllAfterALostLedger(t *testing.T) {
	annsLedger, bobsLedger := driver.LedgerID("session", "ann"), driver.LedgerID("session", "bob")
	for name, lose := range map[string]func(r *rig, yesterday *driver.Record){
		"deleted": func(r *rig, _ *driver.Record) { r.loseLedger("ann") },
		"emptied": func(r *rig, _ *driver.Record) {
			r.rewrite(annsLedger, func(rec *driver.Record) { rec.Values = nil })
		},
		"unreadable": func(r *rig, _ *driver.Record) {
			r.rewrite(annsLedger, func(rec *driver.Record) { rec.Values = rec.Values.With("ledger", []byte(`[]`)) })
		},
		"with another's content": func(r *rig, _ *driver.Record) {
			bobs, _ := r.kept(bobsLedger)
			r.rewrite(annsLedger, func(rec *driver.Record) { rec.Values = bobs.Values })
		},
		"another's": func(r *rig, _ *driver.Record) {
			bobs, _ := r.kept(bobsLedger)
			r.rewrite(annsLedger, func(rec *driver.Record) { rec.Values, rec.Principal = bobs.Values, "bob" })
		},
		"restored from yesterday": func(r *rig, yesterday *driver.Record) {
			r.rewrite(annsLedger, func(rec *driver.Record) { rec.Values = yesterday.Values })
		},
	} {
		t.Run(name, func(t *testing.T) {
			var faults []cloakroom.LedgerFault
			r := newRig(t, &cloakroom.Config{Events: &cloakroom.Events{
				LedgerFault: func(_ context.Context, principal string, what cloakroom.LedgerFault) {
					if principal != "ann" {
						t.Errorf("told of %q of %s", what, principal)
					}
					faults = append(faults, what)
				},
			}})
			r.revokeAll("ann")
			anns := []*cloakroom.Session{r.signedIn("ann")}
			yesterday := r.ledger("ann").rec
			r.revokeAll("ann", anns[0].ID())
			anns = append(anns, r.signedIn("ann"), r.signedIn("ann"))
			bob, nobody := r.signedIn("bob"), r.stored(1)
			attempt, err := r.m.BeginLogin(t.Context(), "ann")
			if err != nil {
				t.Fatal(err)
			}
			r.clock.add(time.Hour / 4)
			lose(r, yesterday)
			r.revokeAll("ann")
			for _, s := range anns {
				r.wantGrave(s.ID(), cloakroom.EndRevoked)
			}
			r.wantOpen("after ann was signed out", bob.Token(), true)
			r.wantOpen("after ann was signed out", nobody.Token(), true)
			r.wantDevices("bob", bob.ID())
			if !slices.Contains(faults, cloakroom.LedgerIncomplete) {
				t.Errorf("told were the faults %q", faults)
			}
			r.wantErr("a sign-in that began before", r.stored(0).Login(t.Context(), "ann", &cloakroom.LoginOptions{Attempt: attempt}), cloakroom.ErrRevoked)
			s := r.signedIn("ann")
			r.wantDevices("ann", s.ID())
			r.wantLedger("ann", 1, 0)
			report, err := r.m.Admin().Report(t.Context())
			if err != nil || !slices.ContainsFunc(report.Problems, func(p driver.Problem) bool { return p.Code == "ledger-faults" }) {
				t.Errorf("the report is %+v, %v", report.Problems, err)
			}
		})
	}
}

// A session that a ledger names is ended only if its record names the principal.
// Devices don't show another's either.
func TestI10_LedgerNamesAnothersSession(t *testing.T) {
	r := newRig(t, &cloakroom.Config{MaxPerPrincipal: 1})
	ann, bob := r.signedIn("ann"), r.signedIn("bob")
	bobs, err := r.kept(driver.LedgerID("session", "bob"))
	if err != nil {
		t.Fatal(err)
	}
	r.rewrite(driver.LedgerID("session", "ann"), func(rec *driver.Record) { rec.Values = bobs.Values })
	r.wantDevices("ann")
	next := r.signedIn("ann") // over the limit
	r.wantOpen("after ann's sign-in", bob.Token(), true)
	r.wantDevices("ann", next.ID())
	if n, err := r.m.Admin().RebuildLedger(t.Context(), "ann"); n != 1 || err != nil {
		t.Errorf("RebuildLedger entered %d, %v", n, err)
	}
	r.wantDevices("ann", ann.ID(), next.ID())
}

// Sessions that were signed in after RevokeAll had drawn its generation stay, found or
// not: under that generation, or one that another RevokeAll drew since.
func TestI10_RevokeAllSparesLaterSignIns(t *testing.T) {
	for _, again := range []bool{false, true} {
		runInBubble(t, map[bool]string{false: "its own generation", true: "a later one"}[again], func(t *testing.T) {
			r := newRig(t, nil)
			s, spared := r.signedIn("ann"), r.signedIn("ann")
			r.loseLedger("ann")
			search := r.store.hold(isOp("search"))
			done := later(func() error { return r.m.Admin().RevokeAll(t.Context(), "ann", spared.ID()) })
			<-search.reached
			if again {
				r.revokeAll("ann", spared.ID())
			}
			later := r.signedIn("ann")
			search.let(pass)
			if err := <-done; err != nil {
				t.Error(err)
			}
			r.wantGrave(s.ID(), cloakroom.EndRevoked)
			r.wantOpen("as it came later", later.Token(), true)
			r.wantOpen("as an exception", spared.Token(), true)
		})
	}
}

// If RevokeAll can't search, it says so, after it has ended the sessions that the
// ledger knew.
func TestI10_RevokeAllThatCannotSearch(t *testing.T) {
	for _, op := range []string{"refresh", "search"} {
		runInBubble(t, op, func(t *testing.T) {
			r := newRig(t, nil)
			lost := r.signedIn("ann")
			r.loseLedger("ann")
			known := r.signedIn("ann")
			r.store.answer(isOp(op), errors.New("a shard is missing"))
			r.wantErr("RevokeAll", r.m.Admin().RevokeAll(t.Context(), "ann"), cloakroom.ErrUnavailable)
			r.wantGrave(known.ID(), cloakroom.EndRevoked)
			r.wantOpen("while it can't be found", lost.Token(), true)
			_, err := r.m.Admin().RebuildLedger(t.Context(), "ann")
			r.wantErr("RebuildLedger", err, cloakroom.ErrUnavailable)
			r.store.heal()
			r.revokeAll("ann")
			r.wantGrave(lost.ID(), cloakroom.EndRevoked)
		})
	}
}

// A ledger is rebuilt from sessions: those that it lacks, and none that has ended or
// is ending.
func TestI10_RebuildLedger(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		rebuild := func(want int) {
			t.Helper()
			if n, err := r.m.Admin().RebuildLedger(t.Context(), "ann"); n != want || err != nil {
				t.Errorf("RebuildLedger entered %d, %v, want %d", n, err, want)
			}
		}
		rebuild(0)
		if r.ledger("ann").rec != nil {
			t.Error("it made a ledger for nobody")
		}
		a, b, over := r.signedIn("ann"), r.signedIn("ann"), r.signedIn("ann")
		if err := over.Destroy(t.Context()); err != nil {
			t.Fatal(err)
		}
		r.signedIn("bob")
		attempt, err := r.m.BeginLogin(t.Context(), "ann")
		if err != nil {
			t.Fatal(err)
		}
		rebuild(0)
		r.loseLedger("ann")
		rebuild(2)
		r.wantDevices("ann", a.ID(), b.ID())
		r.wantErr("a sign-in that began before the ledger was lost",
			r.stored(0).Login(t.Context(), "ann", &cloakroom.LoginOptions{Attempt: attempt}), cloakroom.ErrRevoked)
		rebuild(0)

		r.store.answer(isOn("bury", b.ID()), errNoAnswer)
		r.wantErr("RevokeAll", r.m.Admin().RevokeAll(t.Context(), "ann", a.ID()), cloakroom.ErrUnavailable)
		rebuild(0)
		r.wantLedger("ann", 1, 1)
		r.store.heal()

		// It enters nothing that RevokeAll ended since it read the ledger.
		r.loseLedger("ann")
		search := r.store.hold(isOp("search"))
		done := later(func() int {
			n, err := r.m.Admin().RebuildLedger(t.Context(), "ann")
			if err != nil {
				t.Error(err)
			}
			return n
		})
		<-search.reached
		r.revokeAll("ann")
		search.let(pass)
		if n := <-done; n != 0 {
			t.Errorf("RebuildLedger entered %d that were ended meanwhile", n)
		}
		r.wantLedger("ann", 0, 0)
	})
}

// The limit counts no session that is over, so the one in use goes on: it was idle for
// too long, or its end didn't reach the ledger.
func TestI10_LimitSparesTheLive(t *testing.T) {
	for name, end := range map[string]func(r *rig, used, other *cloakroom.Session){
		"idle": func(r *rig, used, _ *cloakroom.Session) {
			r.clock.add(40 * time.Minute)
			r.as(used).want(200, visit)
			r.clock.add(40 * time.Minute)
		},
		"ended": func(r *rig, _, other *cloakroom.Session) {
			r.store.answer(isLedger("update"), errNoAnswer)
			if err := r.m.Admin().Revoke(r.Context(), other.ID()); err != nil {
				r.Error(err)
			}
			r.store.heal()
		},
	} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{MaxPerPrincipal: 2, IdleTimeout: time.Hour})
			used := r.signedIn("ann") // the older one
			r.clock.add(time.Second)
			other := r.signedIn("ann")
			r.wantLedger("ann", 2, 0)
			end(r, used, other)
			r.wantLedger("ann", 2, 0)
			next := r.signedIn("ann")
			r.wantOpen("as it is in use", used.Token(), true)
			r.wantDevices("ann", used.ID(), next.ID())
			r.wantLedger("ann", 2, 0)
			if _, err := r.kept(other.ID()); !errors.Is(err, cloakroom.ErrGone) {
				t.Errorf("what left the ledger isn't buried: %v", err)
			}
			r.signedIn("ann") // now it is the oldest
			r.wantGrave(used.ID(), cloakroom.EndOverLimit)
		})
	}
}

// Nor does it end the one in use because another can't be read: the next sign-in makes
// up for that.
func TestI10_LimitBesideWhatCannotBeRead(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, &cloakroom.Config{MaxPerPrincipal: 2})
		used, other, next := r.signedIn("ann"), r.signedIn("ann"), r.stored(0)
		r.store.answer(isOn("get", other.ID()), errNoAnswer)
		if err := next.Login(t.Context(), "ann", nil); err != nil {
			t.Fatal(err)
		}
		r.store.heal()
		r.wantOpen("as it may be one of two", used.Token(), true)
		r.wantLedger("ann", 3, 0)
		last := r.signedIn("ann")
		r.wantDevices("ann", next.ID(), last.ID())
	})
}

// A session that is ending, and can't be buried, still opens. So lists show it as
// ending, and the next caller tries again.
func TestI10_EndingIsShown(t *testing.T) {
	for name, finish := range map[string]func(r *rig, g *guest, other *cloakroom.Session){
		"Devices":    func(r *rig, g *guest, _ *cloakroom.Session) { r.deviceList(g) },
		"Sessions":   func(r *rig, _ *guest, _ *cloakroom.Session) { r.devices("ann") },
		"a sign-out": func(_ *rig, _ *guest, other *cloakroom.Session) { _ = other.Destroy(context.Background()) },
		"Revoke": func(r *rig, _ *guest, other *cloakroom.Session) {
			_ = r.m.Admin().Revoke(context.Background(), other.ID())
		},
		"a sign-in": func(r *rig, _ *guest, _ *cloakroom.Session) { r.signedIn("ann") },
		"RevokeAll": func(r *rig, _ *guest, _ *cloakroom.Session) { r.revokeAll("ann") },
	} {
		runInBubble(t, name, func(t *testing.T) {
			r := newRig(t, &cloakroom.Config{MaxPerPrincipal: 2})
			first, other, last := r.signedIn("ann"), r.signedIn("ann"), r.stored(0)
			r.store.answer(isOn("bury", first.ID()), errNoAnswer)
			if err := last.Login(t.Context(), "ann", nil); err != nil {
				t.Fatal(err)
			}
			r.wantLedger("ann", 2, 1)
			g := r.as(last)
			var shown bool
			for _, d := range r.deviceList(g) {
				if d.Ending != (d.ID == first.ID()) {
					t.Errorf("device %v is ending: %t", d.ID, d.Ending)
				}
				shown = shown || d.Ending
			}
			if !shown {
				t.Error("Devices hide a session that opens")
			}
			r.store.heal()
			r.wantOpen("while it can't be buried", first.Token(), true)
			finish(r, g, other)
			r.wantGrave(first.ID(), cloakroom.EndOverLimit)
			if l := r.ledger("ann"); len(l.Ending) != 0 {
				t.Errorf("the ledger still has %v", l.Ending)
			}
		})
	}
}

func (r *rig) deviceList(g *guest) (list []cloakroom.Device) {
	r.Helper()
	g.want(200, func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) (err error) {
		list, err = r.m.Devices(req.Context())
		return err
	})
	return list
}

// Managers that sweep find sessions that were left ending.
func TestI10_SweeperEndsLeftovers(t *testing.T) {
	runInBubble(t, "left by another", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.signedIn("ann")
		r.store.answer(isOn("bury", s.ID()), errNoAnswer)
		r.wantErr("RevokeAll", r.m.Admin().RevokeAll(t.Context(), "ann"), cloakroom.ErrUnavailable)
		r.wantLedger("ann", 0, 1)
		r.clock.add(time.Minute)
		sweeper := r.manager(&cloakroom.Config{SweepEvery: time.Minute})
		time.Sleep(3 * time.Minute) // in trouble still
		synctest.Wait()
		r.wantLedger("ann", 0, 1)
		r.store.heal()
		r.wantOpen("before it is swept", s.Token(), true)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		r.wantGrave(s.ID(), cloakroom.EndRevoked)
		r.wantLedger("ann", 0, 0)
		_ = sweeper.Close()
	})
}
