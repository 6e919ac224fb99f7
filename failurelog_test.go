package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of the log of failed requests.

// hangUps has readers hang up while the store reads for them, one after the other. It
// returns the last status.
func (r *rig) hangUps(g *guest, f page) (status int) {
	for range 5 {
		ctx, hangUp := context.WithCancel(context.Background())
		reached := make(chan struct{}, 9)
		r.store.heal()
		r.store.hook(func(c *call) fate {
			if c.op == "get" {
				reached <- struct{}{}
				<-c.ctx.Done() // the store itself says what that is
			}
			return pass
		})
		answered := later(func() int {
			w := httptest.NewRecorder()
			r.m.With(f).ServeHTTP(w, g.request(ctx))
			return w.Code
		})
		<-reached
		hangUp()
		status = <-answered
	}
	return status
}

// A client that hangs up while its session, or anything else, is read is no error.
func TestHangUpIsNoError(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		var told atomic.Int32
		r := newRig(t, &cloakroom.Config{OnError: func(w http.ResponseWriter, _ *http.Request, status int, _ error) {
			told.Add(1)
			w.WriteHeader(status)
		}})
		ann := r.as(r.signedIn("ann"))
		for name, c := range map[string]struct {
			g *guest
			f page
		}{
			"the session": {ann, look},
			"signing in":  {r.guest(), loginAs("ann", nil)},
			"the application": {r.guest(), func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
				_, err := r.store.Get(req.Context(), driver.LedgerID("session", "ann"))
				return fmt.Errorf("my own query: %w", err)
			}},
		} {
			if status := r.hangUps(c.g, c.f); status >= 500 || told.Load() > 0 {
				t.Errorf("%s: after hang-ups the status is %d, and OnError was told %d times", name, status, told.Load())
			}
			time.Sleep(2 * time.Second)
			if got := r.log.take(); got != "" {
				t.Errorf("%s: hang-ups are logged: %s", name, got)
			}
		}
		// A read that is given up while the client is there is one.
		short, cancel := context.WithCancel(context.Background())
		r.store.heal()
		w := ann.do(func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
			cancel()
			_, err := r.m.BeginLogin(short, "ann")
			return err
		})
		if got := r.log.take(); w.Code != 503 || told.Load() != 1 || !strings.Contains(got, "level=ERROR") {
			t.Errorf("given up by the application: %d, told %d times, logged %q", w.Code, told.Load(), got)
		}
		// So is an outage, in which a save fails whose client has gone.
		ctx, hangUp := context.WithCancel(context.Background())
		r.store.answer(isOp("create"), errFull)
		r.guest().send(r.guest().request(ctx), func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Set(s, 1)
			hangUp()
			return nil
		})
		if got := r.log.take(); !strings.Contains(got, "level=ERROR") {
			t.Errorf("a save that failed, of a client that hung up: logged %q", got)
		}
	})
}

// That a page was too slow for an http.TimeoutHandler is no hang-up: why is in the log.
func TestFailAfterATimeoutIsLogged(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		for name, cause := range map[string]func(context.Context) error{
			"the timeout": context.Context.Err,
			"another":     func(context.Context) error { return errors.New("broken") },
		} {
			h := r.m.Handler(http.TimeoutHandler(r.m.With(func(_ http.ResponseWriter, req *http.Request, _ *cloakroom.Session) error {
				time.Sleep(2 * impatience)
				return fmt.Errorf("asking the database: %w", cause(req.Context()))
			}), impatience, "too slow"))
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r.guest().request(t.Context()))
			time.Sleep(2 * impatience)
			if got := r.log.take(); w.Code != 503 || strings.Count(got, "asking the database") != 1 || !strings.Contains(got, "level=ERROR") {
				t.Errorf("%s: got %d, logged %q", name, w.Code, got)
			}
		}
	})
}

var requestsLogged = regexp.MustCompile(`kind="?([a-z ]+)"? requests=(\d+)`)

