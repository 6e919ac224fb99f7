package dancer_test

import (
	"encoding/json"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/dancer"
)

// This file tests the faults of the old module, which can't happen here, on a real
// engine. docs/from-dancer.md has the table.

// TestFirstVisit: values that the first visit sets are there in the second. A visitor
// who only reads leaves nothing. Sessions of visitors who never come back are removed.
func TestFirstVisit(t *testing.T) {
	t.Parallel()
	for _, lazy := range []string{"0", "1"} {
		l := newLab(t)
		a := l.open(l.config("is_lazy: "+lazy, ""), nil)
		for range 20 { // robots
			res := a.visit(new(browser), 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				if count.Get(s) != 0 || color.Get(s) != "" {
					t.Error("a new session has values")
				}
				return nil
			})
			if len(res.Cookies()) != 0 {
				t.Errorf("a robot got %v", res.Cookies())
			}
		}
		a.wantOps("robots", "nothing")
		b := new(browser)
		a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			count.Set(s, 1)
			color.Set(s, "blue")
			return nil
		})
		var id cloakroom.ID
		a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if id = s.ID(); count.Get(s) != 1 || color.Get(s) != "blue" {
				t.Errorf("is_lazy %s: in the second visit there is %d, %q", lazy, count.Get(s), color.Get(s))
			}
			return nil
		})
		if d := l.news(); len(d) != 1 || d[0].ID != id.String() {
			t.Errorf("is_lazy %s: in the engine are %v", lazy, d)
		}
		if _, err := a.Store.Sweep(t.Context(), time.Now().Add(100*24*time.Hour)); err != nil {
			t.Error(err)
		}
		if d := l.news(); len(d) != 0 {
			t.Errorf("is_lazy %s: after the sweep there are %v", lazy, d)
		}
	}
}

// TestForgedCookie: a visitor with a forged cookie, of either kind and name, gets a
// session with a fresh id. It works, and costs the engine nothing before that.
func TestForgedCookie(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.open(l.config("is_lazy: 1", ""), nil)
	s := a.stored(42)
	token := s.Token()
	oldValue, _ := l.old(a.Config.Signer(), `"count":42`)
	for _, forged := range []string{
		strings.Repeat("A", 67), token[:66], token[:30] + "AAAA" + token[34:], s.ID().String(), oldValue,
		"0000000000..........t4hHBaIB85E4Kglfp2y8",
	} {
		for _, name := range []string{"session", "dancer.session"} {
			b := &browser{cookies: map[string]string{name: forged}}
			a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				if !s.IsNew() || !s.ID().IsZero() || count.Get(s) != 0 {
					t.Errorf("the forged %s=%s opens %v", name, forged, s)
				}
				a.wantOps("a forged cookie", "nothing")
				count.Set(s, 7)
				return nil
			})
			got := b.cookies["session"]
			if got == forged || len(got) != 67 {
				t.Errorf("after the forged %s=%s the cookie is %q", name, forged, got)
			}
			a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				if count.Get(s) != 7 {
					t.Errorf("what was set after the forged %s=%s is lost", name, forged)
				}
				return nil
			})
			a.ops.since()
		}
	}
}

// TestDocumentGone: a good cookie whose document is gone never makes a document of its
// id again.
func TestDocumentGone(t *testing.T) {
	t.Parallel()
	for _, lazy := range []string{"0", "1"} {
		l := newLab(t)
		a := l.open(l.config("is_lazy: "+lazy, ""), nil)
		s := a.stored(1)
		b := a.as(s)
		d := l.kept(s.ID())
		l.call(http.MethodDelete, "/"+d.Index+"/_doc/"+d.ID, "")
		a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			count.Set(s, 2)
			return nil
		})
		for _, d := range l.news() {
			if d.ID == s.ID().String() {
				t.Errorf("is_lazy %s: the document is there again: %s", lazy, d.Source)
			}
		}
		if b.cookies["session"] == s.Token() {
			t.Errorf("is_lazy %s: the visitor got no fresh cookie", lazy)
		}
	}
}

