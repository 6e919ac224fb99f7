package cloakroom_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests of the save before the first byte, over real connections
// (invariant 7).

// remote is a server under test and a browser that keeps its cookies.
type remote struct {
	*httptest.Server
	r *rig
	c *http.Client
}

// serve serves h until the test ends.
func (r *rig) serve(h http.Handler, http2 bool) *remote {
	r.Helper()
	srv := httptest.NewUnstartedServer(h)
	srv.Config.ErrorLog = log.New(io.Discard, "", 0)
	if http2 {
		srv.EnableHTTP2 = true
		srv.StartTLS()
	} else {
		srv.Start()
	}
	r.Cleanup(srv.Close)
	c := srv.Client()
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	jar, err := cookiejar.New(nil)
	if err != nil {
		r.Fatal(err)
	}
	c.Jar = jar
	return &remote{srv, r, c}
}

func (v *remote) get(path string) (*http.Response, string) {
	v.r.Helper()
	return v.send(http.MethodGet, path, nil)
}

func (v *remote) send(method, path string, body io.Reader) (*http.Response, string) {
	v.r.Helper()
	req, err := http.NewRequestWithContext(v.r.Context(), method, v.URL+path, body)
	if err != nil {
		v.r.Fatal(err)
	}
	resp, err := v.c.Do(req)
	if err != nil {
		v.r.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		v.r.Fatal(err)
	}
	return resp, string(text)
}

// wantVisits checks the visits in the browser's session.
func (v *remote) wantVisits(want int) {
	v.r.Helper()
	if _, got := v.get("/read"); got != fmt.Sprint(want) {
		v.r.Errorf("the next request reads %q, want %d", got, want)
	}
}

// eachProtocol runs a test over HTTP/1.1 and HTTP/2.
func eachProtocol(t *testing.T, f func(t *testing.T, r *rig, http2 bool)) {
	t.Run("HTTP/1.1", func(t *testing.T) { f(t, newRig(t, nil), false) })
	t.Run("HTTP/2", func(t *testing.T) {
		f(t, newRig(t, &cloakroom.Config{Transport: cloakroom.Cookie{}}), true)
	})
}

// routes is an application with /read and one more page.
func (r *rig) routes(path string, f page) http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/read", r.m.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprint(w, visits.Get(s))
		return err
	}))
	mux.Handle(path, r.m.With(f))
	return r.m.Handler(mux)
}

// spy tells when the first byte of a response goes out, and by which method.
type spy struct {
	http.ResponseWriter
	first func(how string)
	once  sync.Once
}

func (s *spy) saw(how string) { s.once.Do(func() { s.first(how) }) }

func (s *spy) WriteHeader(status int) {
	if status >= 200 || status == http.StatusSwitchingProtocols {
		s.saw("WriteHeader")
	}
	s.ResponseWriter.WriteHeader(status)
}

func (s *spy) Write(b []byte) (int, error) {
	s.saw("Write")
	return s.ResponseWriter.Write(b)
}

func (s *spy) WriteString(b string) (int, error) {
	s.saw("WriteString")
	return io.WriteString(s.ResponseWriter, b)
}

func (s *spy) ReadFrom(r io.Reader) (int64, error) {
	s.saw("ReadFrom")
	return io.Copy(s.ResponseWriter, r)
}

func (s *spy) FlushError() error {
	s.saw("Flush")
	return http.NewResponseController(s.ResponseWriter).Flush()
}

func (s *spy) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	s.saw("Hijack")
	return http.NewResponseController(s.ResponseWriter).Hijack()
}

func (s *spy) Unwrap() http.ResponseWriter { return s.ResponseWriter }

