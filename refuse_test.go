package cloakroom_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests of refusals: that those before the handler begins are as those
// of its session, cost nothing, and are of no others' requests (invariant 8).

// early is the RefuseEarly of these tests: all but the paths that begin with "/late".
func early(r *http.Request) bool { return !strings.HasPrefix(r.URL.Path, "/late") }

// packed returns a rush whose store is slow, and then stands still while more operations
// are under way than it carries out in time. letGo lets it go on, and ends the rush.
func packed(t testing.TB, config *cloakroom.Config) (r *rush, letGo func()) {
	const each, span = 500 * time.Microsecond, time.Second
	r = newRush(t, 800, config)
	r.store.hook(r.takes(each))
	var came sync.WaitGroup
	came.Go(func() {
		tick := time.NewTicker(each / 2)
		defer tick.Stop()
		for n := range int(span / (each / 2)) {
			<-tick.C
			came.Go(func() { r.guests[n%len(r.guests)].do(look) })
		}
	})
	time.Sleep(span / 2) // until the store's rate is known; in a bubble, but for the benchmark
	held := make(chan struct{})
	r.store.hook(func(*call) fate { <-held; return pass })
	time.Sleep(span)
	if r.m.Figures().TurnedDown == 0 {
		t.Error("nobody was turned down")
	}
	r.store.since()
	return r, func() { close(held); came.Wait(); r.store.heal() }
}

// ask has a guest ask for a path. Outside of Handler headers are set, and inside of it too.
func (r *rush) ask(path string, g *guest, called *int) *httptest.ResponseRecorder {
	req := g.request(context.Background())
	req.URL.Path = path
	inside := r.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		*called++
		if !strings.HasSuffix(path, "/untouched") {
			w.Header().Set("Link", "</inside>")
			if _, err := r.m.Session(req.Context()); err != nil {
				r.m.Fail(w, req, err)
				return
			}
		}
		_, _ = fmt.Fprint(w, "a page")
	}))
	w := httptest.NewRecorder()
	for name, value := range map[string]string{
		"Link": "</outside>", "Set-Cookie": "other=1", "Content-Length": "99", "Cache-Control": "public", "Cdn-Cache-Control": "max-age=9",
	} {
		w.Header().Set(name, value)
	}
	inside.ServeHTTP(w, req)
	return w
}

// TestI8_RefusedEarly: a request that is turned down before its handler begins gets the
// answer of one that is turned down when it asks for its session. It is counted and
// logged as that, and costs the store nothing.
func TestI8_RefusedEarly(t *testing.T) {
	for name, onError := range map[string]func(http.ResponseWriter, *http.Request, int, error){
		"the default's text": nil,
		"an application's": func(w http.ResponseWriter, r *http.Request, status int, err error) {
			w.Header().Set("Content-Type", "text/x-test")
			w.WriteHeader(status)
			_, _ = fmt.Fprint(w, r.Method, status, err)
		},
	} {
		runInBubble(t, name, func(t *testing.T) {
			r, letGo := packed(t, &cloakroom.Config{RefuseEarly: early, OnError: onError})
			defer letGo()
			before, called := r.m.Figures().TurnedDown, 0
			r.log.take()
			soon := r.ask("/", r.guests[0], &called)
			if called != 0 {
				t.Error("the handler of a request that is refused early was called")
			}
			late := r.ask("/late", r.guests[0], &called)
			if called != 1 {
				t.Errorf("the handler of a request that isn't refused early was called %d times", called)
			}
			if soon.Code != 503 || soon.Code != late.Code || soon.Body.String() != late.Body.String() ||
				!reflect.DeepEqual(soon.Result().Header, late.Result().Header) {
				t.Errorf("refused early: %d %v %q\nat its session: %d %v %q",
					soon.Code, soon.Result().Header, soon.Body, late.Code, late.Result().Header, late.Body)
			}
			h := soon.Result().Header
			if h.Get("Retry-After") != "2" || h.Get("Cache-Control") != "no-store" || h.Get("Link") != "</outside>" || h.Get("Cdn-Cache-Control") != "" {
				t.Errorf("a refusal has the headers %v", h)
			}
			if n := r.m.Figures().TurnedDown - before; n != 2 {
				t.Errorf("2 were turned down, and the figures have %d", n)
			}
			time.Sleep(2 * time.Second) // in the bubble: until the line is due
			if lines := r.log.take(); !strings.Contains(lines, "kind=overloaded requests=2") {
				t.Errorf("the log has %s", lines)
			}
			r.wantOps("nothing")
		})
	}
}

// TestI8_NotRefusedEarly: what wouldn't be turned down at its session isn't turned down
// before.
func TestI8_NotRefusedEarly(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, letGo := packed(t, &cloakroom.Config{RefuseEarly: early})
		called := 0
		for what, w := range map[string]*httptest.ResponseRecorder{
			"an exempt page that doesn't use its session": r.ask("/late/untouched", r.guests[0], &called),
			"a page of somebody without a token":          r.ask("/", r.guest(), &called),
		} {
			if w.Code != 200 {
				t.Errorf("%s: %d %s", what, w.Code, w.Body)
			}
		}
		if w := r.ask("/untouched", r.guests[0], &called); w.Code != 503 {
			t.Errorf("a page that doesn't use its session, and isn't exempt, is answered with %d", w.Code)
		}
		letGo()
		if w := r.ask("/", r.guests[0], &called); w.Code != 200 {
			t.Errorf("after the rush: %d %s", w.Code, w.Body)
		}
		r.check()
	})
}

// TestRefusalAllocations: in a rush most answers are refusals, and what they cost is
// taken from the others.
func TestRefusalAllocations(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		r, letGo := packed(t, &cloakroom.Config{RefuseEarly: early})
		defer letGo()
		for path, most := range map[string]float64{"/": 0, "/late": 3} { // 3: see TestRequestAllocations
			before := r.m.Figures().TurnedDown
			n := testing.AllocsPerRun(100, r.refusal(path))
			if refused := r.m.Figures().TurnedDown - before; refused != 101 {
				t.Errorf("%s: %d of 101 were turned down", path, refused)
			}
			if n > most {
				t.Errorf("%s: a refusal makes %v allocations, at most %v are allowed", path, n, most)
			}
		}
	})
}

// BenchmarkRefusal measures what BenchmarkRequest does, of requests that are turned down.
func BenchmarkRefusal(b *testing.B) {
	r, letGo := packed(b, &cloakroom.Config{RefuseEarly: early, SaveTimeout: time.Hour})
	defer letGo()
	for path, name := range map[string]string{"/": "early", "/late": "at its session"} {
		refusal := r.refusal(path)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				refusal()
			}
		})
	}
}

// refusal returns a function that asks for a path and is turned down.
func (r *rush) refusal(path string) func() {
	req := r.guests[0].request(context.Background())
	req.URL.Path = path
	w := bare{http.Header{}}
	h := r.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		_, err := r.m.Session(req.Context())
		r.m.Fail(w, req, err)
	}))
	return func() {
		h.ServeHTTP(w, req)
		clear(w.h)
	}
}
