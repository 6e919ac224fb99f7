package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"
)

// This file is the visitors: what they ask for again and again, and what they see.

// kind is what a visitor does.
type kind string

const (
	reads kind = "reads"     // signed in, looks
	saves kind = "saves"     // signed in or not, changes a value
	news  kind = "newcomers" // comes for the first time each time, and changes a value
	signs kind = "sign-ins"  // signs in and out, each time anew
)

var kinds = []kind{reads, saves, news, signs}

// seen is an answer.
type seen struct {
	kind   kind
	status int
	wait   time.Duration
	phase  int // in which the request began
	ended  int // in which it was answered
}

// visitor is a browser.
type visitor struct {
	stage     *stage
	name      string
	kind      kind
	principal string // as which it is signed in; empty: as nobody
	cookie    *http.Cookie
	saved     int // acknowledged
	unsure    int // perhaps saved on top
	turn      int
}

// answer is what a page says of the session.
type answer struct {
	status    int
	principal string
	n         int
}

// ask asks one of the servers, in turn.
func (v *visitor) ask(as kind, path string) answer {
	s := v.stage
	v.turn++
	s.mu.Lock()
	phase := s.phase
	s.mu.Unlock()
	began := time.Now()
	a, err := v.fetch(s.sites[v.turn%len(s.sites)].server.URL + path)
	if err != nil {
		s.Errorf("%s %s: %v", v.name, path, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tally = append(s.tally, seen{as, a.status, time.Since(began), phase, s.phase})
	return a
}

// fetch sends a request and takes the cookie of the answer.
func (v *visitor) fetch(url string) (a answer, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(v.stage.Context()), 2*patient)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, http.NoBody)
	if err != nil {
		return a, err
	}
	if v.cookie != nil {
		req.AddCookie(v.cookie)
	}
	res, err := direct.Do(req)
	if err != nil {
		return a, err
	}
	defer func() { _ = res.Body.Close() }()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return a, err
	}
	for _, c := range res.Cookies() {
		if v.cookie = c; c.MaxAge < 0 {
			v.cookie = nil
		}
	}
	a.status = res.StatusCode
	if a.status == http.StatusOK {
		_, err = fmt.Sscanf(string(text), "%q %d", &a.principal, &a.n)
	}
	return a, err
}