func TestI7_SaveBeforeFirstByte(t *testing.T) {
	file := filepath.Join(t.TempDir(), "page.txt")
	if err := os.WriteFile(file, bytes.Repeat([]byte("0123456789"), 1<<12), 0o600); err != nil {
		t.Fatal(err)
	}
	opened := func(t *testing.T) *os.File {
		f, err := os.Open(file)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { f.Close() })
		return f
	}
	ways := []struct {
		name, method string
		status       int
		bytes        int
		first        string
		f            func(t *testing.T, w http.ResponseWriter, r *http.Request)
	}{
		{"WriteHeader", "GET", 202, 0, "WriteHeader", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(202) }},
		{"Write", "GET", 200, 2, "Write", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) { w.Write([]byte("ok")) }},
		{"Write of nothing", "GET", 200, 0, "Write", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) { w.Write(nil) }},
		{"Fprint", "GET", 200, 2, "Write", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }},
		{"WriteString", "GET", 200, 2, "WriteString", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok") }},
		{"Flusher", "GET", 200, 0, "Flush", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) { w.(http.Flusher).Flush() }},
		{"FlushError", "GET", 200, 0, "Flush", func(t *testing.T, w http.ResponseWriter, _ *http.Request) {
			if err := http.NewResponseController(w).Flush(); err != nil {
				t.Errorf("Flush: %v", err)
			}
		}},
		{"ReadFrom", "GET", 200, 2, "ReadFrom", func(t *testing.T, w http.ResponseWriter, _ *http.Request) {
			if n, err := w.(io.ReaderFrom).ReadFrom(strings.NewReader("ok")); n != 2 || err != nil {
				t.Errorf("ReadFrom: %d, %v", n, err)
			}
		}},
		{"Copy", "GET", 200, 40960, "ReadFrom", func(t *testing.T, w http.ResponseWriter, _ *http.Request) { io.Copy(w, opened(t)) }},
		{"ServeContent", "GET", 200, 40960, "WriteHeader", func(t *testing.T, w http.ResponseWriter, r *http.Request) {
			http.ServeContent(w, r, "page.txt", time.Unix(1e9, 0), opened(t))
		}},
		{"ServeFile", "GET", 200, 40960, "WriteHeader", func(_ *testing.T, w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) }},
		{"HEAD", "HEAD", 200, 0, "WriteHeader", func(_ *testing.T, w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) }},
		{"204", "GET", 204, 0, "WriteHeader", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }},
		{"304", "GET", 304, 0, "WriteHeader", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) { w.WriteHeader(304) }},
		{"redirect", "GET", 303, -1, "WriteHeader", func(_ *testing.T, w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/read", 303) }},
		{"Error", "GET", 418, -1, "WriteHeader", func(_ *testing.T, w http.ResponseWriter, _ *http.Request) { http.Error(w, "short and stout", 418) }},
		{"nothing", "GET", 200, 0, "return", func(*testing.T, http.ResponseWriter, *http.Request) {}},
		{"nothing, HEAD", "HEAD", 200, 0, "return", func(*testing.T, http.ResponseWriter, *http.Request) {}},
	}
	eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
		for _, way := range ways {
			t.Run(way.name, func(t *testing.T) {
				inner := r.routes("/", func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
					visits.Set(s, 7)
					way.f(t, w, req)
					return nil
				})
				var ops, first string
				v := r.serve(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
					if req.URL.Path != "/" {
						inner.ServeHTTP(w, req)
						return
					}
					s := &spy{ResponseWriter: w, first: func(how string) { ops, first = r.store.since(), how }}
					inner.ServeHTTP(s, req)
					s.saw("return")
				}), http2)
				r.store.since()
				resp, body := v.send(way.method, "/", nil)
				if resp.StatusCode != way.status {
					t.Errorf("got status %d, want %d", resp.StatusCode, way.status)
				}
				if way.bytes >= 0 && len(body) != way.bytes {
					t.Errorf("got %d bytes, want %d", len(body), way.bytes)
				}
				if ops != "create 1" || first != way.first {
					t.Errorf("when %s sent the first byte, the store had done %q; want %s after create 1", first, ops, way.first)
				}
				if cc := resp.Header.Get("Cache-Control"); cc != "private, no-store" {
					t.Errorf("a response that hands out a token has Cache-Control: %q", cc)
				}
				if vary := resp.Header.Values("Vary"); len(vary) != 1 || vary[0] != "Cookie" {
					t.Errorf("got Vary: %q, want Cookie", vary)
				}
				v.wantVisits(7)
				r.store.since()
			})
		}
	})
}

