package elasticstore

import (
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests indices that were deleted, or that have another mapping.

// listener collects what is logged.
type listener struct {
	mu    sync.Mutex
	lines []string
}

func (l *listener) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }

func (l *listener) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, string(line))
	return len(line), nil
}

// all returns what was logged up to now.
func (l *listener) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.lines)
}

// count returns the number of lines that have a text.
func (l *listener) count(text string) (n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, line := range l.lines {
		if strings.Contains(line, text) {
			n++
		}
	}
	return n
}

// has reports whether a line of a level has all texts.
func (l *listener) has(level string, texts ...string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.ContainsFunc(l.lines, func(line string) bool {
		return strings.Contains(line, "level="+level) && !slices.ContainsFunc(texts, func(text string) bool { return !strings.Contains(line, text) })
	})
}

// TestLostIndexIsReadAtOnce: a visitor has waited for a lost index, as a node may lag
// behind, and it was made anew. The next look follows at once, without a pause in which the
// visitor's time may end.
func TestLostIndexIsReadAtOnce(t *testing.T) {
	t.Parallel()
	least := time.Hour
	for range 3 { // a busy machine is no failure
		l := newLab(t)
		f := newFaulty(l.client)
		s := l.open(t, f, func(c *Config) { c.patience = time.Second })
		r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
		l.call(t, http.MethodDelete, "/"+s.names.of(r.ID), "")
		var mu sync.Mutex
		var made bool
		var answered time.Time
		f.set(func(req *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
			mu.Lock()
			if made && kindOf(req) == "_mget" {
				least, made = min(least, time.Since(answered)), false
			}
			mu.Unlock()
			res, err := send()
			mu.Lock()
			defer mu.Unlock()
			made = made || req.Method == http.MethodPut && strings.HasSuffix(req.URL.Path, s.names.of(r.ID))
			answered = time.Now()
			return res, err
		})
		_, err := s.Get(testContext(t), r.ID)
		wantError(t, err, driver.ErrNotFound)
	}
	if least > 300*time.Millisecond {
		t.Errorf("the look comes %v after the index was made", least)
	}
}

// TestI8_LostIndex: somebody deletes an index of sessions that can't have been dropped, of
// today or of the day before. For a moment visitors are told of an outage, since a node may
// lag behind. Then they are visitors without a session, and nobody waits again. The loss is
// told by every process that learns of it, and stays in Report until it is acknowledged.
func TestI8_LostIndex(t *testing.T) {
	t.Parallel()
	for name, ago := range map[string]time.Duration{"now": 0, "20 hours ago": 20 * time.Hour} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			var heard, heardLater listener
			now := time.Now()
			s := l.open(t, nil, func(c *Config) {
				c.patience = 300 * time.Millisecond
				c.Logger = heard.logger()
			})
			day := now.Add(-ago)
			warm(t, s, now, day)
			index := s.names.of(driver.NewID(driver.LayoutDay, day))
			site := newSite(t, s, patient)
			old, other := site.visitor(), site.visitor()
			for _, v := range []*visitor{old, other} {
				token, err := managerAt(t, s, ago, patient).Create(testContext(t))
				if err != nil {
					t.Fatal(err)
				}
				v.cookie = &http.Cookie{Name: "__Host-Http-session", Value: token.Token()}
				v.want(t, "/add", " 1")
			}

			l.call(t, http.MethodDelete, "/"+index, "")
			old.outage(t, newSite(t, s, 100*time.Millisecond), "/look")
			old.want(t, "/look", " 0")
			if !heard.has("ERROR", index, "deleted", "docs/operations.md") {
				t.Errorf("the loss wasn't told: %q", heard.all())
			}
			began := time.Now()
			other.want(t, "/look", " 0")
			if took := time.Since(began); took > s.cfg.patience && took < patient/2 {
				t.Errorf("the next visitor waited for %v", took)
			}
			was := old.cookie.Value
			old.want(t, "/add", " 1")
			if old.cookie == nil || old.cookie.Value == was {
				t.Error("a visitor whose session is lost was not given another")
			}
			if codes := codesOf(t, s); !slices.Contains(codes, "index-remade") {
				t.Errorf("Report: %v", codes)
			}
			// A process that starts later tells it as well, until an operator knows.
			later := l.open(t, nil, func(c *Config) { c.Logger = heardLater.logger() })
			warm(t, later)
			if !heardLater.has("ERROR", index) {
				t.Errorf("a later process didn't tell the loss: %q", heardLater.all())
			}
			if known, err := later.Acknowledge(testContext(t)); err != nil || !slices.Equal(known, []string{index}) {
				t.Errorf("acknowledged: %v, %v", known, err)
			}
			for _, s := range []*Store{s, later} {
				if codes := codesOf(t, s); len(codes) != 0 {
					t.Errorf("Report after it was acknowledged: %v", codes)
				}
			}
		})
	}
}