// counted returns how many lines of the log there are of each kind, and of how many
// requests.
func counted(t *testing.T, log string) (lines, requests map[string]int) {
	t.Helper()
	lines, requests = map[string]int{}, map[string]int{}
	for _, m := range requestsLogged.FindAllStringSubmatch(log, -1) {
		n, err := strconv.Atoi(m[2])
		if err != nil {
			t.Fatal(err)
		}
		lines[m[1]]++
		requests[m[1]] += n
	}
	return lines, requests
}

// In an outage there is one line a second for each kind of failure, and in the end all
// requests have been told of.
func TestOutageIsToldOnceASecond(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r := newRig(t, nil)
		ways := map[string]error{
			"unavailable": errNoAnswer,
			"overloaded":  errFull,
			"corrupt":     driver.ErrCorrupt,
			"newer":       driver.ErrNewer,
			"closed":      driver.ErrClosed,
		}
		g := r.as(r.stored(1))
		r.store.hook(func(c *call) fate {
			c.err = ways[c.ctx.Value(wayKey{}).(string)]
			return answered
		})
		const each = 250
		for range each {
			for way := range ways {
				g.send(g.request(context.WithValue(context.Background(), wayKey{}, way)), look)
			}
			time.Sleep(10 * time.Millisecond)
		}
		lines, _ := counted(t, r.log.String())
		for way := range ways {
			if n := lines[way]; n != 3 { // in 2.5 s
				t.Errorf("%s: %d lines", way, n)
			}
		}
		time.Sleep(time.Second)
		lines, requests := counted(t, r.log.take())
		for way := range ways {
			if lines[way] != 4 || requests[way] != each {
				t.Errorf("%s: %d lines tell of %d requests, want 4 and %d", way, lines[way], requests[way], each)
			}
		}
		time.Sleep(time.Minute)
		if got := r.log.take(); got != "" {
			t.Errorf("later: %s", got)
		}
	})
}

type wayKey struct{}

// Close logs the failures that wait, and nothing waits beyond it.
func TestCloseTellsWhatWaits(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		log := new(logLines)
		r := newRig(t, nil)
		m, err := cloakroom.New(r.store, testKeyring(t), &cloakroom.Config{SweepEvery: -1, Logger: slog.New(slog.NewTextHandler(log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		fail := func() {
			m.Fail(httptest.NewRecorder(), r.guest().request(context.Background()), errNoAnswer)
		}
		for range 5 {
			fail()
		}
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		lines, requests := counted(t, log.take())
		if lines["unavailable"] != 2 || requests["unavailable"] != 5 {
			t.Errorf("%d lines of %d requests, want 2 of 5", lines["unavailable"], requests["unavailable"])
		}
		fail()
		time.Sleep(time.Minute)
		synctest.Wait()
		if got := log.take(); got != "" {
			t.Errorf("after Close: %q", got)
		}
	})
}

// slowLog takes half a second for each line.
type slowLog struct {
	slog.Handler
	lines atomic.Int32
}

func (l *slowLog) Enabled(context.Context, slog.Level) bool { return true }

func (l *slowLog) Handle(context.Context, slog.Record) error {
	time.Sleep(500 * time.Millisecond)
	l.lines.Add(1)
	return nil
}

// Close also waits for a line that is being written.
func TestCloseWaitsForTheLog(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		log := &slowLog{Handler: slog.DiscardHandler}
		r := newRig(t, nil)
		m, err := cloakroom.New(r.store, testKeyring(t), &cloakroom.Config{SweepEvery: -1, Logger: slog.New(log)})
		if err != nil {
			t.Fatal(err)
		}
		fail := func() {
			m.Fail(httptest.NewRecorder(), r.guest().request(context.Background()), errNoAnswer)
		}
		fail()
		fail() // whose line waits for half a second more
		time.Sleep(750 * time.Millisecond)
		if err := m.Close(); err != nil {
			t.Fatal(err)
		}
		if n := log.lines.Load(); n != 2 {
			t.Errorf("when Close returns %d lines are written, want 2", n)
		}
	})
}

