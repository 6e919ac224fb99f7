package main

import (
	"errors"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/gofiber/fiber/v3"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/examples/frameworks/internal/test/story"
	"github.com/cloakroom-go/cloakroom/memstore"
)

func TestShop(t *testing.T) {
	story.Run(t, story.App{Serve: func(t *testing.T, sessions *cloakroom.Manager) string {
		return serve(t, app(sessions))
	}})
}

func serve(t *testing.T, a *fiber.App) (url string) {
	t.Helper()
	l, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- a.Listener(l, fiber.ListenConfig{DisableStartupMessage: true}) }()
	t.Cleanup(func() {
		if err := errors.Join(a.ShutdownWithTimeout(5*time.Second), <-ended); err != nil {
			t.Error(err)
		}
	})
	return "http://" + l.Addr().String()
}

// The middleware answers as Manager.Handler does: with the page's own header, with no page
// of a session that can't be saved, and with nothing saved after a panic.
func TestMiddleware(t *testing.T) {
	store := memstore.New(nil)
	t.Cleanup(func() { store.Close() })
	sessions, failing := story.Open(t, store)
	seen := cloakroom.NewKey[int]("seen")
	a := app(sessions)
	page := func(f func(fiber.Ctx) error) fiber.Handler {
		return func(c fiber.Ctx) error {
			s, err := sessions.Session(c.Context())
			if err != nil {
				return err
			}
			seen.Update(s, func(n int) int { return n + 1 })
			c.Set("ETag", `"page"`)
			c.Cookie(&fiber.Cookie{Name: "other", Value: "1"})
			return f(c)
		}
	}
	a.Get("/page", page(func(c fiber.Ctx) error { return c.Type("html").SendString("page") }))
	a.Get("/panic", page(func(fiber.Ctx) error { panic("page") }))
	url, client := serve(t, a), story.Client(t, "a browser")
	get := func(path string, status int, header map[string]string, cookies ...string) {
		t.Helper()
		resp, err := client.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		if resp.StatusCode != status {
			t.Errorf("%s: got the status %d, want %d", path, resp.StatusCode, status)
		}
		for name, want := range header {
			if got := resp.Header.Get(name); got != want || len(resp.Header[http.CanonicalHeaderKey(name)]) > 1 {
				t.Errorf("%s: the header %s is %q, want %q", path, name, resp.Header[http.CanonicalHeaderKey(name)], want)
			}
		}
		var got []string
		for _, c := range resp.Cookies() {
			got = append(got, c.Name)
		}
		if len(got) != len(cookies) || len(got) > 0 && got[0] != cookies[0] || len(got) > 1 && got[1] != cookies[1] {
			t.Errorf("%s: sets the cookies %v, want %v", path, got, cookies)
		}
	}
	failing.Fail(true)
	get("/page", 503, map[string]string{"ETag": "", "Retry-After": "2", "Content-Type": "text/plain; charset=utf-8"})
	failing.Fail(false)
	get("/panic", 500, nil, "other") // which fiber keeps
	get("/page", 200, map[string]string{"ETag": `"page"`, "Content-Type": "text/html; charset=utf-8", "Content-Length": "4"}, "other", "session")
	get("/nothing", 404, nil)
}
