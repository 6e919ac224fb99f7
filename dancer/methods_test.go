package dancer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests the methods that the old document names, one test each, on a real
// engine.

// create: creates a new session, and returns it.
func TestMethod_create(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.open(l.config("", ""), nil)
	s, err := a.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if s == nil || s.ID().IsZero() || s.Token() == "" || s.IsNew() {
		t.Fatalf("Create returned %v", s)
	}
	a.wantOps("Create", "create 1")
	d := l.kept(s.ID())
	if got := string(d.members(l)["app"]); got != `"my_session"` {
		t.Errorf("the document's app is %s, want the setting type", got)
	}
}

// flush: writes the session to the engine, and returns it.
func TestMethod_flush(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	for _, lazy := range []string{"0", "1"} {
		a := l.open(l.config("is_lazy: "+lazy, ""), nil)
		b := a.as(a.stored(1))
		res := b.do(a.Handler(a.With(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			count.Set(s, 7)
			flushed, err := a.Flush(r.Context())
			if flushed != s {
				t.Errorf("is_lazy %s: Flush returned another session: %v", lazy, flushed)
			}
			l.wantValue(s.ID(), "count", "7")
			return err
		})))
		if res.StatusCode != http.StatusOK {
			t.Errorf("is_lazy %s: status %d", lazy, res.StatusCode)
		}
		other, err := a.Retrieve(t.Context(), b.cookies["session"])
		if err != nil || count.Get(other) != 7 {
			t.Errorf("is_lazy %s: afterwards it is %v, %v", lazy, other, err)
		}
	}
	a := l.open(l.config("is_lazy: 1", ""), nil)
	if _, err := a.Flush(t.Context()); err == nil {
		t.Error("outside of a request Flush flushed something")
	}
	s := a.stored(1) // outside of a request it is Save
	count.Set(s, 2)
	l.wantValue(s.ID(), "count", "1")
	if err := s.Save(t.Context()); err != nil {
		t.Error(err)
	}
	l.wantValue(s.ID(), "count", "2")
}

// retrieve: returns the session if it is found.
func TestMethod_retrieve(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.open(l.config("", ""), nil)
	s := a.stored(3)
	found, err := a.Retrieve(t.Context(), s.Token())
	if err != nil || found.ID() != s.ID() || count.Get(found) != 3 {
		t.Errorf("found: got %v, %v", found, err)
	}

	absent := a.stored(1)
	d := l.kept(absent.ID())
	l.call(http.MethodDelete, "/"+d.Index+"/_doc/"+d.ID, "")
	if s, err := a.Retrieve(t.Context(), absent.Token()); !errors.Is(err, cloakroom.ErrNotFound) || s != nil {
		t.Errorf("absent: got %v, %v, want ErrNotFound", s, err)
	}
	a.ops.since()

	old, _ := l.old(a.Config.Signer(), `"count":1`)
	token := s.Token()
	for what, forged := range map[string]string{
		"nothing": "", "an id": s.ID().String(), "one character": token[:40] + string(token[40]^1) + token[41:],
		"cut": token[:66], "longer": token + "A", "an old cookie": old,
	} {
		if s, err := a.Retrieve(t.Context(), forged); !errors.Is(err, cloakroom.ErrNotFound) || s != nil {
			t.Errorf("forged, %s: got %v, %v, want ErrNotFound", what, s, err)
		}
	}
	a.wantOps("forged tokens", "nothing")
}

