package elasticstore

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests logins that change.

// guarded is an engine behind a check of logins.
type guarded struct {
	server *httptest.Server

	mu      sync.Mutex
	headers map[string]bool // that are accepted
	refused int
}

// newGuarded makes a guard before the lab's engine; without a lab it answers everything
// by "{}".
func newGuarded(t testing.TB, l *lab) *guarded {
	t.Helper()
	g := &guarded{}
	var pass http.Handler = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", typeJSON)
		_, _ = io.WriteString(w, "{}")
	})
	if l != nil {
		pass = newProxy(t, l).server.Config.Handler
	}
	g.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		g.mu.Lock()
		ok := g.headers[r.Header.Get("Authorization")]
		if !ok {
			g.refused++
		}
		g.mu.Unlock()
		if !ok {
			w.WriteHeader(http.StatusUnauthorized)
			_, _ = io.WriteString(w, "Unauthorized")
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(g.server.Close)
	return g
}

// accept sets the logins that are accepted, and returns the number of requests that were
// refused since the last call.
func (g *guarded) accept(logins ...Login) (refused int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.headers = map[string]bool{}
	for _, l := range logins {
		g.headers[l.header()] = true
	}
	refused, g.refused = g.refused, 0
	return refused
}

// rotation is a client whose login is in a file, with a clock and a log.
type rotation struct {
	t      testing.TB
	g      *guarded
	path   string
	client *client
	log    bytes.Buffer
	at     time.Time
}

func newRotation(t testing.TB, first string, change func(*ClientConfig)) *rotation {
	t.Helper()
	r := &rotation{t: t, g: newGuarded(t, nil), path: filepath.Join(t.TempDir(), "password"), at: time.Unix(1e9, 0)}
	r.write(first)
	c := ClientConfig{URLs: []string{r.g.server.URL}, User: "shop", PasswordFile: r.path}
	if change != nil {
		change(&c)
	}
	cl, err := newClient(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cl.close)
	cl.now = func() time.Time { return r.at }
	cl.logger.Store(slog.New(slog.NewTextHandler(&r.log, nil)))
	r.client = cl
	return r
}

func (r *rotation) write(content string) {
	r.t.Helper()
	if err := os.WriteFile(r.path, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// status sends a request with a body, and returns the answer's status.
func (r *rotation) status() int {
	r.t.Helper()
	r.at = r.at.Add(renewEvery)
	req, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "/_bulk", strings.NewReader("body"))
	if err != nil {
		r.t.Fatal(err)
	}
	res, err := r.client.Perform(req)
	if err != nil {
		r.t.Fatal(err)
	}
	res.Body.Close()
	return res.StatusCode
}

// want checks a request's status, and how many were refused before it.
func (r *rotation) want(what string, status, refused int, next ...Login) {
	r.t.Helper()
	if got := r.status(); got != status {
		r.t.Errorf("%s: status %d, want %d", what, got, status)
	}
	if n := r.g.accept(next...); n != refused {
		r.t.Errorf("%s: %d requests were refused, want %d", what, n, refused)
	}
}

func shopLogin(password string) Login { return Login{User: "shop", Password: password} }

// TestRotatedPasswordFile: a password that changes in the engine and in a file, in any
// order, fails no request that a known password could save.
func TestRotatedPasswordFile(t *testing.T) {
	one, two, three := shopLogin("secret-one"), shopLogin("secret-two"), shopLogin("secret-three")
	r := newRotation(t, "secret-one\n", nil)
	r.g.accept(one)
	r.want("at the beginning", 200, 0, one, two)

	r.write("secret-two\r\n")
	r.want("both are accepted: the file's is taken up unasked", 200, 0, two)
	r.want("the old one isn't needed any more", 200, 0, three)

	r.want("the engine changed first, and no file has its password", 401, 1, three)
	r.write("secret-three")
	r.want("the file follows", 200, 0, three)

	r.write("secret-") // half-written, or ahead of the engine
	r.want("the engine refuses the file's: the one before goes on", 200, 1, three)
	r.want("and isn't refused again for a while", 200, 0, one)
	r.write("secret-one")
	r.want("the file is whole", 200, 0, one)
	r.at = r.at.Add(preferBefore)
	r.want("the engine took it meanwhile", 200, 0, one)
	r.want("it stays", 200, 0, one)

	for name, content := range map[string]string{"empty": "", "white": " \n", "lines": "secret-x\nsecret-y\n"} {
		r.log.Reset()
		r.write(content)
		r.want(name+": what can't be used changes nothing", 200, 0, one)
		r.want(name, 200, 0, one)
		if n := strings.Count(r.log.String(), "level=WARN"); n != 1 || !strings.Contains(r.log.String(), "PasswordFile") {
			t.Errorf("%s: logged %d times: %s", name, n, r.log.String())
		}
	}
	if err := os.Remove(r.path); err != nil {
		t.Fatal(err)
	}
	r.want("missing", 200, 0, one)
	r.write("secret-two")
	r.want("there again, before the engine knows it", 200, 1, two)
	r.want("the one before isn't accepted any more", 200, 1, two)
	if strings.Contains(r.log.String(), "secret-") {
		t.Errorf("a password is logged: %s", r.log.String())
	}
}

// TestRotatedUnseen: a 401 has the file read, whether or not it looks changed.
func TestRotatedUnseen(t *testing.T) {
	one, two := Login{APIKey: "key-one"}, Login{APIKey: "key-two"}
	r := newRotation(t, "key-one\n", func(c *ClientConfig) { c.User, c.PasswordFile, c.APIKeyFile = "", "", c.PasswordFile })
	r.g.accept(one)
	r.want("at the beginning", 200, 0, two)
	r.write("key-two\n")
	r.client.watch.next.Store(1 << 62) // nobody looks
	r.want("the engine refused the key: it is read again, and the request repeated", 200, 1, two)
	if name := r.client.login(); name != "the API key" {
		t.Errorf("the login is told as %q", name)
	}
}

// TestLoginFunction: a function is asked before the first request and after a 401, and
// what it returned last stays if it fails.
func TestLoginFunction(t *testing.T) {
	var asked int
	next, fail := shopLogin("secret-one"), error(nil)
	r := newRotation(t, "x", func(c *ClientConfig) {
		c.User, c.PasswordFile = "", ""
		c.Login = func(context.Context) (Login, error) { asked++; return next, fail }
	})
	if !strings.Contains(r.client.login(), "ClientConfig.Login") || len(r.client.inClear()) > 0 {
		t.Errorf("before it was asked the login is told as %q", r.client.login())
	}
	fail = errors.New("the vault is sealed")
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodGet, "/", nil)
	_, err := r.client.Perform(req)
	if f := performFault(t.Context(), "GET /", err); err == nil || !strings.Contains(f.Error(), "sealed") || !f.certain {
		t.Errorf("without a login: %v", err)
	}
	fail, asked = nil, 0
	r.at = r.at.Add(renewEvery)
	r.g.accept(next)
	r.want("at the beginning", 200, 0, next)
	r.want("it isn't asked again", 200, 0)
	if asked != 1 {
		t.Errorf("asked %d times, want 1", asked)
	}
	fail = errors.New("the vault is sealed")
	r.want("it fails", 401, 1)
	fail, next = nil, Login{User: "shop"}
	r.want("it returns no login", 401, 1, shopLogin("secret-two"))
	next = shopLogin("secret-two")
	r.want("it returns the new one", 200, 1)
	asked = 0
	r.status()
	r.at = r.at.Add(-renewEvery) // at the same moment
	r.status()
	if asked != 1 {
		t.Errorf("asked %d times in a second, want 1", asked)
	}
	if told := r.log.String(); strings.Contains(told, "secret-") || !strings.Contains(told, "sealed") {
		t.Errorf("logged: %s", told)
	}
}

