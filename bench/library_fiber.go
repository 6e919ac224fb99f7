package main

import (
	"context"
	"errors"
	"net"
	"strconv"

	"github.com/gofiber/fiber/v3"
	"github.com/gofiber/fiber/v3/middleware/session"
	"github.com/valyala/fasthttp"
)

// This file is the application on fiber.

// newFiberSite makes the application on fiber, with its session middleware. fiber has no
// http.Handler, so the application is written out here again.
func newFiberSite() *site {
	app := fiber.New()
	app.Use(session.New())
	for page, f := range map[string]func(*session.Middleware) (int, error){
		pageBegin:     fiberBegin,
		pageUntouched: func(*session.Middleware) (int, error) { return 0, nil },
		pageRead:      fiberRead,
		pageAll:       fiberAll,
		pageVisit:     func(s *session.Middleware) (int, error) { return fiberCount(s, fiberRead) },
		pageBrowse:    func(s *session.Middleware) (int, error) { return fiberCount(s, fiberAll) },
	} {
		app.Get(page, func(c fiber.Ctx) error {
			n, err := f(session.FromContext(c))
			if err != nil {
				return err
			}
			return c.SendString(strconv.Itoa(n))
		})
	}
	return &site{
		name:     "fiber",
		settings: "its default storage, in memory; fasthttp in place of net/http; saves with every request",
		inside: func() (browser, error) {
			return &insideFiber{handler: app.Handler(), c: &fasthttp.RequestCtx{}}, nil
		},
		serve: func(ln net.Listener) func() error {
			ended := make(chan error, 1)
			go func() { ended <- app.Listener(ln, fiber.ListenConfig{DisableStartupMessage: true}) }()
			return func() error {
				return errors.Join(app.Shutdown(), <-ended)
			}
		},
	}
}

func fiberBegin(s *session.Middleware) (int, error) {
	s.Set("visits", 0)
	s.Set("cart", cart)
	s.Set("lang", lang)
	s.Set("theme", theme)
	s.Set("csrf", csrf)
	return 0, nil
}

func fiberRead(s *session.Middleware) (int, error) {
	if s.Get("lang") != lang {
		return 0, errLost
	}
	n, _ := s.Get("visits").(int)
	return n, nil
}

func fiberAll(s *session.Middleware) (int, error) {
	n, _ := s.Get("visits").(int)
	c, _ := s.Get("cart").(string)
	l, _ := s.Get("lang").(string)
	t, _ := s.Get("theme").(string)
	f, _ := s.Get("csrf").(string)
	return n, exact(c, l, t, f)
}

func fiberCount(s *session.Middleware, read func(*session.Middleware) (int, error)) (int, error) {
	n, err := read(s)
	if err != nil {
		return 0, err
	}
	s.Set("visits", n+1)
	return n + 1, nil
}

// insideFiber asks a fiber application without a network.
type insideFiber struct {
	handler fasthttp.RequestHandler
	c       *fasthttp.RequestCtx
}

func (in *insideFiber) ask(_ context.Context, page, cookie string) (int, string, []byte, error) {
	in.c.Request.Reset()
	in.c.Response.Reset()
	in.c.Request.SetRequestURI(page)
	in.c.Request.Header.SetUserAgent(userAgent)
	if cookie != "" {
		in.c.Request.Header.Set("Cookie", cookie)
	}
	in.handler(in.c)
	var set []string
	for _, v := range in.c.Response.Header.Cookies() {
		set = append(set, string(v))
	}
	return in.c.Response.StatusCode(), firstPair(set), in.c.Response.Body(), nil
}
