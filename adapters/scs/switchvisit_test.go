package scsstore_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"reflect"
	"slices"
	"sync"
	"testing"
	"time"
)

// This file is the visitors of an application that is switched: they go on whatever
// happens, and check what they are shown.

// balancer tells visitors where the application is.
type balancer struct {
	mu        sync.Mutex
	addresses []string
	isNew     bool
	changed   chan struct{} // closed at the next change
}

func (b *balancer) set(isNew bool, of ...*process) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.isNew, b.addresses = isNew, nil
	for _, p := range of {
		b.addresses = append(b.addresses, p.address)
	}
	if b.changed != nil {
		close(b.changed)
	}
	b.changed = make(chan struct{})
}

func (b *balancer) get() (addresses []string, isNew bool, changed chan struct{}) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.addresses, b.isNew, b.changed
}

// surfer is a visitor: a browser with a cookie jar.
type surfer struct {
	user   string // "": doesn't sign in
	client http.Client
	jar    *cookiejar.Jar
	b      *balancer

	mu      sync.Mutex
	acked   []int // items whose additions were acknowledged
	sent    int
	answers map[bool]int // of which application
	faults  []string
}

func newSurfer(b *balancer, user string) *surfer {
	jar, _ := cookiejar.New(nil)
	return &surfer{
		user: user, jar: jar, b: b, answers: map[bool]int{},
		client: http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}},
	}
}

// copy returns another browser that has the cookies that the surfer has now.
func (s *surfer) copy() *surfer {
	c := newSurfer(s.b, s.user)
	u := &url.URL{Scheme: "http", Host: "127.0.0.1", Path: "/"}
	c.jar.SetCookies(u, s.jar.Cookies(u))
	return c
}

// get asks for a page. An error says that no whole answer came.
func (s *surfer) get(ctx context.Context, address, path string) (page shown, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+path, nil)
	if err != nil {
		return page, err
	}
	res, err := s.client.Do(r)
	if err != nil {
		return page, err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return page, err
	}
	if res.StatusCode != http.StatusOK {
		return page, s.fault("%s: status %d: %s", path, res.StatusCode, body)
	}
	return page, json.Unmarshal(body, &page)
}

func (s *surfer) fault(format string, args ...any) error {
	err := fmt.Errorf(format, args...)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, err.Error())
	return err
}

// add adds the next item, and checks that everything that was acknowledged before is
// there. It reports whether an answer came.
func (s *surfer) add(ctx context.Context, address string) bool {
	s.mu.Lock()
	s.sent++
	n, before := s.sent, slices.Clone(s.acked)
	s.mu.Unlock()
	page, err := s.get(ctx, address, fmt.Sprint("/add?n=", n))
	if err != nil {
		return false
	}
	s.check(page, append(before, n))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.acked = append(s.acked, n)
	s.answers[page.New]++
	return true
}

// check checks that a page is the surfer's, with certain items.
func (s *surfer) check(page shown, items []int) {
	var want shown
	if s.user != "" {
		want = gifts(s.user)
	}
	got := page
	got.New, got.Items, got.Since = false, nil, got.Since.UTC()
	for name, at := range got.Wishes.Until {
		got.Wishes.Until[name] = at.UTC()
	}
	if !reflect.DeepEqual(got, want) {
		_ = s.fault("the page (new: %v) shows %+v, want %+v", page.New, got, want)
	}
	for _, n := range items {
		if !slices.Contains(page.Items, n) {
			_ = s.fault("the page (new: %v) has the items %v, and lost %d", page.New, page.Items, n)
		}
	}
}

// surf adds items until ctx ends. The new application gets two requests at once, each
// another process.
func (s *surfer) surf(ctx context.Context, progress chan<- struct{}) {
	for ctx.Err() == nil {
		addresses, isNew, changed := s.b.get()
		var answered bool
		if isNew {
			var both sync.WaitGroup
			var ok [2]bool
			for i, address := range addresses {
				both.Go(func() { ok[i] = s.add(ctx, address) })
			}
			both.Wait()
			answered = ok[0] && ok[1]
		} else {
			answered = s.add(ctx, addresses[rand.N(len(addresses))])
		}
		select {
		case progress <- struct{}{}:
		default:
		}
		if !answered { // a browser's user tries again
			again := time.NewTimer(10 * time.Millisecond)
			select {
			case <-again.C:
			case <-changed:
			case <-ctx.Done():
			}
			again.Stop()
		}
	}
}

// must asks for a page of a process that runs.
func (s *surfer) must(ctx context.Context, t *testing.T, p *process, path string) shown {
	t.Helper()
	page, err := s.get(ctx, p.address, path)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return page
}
