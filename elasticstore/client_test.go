package elasticstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

const secret = "hunter2"

func TestClientConfigErrors(t *testing.T) {
	t.Parallel()
	empty := filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	for text, c := range map[string]ClientConfig{
		"URLs is empty":      {},
		"no URL":             {URLs: []string{"http://alice:" + secret + "%@host:9200"}},
		"URLs[1]":            {URLs: []string{"http://ok:9200", "http://alice:" + secret + "@host:port"}},
		"http://":            {URLs: []string{"alice:" + secret + "@host:9200"}},
		"no host":            {URLs: []string{"http://alice:" + secret + "@"}},
		"query":              {URLs: []string{"http://alice:" + secret + "@host?x=" + secret}},
		"without a password": {URLs: []string{"http://alice@host"}},
		"only one of them":   {URLs: []string{"http://host"}, APIKey: secret, User: "alice", Password: secret},
		"one of user":        {URLs: []string{"http://host"}, Password: secret},
		"white space":        {URLs: []string{"http://host"}, APIKey: secret + "\n"},
		"must not be":        {URLs: []string{"http://host"}, ConnectTimeout: -1},
		"CAFile and CA":      {URLs: []string{"http://host"}, CAFile: "x", CA: []byte("x")},
		"no such file":       {URLs: []string{"http://host"}, CAFile: filepath.Join(t.TempDir(), "none")},
		"no certificate":     {URLs: []string{"http://host"}, CAFile: empty},
	} {
		_, err := NewClient(c)
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("NewClient: error %v, want %q", err, text)
			continue
		}
		if strings.Contains(err.Error(), secret) {
			t.Errorf("the error tells the password: %v", err)
		}
		if _, err := Open(context.Background(), c, nil); err == nil {
			t.Errorf("Open takes what NewClient refuses: %s", text)
		}
	}
}

func TestConfigErrors(t *testing.T) {
	for text, c := range map[string]Config{
		"begin with a letter":  {Index: "-x"},
		"lower case":           {Index: "Session"},
		"'_' and '-'":          {Index: "a*"},
		"200 are allowed":      {Index: strings.Repeat("x", 201)},
		"Config.Shards":        {Shards: -1},
		"Config.InFlight":      {InFlight: -1},
		"Config.MaxItems":      {MaxItems: -1},
		"Config.QueueBytes":    {QueueBytes: -1},
		"Config.Refresh":       {RefreshInterval: -1},
		"positive number of m": {RequestTimeout: time.Microsecond},
	} {
		if _, err := New(new(client), &c); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("New: error %v, want %q", err, text)
		}
	}
	if _, err := New(nil, nil); err == nil {
		t.Error("New takes a nil client")
	}
}

// TestLogins checks the login that is sent, and the error of one that is refused.
func TestLogins(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var got []string
	status := http.StatusUnauthorized
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		got = append(got, r.Header.Get("Authorization")+" "+r.URL.Path)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":{"type":"security_exception","reason":"missing authentication credentials"},"status":%d}`, status)
	}))
	defer server.Close()
	withUser := strings.Replace(server.URL, "http://", "http://bob:"+secret+"@", 1)
	for _, c := range []struct {
		config       ClientConfig
		header, text string
	}{
		{ClientConfig{URLs: []string{server.URL}, User: "alice", Password: secret}, "Basic YWxpY2U6aHVudGVyMg== /_index_template/session-periods", `the user "alice"`},
		{ClientConfig{URLs: []string{withUser + "/base/"}, User: "alice", Password: secret}, "Basic Ym9iOmh1bnRlcjI= /base/_index_template/session-periods", `the user "alice"`},
		{ClientConfig{URLs: []string{withUser}}, "Basic Ym9iOmh1bnRlcjI= /_index_template/session-periods", `the user "bob"`},
		{ClientConfig{URLs: []string{server.URL}, APIKey: secret}, "ApiKey hunter2 /_index_template/session-periods", "the API key"},
		{ClientConfig{URLs: []string{server.URL}}, " /_index_template/session-periods", "without a login"},
	} {
		for _, status = range []int{http.StatusUnauthorized, http.StatusForbidden} {
			mu.Lock()
			got = nil
			mu.Unlock()
			_, err := Open(testContext(t), c.config, &Config{Logger: slog.New(slog.DiscardHandler)})
			if err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), secret) {
				t.Errorf("Open: error %v, want one with %s, without the password", err, c.text)
			}
			mu.Lock()
			if len(got) == 0 || got[0] != c.header {
				t.Errorf("sent %q, want %q", got, c.header)
			}
			mu.Unlock()
		}
	}
}