// Four writers on two processes set ten names each, in one session: all 40 stay.
func TestParallelWriters(t *testing.T) {
	t.Parallel()
	for _, lazy := range []string{"0", "1"} {
		l := newLab(t)
		path := l.config("is_lazy: "+lazy, "")
		apps := []*app{l.open(path, nil), l.open(path, nil)}
		s := apps[0].stored(0)
		b := apps[0].as(s)
		var mu sync.Mutex
		var told []string // the acknowledged names
		unknown := 0
		var wg sync.WaitGroup
		for writer := range 4 {
			a := apps[writer%2]
			wg.Go(func() {
				for i := range 10 {
					name := fmt.Sprintf("k%d.%d", writer, i)
					res := b.with().do(a.Handler(a.AfterHook(a.With(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
						cloakroom.NewKey[int](name).Set(s, i)
						count.Update(s, func(n int) int { return n + 1 })
						return nil
					}))))
					mu.Lock()
					switch res.StatusCode {
					case http.StatusOK:
						told = append(told, name)
					case http.StatusServiceUnavailable: // too many wrote in between: the answer says that the outcome is unknown
						unknown++
					default:
						t.Errorf("status %d", res.StatusCode)
					}
					mu.Unlock()
				}
			})
		}
		wg.Wait()
		s, err := apps[1].Retrieve(t.Context(), s.Token())
		if err != nil {
			t.Fatal(err)
		}
		names := slices.Collect(s.Names())
		for _, name := range told {
			if !slices.Contains(names, name) {
				t.Errorf("is_lazy %s: %s was acknowledged, and is lost", lazy, name)
			}
		}
		if n := count.Get(s); n < len(told) || n > len(told)+unknown || len(told) < 20 {
			t.Errorf("is_lazy %s: the count is %d, where %d were acknowledged and %d unknown", lazy, n, len(told), unknown)
		}
	}
}

// TestTypesBindNobody: a session's type of a value doesn't bind another session. Any
// name, and any JSON, comes back unchanged.
func TestTypesBindNobody(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.open(l.config("is_lazy: 1", ""), nil)
	mapping := func() string {
		return string(l.call(http.MethodGet, "/"+l.index+"-*/_mapping", ""))
	}
	a.stored(1)
	before := mapping()
	values := []string{
		`1`, `"one"`, `{"a":{"b":1}}`, `{"a":"text"}`, `[1,"two",{"three":3}]`, `"2026-11-22T22:02:34Z"`, `"2026-11-22"`, `true`,
		`null`, `1.5`, `123456789012345678901234567890`, `{"":{"":1},".":2,"a.b":3}`, `""`,
	}
	names := []string{"n", "", "id", "_id", "a.b", "a", "..", "kind", "values", "verifier", "дата"}
	for _, value := range values {
		b := new(browser)
		a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			for _, name := range names {
				s.SetRaw(name, json.RawMessage(value))
			}
			return nil
		})
		a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			for _, name := range names {
				if got, ok := s.Raw(name); !ok || string(got) != value {
					t.Errorf("%q = %s came back as %s, %v", name, value, got, ok)
				}
			}
			return nil
		})
	}
	if after := mapping(); after != before {
		t.Errorf("the mapping was\n%s\nand is\n%s", before, after)
	}

	big64 := cloakroom.NewKey[*big.Int]("big") // the old module kept it as text
	s := a.stored(1)
	want, _ := new(big.Int).SetString("123456789012345678901234567890", 10)
	big64.Set(s, want)
	if err := s.Save(t.Context()); err != nil {
		t.Fatal(err)
	}
	l.wantValue(s.ID(), "big", want.String())
}

// TestIndexOpensNothing: a reader of the index can't use any session. No text of the
// documents is a token, or part of one together with an id.
func TestIndexOpensNothing(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.open(l.config("is_lazy: 1", ""), nil)
	b := new(browser)
	var token string
	a.visit(b, 200, func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		color.Set(s, "blue")
		if err := s.Login(r.Context(), "ann", nil); err != nil {
			return err
		}
		token = s.Token()
		return s.Renew(r.Context())
	})
	tried := 0
	try := func(text string) {
		tried++
		if s, err := a.Retrieve(t.Context(), text); err == nil {
			t.Errorf("%q, from the index, opens %v", text, s)
		}
	}
	var texts []string
	var walk func(v any)
	walk = func(v any) {
		switch v := v.(type) {
		case string:
			texts = append(texts, v)
		case []any:
			for _, e := range v {
				walk(e)
			}
		case map[string]any:
			for name, e := range v {
				texts = append(texts, name)
				walk(e)
			}
		}
	}
	for _, d := range l.news() {
		if strings.Contains(string(d.Source), token) || strings.Contains(string(d.Source), token[24:]) {
			t.Errorf("a document holds a token: %s", d.Source)
		}
		texts = append(texts, d.ID)
		walk(decoded[any](l, d.Source))
	}
	for _, x := range texts {
		try(x)
		for _, y := range texts {
			try(x + y)
		}
	}
	if tried < 100 {
		t.Errorf("only %d texts were tried", tried)
	}
	if _, err := a.Retrieve(t.Context(), token); err != nil {
		t.Errorf("the token itself: %v", err)
	}
}

