package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// nginx keeps responses for two clients. What one of them is to keep for itself never
// reaches the other.

// nginxConfig keeps what it may, and what says nothing, for an hour. That a response
// sets a cookie holds it back in the first of the locations alone, since many set up
// nginx to ignore that; the last ignores Vary as well.
var nginxConfig = template.Must(template.New("").Parse(`daemon off;
master_process off;
pid {{.Dir}}/pid;
error_log stderr warn;
events {}
http {
	access_log off;
	client_body_temp_path {{.Dir}}/body;
	proxy_temp_path {{.Dir}}/proxy;
	fastcgi_temp_path {{.Dir}}/fastcgi;
	uwsgi_temp_path {{.Dir}}/uwsgi;
	scgi_temp_path {{.Dir}}/scgi;
	proxy_cache_path {{.Dir}}/cache keys_zone=all:1m;
	proxy_cache all;
	proxy_cache_valid any 1h;
	add_header X-Cache $upstream_cache_status always;
	server {
		listen unix:{{.Dir}}/socket;
		location /default/ { proxy_pass {{.Backend}}; }
		location /cookies/ { proxy_pass {{.Backend}}; proxy_ignore_headers Set-Cookie; }
		location /careless/ { proxy_pass {{.Backend}}; proxy_ignore_headers Set-Cookie Vary; }
	}
}
`))

// startNginx runs nginx before a handler until the test ends, and returns what connects
// to it.
func startNginx(t *testing.T, h http.Handler) *http.Transport {
	t.Helper()
	path := nginxPath(t)
	backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { backwards(w, r, h) }))
	t.Cleanup(backend.Close)
	dir, err := os.MkdirTemp("", "nginx") // t.TempDir's can be too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	var config bytes.Buffer
	if err := nginxConfig.Execute(&config, map[string]string{"Dir": dir, "Backend": backend.URL}); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, config.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	var said bytes.Buffer
	c := exec.CommandContext(context.Background(), path, "-p", dir, "-c", file, "-e", "stderr")
	c.Stderr = &said
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- c.Wait() }()
	transport := &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", dir+"/socket")
	}}
	t.Cleanup(func() {
		transport.CloseIdleConnections()
		_ = c.Process.Kill()
		<-ended
		if t.Failed() {
			t.Logf("nginx said: %s", said.Bytes())
		}
	})
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		conn, err := transport.DialContext(t.Context(), "", "")
		if err == nil {
			conn.Close()
			return transport
		}
		select {
		case err := <-ended:
			ended <- err
			t.Fatalf("nginx ended: %v: %s", err, said.Bytes())
		default:
		}
		if time.Now().After(deadline) {
			t.Fatalf("nginx doesn't listen: %v", err)
		}
	}
}

// backwards sends the headers of a response from Z to A, with X-Accel-Expires before
// Cache-Control: of the two nginx 1.22 obeys the first. net/http sends them from A to Z.
func backwards(w http.ResponseWriter, r *http.Request, h http.Handler) {
	rec := httptest.NewRecorder()
	h.ServeHTTP(rec, r)
	conn, buf, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	fmt.Fprintf(buf, "HTTP/1.1 %d %s\r\n", rec.Code, http.StatusText(rec.Code))
	for _, name := range slices.Backward(slices.Sorted(maps.Keys(rec.Header()))) {
		for _, value := range rec.Header()[name] {
			fmt.Fprintf(buf, "%s: %s\r\n", name, value)
		}
	}
	fmt.Fprintf(buf, "Content-Length: %d\r\nConnection: close\r\n\r\n%s", rec.Body.Len(), rec.Body)
	buf.Flush()
}

// nginxPath is where nginx is. Debian's is not in every user's PATH.
func nginxPath(t *testing.T) string {
	t.Helper()
	path, err := exec.LookPath("nginx")
	if errors.Is(err, exec.ErrNotFound) {
		path, err = exec.LookPath("/usr/sbin/nginx")
	}
	switch {
	case err == nil:
	case os.Getenv("CLOAKROOM_REQUIRE_NGINX") == "1":
		t.Fatalf("no nginx, which CLOAKROOM_REQUIRE_NGINX=1 demands: %v: make test-security installs Debian's", err)
	default:
		t.Skipf("no nginx: %v: make test-security installs Debian's", err)
	}
	return path
}

// told are what pages say to caches, each of which has nginx keep them, or others that
// stand between.
var told = []struct{ name, value string }{
	{"Cache-Control", "public, max-age=3600, s-maxage=3600"},
	{"Cache-Control", "max-age=3600"},
	{"X-Accel-Expires", "3600"},
	{"X-Accel-Expires", "@4102444800"},
	{"Expires", "Fri, 31 Dec 2100 23:59:59 GMT"},
	{"CDN-Cache-Control", "max-age=3600"},
	{"Surrogate-Control", "max-age=3600"},
	{"X-Nothing", "nothing"},
}

// visitor is a client of nginx that keeps its token.
type visitor struct {
	t         *testing.T
	transport *http.Transport
	token     string // Cookie or Authorization
}

// get returns what it is told of tokens, and the rest of a response.
func (v *visitor) get(path string) (handed string, resp *http.Response, body string) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, "http://nginx.test"+path, nil)
	if err != nil {
		v.t.Fatal(err)
	}
	if name, value, ok := strings.Cut(v.token, ": "); ok {
		req.Header.Set(name, value)
	}
	resp, err = v.transport.RoundTrip(req)
	if err != nil {
		v.t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.t.Fatal(err)
	}
	if c := resp.Cookies(); len(c) > 0 {
		handed = "Cookie: " + c[0].Name + "=" + c[0].Value
	} else if token := resp.Header.Get("Session-Token"); token != "" {
		handed = "Authorization: Bearer " + token
	}
	if handed != "" {
		v.token = handed
	}
	return handed, resp, string(text)
}