func TestTLS(t *testing.T) {
	t.Parallel()
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusServiceUnavailable)
		_, _ = io.WriteString(w, unavailableBody)
	}))
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	server.StartTLS()
	defer server.Close()
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw})
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, certificate, 0o600); err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AddCert(server.Certificate())
	lab := &lab{index: "x"}
	for name, c := range map[string]ClientConfig{"CA": {CA: certificate}, "CAFile": {CAFile: file}, "TLS": {TLS: &tls.Config{RootCAs: roots}}} {
		c.URLs = []string{server.URL}
		s, err := Open(brief(t), c, lab.config(nil))
		if err != nil {
			t.Errorf("%s: an engine that is in trouble: %v", name, err)
			continue
		}
		_ = s.Close()
	}
	// Nothing will ever work without it, so Open fails at once.
	_, err := Open(testContext(t), ClientConfig{URLs: []string{server.URL}}, lab.config(nil))
	if err == nil || !strings.Contains(err.Error(), "ClientConfig.CAFile") {
		t.Errorf("an unknown authority: %v", err)
	}
	_, err = Open(testContext(t), ClientConfig{URLs: []string{strings.Replace(server.URL, "127.0.0.1", "localhost", 1)}, CAFile: file}, lab.config(nil))
	if err == nil || !strings.Contains(err.Error(), "ClientConfig.URLs") {
		t.Errorf("another name than the certificate's: %v", err)
	}
}

// TestNotSentIsCertain: a write that could not connect certainly has not happened.
func TestNotSentIsCertain(t *testing.T) {
	t.Parallel()
	l, _, s, r := faultyStore(t)
	dead := "http://" + closedPort(t)
	f := newFaulty(l.client)
	down := l.open(t, f, nil)
	if _, err := down.Update(testContext(t), update(r, "1")); err != nil {
		t.Fatal(err)
	}
	nobody, err := newClient(ClientConfig{URLs: []string{dead}})
	if err != nil {
		t.Fatal(err)
	}
	f.set(func(req *http.Request, _ []byte, _ func() (*http.Response, error)) (*http.Response, error) {
		return nobody.Perform(req)
	})
	before := f.requests("_bulk")
	_, err = down.Create(testContext(t), session(driver.LayoutDay, time.Now()))
	wantError(t, err, driver.ErrUnavailable)
	if n := f.requests("_bulk") - before; n != 3 {
		t.Errorf("it was tried %d times, want 3", n)
	}
	if !strings.Contains(err.Error(), dead) {
		t.Errorf("the error doesn't name the address: %v", err)
	}
	_ = s
}

func closedPort(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// TestSeveralNodes: of two nodes one is down, and nobody notices.
func TestSeveralNodes(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s, err := Open(testContext(t), ClientConfig{URLs: []string{"http://" + closedPort(t), l.url}}, l.config(nil))
	if err != nil {
		t.Fatal(err)
	}
	for range 10 {
		r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
		if _, err := s.Get(testContext(t), r.ID); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	_, err = s.Get(testContext(t), driver.NewID(driver.LayoutDay, time.Now()))
	wantError(t, err, driver.ErrClosed)
}

func TestPool(t *testing.T) {
	now := time.Unix(0, 0)
	var urls []*url.URL
	for i := range 3 {
		urls = append(urls, &url.URL{Scheme: "http", Host: fmt.Sprint(i)})
	}
	p := newPool(urls, func() time.Time { return now })
	turns := func() (text string) {
		for range 4 {
			text += p.next().url.Host
		}
		return text
	}
	check := func(want string) {
		t.Helper()
		if got := turns(); got != want {
			t.Errorf("turns %s, want %s", got, want)
		}
	}
	check("0120")
	p.failed(p.nodes[1])
	p.failed(p.nodes[1]) // one more that was under way
	check("2020")
	now = now.Add(firstRest)
	check("1202") // once only, until it was answered
	p.leave(p.nodes[1])
	check("0120")
	p.failed(p.nodes[1])
	now = now.Add(firstRest)
	check("2020") // twice as long now
	now = now.Add(firstRest)
	check("1202")
	p.answered(p.nodes[1])
	check("0120")
	p.failed(p.nodes[1])
	now = now.Add(time.Millisecond)
	p.failed(p.nodes[2])
	p.failed(p.nodes[0])
	check("1201") // all rest: each in turn, the one that rests the least first
	for range 20 {
		p.failed(p.nodes[2])
		now = now.Add(mostRest)
	}
	p.failed(p.nodes[2])
	if rest := p.nodes[2].until.Sub(now); rest > mostRest {
		t.Errorf("a rest of %v", rest)
	}
}

// TestGivingUpIsNoFailure: a caller that gives up doesn't make the pool leave a node
// out.
func TestGivingUpIsNoFailure(t *testing.T) {
	t.Parallel()
	begun := make(chan struct{})
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		close(begun)
		<-r.Context().Done()
	}))
	defer server.Close()
	c, err := newClient(ClientConfig{URLs: []string{server.URL}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	ctx, cancel := context.WithCancel(t.Context())
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "/", nil)
	if err != nil {
		t.Fatal(err)
	}
	go func() {
		<-begun
		cancel()
	}()
	if _, err := c.Perform(req); !errors.Is(err, context.Canceled) {
		t.Fatal(err)
	}
	if c.nodes.nodes[0].failures != 0 {
		t.Error("the node counts as failed")
	}
}
