package elasticstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests troubles as visitors of a site meet them.

// site is a real Manager behind a real HTTP server.
type site struct {
	m      *cloakroom.Manager
	server *httptest.Server
	n      cloakroom.Key[int]

	mu     sync.Mutex
	errors []error // of requests that failed
}

// newSite makes a site that waits for the store for patience. All sites have the same
// keyring.
func newSite(t testing.TB, s *Store, patience time.Duration) *site {
	t.Helper()
	site := &site{n: cloakroom.NewKey[int]("n")}
	config := &cloakroom.Config{
		SweepEvery: -1, SaveTimeout: patience, Logger: slog.New(slog.DiscardHandler),
		OnError: func(w http.ResponseWriter, _ *http.Request, status int, err error) {
			site.mu.Lock()
			defer site.mu.Unlock()
			site.errors = append(site.errors, err)
			w.WriteHeader(status)
		},
	}
	keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	if site.m, err = cloakroom.New(s, keyring, config); err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	handle := func(path string, f func(context.Context, *cloakroom.Session) error) {
		mux.Handle(path, site.m.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			if err := f(r.Context(), s); err != nil {
				return err
			}
			_, err := fmt.Fprintf(w, "%s %d", s.Principal(), site.n.Get(s))
			return err
		}))
	}
	handle("/look", func(context.Context, *cloakroom.Session) error { return nil })
	handle("/add", func(_ context.Context, s *cloakroom.Session) error {
		site.n.Update(s, func(n int) int { return n + 1 })
		return nil
	})
	handle("/in", func(ctx context.Context, s *cloakroom.Session) error { return s.Login(ctx, "alice", nil) })
	handle("/out", func(ctx context.Context, s *cloakroom.Session) error { return s.Destroy(ctx) })
	site.server = httptest.NewServer(site.m.Handler(mux))
	t.Cleanup(func() {
		site.server.Close()
		if err := site.m.Close(); err != nil {
			t.Error(err)
		}
	})
	return site
}

// told returns all errors since the last call.
func (s *site) told() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	text := fmt.Sprint(errors.Join(s.errors...))
	s.errors = nil
	return text
}

// visitor is a browser with the site's cookie.
type visitor struct {
	site   *site
	cookie *http.Cookie
}

func (s *site) visitor() *visitor { return &visitor{site: s} }

// ask makes a request. cookie tells whether the answer set or deleted the visitor's
// cookie.
func (v *visitor) ask(t testing.TB, path string) (status int, body string, cookie bool) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, v.site.server.URL+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	if v.cookie != nil {
		req.AddCookie(v.cookie)
	}
	res, err := v.site.server.Client().Do(req)
	if err != nil {
		t.Error(err)
		return 0, "", false
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Error(err)
	}
	for _, c := range res.Cookies() {
		cookie, v.cookie = true, c
		if c.MaxAge < 0 {
			v.cookie = nil
		}
	}
	return res.StatusCode, string(text), cookie
}

// want makes a request that must succeed.
func (v *visitor) want(t testing.TB, path, body string) {
	t.Helper()
	if status, got, _ := v.ask(t, path); status != http.StatusOK || got != body {
		t.Errorf("%s: %d %q, want %q; %s", path, status, got, body, v.site.told())
	}
}

// outage makes a request to a site, perhaps another than the visitor's. The answer must
// be 503 and leave the cookie alone.
func (v *visitor) outage(t testing.TB, at *site, path string) {
	t.Helper()
	home := v.site
	v.site = at
	defer func() { v.site = home }()
	if status, got, cookie := v.ask(t, path); status != http.StatusServiceUnavailable || got != "" || cookie {
		t.Errorf("%s in an outage: %d %q, a cookie: %v; %s", path, status, got, cookie, v.site.told())
	}
}