// TestSecurityNginx: whatever pages say to caches, and however carelessly nginx is set
// up, no client gets another's token, or an error that was another's.
func TestSecurityNginx(t *testing.T) {
	for name, transport := range map[string]cloakroom.Transport{
		"cookie": cloakroom.Cookie{Insecure: true}, "bearer": cloakroom.Bearer{},
	} {
		t.Run(name, func(t *testing.T) {
			hall := openHall(t, cloakroom.Config{Transport: transport})
			say := func(w http.ResponseWriter, r *http.Request) {
				var i int
				fmt.Sscan(r.URL.Query().Get("told"), &i)
				w.Header().Set(told[i].name, told[i].value)
			}
			mux := http.NewServeMux()
			page := func(path string, f func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error) {
				mux.Handle("/{location}"+path, hall.m.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
					say(w, r)
					if err := f(w, r, s); err != nil {
						return err
					}
					_, err := io.WriteString(w, "page")
					return err
				}))
			}
			page("/begin", func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error { pages.Set(s, 1); return nil })
			page("/login", func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
				return s.Login(r.Context(), "ann", nil)
			})
			page("/logout", func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
				return s.Destroy(r.Context())
			})
			mux.HandleFunc("/{location}/static", func(w http.ResponseWriter, r *http.Request) {
				say(w, r)
				io.WriteString(w, "static")
			})
			mux.HandleFunc("/{location}/leak", func(w http.ResponseWriter, r *http.Request) { // what a token would be without cloakroom
				say(w, r)
				token := fmt.Sprint("token-", time.Now().UnixNano())
				w.Header().Set("Session-Token", token)
				if strings.HasPrefix(r.URL.Path, "/cookies") {
					http.SetCookie(w, &http.Cookie{Name: "session", Value: token})
				}
			})
			via := startNginx(t, hall.m.Handler(mux))
			two := func() (a, b *visitor) { return &visitor{t: t, transport: via}, &visitor{t: t, transport: via} }
			for _, location := range []string{"/default", "/cookies", "/careless"} {
				for i, said := range told {
					at := func(path string) string { return fmt.Sprintf("%s%s?told=%d", location, path, i) }
					what := fmt.Sprintf("%s, the page says %s: %s", location, said.name, said.value)

					// The test would notice: such pages are kept, tokens and all.
					a, b := two()
					a.get(at("/static"))
					if _, resp, _ := b.get(at("/static")); resp.Header.Get("X-Cache") != "HIT" {
						t.Errorf("%s: nginx keeps no page without a token: X-Cache is %q", what, resp.Header.Get("X-Cache"))
					}
					leaked, _, _ := a.get(at("/leak"))
					if got, _, _ := b.get(at("/leak")); got != leaked || leaked == "" {
						t.Errorf("%s: nginx doesn't keep a token that nothing protects: %q, %q", what, leaked, got)
					}

					a, b = two()
					for _, path := range []string{"/begin", "/login", "/logout"} {
						mine, resp, _ := a.get(at(path))
						if (mine == "" || resp.StatusCode != 200) && path != "/logout" {
							t.Errorf("%s: %s handed out %q, with status %d", what, path, mine, resp.StatusCode)
						}
						theirs, resp, _ := b.get(at(path))
						if theirs == mine && mine != "" && path != "/logout" || resp.Header.Get("X-Cache") == "HIT" {
							t.Errorf("%s: %s handed a client another's token %q; X-Cache is %q", what, path, theirs, resp.Header.Get("X-Cache"))
						}
					}

					a, b = two()
					hall.store.refuse.Store(true)
					_, resp, _ := a.get(at("/begin") + "&fails")
					hall.store.refuse.Store(false)
					if resp.StatusCode != 503 {
						t.Errorf("%s: the failing page has status %d", what, resp.StatusCode)
					}
					if _, resp, _ := b.get(at("/begin") + "&fails"); resp.StatusCode != 200 {
						t.Errorf("%s: a client got another's error %d; X-Cache is %q", what, resp.StatusCode, resp.Header.Get("X-Cache"))
					}
				}
			}
		})
	}
}

// TestSecurityNginxNoStore: a page of somebody who is signed in, which says nothing to
// caches, is kept by an nginx that is careless enough, but for Config.NoStore.
func TestSecurityNginxNoStore(t *testing.T) {
	for _, on := range []bool{false, true} {
		hall := openHall(t, cloakroom.Config{NoStore: on, Transport: cloakroom.Bearer{}})
		via := startNginx(t, hall.m.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			if strings.HasSuffix(r.URL.Path, "/login") {
				return s.Login(r.Context(), r.URL.RawQuery, nil)
			}
			_, err := io.WriteString(w, "hello "+s.Principal())
			return err
		}))
		for _, location := range []string{"/default", "/cookies", "/careless"} {
			ann, bob := &visitor{t: t, transport: via}, &visitor{t: t, transport: via}
			ann.get(location + "/login?ann")
			bob.get(location + "/login?bob")
			if _, _, body := ann.get(location + "/"); body != "hello ann" {
				t.Errorf("NoStore %t, %s: ann got %q", on, location, body)
			}
			want := "hello bob"
			if !on && location == "/careless" {
				want = "hello ann"
			}
			if _, resp, body := bob.get(location + "/"); body != want {
				t.Errorf("NoStore %t, %s: bob got %q, want %q; X-Cache is %q", on, location, body, want, resp.Header.Get("X-Cache"))
			}
		}
	}
}