func TestI7_HijackRaw(t *testing.T) {
	r := newRig(t, nil)
	var ops string
	v := r.serve(r.routes("/", func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		visits.Set(s, 7)
		conn, buf, err := w.(http.Hijacker).Hijack()
		if err != nil {
			return err
		}
		defer conn.Close()
		ops = r.store.since()
		io.WriteString(buf, "HTTP/1.1 200 OK\r\nConnection: close\r\n")
		w.Header().Write(buf)
		io.WriteString(buf, "\r\nraw")
		return buf.Flush()
	}), false)
	if _, body := v.get("/"); body != "raw" {
		t.Errorf("got %q", body)
	}
	if ops != "create 1" {
		t.Errorf("when Hijack returned, the store had done %q, want create 1", ops)
	}
	v.wantVisits(7)
}

func TestI7_WebSocketUpgrade(t *testing.T) {
	r := newRig(t, nil)
	returned := make(chan struct{})
	inner := r.routes("/", func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		visits.Set(s, 7)
		w.Header().Set("Upgrade", "echo")
		w.Header().Set("Connection", "Upgrade")
		w.WriteHeader(http.StatusSwitchingProtocols)
		r.wantOps("create 1")
		conn, buf, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return err
		}
		defer conn.Close()
		line, err := buf.ReadString('\n')
		if err != nil {
			return err
		}
		visits.Set(s, 8) // of an existing session: saved at the end
		io.WriteString(buf, "echo "+line)
		return buf.Flush()
	})
	v := r.serve(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		defer close(returned)
		inner.ServeHTTP(w, req)
	}), false)
	conn, err := net.Dial("tcp", v.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "GET / HTTP/1.1\r\nHost: example.com\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n")
	in := bufio.NewReader(conn)
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	cookies := resp.Cookies()
	if resp.StatusCode != http.StatusSwitchingProtocols || len(cookies) != 1 {
		t.Fatalf("got %s with cookies %v, want 101 with one", resp.Status, cookies)
	}
	fmt.Fprintln(conn, "hello")
	if line, err := in.ReadString('\n'); err != nil || line != "echo hello\n" {
		t.Errorf("got %q, %v", line, err)
	}
	<-returned
	if got := visits.Get(r.openBy(r.m, cookies[0].Value)); got != 8 {
		t.Errorf("the session keeps %d, want 8", got)
	}
}

func TestI7_ResponseController(t *testing.T) {
	eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
		v := r.serve(r.routes("/", func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			visits.Set(s, 7)
			c := http.NewResponseController(w)
			for what, err := range map[string]error{
				"SetReadDeadline":  c.SetReadDeadline(time.Now().Add(time.Hour)),
				"SetWriteDeadline": c.SetWriteDeadline(time.Now().Add(time.Hour)),
				"EnableFullDuplex": c.EnableFullDuplex(),
			} {
				if err != nil {
					t.Errorf("%s: %v", what, err)
				}
			}
			r.wantOps("nothing")
			if err := c.Flush(); err != nil {
				t.Errorf("Flush: %v", err)
			}
			r.wantOps("create 1")
			if conn, _, err := c.Hijack(); (err == nil) == http2 {
				t.Errorf("Hijack: %v", err)
			} else if err == nil {
				conn.Close()
				panic(http.ErrAbortHandler)
			}
			return nil
		}), http2)
		resp, err := v.c.Get(v.URL)
		if err == nil {
			// To its end: to leave while Flush is under way would make it fail.
			_, err = io.Copy(io.Discard, resp.Body)
			resp.Body.Close()
		}
		if err != nil && http2 {
			t.Error(err)
		}
	})
}

func TestI7_EarlyHintsPassUnsaved(t *testing.T) {
	eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
		v := r.serve(r.routes("/", func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			w.Header().Set("Link", "</style.css>; rel=preload")
			w.WriteHeader(http.StatusEarlyHints)
			r.wantOps("nothing")
			visits.Set(s, 7) // not too late
			w.WriteHeader(http.StatusEarlyHints)
			r.wantOps("nothing")
			w.WriteHeader(http.StatusOK)
			r.wantOps("create 1")
			return nil
		}), http2)
		var hints []int
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{
			Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
				if h.Get("Set-Cookie") != "" {
					t.Error("an informational response carries a cookie")
				}
				hints = append(hints, code)
				return nil
			},
		})
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, v.URL, nil)
		resp, err := v.c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 200 || len(hints) != 2 || hints[0] != 103 {
			t.Errorf("got status %d after %v, want 200 after 103 and 103", resp.StatusCode, hints)
		}
		v.wantVisits(7)
	})
}