// TestI8_LostUnseen: an index is deleted and made anew, by the engine at a write or by
// another process, before this process notices anything; or it is deleted, and nobody
// asks for it.
func TestI8_LostUnseen(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var heard listener
	s := l.open(t, nil, func(c *Config) { c.Logger = heard.logger() })
	now := time.Now()
	days := []time.Time{now, now.AddDate(0, 0, -1), now.AddDate(0, 0, -2)}
	warm(t, s)
	var records []*driver.Record
	var indices []string
	for _, day := range days {
		records = append(records, mustCreate(t, s, session(driver.LayoutDay, day)))
		indices = append(indices, s.names.of(records[len(records)-1].ID))
	}
	l.remove(t, indices...)
	mustCreate(t, s, session(driver.LayoutDay, now)) // the engine makes the index by the template
	forgetLook(s)
	_, err := s.Get(testContext(t), records[0].ID)
	wantError(t, err, driver.ErrNotFound)
	eventually(t, func() error {
		if !heard.has("ERROR", indices[0], "made anew") {
			return fmt.Errorf("not told: %q", heard.all())
		}
		return nil
	})
	other := l.open(t, nil, nil)
	mustCreate(t, other, session(driver.LayoutDay, days[1]))
	if codes := codesOf(t, s); !slices.Contains(codes, "index-lost") || !slices.Contains(codes, "index-remade") {
		t.Errorf("Report: %v", codes)
	}
	if _, err := s.Sweep(testContext(t), now); err != nil {
		t.Fatal(err)
	}
	for _, index := range indices {
		if !heard.has("ERROR", index) {
			t.Errorf("%s was not told: %q", index, heard.all())
		}
	}
	// It is found again: a node had not known it.
	if known, err := s.Acknowledge(testContext(t)); err != nil || len(known) != 3 {
		t.Errorf("acknowledged %v, %v", known, err)
	}
}

// forgetLook lets a store look at its indices again at the next suspicion.
func forgetLook(s *Store) {
	s.places.mu.Lock()
	defer s.places.mu.Unlock()
	for _, p := range s.places.known {
		p.looked.Store(0)
	}
}

// TestI10_LostLedgers: the index of ledgers is deleted, while the application runs or
// before it starts. Sign-ins go on, signing out everywhere ends all sessions, and the loss
// is told.
func TestI10_LostLedgers(t *testing.T) {
	t.Parallel()
	for _, restart := range []bool{false, true} {
		t.Run(fmt.Sprint("restart ", restart), func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			var heard listener
			change := func(c *Config) {
				c.Logger = heard.logger()
				c.patience = 300 * time.Millisecond
			}
			s := l.open(t, nil, change)
			warm(t, s, time.Now())
			m := managerAt(t, s, 0, patient)
			token := signIn(t, m)
			l.call(t, http.MethodDelete, "/"+s.names.ledgers(), "")
			if restart {
				s = l.open(t, nil, change)
				m = managerAt(t, s, 0, patient)
				warm(t, s)
			}
			next := signIn(t, m)
			if !heard.has("ERROR", s.names.ledgers(), "ledgers") {
				t.Errorf("the loss wasn't told: %q", heard.all())
			}
			if codes := codesOf(t, s); !slices.Equal(codes, []string{"index-remade"}) {
				t.Errorf("Report: %v", codes)
			}
			if err := m.Admin().RevokeAll(testContext(t), "alice"); err != nil {
				t.Fatal(err)
			}
			for _, token := range []string{token, next} {
				if _, err := m.Retrieve(testContext(t), token); !errors.Is(err, driver.ErrNotFound) {
					t.Errorf("a session opens after signing out everywhere: %v", err)
				}
			}
		})
	}
}