// An error of the application's is answered and logged as such, each by itself.
func TestErrorOfTheApplication(t *testing.T) {
	r := newRig(t, nil)
	g := r.as(r.stored(1))
	for n := range 3 {
		w := g.want(500, func(http.ResponseWriter, *http.Request, *cloakroom.Session) error {
			return fmt.Errorf("database is gone, %d", n)
		})
		if strings.Contains(strings.ToLower(w.Body.String()), "session") {
			t.Errorf("the visitor is told %q", w.Body)
		}
		got := r.log.take()
		if !strings.Contains(got, fmt.Sprintf("database is gone, %d", n)) || !strings.Contains(got, "application") || strings.Contains(got, "kind=") {
			t.Errorf("logged %q", got)
		}
	}
	// A session's own fault isn't.
	w := g.want(500, func(http.ResponseWriter, *http.Request, *cloakroom.Session) error { return cloakroom.ErrCorrupt })
	if got := r.log.take(); !strings.Contains(w.Body.String(), "session") || strings.Contains(got, "application") {
		t.Errorf("told %q, logged %q", w.Body, got)
	}
}

// Lines name the request, without its query, and a client's text can't forge other
// lines.
func TestFailureNamesTheRequest(t *testing.T) {
	r := newRig(t, nil)
	s := r.stored(1)
	g := r.as(s)
	req := g.request(t.Context())
	req.Method = "POST" + strings.Repeat("X", 1<<10)
	req.URL.Path = "/reset\x1b[2J\n\xff" + strings.Repeat("é", 1<<10)
	req.URL.RawQuery = "token=secret"
	g.send(req, func(http.ResponseWriter, *http.Request, *cloakroom.Session) error { return errors.New("broken") })
	got := r.log.take()
	for _, want := range []string{"method=POSTXX", "path=/reset[2Jéé", "session=" + s.ID().String(), "status=500", "error=broken"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %s in %s", want, got)
		}
	}
	if strings.Contains(got, "secret") || len(got) > 1000 || strings.Count(got, "\n") != 1 {
		t.Errorf("logged %d bytes: %s", len(got), got)
	}
	// After the response has begun as well.
	g.want(200, func(w http.ResponseWriter, _ *http.Request, _ *cloakroom.Session) error {
		w.WriteHeader(200)
		return errors.New("broken")
	})
	if got := r.log.take(); !strings.Contains(got, "method=GET path=/ ") {
		t.Errorf("late: %s", got)
	}
}

// A handler that has ended its own context, or has cut the path, is inside of Handler.
// The client is still there, and the line names the request as it was sent.
func TestLateFailureOfAnInnerRequest(t *testing.T) {
	r := newRig(t, nil)
	late := func(outer context.Context) string {
		w, req := httptest.NewRecorder(), r.guest().request(outer)
		req.URL.Path = "/app/page"
		r.m.Handler(http.StripPrefix("/app", http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
			w.WriteHeader(200)
			ctx, cancel := context.WithCancel(req.Context())
			cancel()
			r.m.Fail(w, req.WithContext(ctx), errors.New("broken"))
		}))).ServeHTTP(w, req)
		return r.log.take()
	}
	if got := late(context.Background()); !strings.Contains(got, "after its response had begun") || !strings.Contains(got, "path=/app/page ") {
		t.Errorf("logged %q", got)
	}
	ctx, timesOut := context.WithTimeout(context.Background(), 0) // by something around Handler
	defer timesOut()
	if got := late(ctx); !strings.Contains(got, "after its response had begun") {
		t.Errorf("out of time: logged %q", got)
	}
	gone, hangUp := context.WithCancel(context.Background())
	hangUp()
	if got := late(gone); got != "" {
		t.Errorf("of a client that hung up: logged %q", got)
	}
}

// A session that becomes too large is a line: a warning, with the session and the sizes.
func TestTooLargeIsLogged(t *testing.T) {
	r := newRig(t, &cloakroom.Config{MaxBytes: 1000})
	s := r.stored(1)
	r.as(s).want(413, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		hat.Set(s, strings.Repeat("x", 2000))
		return nil
	})
	got := r.log.take()
	for _, want := range []string{"level=WARN", "session=" + s.ID().String(), "status=413", "1000", "20", "path=/"} {
		if !strings.Contains(got, want) {
			t.Errorf("no %q in %s", want, got)
		}
	}
	if strings.Contains(got, "xxx") {
		t.Errorf("the value is logged: %s", got)
	}
}