// destroy: removes the session from the engine. A grave remains: it holds no value and
// no verifier, and refuses late writes.
func TestMethod_destroy(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var created *driver.Record
	var ahead atomic.Int64 // offset of the clock
	a := l.open(l.config("is_lazy: 1", ""), &dancer.OpenOptions{
		Adjust: func(c *cloakroom.Config) {
			c.Now = func() time.Time { return time.Now().Add(time.Duration(ahead.Load())) }
		},
		Wrap: func(s cloakroom.Store) cloakroom.Store {
			return &spied{Store: s, create: func(r *driver.Record) { copied := *r; created = &copied }}
		},
	})
	const value = "midnight blue, of all colors"
	b := new(browser)
	var id cloakroom.ID
	a.visit(b, 200, func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		color.Set(s, value)
		_, err := a.Flush(r.Context())
		id = s.ID()
		return err
	})
	before := l.kept(id)
	if !strings.Contains(string(before.Source), value) {
		t.Fatalf("the document has no value: %s", before.Source)
	}
	late := b.with()
	underWay, err := a.Retrieve(t.Context(), b.cookies["session"])
	if err != nil {
		t.Fatal(err)
	}
	color.Set(underWay, "red")

	a.visit(b, 200, func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Destroy(r.Context())
	})
	if len(b.cookies) != 0 {
		t.Errorf("the browser keeps %v", b.cookies)
	}
	wantGrave := func(when string) {
		t.Helper()
		d := l.kept(id)
		members := d.members(l)
		if string(members["kind"]) != `"grave"` || string(members["reason"]) != `"destroyed"` {
			t.Errorf("%s: the document is %s, want a grave", when, d.Source)
		}
		for _, name := range []string{"values", "raw", "verifier", "previous", "client"} {
			if members[name] != nil {
				t.Errorf("%s: the grave has %s: %s", when, name, d.Source)
			}
		}
		var verifier string
		if err := json.Unmarshal(before.members(l)["verifier"], &verifier); err != nil {
			t.Fatal(err)
		}
		for _, d := range l.news() {
			if strings.Contains(string(d.Source), "midnight") || strings.Contains(string(d.Source), verifier) {
				t.Errorf("%s: in the engine is %s", when, d.Source)
			}
		}
	}
	wantGrave("afterwards")

	if s, err := a.Retrieve(t.Context(), late.cookies["session"]); !errors.Is(err, cloakroom.ErrNotFound) {
		t.Errorf("its token opens %v, %v", s, err)
	}
	if err := underWay.Save(t.Context()); !errors.Is(err, cloakroom.ErrGone) {
		t.Errorf("a save that was under way: got %v, want ErrGone", err)
	}
	if _, err := a.Store.Create(t.Context(), created); err == nil {
		t.Error("the engine executed the session's creation once more")
	}
	created.Version = driver.Version{Seq: before.Seq, Term: before.Term}
	if _, err := a.Store.Update(t.Context(), created); err == nil {
		t.Error("the engine executed a write from before")
	}
	if err := a.Admin().Revoke(t.Context(), id); err != nil {
		t.Error(err)
	}
	// A late request of the browser begins no session, lest its cookie replace that of
	// the next sign-in. Afterwards the old cookie opens nothing.
	a.visit(late, 409, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		color.Set(s, "late")
		return nil
	})
	ahead.Store(int64(3 * time.Minute)) // past the grace and the clock tolerance
	a.visit(late, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if !s.IsNew() || color.Get(s) != "" {
			t.Errorf("the old cookie opens %v", s)
		}
		color.Set(s, "green")
		return nil
	})
	a.visit(late, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if s.ID() == id || color.Get(s) != "green" {
			t.Errorf("the visitor got %v with %q, want a fresh one", s, color.Get(s))
		}
		return nil
	})
	wantGrave("in the end")
}

// is_lazy: off, every get and set goes to the engine; on, nothing does until flush.
func TestMethod_is_lazy(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	const gets, sets = 7, 5
	use := func(a *app, s *cloakroom.Session) {
		for range gets {
			count.Get(s)
		}
		for i := range sets {
			count.Set(s, 100+i)
		}
	}
	for _, setting := range []string{"is_lazy: 0", ""} { // it is off by default, as documented
		a := l.open(l.config(setting, ""), nil)
		if a.Config.Lazy {
			t.Errorf("%q is lazy", setting)
		}
		a.visit(a.as(a.stored(1)), 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			a.wantOps("opening it", "read 1")
			use(a, s)
			a.wantOps("off", fmt.Sprintf("read %d, write %d", gets, sets))
			l.wantValue(s.ID(), "count", "104")
			return nil
		})
		a.wantOps("off, the end", "nothing")
	}

	a := l.open(l.config("is_lazy: 1", ""), nil)
	if !a.Config.Lazy {
		t.Error("is_lazy: 1 is not lazy")
	}
	s := a.stored(1)
	a.as(s).do(a.Handler(a.With(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		a.wantOps("opening it", "read 1")
		use(a, s)
		a.wantOps("on", "nothing")
		_, err := a.Flush(r.Context())
		a.wantOps("flush", "write 1")
		count.Set(s, 1000)
		return err
	})))
	a.wantOps("on, without the after hook", "nothing")
	l.wantValue(s.ID(), "count", "104")
}

// _es: the handle to the engine, to which the settings apply.
func TestMethod__es(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	target, err := url.Parse(l.url)
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var asked []string
	back := &http.Transport{}
	proxy := httptest.NewServer(http.StripPrefix("/engine", &httputil.ReverseProxy{
		Transport: back,
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(target)
			user, password, _ := r.In.BasicAuth()
			r.Out.Header.Del("Authorization")
			mu.Lock()
			defer mu.Unlock()
			asked = append(asked, fmt.Sprintf("%s:%s %s %s", user, password, r.In.Method, r.In.URL.RequestURI()))
		},
	}))
	t.Cleanup(func() { proxy.Close(); back.CloseIdleConnections() })
	a := l.open(l.configOf(strings.Replace(proxy.URL, "://", "://shop:pa55word@", 1)+"/engine", "", ""), nil)
	s := a.stored(1)

	report, err := a.Store.Report(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if report.Engine == "" || !slices.Contains(report.Facts, driver.Fact{Name: "index", Value: l.index + "-*"}) {
		t.Errorf("the report is %+v", report)
	}
	if rec, err := a.Store.Get(t.Context(), s.ID()); err != nil || string(rec.Values.Get("count")) != "1" {
		t.Errorf("the handle reads %v, %v", rec, err)
	}
	mu.Lock()
	defer mu.Unlock()
	if len(asked) == 0 {
		t.Error("the proxy that the setting servers names was not asked")
	}
	limited := false
	for _, line := range asked {
		if !strings.HasPrefix(line, "shop:pa55word ") {
			t.Errorf("asked without the login: %s", line)
		}
		limited = limited || strings.Contains(line, "timeout=45000ms") // three quarters of the setting
	}
	if !limited {
		t.Errorf("the setting timeout didn't reach the engine: %q", asked)
	}
}