// live goes on until ctx ends.
func (v *visitor) live(ctx context.Context) {
	for ctx.Err() == nil {
		v.step()
		select {
		case <-time.After(30 * time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// step is one visit.
func (v *visitor) step() {
	switch v.kind {
	case news:
		fresh := v.stage.fresh(v.turn)
		fresh.ask(news, "/add")
		v.turn++
	case signs:
		v.signInAndOut()
	case reads:
		if a := v.ask(reads, "/look"); a.status == http.StatusOK {
			v.check(a, 0)
		}
	case saves:
		switch a := v.ask(saves, "/add"); a.status {
		case http.StatusOK:
			v.check(a, 1)
		default:
			v.unsure++
		}
	}
}

// fresh returns a visitor without a cookie.
func (s *stage) fresh(turn int) *visitor { return &visitor{stage: s, name: "a newcomer", turn: turn} }

// signInAndOut is a visit of somebody who signs in, looks around and signs out.
func (v *visitor) signInAndOut() {
	s := v.stage
	fresh := s.fresh(v.turn)
	v.turn++
	if fresh.ask(signs, "/in?who="+v.principal).status != http.StatusOK {
		return
	}
	a := fresh.ask(signs, "/look") // which notes that the token was used
	if a.status == http.StatusOK && a.principal != v.principal {
		s.signedOut(v.name)
	}
	was := fresh.cookie
	if was != nil && fresh.ask(signs, "/out").status == http.StatusOK {
		s.mu.Lock()
		s.ended = append(s.ended, was.Value)
		s.mu.Unlock()
	}
}

// check compares an answer with what was acknowledged before, and by itself.
func (v *visitor) check(a answer, more int) {
	s := v.stage
	if a.principal != v.principal || a.n < v.saved+more && a.n <= more {
		s.signedOut(v.name)
		v.saved, v.unsure = a.n, 0
		if v.principal != "" {
			v.signIn()
		}
		return
	}
	if a.n < v.saved+more || a.n > v.saved+v.unsure+more {
		s.mu.Lock()
		s.lost = append(s.lost, fmt.Sprintf("%s has %d after %d saves that were acknowledged and %d others", v.name, a.n, v.saved+more, v.unsure))
		s.mu.Unlock()
	}
	v.saved, v.unsure = a.n, 0
}

// signIn signs a visitor in who was signed out.
func (v *visitor) signIn() {
	if a := v.ask(signs, "/in?who="+v.principal); a.status == http.StatusOK {
		v.saved, v.unsure = a.n, 0
	}
}

// signedOut notes a visitor who has lost a session.
func (s *stage) signedOut(who string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.out[who] = true
}

// settle makes the visitors, and has each make a session. Those of old were there some
// days ago.
func (s *stage) settle(days int) {
	s.Helper()
	s.visitors = []*visitor{
		{name: "alice", kind: saves, principal: "alice"},
		{name: "bob", kind: reads, principal: "bob"},
		{name: "somebody", kind: saves},
		{name: "a newcomer", kind: news},
		{name: "dora", kind: signs, principal: "dora"},
	}
	for _, v := range s.visitors {
		v.stage = s
	}
	now := s.sites
	if days > 0 {
		past := newSite(s, func(o *siteOptions) {
			o.manager.Now = func() time.Time { return time.Now().AddDate(0, 0, -days) }
		})
		s.sites = [2]*site{past, past}
		defer past.close()
	}
	for _, v := range s.visitors[:3] {
		if v.principal != "" {
			v.must("/in?who=" + v.principal)
		}
		v.saved = v.must("/add").n
	}
	s.sites = now
	for range 2 {
		for _, v := range s.visitors {
			v.step()
		}
	}
	if len(s.out) > 0 || len(s.lost) > 0 {
		s.Fatalf("before anything was done: signed out: %v, lost: %v", s.out, s.lost)
	}
}

// must makes a request that has to succeed, if not at once: an engine that has just
// started is slow.
func (v *visitor) must(path string) answer {
	v.stage.Helper()
	a := v.ask(v.kind, path)
	for range 5 {
		if a.status == http.StatusOK {
			return a
		}
		a = v.ask(v.kind, path)
	}
	if a.status != http.StatusOK {
		v.stage.Fatalf("%s %s: %d; logged: %v", v.name, path, a.status, v.stage.told.since(0))
	}
	return a
}

// begin has the visitors come again and again until rest.
func (s *stage) begin() {
	ctx, stop := context.WithCancel(s.Context())
	s.stop = stop
	for _, v := range s.visitors {
		s.busy.Go(func() { v.live(ctx) })
	}
}

// rest has the visitors go, and waits until they are gone. It may be called twice.
func (s *stage) rest() {
	if s.stop != nil {
		s.stop()
	}
	s.busy.Wait()
}

// next begins the next phase.
func (s *stage) next() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase++
	return s.phase
}

// in returns the answers to requests that began and ended in a phase.
func (s *stage) in(phase int) []seen {
	s.mu.Lock()
	defer s.mu.Unlock()
	var all []seen
	for _, t := range s.tally {
		if t.phase == phase && t.ended == phase {
			all = append(all, t)
		}
	}
	return all
}

// of returns the answers of a phase, and those to requests from the phase before that
// met it and failed.
func (s *stage) of(phase int) []seen {
	all := s.in(phase)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, t := range s.tally {
		if t.phase == phase-1 && t.ended >= t.phase && t.status != http.StatusOK || t.phase == phase && t.ended > phase && t.status != http.StatusOK {
			all = append(all, t)
		}
	}
	return all
}

// audit looks at every session once more, when all is over.
func (s *stage) audit() {
	s.Helper()
	for _, v := range s.visitors {
		if v.kind == saves || v.kind == reads {
			if a := v.ask(v.kind, "/look"); a.status == http.StatusOK {
				v.check(a, 0)
			} else {
				s.Errorf("%s at the end: %d", v.name, a.status)
			}
		}
	}
	ended := s.ended
	if len(ended) > 6 {
		ended = slices.Concat(ended[:3], ended[len(ended)-3:])
	}
	for _, token := range ended {
		v := s.fresh(0)
		v.cookie = &http.Cookie{Name: "__Host-Http-session", Value: token}
		if a := v.ask(reads, "/look"); a.principal != "" {
			s.reopened = true
		}
	}
}

// lists the names of those who were signed out, sorted.
func (s *stage) outs() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var names []string
	for _, v := range s.visitors {
		if s.out[v.name] {
			names = append(names, v.name)
		}
	}
	return strings.Join(names, ", ")
}
