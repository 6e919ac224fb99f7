package elasticstore

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests the register of indices.

// TestRegisterUpdate: what a register makes of the indices that are there.
func TestRegisterUpdate(t *testing.T) {
	const name = "session-2026.11.22"
	at := func(h int) time.Time { return time.Date(2026, 11, 22, h, 0, 0, 0, time.UTC) }
	there := func(index, uuid string, made int64) map[string]*indexInfo {
		return map[string]*indexInfo{name: {name: index, uuid: uuid, made: made, mark: &markOfOurs{Format: format}}}
	}
	known := entry{Name: name, UUID: "a", Made: 1, Seen: at(1).UnixMilli()}
	lost := known
	lost.Lost = true
	dropping := known
	dropping.Dropping = true
	never := func(*entry) bool { return false }
	for what, c := range map[string]struct {
		before *entry
		found  map[string]*indexInfo
		over   func(*entry) bool
		want   string // what became of it; "" for nothing
		left   bool   // the register has it
	}{
		"first seen":                          {nil, there(name, "a", 1), never, "", true},
		"still there":                         {&known, there(name, "a", 1), never, "", true},
		"missing":                             {&known, nil, never, wasLost, true},
		"missing, and may be dropped":         {&known, nil, func(*entry) bool { return true }, "", false},
		"missing, as a sweep dropped it":      {&dropping, nil, never, "", false},
		"made anew":                           {&known, there(name, "b", 2), never, wasRemade, true},
		"made anew after it was dropped":      {&dropping, there(name, "b", 2), never, "", true},
		"restored":                            {&known, there(name, "b", 1), never, wasRestored, true},
		"restored in its own place":           {&known, there(name, "a h", 1), never, wasRestored, true},
		"restored behind an alias":            {&known, there("restored-x", "b", 1), never, wasRestored, true},
		"moved behind an alias":               {&known, there(name+"-v2", "b", 2), never, "", true},
		"lost, then restored":                 {&lost, there(name, "b", 1), never, wasRestored, true},
		"lost, then made anew":                {&lost, there(name, "b", 2), never, wasRemade, true},
		"lost, then restored beside":          {&lost, there("restored-x", "b", 1), never, wasRestored, true},
		"only out of sight":                   {&lost, there(name, "a", 1), never, "", true},
		"somebody else's has taken its place": {&known, map[string]*indexInfo{name: {name: name, uuid: "b", made: 2}}, never, "", true},
	} {
		t.Run(what, func(t *testing.T) {
			var r register
			if c.before != nil {
				r.Indices = []entry{*c.before}
			}
			if r.find(name) != nil && r.find(name).Lost {
				r.blame(c.before, wasLost, at(2))
			}
			r.update(c.found, true, at(3), c.over)
			var got string
			if len(r.Incidents) > 0 {
				got = r.Incidents[0].What
				if i := r.Incidents[0]; i.problem(names{prefix: "session"}).Code != map[string]string{wasLost: "index-lost", wasRemade: "index-remade", wasRestored: "index-restored"}[got] {
					t.Errorf("%q is told as %v", got, i.problem(names{prefix: "session"}))
				}
				if i := r.Incidents[0]; i.Seen != known.Seen {
					t.Errorf("last seen at %v, want %v", time.UnixMilli(i.Seen).UTC(), at(1))
				}
			}
			if got != c.want || (r.find(name) != nil) != c.left {
				t.Errorf("%q, and it has %+v", got, r.Indices)
			}
			if r.update(c.found, true, at(3), c.over) {
				t.Error("a second comparison changes it again")
			}
		})
	}
}

// TestIncidentOfLedgers: sessions go on where ledgers were lost, and there is nothing to
// restore. In one index they are lost with the sessions.
func TestIncidentOfLedgers(t *testing.T) {
	for _, what := range []string{wasLost, wasRemade, wasRestored} {
		p := (&incident{Index: "session-principals", What: what}).problem(names{prefix: "session"})
		if strings.Contains(p.Meaning, "sign in again") || !strings.HasPrefix(p.Remedy, "Rebuild the ledgers") {
			t.Errorf("ledgers that were %s: %v", what, p)
		}
		p = (&incident{Index: "session", What: what}).problem(names{prefix: "session", one: true})
		if strings.Contains(p.Remedy, "Rebuild the ledgers") {
			t.Errorf("one index that was %s: %v", what, p)
		}
	}
}

