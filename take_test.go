package cloakroom_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of Key.Take: a value that is given to one request.

var flash = cloakroom.NewKey[string]("flash")

// takings counts the values that were given to each caller.
type takings struct {
	mu   sync.Mutex
	told map[string]int
}

// take is a handler that notes the result of Take.
func (k *takings) take(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	text, ok, err := flash.Take(r.Context(), s)
	if err != nil {
		return err
	}
	if ok {
		k.mu.Lock()
		defer k.mu.Unlock()
		if k.told == nil {
			k.told = map[string]int{}
		}
		k.told[text]++
	}
	return nil
}

func (k *takings) want(t *testing.T, want string) {
	t.Helper()
	k.mu.Lock()
	defer k.mu.Unlock()
	if got := fmt.Sprint(k.told); got != want {
		t.Errorf("told %s, want %s", got, want)
	}
}

// flashed is a stored session with a message.
func (r *rig) flashed(text string) *cloakroom.Session {
	r.Helper()
	s := r.stored(1)
	flash.Set(s, text)
	r.save(s)
	r.store.since()
	return s
}

func (r *rig) wantFlash(id cloakroom.ID, want string) {
	r.Helper()
	rec, err := r.kept(id)
	if err != nil {
		r.Fatal(err)
	}
	if got := string(rec.Values.Get("flash")); got != want {
		r.Errorf("the store keeps flash = %q, want %q", got, want)
	}
}

// Ten requests at once, in one process and in several, each of which has read the
// message before any took it.
func TestI3_TakeIsOnce(t *testing.T) {
	for _, processes := range []int{1, 2, 5} {
		for name, config := range map[string]*cloakroom.Config{
			"SaveOnce": nil, "SaveEach": {Save: cloakroom.SaveEach}, "SaveManual": {Save: cloakroom.SaveManual},
		} {
			t.Run(fmt.Sprintf("%s in %d processes", name, processes), func(t *testing.T) {
				r := newRig(t, config)
				s := r.flashed("saved")
				managers := []*cloakroom.Manager{r.m}
				for len(managers) < processes {
					managers = append(managers, r.manager(config))
				}
				var k takings
				var read, all sync.WaitGroup
				const requests = 10
				read.Add(requests)
				for i := range requests {
					g := r.as(s)
					g.m = managers[i%processes]
					all.Go(func() {
						g.want(200, func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
							if flash.Get(s) != "saved" {
								t.Error("a request didn't read the message")
							}
							read.Done()
							read.Wait()
							return k.take(w, req, s)
						})
					})
				}
				all.Wait()
				k.want(t, "map[saved:1]")
				r.wantFlash(s.ID(), "")
				r.wantVisits(s.ID(), 1)
			})
		}
	}
}

// Whatever happens to the write, a caller that gets the message has taken it.
func TestI13_FaultsOfATake(t *testing.T) {
	for name, fates := range fates {
		for _, reads := range [][]fate{nil, {dropped}, {lost, dropped, lost}} {
			runInBubble(t, fmt.Sprint(name, ", re-reads ", reads), func(t *testing.T) {
				r := newRig(t, nil)
				s := r.flashed("saved")
				mine := r.open(s)
				visits.Update(mine, plusOne)
				r.store.fate(isOn("update", s.ID()), fates...)
				r.store.fate(isOn("get", s.ID()), reads...)
				if text, ok, err := flash.Take(t.Context(), mine); text != "saved" || !ok || err != nil {
					t.Errorf("Take: %q, %v, %v", text, ok, err)
				}
				r.wantFlash(s.ID(), "")
				r.wantVisits(s.ID(), 2) // the changes made before went along
				r.store.deliver()
				r.wantFlash(s.ID(), "")
				if text, ok, err := flash.Take(t.Context(), mine); ok || err != nil {
					t.Errorf("a second Take: %q, %v, %v", text, ok, err)
				}
				r.wantVisits(s.ID(), 2)
			})
		}
	}
}

// If the outcome can't be learned, nobody gets the value.
func TestI13_UnknownTake(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.flashed("saved")
		mine := r.open(s)
		r.store.fate(isOn("update", s.ID()), lost)
		r.store.answer(isOn("get", s.ID()), errNoAnswer)
		text, ok, err := flash.Take(t.Context(), mine)
		if text != "" || ok {
			t.Errorf("Take: %q, %v", text, ok)
		}
		r.wantErr("Take", err, cloakroom.ErrUnknown, cloakroom.ErrUnavailable)
	})
}

// Take returns the value that the write took which happened, and not that of the last
// try. The first write is late; an isolated node shows another message in the place of
// the first, so that the second write would take that.
func TestI13_TakeTellsWhatWasWritten(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		s := r.flashed("first")
		mine := r.open(s)
		n := 0
		r.store.hook(func(c *call) fate {
			if !isOn("update", s.ID())(c) {
				return pass
			}
			switch n++; n {
			case 1:
				phantom, err := r.kept(s.ID())
				if err != nil {
					t.Fatal(err)
				}
				shown := *phantom
				shown.Writes++
				shown.WriteIDs = driver.PushWriteID(shown.WriteIDs, driver.NewWriteID())
				shown.Values = shown.Values.With("flash", json.RawMessage(`"phantom"`))
				r.store.show(&call{op: "update", id: s.ID(), rec: &shown})
				return delayed
			case 2: // on top of the phantom; the first happens instead
				r.store.deliver()
			}
			return pass
		})
		text, ok, err := flash.Take(t.Context(), mine)
		if text != "first" || !ok || err != nil {
			t.Errorf("Take: %q, %v, %v", text, ok, err)
		}
		if n != 3 {
			t.Errorf("it wrote %d times, want 3: one late, one in vain, one to confirm", n)
		}
		r.wantFlash(s.ID(), "")
	})
}

