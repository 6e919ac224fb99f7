package e2e

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-chi/chi/v5"
	"github.com/go-chi/chi/v5/middleware"
	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/adaptor"
	"github.com/labstack/echo/v4"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// Web frameworks run around Manager.Handler and inside of it. Their writers have
// optional interfaces of their own, and rely on those of what they wrap.

var pages = cloakroom.NewKey[int]("visits")

// hall is a manager on a store that can be made to refuse new sessions.
type hall struct {
	m     *cloakroom.Manager
	store *refusing
}

type refusing struct {
	cloakroom.Store
	refuse  atomic.Bool
	created atomic.Int64
}

func (s *refusing) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if s.refuse.Load() {
		return driver.Version{}, fmt.Errorf("a test refuses: %w", cloakroom.ErrOverloaded)
	}
	s.created.Add(1)
	return s.Store.Create(ctx, r)
}

func openHall(t *testing.T, config cloakroom.Config) *hall {
	t.Helper()
	mem := memstore.New(nil)
	t.Cleanup(func() { mem.Close() })
	keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	if config.Transport == nil {
		config.Transport = cloakroom.Cookie{Insecure: true}
	}
	config.Logger = slog.New(slog.DiscardHandler)
	store := &refusing{Store: mem}
	m, err := cloakroom.New(store, keyring, &config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return &hall{m: m, store: store}
}

// count counts a visit, and returns whether it did, and whether that is saved.
func (h *hall) count(r *http.Request) (s *cloakroom.Session, saved func() bool, err error) {
	if s, err = h.m.Session(r.Context()); err != nil {
		return nil, nil, err
	}
	before := h.store.created.Load()
	isNew := s.IsNew()
	pages.Update(s, func(n int) int { return n + 1 })
	return s, func() bool { return !isNew || h.store.created.Load() > before }, nil
}

// server serves a handler over one protocol or framework, until the test ends.
type server func(t *testing.T, h http.Handler) (url string, client *http.Client)

func serveHTTP(http2 bool) server {
	return func(t *testing.T, h http.Handler) (string, *http.Client) {
		srv := httptest.NewUnstartedServer(h)
		srv.Config.ErrorLog = log.New(io.Discard, "", 0)
		if srv.EnableHTTP2 = http2; http2 {
			srv.StartTLS()
		} else {
			srv.Start()
		}
		t.Cleanup(srv.Close)
		return srv.URL, srv.Client()
	}
}

func serveFiber(t *testing.T, h http.Handler) (string, *http.Client) {
	app := fiber.New()
	app.All("/*", adaptor.HTTPHandler(h))
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- app.Listener(l, fiber.ListenConfig{DisableStartupMessage: true}) }()
	client := &http.Client{Transport: &http.Transport{}}
	t.Cleanup(func() {
		client.CloseIdleConnections()
		if err := errors.Join(app.ShutdownWithTimeout(5*time.Second), <-ended); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String(), client
}

// around puts a framework around a handler.
var around = map[string]func(h http.Handler) http.Handler{
	"nothing": func(h http.Handler) http.Handler { return h },
	"gin":     func(h http.Handler) http.Handler { return ginOf(gin.WrapH(h)) },
	"echo": func(h http.Handler) http.Handler {
		e := echo.New()
		e.Any("/*", echo.WrapHandler(h))
		return e
	},
	"chi": func(h http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Handle("/*", h)
		return r
	},
	"chi, whose middleware wraps": func(h http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Use(func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(middleware.NewWrapResponseWriter(w, r.ProtoMajor), r)
			})
		})
		r.Handle("/*", h)
		return r
	},
	"chi, compressing": func(h http.Handler) http.Handler {
		r := chi.NewRouter()
		r.Use(middleware.Compress(5))
		r.Handle("/*", h)
		return r
	},
}

func ginOf(f gin.HandlerFunc) http.Handler {
	gin.SetMode(gin.ReleaseMode)
	e := gin.New()
	e.Any("/*path", f)
	return e
}

// outermost are the ways in which a handler can be reached.
func outermost() map[string]server {
	all := map[string]server{"fiber": serveFiber}
	for name, wrap := range around {
		for protocol, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
			all[name+", "+protocol] = func(t *testing.T, h http.Handler) (string, *http.Client) {
				return serveHTTP(http2)(t, wrap(h))
			}
		}
	}
	return all
}

// optionals are the optional interfaces that a ResponseWriter has.
func optionals(w http.ResponseWriter) string {
	var has []string
	add := func(name string, ok bool) {
		if ok {
			has = append(has, name)
		}
	}
	_, ok := w.(http.Flusher)
	add("Flusher", ok)
	_, ok = w.(http.Hijacker)
	add("Hijacker", ok)
	_, ok = w.(http.Pusher)
	add("Pusher", ok)
	_, ok = w.(io.ReaderFrom)
	add("ReaderFrom", ok)
	_, ok = w.(io.StringWriter)
	add("StringWriter", ok)
	_, ok = w.(http.CloseNotifier) //nolint:staticcheck // deprecated, and gin relies on it
	add("CloseNotifier", ok)
	return strings.Join(has, " ")
}