// TestRegisterAcknowledged: a loss was acknowledged. That the index is made anew then is no
// news; that it is restored is.
func TestRegisterAcknowledged(t *testing.T) {
	const name = "session-2026.11.22"
	now := time.Date(2026, 11, 22, 1, 0, 0, 0, time.UTC)
	for what, c := range map[string]struct {
		made int64
		want string
	}{"made anew": {2, ""}, "restored": {1, wasRestored}} {
		r := register{Indices: []entry{{Name: name, UUID: "a", Made: 1, Lost: true}}}
		there := map[string]*indexInfo{name: {name: name, uuid: "b", made: c.made, mark: &markOfOurs{Format: format}}}
		r.update(there, true, now, func(*entry) bool { return false })
		var got string
		if len(r.Incidents) > 0 {
			got = r.Incidents[0].What
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", what, got, c.want)
		}
	}
}

// TestRegisterRecall: what a process remembers is added to a register that another process
// has begun, once.
func TestRegisterRecall(t *testing.T) {
	entries := func(list ...entry) *register { return &register{Indices: list} }
	known := entry{Name: "x", UUID: "a"}
	for what, c := range map[string]struct {
		now, mine *register
		want      []entry
	}{
		"nothing is remembered":              {entries(known), nil, []entry{known}},
		"it isn't known":                     {entries(), entries(known), []entry{known}},
		"it was made anew":                   {entries(entry{Name: "x", UUID: "b"}), entries(known), []entry{known}},
		"it was made anew, as is known":      {entries(entry{Name: "x", UUID: "b", Before: "a"}), entries(known), []entry{{Name: "x", UUID: "b", Before: "a"}}},
		"it was lost before, and made anew":  {entries(entry{Name: "x", UUID: "b"}), entries(entry{Name: "x", UUID: "a", Lost: true}), []entry{{Name: "x", UUID: "b"}}},
		"a sweep was about to drop it":       {entries(entry{Name: "x", UUID: "b"}), entries(entry{Name: "x", UUID: "a", Dropping: true}), []entry{{Name: "x", UUID: "b"}}},
		"it was lost before, and is unknown": {entries(), entries(entry{Name: "x", UUID: "a", Lost: true}), []entry{{Name: "x", UUID: "a", Lost: true}}},
	} {
		was := slices.Clone(c.now.Indices)
		if changed := c.now.recall(c.mine, false); changed == slices.Equal(was, c.want) || !slices.Equal(c.now.Indices, c.want) {
			t.Errorf("%s: %+v, changed: %v", what, c.now.Indices, changed)
		}
	}
}

// TestRegisterOfCopiedIndices: an operator copies all indices to another cluster, or under
// another prefix, the register with them. Nothing is reported as lost.
func TestRegisterOfCopiedIndices(t *testing.T) {
	t.Parallel()
	here := &indexInfo{name: "x", uuid: "b", made: 2}
	for _, c := range []struct {
		entry
		copied bool
	}{{entry{UUID: "a", Made: 1}, true}, {entry{UUID: "b", Made: 2}, false}, {entry{UUID: "a", Made: 2}, false}} {
		c.Name = "x"
		if r := (&register{Indices: []entry{c.entry}}); r.copied(here, "x") != c.copied {
			t.Errorf("a register of %+v is copied: %v", c.entry, !c.copied)
		}
	}
	l, s := newStore(t)
	now := time.Now()
	r := mustCreate(t, s, session(driver.LayoutDay, now))
	mustCreate(t, s, session(driver.LayoutLedger, now))
	l.refresh(t)
	other := newLab(t)
	for _, suffix := range []string{s.names.of(r.ID), s.names.ledgers()} {
		suffix = suffix[len(l.index):]
		m := move{l, l.index + suffix, other.index + suffix}
		m.prepare(t)
		m.copy(t)
	}
	var heard listener
	moved := other.open(t, nil, func(c *Config) { c.Logger = heard.logger() })
	if _, err := moved.Get(testContext(t), r.ID); err != nil {
		t.Error(err)
	}
	warm(t, moved)
	if heard.has("ERROR") {
		t.Errorf("told: %q", heard.all())
	}
	if codes := codesOf(t, moved); len(codes) != 0 {
		t.Errorf("Report: %v", codes)
	}
}

