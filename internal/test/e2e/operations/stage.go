package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file is stage: an engine, two servers on it and their visitors.

// stage is where one operation takes place.
type stage struct {
	testengine.TB
	url    string
	engine *testengine.Engine // nil: it is shared with others
	more   []string           // codes of other servers' reports
	repo   string             // a directory in which the engine may keep snapshots; empty: none

	index   string        // begins the names of the store's indices
	timeout time.Duration // Config.SaveTimeout
	keyring *cloakroom.Keyring
	between *between
	told    *told
	sites   [2]*site

	kept     bool // nothing has to be cleared: the engine goes with its data
	mu       sync.Mutex
	visitors []*visitor
	phase    int
	tally    []seen
	ended    []string // tokens of sessions that were signed out
	lost     []string // what was acknowledged and is gone, or is there and was never saved
	out      map[string]bool
	reopened bool
	stop     context.CancelFunc
	busy     sync.WaitGroup
}

// patient bounds the wait for what must succeed on a busy machine.
const patient = time.Minute

// newStage makes a stage on an engine; it ends with t.
func newStage(t tb, on *place, timeout time.Duration) *stage {
	t.Helper()
	secret := []byte(rand.Text() + rand.Text())
	keyring, err := cloakroom.NewKeyring(secret)
	if err != nil {
		t.Fatal(err)
	}
	s := &stage{
		TB: t, url: on.url, engine: on.engine, repo: on.repo, timeout: timeout, keyring: keyring,
		index: "op-" + strings.ToLower(rand.Text()[:10]), told: &told{}, out: map[string]bool{},
	}
	s.told.hide = []string{s.index, s.url, strings.TrimPrefix(s.url, "http://")}
	s.between = newBetween(t, on.url)
	t.Cleanup(func() {
		if !s.kept {
			s.clear()
		}
	})
	return s
}

// tb is what a stage wants of a test, or of testengine.Command.
type tb = testengine.TB

// place is an engine that operations are done to.
type place struct {
	name   string
	url    string
	engine *testengine.Engine
	repo   string
}

// openSites opens both servers.
func (s *stage) openSites(change func(*siteOptions)) {
	for i := range s.sites {
		s.sites[i] = newSite(s, change)
	}
}

// reopen does what a restart of both processes does. Visitors don't notice.
func (s *stage) reopen(change func(*siteOptions)) {
	s.Helper()
	for _, site := range s.sites {
		site.reopen(change)
	}
}

// today is the index of the period that sessions are made in.
func (s *stage) today() string { return s.indexOf(time.Now()) }

// indexOf is the index of the day that holds t.
func (s *stage) indexOf(t time.Time) string { return s.index + "-" + t.UTC().Format("2006.01.02") }

// call sends a request to the engine itself, and returns the answer. A status of 400 and
// more fails the operation unless it is among allowed.
func (s *stage) call(method, path, body string, allowed ...int) []byte {
	s.Helper()
	status, answer, err := s.try(method, path, body)
	if err != nil {
		s.Fatalf("%s %s: %v", method, path, err)
	}
	if status >= http.StatusBadRequest && !slices.Contains(allowed, status) {
		s.Fatalf("%s %s: %d %.500s", method, path, status, answer)
	}
	return answer
}

// try sends a request to the engine itself.
func (s *stage) try(method, path, body string) (int, []byte, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.Context()), patient)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, bytes.NewReader([]byte(body)))
	if err != nil {
		return 0, nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := direct.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	answer, err := io.ReadAll(res.Body)
	return res.StatusCode, answer, err
}

// direct keeps no connections, and so no goroutines.
var direct = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

// get returns the answer of the engine to a GET, decoded.
func (s *stage) get(path string) map[string]any {
	s.Helper()
	var answer map[string]any
	if err := json.Unmarshal(s.call(http.MethodGet, path, "", http.StatusNotFound), &answer); err != nil {
		s.Fatalf("GET %s: %v", path, err)
	}
	return answer
}

// list returns the names of the indices whose names match.
func (s *stage) list(pattern string) []string {
	s.Helper()
	return slices.Sorted(maps.Keys(s.get("/" + pattern + "?expand_wildcards=all&filter_path=*.settings.index.uuid")))
}

