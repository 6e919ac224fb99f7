package cloakroom_test

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of what happens at the old library during an import and after it
// (invariant 15).

// TestI15_WrittenMeanwhile: an old process goes on writing until the old session is
// retired, and the new one is in use already.
func TestI15_WrittenMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		id := v.oldID()
		peer := v.copy()
		n := 0
		p.lib.hook(func(what string) error {
			if what != "retire" {
				return nil
			}
			if n++; n <= 3 {
				p.lib.put(id, fmt.Sprint("late", n), fmt.Sprint(n))
			}
			if n == 2 {
				peer.want(200, put("emptied"))
			}
			return nil
		})
		v.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			for n := 1; n <= 3; n++ {
				if raw, _ := s.Raw(fmt.Sprint("late", n)); string(raw) != fmt.Sprint(n) {
					t.Errorf("late%d is %s", n, raw)
				}
			}
			if basket.Get(s) != "emptied" {
				t.Errorf("the cart is %q: what the old library didn't change has to stay", basket.Get(s))
			}
			return nil
		})
		if p.lib.has(id) {
			t.Error("the old session is still there")
		}
	})
}

// TestI15_RetirementFails: it fails nothing, and is tried again.
func TestI15_RetirementFails(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		id := v.oldID()
		down := true
		p.lib.hook(func(what string) error {
			if what == "retire" && down {
				return errors.New("down")
			}
			return nil
		})
		v.wantSees("ann", "full")
		var session cloakroom.ID
		v.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error { session = s.ID(); return nil })
		if !p.lib.has(id) {
			t.Fatal("it was retired")
		}
		p.lib.put(id, "late", `1`)
		down = false
		p.clock.add(5 * time.Minute) // the process that imported it has given up
		v.wantSees("ann", "full")    // a touch is due
		synctest.Wait()
		if p.lib.has(id) {
			t.Error("the old session isn't retired")
		}
		v.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if raw, _ := s.Raw("late"); string(raw) != "1" {
				t.Errorf("what was written to it meanwhile is lost: %s", raw)
			}
			return nil
		})
		if err := p.m.Close(); err != nil { // waits for what nobody waits for
			t.Fatal(err)
		}
		rec, err := p.kept(session)
		if err != nil {
			t.Fatal(err)
		}
		if mark := string(rec.Extra.Get(driver.ExtraImport)); strings.Contains(mark, "pending") || !strings.Contains(mark, "used") {
			t.Errorf("the mark is %s", mark)
		}
	})
}

// TestI15_RetirementFailsBeforeTheEnd: a session whose foreign one isn't retired yet signs out,
// or in. Nobody will come back to it, so the foreign one is ended then.
func TestI15_RetirementFailsBeforeTheEnd(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		for name, f := range map[string]page{"sign-out": logout, "sign-in": loginAs("ann", nil)} {
			p := newPort(t, nil)
			v := p.arrives("ann", "full")
			id := v.oldID()
			p.lib.hook(func(what string) error {
				if what == "retire" {
					return errors.New("down")
				}
				return nil
			})
			v.wantSees("ann", "full")
			p.lib.put(id, "late", `1`)
			v.want(200, f) // and it doesn't matter that the old library is down still
			if !p.lib.has(id) {
				t.Fatalf("%s: it was retired", name)
			}
			p = newPort(t, nil)
			v = p.arrives("ann", "full")
			id = v.oldID()
			n := 0
			p.lib.hook(func(what string) error {
				if what == "retire" {
					if n++; n == 1 {
						return errors.New("down")
					}
				}
				return nil
			})
			v.wantSees("ann", "full")
			p.lib.put(id, "late", `1`)
			v.want(200, f)
			if p.lib.has(id) {
				t.Errorf("%s: the old session is still there, for old processes", name)
			}
		}
	})
}

// TestI15_EndedMeanwhile: the visitor signs out at the old library while the session is
// being imported.
func TestI15_EndedMeanwhile(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		p := newPort(t, nil)
		v := p.arrives("ann", "full")
		id := v.oldID()
		again := v.copy()
		p.lib.hook(func(what string) error {
			if what == "retire" {
				p.lib.end(id)
			}
			return nil
		})
		v.wantSees("", "")
		again.wantSees("", "")
		if list, err := p.m.Admin().Sessions(t.Context(), "ann"); err != nil || len(list) != 0 {
			t.Errorf("ann has %d sessions (%v)", len(list), err)
		}
	})
}