// Inside of Handler, handlers see the optional interfaces of the framework's writer, and
// no others.
func TestOptionalInterfacesOfFrameworks(t *testing.T) {
	for name, serve := range outermost() {
		t.Run(name, func(t *testing.T) {
			hall := openHall(t, cloakroom.Config{})
			var inside, outside string
			h := hall.m.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if _, _, err := hall.count(r); err != nil {
					t.Error(err)
				}
				inside = optionals(w)
				io.WriteString(w, "page")
			}))
			url, client := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				outside = optionals(w)
				h.ServeHTTP(w, r)
			}))
			resp, err := client.Get(url + "/")
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(body) != "page" || err != nil || len(resp.Cookies()) != 1 {
				t.Errorf("got %q, %v with the cookies %v", body, err, resp.Cookies())
			}
			if inside != outside {
				t.Errorf("inside: %s; outside: %s", inside, outside)
			}
		})
	}
}

// streamers stream two lines, each of which waits for the test: by themselves, or by a
// framework that runs inside of Handler.
var streamers = map[string]func(hall *hall, line func(n int) string) http.Handler{
	"Flusher": func(hall *hall, line func(int) string) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if _, _, err := hall.count(r); err != nil {
				hall.m.Fail(w, r, err)
				return
			}
			for n := range 2 {
				io.WriteString(w, line(n))
				w.(http.Flusher).Flush()
			}
		})
	},
	"gin's c.Stream": func(hall *hall, line func(int) string) http.Handler {
		return ginOf(func(c *gin.Context) {
			if _, _, err := hall.count(c.Request); err != nil {
				hall.m.Fail(c.Writer, c.Request, err)
				return
			}
			n := 0
			c.Stream(func(w io.Writer) bool {
				io.WriteString(w, line(n))
				n++
				return n < 2
			})
		})
	},
	"echo": func(hall *hall, line func(int) string) http.Handler {
		e := echo.New()
		e.GET("/*", func(c echo.Context) error {
			if _, _, err := hall.count(c.Request()); err != nil {
				return err
			}
			c.Response().WriteHeader(http.StatusOK)
			for n := range 2 {
				io.WriteString(c.Response(), line(n))
				c.Response().Flush()
			}
			return nil
		})
		return e
	},
	"chi": func(hall *hall, line func(int) string) http.Handler {
		r := chi.NewRouter()
		r.Use(middleware.Recoverer, func(next http.Handler) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				next.ServeHTTP(middleware.NewWrapResponseWriter(w, r.ProtoMajor), r)
			})
		})
		r.Get("/*", func(w http.ResponseWriter, r *http.Request) {
			if _, _, err := hall.count(r); err != nil {
				hall.m.Fail(w, r, err)
				return
			}
			for n := range 2 {
				io.WriteString(w, line(n))
				w.(http.Flusher).Flush()
			}
		})
		return r
	},
}

// Frameworks stream inside of Handler, whatever is around it. The session is saved, and
// its token told, before the first line; if it can't be, the error page comes instead.
func TestFrameworksStream(t *testing.T) {
	for outer, serve := range outermost() {
		for name, streamer := range streamers {
			if name == "gin's c.Stream" && !closeNotifies(outer) {
				continue // without CloseNotify it panics, with or without sessions
			}
			t.Run(name+" in "+outer, func(t *testing.T) {
				hall := openHall(t, cloakroom.Config{})
				next := make(chan string, 2)
				url, client := serve(t, hall.m.Handler(streamer(hall, func(int) string { return <-next })))
				client.Jar, _ = cookiejar.New(nil)
				hall.store.refuse.Store(true)
				next <- "secret\n"
				next <- "secret\n"
				resp, err := client.Get(url + "/")
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if resp.StatusCode != 503 || !strings.Contains(string(body), "try again") || strings.Contains(string(body), "secret") || err != nil {
					t.Errorf("the session can't be saved: got %d %q, %v", resp.StatusCode, body, err)
				}
				hall.store.refuse.Store(false)
				for len(next) > 0 {
					<-next
				}
				for range 2 {
					next <- "one\n"
					resp, err := client.Get(url + "/")
					if err != nil {
						t.Fatal(err)
					}
					defer resp.Body.Close()
					in := bufio.NewReader(resp.Body)
					if line, err := in.ReadString('\n'); line != "one\n" { // the second isn't written yet
						t.Errorf("got %d %q, %v", resp.StatusCode, line, err)
					}
					next <- "two\n"
					if rest, err := io.ReadAll(in); string(rest) != "two\n" || err != nil {
						t.Errorf("got %q, %v", rest, err)
					}
				}
				if n := hall.store.created.Load(); n != 1 {
					t.Errorf("two requests of one client made %d sessions", n)
				}
			})
		}
	}
}