// init: the document's _id is the session's id. It is made before the save, so that a
// save whose answer was lost is found, and isn't done twice.
func TestMethod_init(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var before cloakroom.ID
	lose := true
	a := l.open(l.config("", ""), &dancer.OpenOptions{Wrap: func(s cloakroom.Store) cloakroom.Store {
		return &spied{
			Store:  s,
			create: func(r *driver.Record) { before = r.ID },
			created: func() error {
				if !lose {
					return nil
				}
				lose = false
				return fmt.Errorf("the answer is lost: %w", cloakroom.ErrUnavailable)
			},
		}
	}})
	a.visit(new(browser), 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if !s.ID().IsZero() {
			t.Errorf("a session that nothing was put into has the id %v", s.ID())
		}
		count.Set(s, 1)
		if s.ID() != before || before.IsZero() {
			t.Errorf("the session's id is %v, and was %v before the save", s.ID(), before)
		}
		return s.Err()
	})
	l.wantValue(before, "count", "1")
	if lose {
		t.Error("no answer was lost")
	}
	if all := l.news(); len(all) != 1 {
		t.Errorf("%d documents are in the engine, want 1", len(all))
	}
}

// _sign, _verify: the id that the engine gave a document, in a cookie and back.
func TestMethod__sign(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	signer := l.open(l.config("", ""), nil).Config.Signer()
	value, id := l.old(signer, `"color":"blue"`)
	if len(value) != 2*dancer.DefaultLength+len(id) || !strings.HasSuffix(value, id) {
		t.Errorf("%q is signed as %q", id, value)
	}
	again, err := signer.Sign(id)
	if err != nil || again == value {
		t.Errorf("signed again: %q, %v, want another salt", again, err)
	}
	if _, err := signer.Sign(""); err == nil {
		t.Error("no id was signed")
	}
}

func TestMethod__verify(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	signer := l.open(l.config("", ""), nil).Config.Signer()
	value, _ := l.old(signer, `"color":"blue"`)
	id, err := signer.Verify(value)
	if err != nil {
		t.Fatal(err)
	}
	found := decoded[document](l, l.call(http.MethodGet, "/"+l.index+"/_doc/"+id, ""))
	members := found.members(l)
	if string(members["color"]) != `"blue"` || string(members["id"]) != fmt.Sprintf("%q", value) {
		t.Errorf("the verified id opens %s", found.Source)
	}
	for i := range value {
		forged := value[:i] + string(value[i]^1) + value[i+1:]
		if id, err := signer.Verify(forged); !errors.Is(err, dancer.ErrNotVerified) || id != "" {
			t.Errorf("%q verifies as %q, %v", forged, id, err)
		}
	}
}

func TestMethod__hash(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	signer := l.open(l.config("", ""), nil).Config.Signer()
	value, id := l.old(signer, "")
	salt := value[dancer.DefaultLength : 2*dancer.DefaultLength]
	if got := signer.Hash(id, salt); got+salt+id != value {
		t.Errorf("Hash(%q, %q) is %q, and the signed id %q", id, salt, got, value)
	}
	if got := signer.Hash("t4hHBaIB85E4Kglfp2y8", "84ospJPzsM"); got != "f49cb62faf" { // the old module's result
		t.Errorf("the recorded hash is %q", got)
	}
	other, err := dancer.NewSigner("another", 0)
	if err != nil {
		t.Fatal(err)
	}
	if other.Hash(id, salt) == signer.Hash(id, salt) || signer.Hash(id, "0000000000") == signer.Hash(id, salt) {
		t.Error("the hash doesn't depend on secret and salt")
	}
}

// spied is a store that shows creations to the test, and may lose their answers.
type spied struct {
	cloakroom.Store
	create  func(*driver.Record)
	created func() error
}

func (s *spied) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	s.create(r)
	v, err := s.Store.Create(ctx, r)
	if err == nil && s.created != nil {
		err = s.created()
	}
	return v, err
}