func TestI7_Continue(t *testing.T) {
	eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
		v := r.serve(r.routes("/", func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			body, err := io.ReadAll(req.Body) // has the server send 100
			if err != nil {
				return err
			}
			r.wantOps("nothing")
			visits.Set(s, len(body))
			_, err = w.Write(body)
			return err
		}), http2)
		v.c.Transport.(*http.Transport).ExpectContinueTimeout = time.Minute
		var continued bool
		ctx := httptrace.WithClientTrace(t.Context(), &httptrace.ClientTrace{Got100Continue: func() { continued = true }})
		req, _ := http.NewRequestWithContext(ctx, http.MethodPost, v.URL, strings.NewReader("seven!!"))
		req.Header.Set("Expect", "100-continue")
		resp, err := v.c.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(resp.Body)
		resp.Body.Close()
		if !continued || string(body) != "seven!!" {
			t.Errorf("got %q, 100: %v", body, continued)
		}
		v.wantVisits(7)
	})
}

// abort is the panic of a handler.
type abort struct{ value any }

func TestI7_PanicSavesNothing(t *testing.T) {
	mine := &abort{"mine"}
	for _, value := range []any{http.ErrAbortHandler, mine} {
		for _, late := range []bool{false, true} {
			t.Run(fmt.Sprintf("%T, after the first byte %v", value, late), func(t *testing.T) {
				eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
					s := r.stored(1)
					inner := r.routes("/", func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
						visits.Set(s, 2)
						if late {
							w.(http.Flusher).Flush()
							visits.Set(s, 3)
						}
						panic(value)
					})
					passed := make(chan any, 1)
					v := r.serve(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
						defer func() {
							p := recover()
							passed <- p
							panic(http.ErrAbortHandler)
						}()
						inner.ServeHTTP(w, req)
					}), http2)
					req, _ := http.NewRequest(http.MethodGet, v.URL, nil)
					r.m.Attach(req, s)
					resp, err := v.c.Do(req)
					if late {
						if err != nil {
							t.Fatal(err)
						}
						_, err = io.ReadAll(resp.Body)
						resp.Body.Close()
					}
					if err == nil {
						t.Error("the client got a whole response")
					}
					if got := <-passed; got != value {
						t.Errorf("the panic came out as %v, want %v itself", got, value)
					}
					want := 1
					if late {
						want = 2
					}
					v.Close()
					r.wantVisits(s.ID(), want)
				})
			})
		}
	}
}

func TestI7_ChangesAfterHeaders(t *testing.T) {
	t.Run("of an existing session are saved at the end", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		r.as(s).want(200, func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			io.WriteString(w, "begun")
			r.wantOps("get 1")
			visits.Update(s, plusOne)
			return nil
		})
		r.wantOps("update 1")
		r.wantVisits(s.ID(), 2)
	})
	t.Run("that can't be saved are logged", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		r.store.answer(isOp("update"), errFull)
		r.as(s).want(200, func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			io.WriteString(w, "begun")
			visits.Update(s, plusOne)
			return nil
		})
		if got := r.log.take(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, "was not saved") {
			t.Errorf("logged: %q", got)
		}
	})
	t.Run("that begin a session are ErrTooLate", func(t *testing.T) {
		r := newRig(t, nil)
		g := r.guest()
		w := g.want(200, func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			io.WriteString(w, "begun")
			visits.Set(s, 1)
			r.wantErr("Save", s.Save(req.Context()), cloakroom.ErrTooLate)
			r.wantErr("Login", s.Login(req.Context(), "ann", nil), cloakroom.ErrTooLate)
			return nil
		})
		if w.Body.String() != "begun" || len(w.Result().Cookies()) != 0 {
			t.Errorf("got %q with cookies %v", w.Body, w.Result().Cookies())
		}
		r.wantOps("nothing")
		if got := r.log.take(); !strings.Contains(got, "level=ERROR") || !strings.Contains(got, cloakroom.ErrTooLate.Error()) {
			t.Errorf("logged: %q", got)
		}
	})
	t.Run("a sign-in or renewal of an existing session is ErrTooLate", func(t *testing.T) {
		r := newRig(t, nil)
		s := r.stored(1)
		r.as(s).want(200, func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			io.WriteString(w, "begun")
			r.wantErr("Login", s.Login(req.Context(), "ann", nil), cloakroom.ErrTooLate)
			r.wantErr("Renew", s.Renew(req.Context()), cloakroom.ErrTooLate)
			return nil
		})
		r.wantOps("get 1")
	})
}