func TestTake(t *testing.T) {
	for name, config := range map[string]*cloakroom.Config{
		"SaveOnce": nil, "SaveEach": {Save: cloakroom.SaveEach}, "SaveManual": {Save: cloakroom.SaveManual},
	} {
		t.Run(name, func(t *testing.T) {
			each := config != nil && config.Save == cloakroom.SaveEach
			take := func(t *testing.T, s *cloakroom.Session, want string, wantOK bool) {
				t.Helper()
				if text, ok, err := flash.Take(t.Context(), s); text != want || ok != wantOK || err != nil {
					t.Errorf("Take: %q, %v, %v; want %q, %v", text, ok, err, want, wantOK)
				}
				if text := flash.Get(s); text != "" && wantOK {
					t.Errorf("after Take it reads %q", text)
				}
			}
			t.Run("what is there", func(t *testing.T) {
				r := newRig(t, config)
				s := r.flashed("saved")
				mine := r.open(s)
				take(t, mine, "saved", true)
				r.wantFlash(s.ID(), "")
				take(t, mine, "", false)
			})
			t.Run("what isn't there", func(t *testing.T) {
				r := newRig(t, config)
				s := r.stored(1)
				mine := r.open(s)
				if !each {
					visits.Set(mine, 5)
				}
				r.store.since()
				take(t, mine, "", false)
				if !each {
					r.wantOps("nothing")
				}
				if !each {
					r.wantVisits(s.ID(), 1) // left for a later save
					r.save(mine)
					r.wantVisits(s.ID(), 5)
				}
			})
			t.Run("what the request has set", func(t *testing.T) {
				r := newRig(t, config)
				s := r.flashed("saved")
				mine := r.open(s)
				flash.Set(mine, "newer")
				take(t, mine, "newer", true)
				r.wantFlash(s.ID(), "")
			})
			t.Run("what the request has unset", func(t *testing.T) {
				r := newRig(t, config)
				s := r.flashed("saved")
				mine := r.open(s)
				flash.Delete(mine)
				take(t, mine, "", false)
				r.save(mine)
				r.wantFlash(s.ID(), "")
			})
			t.Run("a new session", func(t *testing.T) {
				r := newRig(t, config)
				g := r.guest()
				g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
					take(t, s, "", false)
					if !s.IsNew() {
						t.Error("it was begun")
					}
					flash.Set(s, "early")
					take(t, s, "early", true)
					take(t, s, "", false)
					return nil
				})
				if !each && g.token != "" {
					t.Error("it was begun for what was taken")
				}
				g.want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
					flash.Set(s, "early")
					visits.Set(s, 3)
					take(t, s, "early", true)
					if s.IsNew() || visits.Get(s) != 3 {
						t.Errorf("what was set beside it was not saved along: %d", visits.Get(s))
					}
					return nil
				})
			})
			t.Run("an ended session", func(t *testing.T) {
				r := newRig(t, config)
				s := r.flashed("saved")
				mine := r.open(s)
				if err := r.m.Admin().Revoke(t.Context(), s.ID()); err != nil {
					t.Fatal(err)
				}
				_, ok, err := flash.Take(t.Context(), mine)
				r.wantErr("Take", err, cloakroom.ErrGone)
				if ok {
					t.Error("it was told")
				}
			})
			t.Run("what can't be decoded", func(t *testing.T) {
				r := newRig(t, config)
				s := r.stored(1)
				s.SetRaw("flash", json.RawMessage(`7`))
				r.save(s)
				mine := r.open(s)
				_, ok, err := flash.Take(t.Context(), mine)
				if ok || err == nil {
					t.Errorf("Take: %v, %v", ok, err)
				}
				r.wantFlash(s.ID(), "7")
				if n, ok, err := cloakroom.NewKey[int]("flash").Take(t.Context(), mine); n != 7 || !ok || err != nil {
					t.Errorf("Take as a number: %d, %v, %v", n, ok, err)
				}
			})
			t.Run("a session that can't be saved", func(t *testing.T) {
				r := newRig(t, config)
				mine := r.open(r.flashed("saved"))
				cloakroom.NewKey[func()]("f").Set(mine, nil)
				if _, ok, err := flash.Take(t.Context(), mine); ok || err == nil {
					t.Errorf("Take: %v, %v", ok, err)
				}
				r.wantFlash(mine.ID(), `"saved"`)
			})
			t.Run("an outage", func(t *testing.T) {
				inBubble(t, func(t *testing.T) {
					r := newRig(t, config)
					mine := r.open(r.flashed("saved"))
					r.store.answer(isOp("update"), errFull)
					_, ok, err := flash.Take(t.Context(), mine)
					r.wantErr("Take", err, cloakroom.ErrOverloaded)
					if ok || errors.Is(err, cloakroom.ErrUnknown) {
						t.Errorf("Take: %v, %v", ok, err)
					}
					r.store.heal()
					take(t, mine, "saved", true)
				})
			})
		})
	}
}

// A new session that Update leaves without values reads as one.
func TestUpdateOfANewSessionToNothing(t *testing.T) {
	r := newRig(t, nil)
	r.guest().want(200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		visits.Set(s, 1)
		if err := s.Update(context.Background(), func(tx *cloakroom.Tx) error { tx.Clear(); return nil }); err != nil {
			return err
		}
		if n := visits.Get(s); n != 0 {
			t.Errorf("it reads %d, which Update took out", n)
		}
		return nil
	})
}