// TestRegisterBegins: indices of an earlier version have no register. If that of ledgers is
// younger than others, it was deleted and made anew.
func TestRegisterBegins(t *testing.T) {
	t.Parallel()
	for name, lost := range map[string]bool{"all are there": false, "ledgers were made anew": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, s := newStore(t)
			r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
			l.call(t, http.MethodDelete, "/"+s.names.ledgers()+"/_doc/"+registerID+"?refresh=true", "")
			if lost {
				l.call(t, http.MethodDelete, "/"+s.names.ledgers(), "")
				if _, err := s.createIndex(testContext(t), s.names.ledgers(), 0); err != nil {
					t.Fatal(err)
				}
			}
			later := l.open(t, nil, nil)
			if _, err := later.Get(testContext(t), r.ID); err != nil {
				t.Fatal(err)
			}
			warm(t, later)
			if codes := codesOf(t, later); slices.Contains(codes, "index-remade") != lost {
				t.Errorf("Report: %v", codes)
			}
		})
	}
}

// TestRegisterOfDroppedPeriods: a period that a sweep drops isn't lost, nor is one that an
// older version drops, which knows no register.
func TestRegisterOfDroppedPeriods(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	now := time.Now()
	r := session(driver.LayoutDay, now.AddDate(0, 0, -5))
	mustCreate(t, s, r)
	byOlder := session(driver.LayoutDay, now.AddDate(0, 0, -6))
	mustCreate(t, s, byOlder)
	l.call(t, http.MethodDelete, "/"+s.names.of(byOlder.ID), "")
	report, err := s.Sweep(testContext(t), now)
	if err != nil || report.Dropped != 1 {
		t.Fatalf("%+v, %v", report, err)
	}
	if codes := codesOf(t, s); len(codes) != 0 {
		t.Errorf("Report: %v", codes)
	}
	kept, err := s.loadRegister(testContext(t))
	if err != nil || kept.find(s.names.of(r.ID)) != nil || kept.find(s.names.of(byOlder.ID)) != nil || kept.find(s.names.ledgers()) == nil {
		t.Errorf("the register: %+v, %v", kept, err)
	}
}

// TestRegisterFromManyAtOnce: processes that make indices at the same time all enter them.
func TestRegisterFromManyAtOnce(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const n = 6
	done := make(chan error, n)
	for i := range n {
		s := l.open(t, nil, nil)
		go func() {
			_, err := s.Create(testContext(t), session(driver.LayoutDay, time.Now().AddDate(0, 0, -i)))
			done <- err
		}()
	}
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	kept, err := l.open(t, nil, nil).loadRegister(testContext(t))
	if err != nil || len(kept.Indices) != n+1 || len(kept.Incidents) != 0 {
		t.Errorf("the register: %+v, %v", kept, err)
	}
}

// TestI8_MadeSinceTheListing: a process lists the indices, another makes one and enters it,
// and the first loads the register. The new index isn't lost.
func TestI8_MadeSinceTheListing(t *testing.T) {
	t.Parallel()
	for name, do := range map[string]func(s *Store) error{
		"as it starts": func(s *Store) error { return s.Setup(testContext(t)) },
		"as it sweeps": func(s *Store) error { _, err := s.Sweep(testContext(t), time.Now()); return err },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			other := l.open(t, nil, nil)
			mustCreate(t, other, session(driver.LayoutDay, time.Now()))
			f := newFaulty(l.client)
			var heard listener
			s := l.open(t, f, func(c *Config) { c.Logger = heard.logger() })
			made := 0
			f.set(onKind(registerID, func(req *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
				if req.Method == http.MethodGet && made < 3 {
					made++
					mustCreate(t, other, session(driver.LayoutDay, time.Now().AddDate(0, 0, -made)))
				}
				return send()
			}))
			if err := do(s); err != nil {
				t.Fatal(err)
			}
			kept, err := other.loadRegister(testContext(t))
			if err != nil || made == 0 || len(kept.Indices) != 2+made || len(kept.Incidents) != 0 || heard.has("ERROR") {
				t.Errorf("%d made; the register: %+v, %v; logged: %q", made, kept, err, heard.all())
			}
		})
	}
}

// TestUnreadableRegister: somebody has edited the register. It begins anew, aloud.
func TestUnreadableRegister(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	for _, text := range []string{`{"kind":"register","indices":3}`, `{"kind":"session"}`, `{}`} {
		l.call(t, http.MethodPut, "/"+s.names.ledgers()+"/_doc/"+registerID, text)
		var heard listener
		later := l.open(t, nil, func(c *Config) { c.Logger = heard.logger() })
		warm(t, later)
		if !heard.has("ERROR", registerID) {
			t.Errorf("%s: not told: %q", text, heard.all())
		}
		if kept, err := later.loadRegister(testContext(t)); err != nil || len(kept.Indices) != 2 {
			t.Errorf("%s: %v", text, fmt.Sprint(kept, err))
		}
	}
}