// settings changes settings of indices.
func (s *stage) settings(index, settings string) {
	s.Helper()
	s.call(http.MethodPut, "/"+index+"/_settings", settings)
}

// clear removes from the engine what the stage left there.
func (s *stage) clear() {
	s.between.set(nil)
	for _, prefix := range []string{s.index, "of-" + s.index} {
		for _, index := range s.list(prefix + "*") {
			s.call(http.MethodDelete, "/"+index, "", http.StatusNotFound, http.StatusBadRequest)
		}
		var answer struct {
			Templates []struct{ Name string } `json:"index_templates"`
		}
		if err := json.Unmarshal(s.call(http.MethodGet, "/_index_template/"+prefix+"*", "", http.StatusNotFound), &answer); err != nil {
			s.Errorf("the templates: %v", err)
		}
		for _, t := range answer.Templates {
			s.call(http.MethodDelete, "/_index_template/"+t.Name, "", http.StatusNotFound)
		}
	}
}

// await waits until a condition holds, or the time is over.
func (s *stage) await(limit time.Duration, done func() bool) bool {
	for end := time.Now().Add(limit); ; {
		switch {
		case done():
			return true
		case time.Now().After(end) || s.Context().Err() != nil:
			return false
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// codes returns the codes of the problems that both servers' reports have, sorted. A
// report that can't be had is a code as well.
func (s *stage) codes() []string {
	all := slices.Clone(s.more)
	for _, site := range s.sites {
		all = append(all, site.codes()...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// noReport stands for a report that failed.
const noReport = "(fails)"

func (s *site) codes() []string {
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	report, err := s.manager().Admin().Report(ctx)
	if err != nil {
		return []string{noReport}
	}
	var all []string
	for _, p := range report.Problems {
		all = append(all, p.Code)
	}
	return all
}

// newCodes returns the codes that aren't known from before. An index that was just made
// isn't healthy at once, least of all on a busy machine: that is waited for, unless any code
// is wanted.
func (s *stage) newCodes(known, want []string) (codes []string) {
	limit := patient
	if slices.ContainsFunc(want, func(c string) bool { return strings.Contains(c, "health-") }) {
		limit = 5 * time.Second // it is to stay so
	}
	s.await(limit, func() bool {
		codes = slices.DeleteFunc(s.codes(), func(c string) bool { return slices.Contains(known, c) })
		return slices.Contains(want, "*") || !slices.ContainsFunc(codes, func(c string) bool { return strings.HasPrefix(c, "health-") })
	})
	return codes
}

// sweep has a server of these options sweep. The codes of its report are those of the
// stage, too.
func (s *stage) sweep(change func(*siteOptions)) {
	site := newSite(s, change)
	defer site.close()
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	if _, err := site.manager().Admin().Sweep(ctx); err != nil {
		s.told.logger().Warn("the sweep failed", "error", err)
	}
	s.more = site.codes()
}

// sweepHere has the first server sweep, as it does every 10 minutes.
func (s *stage) sweepHere() {
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	if _, err := s.sites[0].manager().Admin().Sweep(ctx); err != nil {
		s.told.logger().Warn("the sweep failed", "error", err)
	}
}

// setUp does what an operator does with the command for it.
func (s *stage) setUp() {
	s.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	if a, ok := s.sites[0].store().(interface {
		Setup(ctx context.Context) error
	}); ok {
		if err := a.Setup(ctx); err != nil {
			s.Errorf("setup: %v", err)
		}
	}
}

// acknowledge does what an operator does who knows of a loss, and checks that the report
// has none of the codes any more.
func (s *stage) acknowledge(codes ...string) {
	s.Helper()
	a, ok := s.sites[0].store().(interface {
		Acknowledge(ctx context.Context) ([]string, error)
	})
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	if _, err := a.Acknowledge(ctx); err != nil {
		s.Errorf("acknowledging: %v", err)
	}
	s.more = nil // these were of before
	for _, code := range codes {
		if slices.Contains(s.codes(), code) {
			s.Errorf("after it was acknowledged the report still has %s", code)
		}
	}
}
