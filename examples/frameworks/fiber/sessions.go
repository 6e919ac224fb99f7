package main

import (
	"bytes"
	"errors"
	"net/http"
	"net/url"

	"github.com/gofiber/fiber/v3"

	"github.com/cloakroom-go/cloakroom"
)

// This file is Manager.Handler as fiber's middleware, to copy. fiber's adaptor runs
// middleware of net/http, but hides the context that it makes from pages.

// withSessions gives the pages behind it sessions, by Manager.Session of c.Context(). fiber
// keeps an answer until its page has returned, so it is saved before anything is sent. What
// a stream (SendStreamWriter) changes later isn't saved.
func withSessions(sessions *cloakroom.Manager) fiber.Handler {
	return func(c fiber.Ctx) error {
		r, err := request(c)
		if err != nil {
			return fiber.ErrBadRequest
		}
		w := answer{header: http.Header{}}
		var failed error // the answer is w's, not the page's
		sessions.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			outside := c.Context()
			c.SetContext(r.Context())
			err := c.Next()
			c.SetContext(outside)
			// An Error is fiber's, such as 404 for no route, or a page's.
			if _, refusal := errors.AsType[*fiber.Error](err); refusal {
				err = c.App().ErrorHandler(c, err)
			}
			if err != nil {
				sessions.Fail(w, r, err)
			}
			moveHeader(w.Header(), c)
			w.WriteHeader(c.Response().StatusCode()) // saves
			_, failed = w.Write(nil)
		})).ServeHTTP(&w, r)
		if failed != nil {
			c.Response().Reset()
			c.Status(w.status).Response().SetBodyRaw(w.body.Bytes())
		}
		for name, values := range w.header {
			for _, v := range values {
				c.Response().Header.Add(name, v)
			}
		}
		return nil
	}
}

// request returns what sessions have to know of a request. All is copied, since fasthttp
// uses its memory again for the next one.
func request(c fiber.Ctx) (*http.Request, error) {
	u, err := url.ParseRequestURI(string(c.Request().RequestURI()))
	if err != nil {
		return nil, err
	}
	r := (&http.Request{
		Method:     string(c.Request().Header.Method()),
		URL:        u,
		Host:       string(c.Request().Host()),
		Header:     http.Header{},
		Body:       http.NoBody,
		RemoteAddr: c.RequestCtx().RemoteAddr().String(),
	}).WithContext(c.Context())
	for name, value := range c.Request().Header.All() {
		r.Header.Add(string(name), string(value))
	}
	return r, nil
}

// moveHeader has Handler see the page's header, which may forbid or allow caching.
func moveHeader(to http.Header, c fiber.Ctx) {
	h := &c.Response().Header
	for name, value := range h.All() {
		to.Add(string(name), string(value))
	}
	for name := range to {
		h.Del(name)
	}
}

// answer is a response in memory.
type answer struct {
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *answer) Header() http.Header         { return a.header }
func (a *answer) Write(b []byte) (int, error) { return a.body.Write(b) }
func (a *answer) WriteHeader(status int)      { a.status = status }