func TestI7_ServerSentEvents(t *testing.T) {
	eachProtocol(t, func(t *testing.T, r *rig, http2 bool) {
		more := make(chan struct{})
		v := r.serve(r.routes("/", func(w http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
			w.Header().Set("Content-Type", "text/event-stream")
			visits.Set(s, 7)
			for _, event := range []string{"one", "two"} {
				fmt.Fprintf(w, "data: %s\n\n", event)
				if err := http.NewResponseController(w).Flush(); err != nil {
					return err
				}
				select {
				case <-more:
				case <-req.Context().Done():
					return nil
				}
			}
			visits.Set(s, 8)
			return nil
		}), http2)
		resp, err := v.c.Get(v.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		in := bufio.NewReader(resp.Body)
		event := func(want string) {
			t.Helper()
			if line, err := in.ReadString('\n'); err != nil || line != "data: "+want+"\n" {
				t.Fatalf("got %q, %v; want the event %s", line, err, want)
			}
			in.ReadString('\n')
		}
		event("one") // and the handler hasn't returned
		v.wantVisits(7)
		more <- struct{}{}
		event("two")
		more <- struct{}{}
		if _, err := in.ReadByte(); err != io.EOF {
			t.Fatalf("after the events: %v", err)
		}
		v.Close()
		req, _ := http.NewRequest(http.MethodGet, v.URL, nil)
		for _, c := range resp.Cookies() {
			req.AddCookie(c)
		}
		w := httptest.NewRecorder()
		r.routes("/", look).ServeHTTP(w, withPath(req, "/read"))
		if w.Body.String() != "8" {
			t.Errorf("what was set after the headers reads as %q, want 8", w.Body)
		}
	})
}

func withPath(r *http.Request, path string) *http.Request {
	r = r.Clone(context.Background())
	r.URL.Path = path
	return r
}

func TestI7_MultipartFormIsGivenBack(t *testing.T) {
	for _, panics := range []bool{false, true} {
		t.Run(fmt.Sprintf("panic %v", panics), func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("TMPDIR", dir)
			r := newRig(t, nil)
			inner := r.routes("POST /upload/{what}", func(_ http.ResponseWriter, req *http.Request, s *cloakroom.Session) error {
				if err := req.ParseMultipartForm(16); err != nil {
					return err
				}
				files, err := os.ReadDir(dir)
				if err != nil || len(files) == 0 {
					t.Errorf("the form keeps no file on disk: %v, %v", files, err)
				}
				visits.Set(s, len(req.MultipartForm.File))
				if panics {
					panic(http.ErrAbortHandler)
				}
				return nil
			})
			v := r.serve(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
				defer func() {
					if req.MultipartForm == nil || req.Pattern != "POST /upload/{what}" {
						t.Errorf("who wraps the handler sees the form %v and the pattern %q", req.MultipartForm, req.Pattern)
					} else if panics {
						req.MultipartForm.RemoveAll() // net/http doesn't, after a panic
					}
				}()
				inner.ServeHTTP(w, req)
			}), false)
			var body bytes.Buffer
			form := multipart.NewWriter(&body)
			part, _ := form.CreateFormFile("file", "large")
			part.Write(bytes.Repeat([]byte("x"), 16<<20))
			form.Close()
			resp, err := v.c.Post(v.URL+"/upload/hat", form.FormDataContentType(), &body)
			if (err != nil) != panics {
				t.Errorf("the request: %v", err)
			}
			if err == nil {
				resp.Body.Close()
			}
			v.Close() // waits until net/http has finished the request
			if files, err := os.ReadDir(dir); err != nil || len(files) != 0 {
				t.Errorf("files are left behind: %v, %v", files, err)
			}
		})
	}
}