// TestEveryCookieCanBeUsed: every new cookie can be used, since nothing on the way
// escapes or refuses its characters. Of the old module's cookies 27 % could never be
// used.
func TestEveryCookieCanBeUsed(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.open(l.config("is_lazy: 1", ""), nil)
	var good atomic.Int64
	var wg sync.WaitGroup
	const each, visitors = 15, 20
	one := func(i int) {
		b := new(browser)
		a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			count.Set(s, i)
			return nil
		})
		value := b.cookies["session"]
		if rest := strings.Trim(value, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"); rest != "" || url.QueryEscape(value) != value {
			t.Errorf("the cookie %q has %q", value, rest)
		}
		a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if !s.IsNew() && count.Get(s) == i {
				good.Add(1)
			}
			return nil
		})
	}
	for v := range visitors {
		wg.Go(func() {
			for i := range each {
				one(v*each + i)
			}
		})
	}
	wg.Wait()
	if good.Load() != each*visitors {
		t.Errorf("of %d cookies %d could be used", each*visitors, good.Load())
	}
}

// TestWorkersKeepNoCopies: the next request sees one process's save in another process.
// No process saves the changes of a request that panicked.
func TestWorkersKeepNoCopies(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	path := l.config("is_lazy: 1", "")
	one, two := l.open(path, nil), l.open(path, nil)
	b := one.as(one.stored(0))
	for i := range 10 {
		a, other := one, two
		if i%2 == 1 {
			a, other = two, one
		}
		a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			count.Set(s, i)
			return nil
		})
		for _, a := range []*app{a, other} {
			a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				if count.Get(s) != i {
					t.Errorf("a process reads %d, and %d was saved", count.Get(s), i)
				}
				return nil
			})
		}
	}
	func() {
		defer func() { recover() }()
		one.visit(b, 500, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			count.Set(s, 100)
			color.Set(s, "red")
			panic("a crash")
		})
	}()
	one.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if count.Get(s) != 9 || color.Get(s) != "" {
			t.Errorf("after a crash the next request reads %d, %q", count.Get(s), color.Get(s))
		}
		cloakroom.NewKey[bool]("other").Set(s, true)
		return nil
	})
	two.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if count.Get(s) != 9 || color.Get(s) != "" {
			t.Errorf("the next request saved what the crash had changed: %d, %q", count.Get(s), color.Get(s))
		}
		return nil
	})
}

// TestEngineDown: while the engine is out of reach a visitor gets 503 and no empty
// session, and keeps the cookie. Afterwards everything is there.
func TestEngineDown(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	target, err := url.Parse(l.url)
	if err != nil {
		t.Fatal(err)
	}
	var down atomic.Bool
	back := &http.Transport{}
	pass := &httputil.ReverseProxy{Transport: back, Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if down.Load() {
			panic(http.ErrAbortHandler) // the connection breaks
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(func() { proxy.Close(); back.CloseIdleConnections() })
	path := l.configOf(proxy.URL, "is_lazy: 1", "")
	a := l.open(path, nil)
	impatient := l.open(path, &dancer.OpenOptions{Adjust: func(c *cloakroom.Config) { c.SaveTimeout = 200 * time.Millisecond }})
	s := a.stored(42)
	if err := s.Login(t.Context(), "ann", nil); err != nil {
		t.Fatal(err)
	}
	b := a.as(s)
	token := b.cookies["session"]

	down.Store(true)
	for range 3 {
		reached := false
		res := impatient.visit(b, 503, func(http.ResponseWriter, *http.Request, *cloakroom.Session) error {
			reached = true
			return nil
		})
		text, _ := io.ReadAll(res.Body)
		if reached || res.Header.Get("Retry-After") == "" || len(res.Cookies()) != 0 || b.cookies["session"] != token {
			t.Errorf("the answer is %v %q; the handler was called: %v", res.Header, text, reached)
		}
	}
	res := impatient.visit(new(browser), 503, func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		count.Set(s, 1) // a new visitor's write isn't lost in silence
		io.WriteString(w, "saved")
		return nil
	})
	if text, _ := io.ReadAll(res.Body); strings.Contains(string(text), "saved") || len(res.Cookies()) != 0 {
		t.Errorf("a new visitor is told %q, with %v", text, res.Cookies())
	}

	down.Store(false)
	a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if s.Principal() != "ann" || count.Get(s) != 42 {
			t.Errorf("afterwards the visitor is %q with %d", s.Principal(), count.Get(s))
		}
		return nil
	})
}