// closeNotifies reports whether a framework's writer has CloseNotify.
func closeNotifies(outer string) bool {
	for _, without := range []string{"fiber", "echo", "chi, whose", "chi, compressing"} {
		if strings.HasPrefix(outer, without) {
			return false
		}
	}
	return true
}

// Frameworks take over connections inside of Handler. The session is saved before.
func TestFrameworksHijack(t *testing.T) {
	take := func(t *testing.T, hall *hall, w http.ResponseWriter, r *http.Request) {
		_, saved, err := hall.count(r)
		if err != nil {
			t.Error(err)
			return
		}
		h, ok := w.(http.Hijacker)
		if !ok {
			t.Errorf("%T is no http.Hijacker", w)
			return
		}
		conn, buf, err := h.Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer conn.Close()
		if !saved() {
			t.Error("the connection was taken over, and the session isn't saved")
		}
		io.WriteString(buf, "HTTP/1.1 200 OK\r\nConnection: close\r\n")
		w.Header().Write(buf)
		io.WriteString(buf, "\r\nraw")
		buf.Flush()
	}
	takers := map[string]func(t *testing.T, hall *hall) http.Handler{
		"plain": func(t *testing.T, hall *hall) http.Handler {
			return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { take(t, hall, w, r) })
		},
		"gin": func(t *testing.T, hall *hall) http.Handler {
			return ginOf(func(c *gin.Context) { take(t, hall, c.Writer, c.Request) })
		},
		"echo": func(t *testing.T, hall *hall) http.Handler {
			e := echo.New()
			e.GET("/*", func(c echo.Context) error { take(t, hall, c.Response(), c.Request()); return nil })
			return e
		},
		"chi": func(t *testing.T, hall *hall) http.Handler {
			return around["chi, whose middleware wraps"](http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { take(t, hall, w, r) }))
		},
	}
	for outer, serve := range outermost() {
		if strings.HasSuffix(outer, "HTTP/2") {
			continue // has nothing to take over
		}
		for name, taker := range takers {
			if outer == "fiber" && name == "chi" {
				continue // chi's wrapper for HTTP/1.1 needs an io.ReaderFrom too
			}
			t.Run(name+" in "+outer, func(t *testing.T) {
				hall := openHall(t, cloakroom.Config{})
				url, client := serve(t, hall.m.Handler(taker(t, hall)))
				resp, err := client.Get(url + "/")
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if string(body) != "raw" || err != nil || len(resp.Cookies()) != 1 {
					t.Errorf("got %q, %v with the cookies %v", body, err, resp.Cookies())
				}
			})
		}
	}
}

// fiber runs inside of Handler by its adaptor, in front of which the session is asked
// for: the context doesn't reach fiber's handlers.
func TestFiberInside(t *testing.T) {
	app := fiber.New()
	app.Get("/", func(c fiber.Ctx) error {
		c.Cookie(&fiber.Cookie{Name: "fiber", Value: "1"})
		return c.SendString("secret")
	})
	app.Get("/stream", func(c fiber.Ctx) error {
		return c.SendStreamWriter(func(w *bufio.Writer) { io.WriteString(w, "secret"); w.Flush() })
	})
	for protocol, http2 := range map[string]bool{"HTTP/1.1": false, "HTTP/2": true} {
		for _, path := range []string{"/", "/stream"} {
			t.Run(protocol+" "+path, func(t *testing.T) {
				hall := openHall(t, cloakroom.Config{})
				inner := adaptor.FiberApp(app)
				url, client := serveHTTP(http2)(t, hall.m.With(func(w http.ResponseWriter, r *http.Request, _ *cloakroom.Session) error {
					if _, _, err := hall.count(r); err != nil {
						return err
					}
					inner(w, r)
					return nil
				}))
				for _, refuse := range []bool{true, false} {
					hall.store.refuse.Store(refuse)
					resp, err := client.Get(url + path)
					if err != nil {
						t.Fatal(err)
					}
					body, err := io.ReadAll(resp.Body)
					resp.Body.Close()
					if err != nil {
						t.Error(err)
					}
					cookies := fmt.Sprint(resp.Cookies())
					if refuse && (resp.StatusCode != 503 || strings.Contains(string(body), "secret") || cookies != "[]") {
						t.Errorf("the session can't be saved: got %d %q with the cookies %s", resp.StatusCode, body, cookies)
					}
					if !refuse && (resp.StatusCode != 200 || string(body) != "secret" || !strings.Contains(cookies, "session=") ||
						path == "/" && !strings.Contains(cookies, "fiber=1")) {
						t.Errorf("got %d %q with the cookies %s", resp.StatusCode, body, cookies)
					}
				}
			})
		}
	}
}