// meetVisitors runs a site and its visitors through troubles.
func meetVisitors(t *testing.T, l *lab, troubles []trouble) {
	p := newProxy(t, l)
	s := l.open(t, p.client(t), nil)
	warm(t, s, time.Now())
	// Requests that must succeed have time; those that must fail get little.
	site, hasty := newSite(t, s, patient), newSite(t, s, hasty)
	for _, tr := range troubles {
		t.Run(tr.name, func(t *testing.T) {
			reads, adds, leaves, waits := site.visitor(), site.visitor(), site.visitor(), site.visitor()
			all := []*visitor{reads, adds, leaves, waits}
			for _, v := range all {
				v.want(t, "/add", " 1")
			}
			if t.Failed() {
				return
			}
			stays := waits.cookie.Value
			end := tr.begin(t, &troubled{l, p, s.names.of(driver.NewID(driver.LayoutDay, time.Now()))})
			var wg sync.WaitGroup
			saved := 1
			wg.Go(func() {
				if tr.get == fine {
					reads.want(t, "/look", " 1")
				} else {
					reads.outage(t, hasty, "/look")
				}
			})
			wg.Go(func() {
				if tr.get == fine && tr.update == fine {
					adds.want(t, "/add", " 2")
					saved++
				} else {
					adds.outage(t, hasty, "/add")
				}
			})
			wg.Go(func() { // a new visitor gets no cookie for a session that isn't saved
				if v := site.visitor(); tr.create != fine {
					v.outage(t, hasty, "/add")
				} else {
					v.want(t, "/add", " 1")
				}
			})
			signedOut := tr.get == fine && tr.bury == fine
			wg.Go(func() { // a visitor who isn't signed out isn't told so
				if signedOut {
					leaves.want(t, "/out", " 0")
				} else {
					leaves.outage(t, hasty, "/out")
				}
			})
			wg.Wait()
			if said := site.told() + hasty.told(); strings.Contains(said, stays) || strings.Contains(said, secret) {
				t.Errorf("the errors tell a secret: %s", said)
			}
			end()

			for i, v := range all {
				switch {
				case v == leaves && signedOut:
					v.want(t, "/look", " 0")
				case v == leaves && tr.bury == unsure, v == adds && tr.update == unsure: // either is right
					if status, _, _ := v.ask(t, "/look"); status != http.StatusOK {
						t.Errorf("visitor %d afterwards: %d", i, status)
					}
				case v == adds:
					v.want(t, "/add", fmt.Sprintf(" %d", saved+1))
				default:
					v.want(t, "/add", " 2")
				}
			}
			if waits.cookie == nil || waits.cookie.Value != stays {
				t.Error("the cookie of a visitor who waited has changed")
			}
		})
	}
}

// TestI8_VisitorsInTrouble: every trouble is a 503 that leaves the cookie alone. It is
// never a sign-out, and nothing is called saved.
func TestI8_VisitorsInTrouble(t *testing.T) {
	t.Parallel()
	meetVisitors(t, newLab(t), append(indexTroubles(), proxyTroubles()...))
}

// TestI1_FloodStage: visitors save all the time while the engine blocks writes, twice,
// for a disk that is full. Everything acknowledged is there, and nothing else happened.
func TestI1_FloodStage(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := l.open(t, nil, nil)
	site := newSite(t, s, 2*time.Second)
	warm(t, s, time.Now())
	first := newSite(t, s, patient).visitor()
	first.want(t, "/add", " 1")
	index := s.names.of(driver.NewID(driver.LayoutDay, time.Now()))

	const visitors = 8
	var wg sync.WaitGroup
	var mu sync.Mutex
	refused, done := 0, make(chan struct{})
	for range visitors {
		wg.Go(func() {
			v := site.visitor()
			saved, unsure := 0, 0 // acknowledged, and perhaps done on top
			check := func(body string) {
				var n int
				if _, err := fmt.Sscan(body, &n); err != nil || n < saved || n > saved+unsure {
					t.Errorf("the count is %q after %d saves that were acknowledged and %d others", body, saved, unsure)
				}
				saved, unsure = n, 0
			}
			for alive := true; alive && !t.Failed(); {
				select {
				case <-done:
					alive = false // once more
				default:
				}
				switch status, body, cookie := v.ask(t, "/add"); {
				case status == http.StatusServiceUnavailable && !cookie:
					unsure++
					mu.Lock()
					refused++
					mu.Unlock()
				case status == http.StatusOK:
					saved++
					check(body)
				default:
					t.Errorf("%d %q, a cookie: %v", status, body, cookie)
				}
			}
			if _, body, _ := v.ask(t, "/look"); saved > 0 {
				check(body)
			}
		})
	}
	for round := range 2 {
		l.settings(t, index, `{"index.blocks.read_only_allow_delete":true}`)
		eventually(t, func() error {
			mu.Lock()
			defer mu.Unlock()
			if refused < (round+1)*visitors {
				return errors.New("nobody was refused")
			}
			return nil
		})
		first.want(t, "/look", " 1")
		l.settings(t, index, `{"index.blocks.read_only_allow_delete":null}`)
	}
	close(done)
	wg.Wait()
	if said := site.told(); !strings.Contains(said, index) || !strings.Contains(said, "free disk space") {
		t.Errorf("the errors don't name the index and a remedy: %.500s", said)
	}
}