// TestRotatedUnderLoad: while passwords change under many writers, no write fails, is
// lost or is done twice.
func TestRotatedUnderLoad(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	g := newGuarded(t, l)
	path := filepath.Join(t.TempDir(), "password")
	swap := func(password string) {
		if err := os.WriteFile(path+".new", []byte(password), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Rename(path+".new", path); err != nil {
			t.Fatal(err)
		}
	}
	swap("secret-0")
	g.accept(shopLogin("secret-0"))
	var log bytes.Buffer
	s, err := Open(testContext(t), ClientConfig{URLs: []string{g.server.URL}, User: "shop", PasswordFile: path},
		l.config(func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) }))
	if err != nil {
		t.Fatal(err)
	}
	var writers sync.WaitGroup
	rotated, wrote := make(chan struct{}), make(chan struct{})
	for range 8 {
		writers.Go(func() {
			r := session(driver.LayoutDay, time.Now())
			r.Values = r.Values.With("filler", fmt.Appendf(nil, "%q", strings.Repeat("x", 2*fewBytes))) // a shared body
			v, err := s.Create(testContext(t), r)
			for n := 1; err == nil; n++ {
				select {
				case <-rotated:
					return
				case wrote <- struct{}{}:
				}
				next := update(r, fmt.Sprintf("%q", strings.Repeat("y", 2*fewBytes)))
				next.Version = v
				v, err = s.Update(testContext(t), next)
			}
			t.Error(err)
		})
	}
	for n := 1; n <= 5; n++ {
		old, next := shopLogin(fmt.Sprintf("secret-%d", n-1)), shopLogin(fmt.Sprintf("secret-%d", n))
		if n%2 == 0 {
			g.accept(old, next) // the engine takes both for a moment
		}
		swap(next.Password)
		// The client sees it at its next look, or here.
		if err := s.client.(*client).watch.files[0].renew(false); err != nil {
			t.Error(err)
		}
		g.accept(next)
		for range 20 {
			<-wrote
		}
	}
	close(rotated)
	writers.Wait()
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if strings.Contains(log.String(), "secret-") {
		t.Errorf("a password is logged: %s", log.String())
	}
}

// TestLoginSources: only one source of the login may be given, and it must have one.
func TestLoginSources(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, empty, lines := file("good", secret), file("empty", ""), file("lines", secret+"\n"+secret)
	function := func(context.Context) (Login, error) { return Login{}, nil }
	for _, c := range []struct {
		config ClientConfig
		text   string
	}{
		{ClientConfig{PasswordFile: good}, "needs a User"},
		{ClientConfig{User: "a", Password: secret, PasswordFile: good}, "neither Password"},
		{ClientConfig{User: "a", PasswordFile: good, APIKeyFile: good}, "neither Password"},
		{ClientConfig{User: "a", PasswordFile: empty}, "empty"},
		{ClientConfig{User: "a", PasswordFile: lines}, "more than one line"},
		{ClientConfig{User: "a", PasswordFile: filepath.Join(dir, "none")}, "no such file"},
		{ClientConfig{APIKeyFile: good, APIKey: secret}, "beside APIKey"},
		{ClientConfig{APIKeyFile: file("spaces", secret+" "+secret)}, "white space"},
		{ClientConfig{Login: function, APIKey: secret}, "only one"},
		{ClientConfig{Login: function, PasswordFile: good}, "only one"},
		{ClientConfig{Application: "a\nb"}, "printable ASCII"},
	} {
		c.config.URLs = []string{"http://127.0.0.1:1"}
		_, err := NewClient(c.config)
		if err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), secret) {
			t.Errorf("NewClient: error %v, want %q", err, c.text)
		}
	}
}