// TestI8_LostWithTheRegister: an operator deletes all indices at once, the one that has the
// register with them. A process that starts then finds nothing, and begins a register of
// what it makes. Those that run remember what was there, and tell it, once.
func TestI8_LostWithTheRegister(t *testing.T) {
	t.Parallel()
	for _, first := range []string{"a new process", "a running one"} {
		t.Run(first+" makes the ledgers anew", func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			var heard listener
			now := time.Now()
			days := []time.Time{now, now.AddDate(0, 0, -1)}
			s, idle := l.open(t, nil, func(c *Config) { c.Logger = heard.logger() }), l.open(t, nil, nil)
			var indices []string
			for _, day := range days {
				indices = append(indices, s.names.of(mustCreate(t, s, session(driver.LayoutDay, day)).ID))
			}
			warm(t, idle, days...)
			l.remove(t, l.list(t)...)
			if first == "a new process" {
				warm(t, l.open(t, nil, nil), now)
			} else {
				mustCreate(t, s, session(driver.LayoutLedger, now))
			}
			if _, err := s.Sweep(testContext(t), now); err != nil {
				t.Fatal(err)
			}
			for _, index := range append(indices, s.names.ledgers()) {
				if !heard.has("ERROR", index) {
					t.Errorf("the loss of %q was not told: %q", index, heard.all())
				}
			}
			known, err := s.Acknowledge(testContext(t))
			if err != nil || !slices.Equal(known, []string{indices[1], indices[0], s.names.ledgers()}) {
				t.Errorf("acknowledged: %v, %v", known, err)
			}
			// Another that remembers the same doesn't bring it up again.
			if _, err := idle.Sweep(testContext(t), now); err != nil {
				t.Error(err)
			}
			if codes := codesOf(t, idle); len(codes) != 0 {
				t.Errorf("Report after it was acknowledged: %v", codes)
			}
		})
	}
}

// TestI11_LossByAWrongClock: an index is deleted, and the first to notice is a process on a
// machine whose clock is wrong, by which the index's period is over, or yet to come. It
// doesn't take the loss for that.
func TestI11_LossByAWrongClock(t *testing.T) {
	t.Parallel()
	for _, ahead := range []time.Duration{100 * 24 * time.Hour, -3 * 24 * time.Hour} {
		t.Run(ahead.String(), func(t *testing.T) {
			t.Parallel()
			l, s := newStore(t)
			r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
			index := s.names.of(r.ID)
			l.call(t, http.MethodDelete, "/"+index, "")
			var heard listener
			wrong := l.open(t, nil, func(c *Config) {
				c.Logger = heard.logger()
				c.now = func() time.Time { return time.Now().Add(ahead) }
			})
			warm(t, wrong)
			if !heard.has("ERROR", index) {
				t.Errorf("not told: %q", heard.all())
			}
			for _, s := range []*Store{wrong, s} {
				if codes := codesOf(t, s); !slices.Equal(codes, []string{"index-lost"}) {
					t.Errorf("Report: %v", codes)
				}
			}
		})
	}
}

// TestI8_SweepAfterLostLedgers: nobody signs in after the index of ledgers was deleted. A
// sweep tells the loss, has the index made anew, and goes on.
func TestI8_SweepAfterLostLedgers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var heard listener
	s := l.open(t, nil, func(c *Config) { c.Logger = heard.logger() })
	warm(t, s)
	now := time.Now()
	old := mustCreate(t, s, session(driver.LayoutDay, now.AddDate(0, 0, -5)))
	l.call(t, http.MethodDelete, "/"+s.names.ledgers(), "")
	report, err := s.Sweep(testContext(t), now)
	if err != nil || report.Dropped != 1 {
		t.Errorf("Sweep: %+v, %v", report, err)
	}
	if l.exists(t, s.names.of(old.ID)) || !l.exists(t, s.names.ledgers()) || !heard.has("ERROR", s.names.ledgers()) {
		t.Errorf("after the sweep: %v; logged: %q", l.list(t), heard.all())
	}
	if codes := codesOf(t, s); !slices.Equal(codes, []string{"index-remade"}) {
		t.Errorf("Report: %v", codes)
	}
}

// TestHandMadeIndex: an operator makes an index by hand, without our mapping, under a
// process that runs. It is told at once, and not only after a restart.
func TestHandMadeIndex(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var heard listener
	s := l.open(t, nil, func(c *Config) { c.Logger = heard.logger() })
	warm(t, s, time.Now())
	r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	index := s.names.of(r.ID)
	l.call(t, http.MethodDelete, "/_index_template/"+s.names.template(), "")
	l.call(t, http.MethodDelete, "/"+index, "")
	l.call(t, http.MethodPut, "/"+index, "{}")
	forgetLook(s)
	_, err := s.Get(testContext(t), r.ID)
	wantError(t, err, driver.ErrNotFound)
	eventually(t, func() error {
		if !heard.has("ERROR", index, "by hand") {
			return fmt.Errorf("not told: %q", heard.all())
		}
		return nil
	})
	for _, s := range []*Store{s, l.open(t, nil, nil)} {
		_, err = s.Create(testContext(t), session(driver.LayoutDay, time.Now()))
		wantError(t, err, driver.ErrUnavailable)
		if !strings.Contains(err.Error(), index) || !strings.Contains(err.Error(), "mapping") || strings.Contains(err.Error(), "PUT") {
			t.Errorf("the error: %v", err)
		}
		if codes := codesOf(t, s); !slices.Contains(codes, "index-foreign") {
			t.Errorf("Report: %v", codes)
		}
	}
	// It is removed, as the message says, and all is well without a restart.
	l.call(t, http.MethodDelete, "/"+index, "")
	mustCreate(t, s, session(driver.LayoutDay, time.Now()))
}

// TestI8_ForeignMapping: a period's index has somebody else's mapping, or another
// release's, which doesn't take our documents. No record is called invalid for it.
// Visitors are told of an outage, and the operator is told the remedy.
func TestI8_ForeignMapping(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := l.open(t, nil, nil)
	now := time.Now()
	warm(t, s)
	index := s.names.of(driver.NewID(driver.LayoutDay, now))
	for name, mapping := range map[string]string{
		"another type": `"properties":{"kind":{"type":"long"}}`,
		"strict":       `"dynamic":"strict"`,
		"object":       `"properties":{"client":{"type":"keyword"},"app":{"properties":{"name":{"type":"keyword"}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			l.call(t, http.MethodDelete, "/_index_template/"+s.names.template(), "")
			l.call(t, http.MethodPut, "/"+index, fmt.Sprintf(`{"mappings":{"_meta":{"cloakroom":{"format":1}},%s}}`, mapping))
			site := newSite(t, s, hasty)
			for _, values := range []bool{true, false} {
				r := session(driver.LayoutDay, now)
				if !values {
					r.Values = nil
				}
				_, err := s.Create(testContext(t), r)
				wantError(t, err, driver.ErrUnavailable)
				for _, text := range []string{index, "mapping", s.names.template(), "reindex"} {
					if !strings.Contains(err.Error(), text) {
						t.Errorf("the error doesn't tell %q: %v", text, err)
					}
				}
				if text := err.Error(); strings.Contains(text, "coat") || strings.Contains(text, "alice") {
					t.Errorf("the error tells what is in the record: %v", err)
				}
			}
			v := site.visitor()
			v.outage(t, site, "/add")
			l.call(t, http.MethodDelete, "/"+index, "")
			if err := s.Setup(testContext(t)); err != nil {
				t.Fatal(err)
			}
			v.site = newSite(t, s, patient)
			v.want(t, "/add", " 1")
			l.call(t, http.MethodDelete, "/"+index, "")
		})
	}
}

// TestAcknowledgeWhatReportTells: an index was deleted, and no sweep has come by since.
// Report tells the loss at once, so Acknowledge has to know it, too.
func TestAcknowledgeWhatReportTells(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	warm(t, s)
	r := mustCreate(t, s, session(driver.LayoutDay, time.Now().AddDate(0, 0, -1)))
	index := s.names.of(r.ID)
	l.call(t, http.MethodDelete, "/"+index, "")
	if codes := codesOf(t, s); !slices.Contains(codes, "index-lost") {
		t.Fatalf("Report: %v", codes)
	}
	if known, err := s.Acknowledge(testContext(t)); err != nil || !slices.Equal(known, []string{index}) {
		t.Errorf("acknowledged: %v, %v", known, err)
	}
	if codes := codesOf(t, s); slices.Contains(codes, "index-lost") {
		t.Errorf("Report after it was acknowledged: %v", codes)
	}
}

// TestAcknowledgedLossIsNoNews: a loss was acknowledged before the index is made anew, as
// the next visitor has it. It is not told once more.
func TestAcknowledgedLossIsNoNews(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var heard listener
	s := l.open(t, nil, func(c *Config) {
		c.Logger = heard.logger()
		c.patience = 100 * time.Millisecond
	})
	warm(t, s)
	r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	index := s.names.of(r.ID)
	l.call(t, http.MethodDelete, "/"+index, "")
	if known, err := s.Acknowledge(testContext(t)); err != nil || !slices.Equal(known, []string{index}) {
		t.Fatalf("acknowledged: %v, %v", known, err)
	}
	_, err := s.Get(testContext(t), r.ID)
	wantError(t, err, driver.ErrNotFound)
	if codes := codesOf(t, s); len(codes) != 0 || heard.has("ERROR", "made anew") {
		t.Errorf("Report: %v; logged: %q", codes, heard.all())
	}
}
