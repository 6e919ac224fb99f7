package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
)

// This file is visitors, who check every answer.

// browser takes a visitor's requests into a handler, or over the network.
type browser interface {
	// ask requests a page with a cookie. It returns the status, the first Set-Cookie's
	// name and value, and the body, which is valid until the next ask.
	ask(ctx context.Context, page, cookie string) (status int, set string, body []byte, err error)
}

// visitor has a session, and remembers the values that should be in it.
type visitor struct {
	browser
	cookie string
	visits int
}

// crowd is visitors by their caller. The visitors of a caller share its browser and come
// one after the other.
type crowd [][]*visitor

// crowding is the number of visitors that come at once while nothing is measured.
const crowding = 256

// newCrowd begins the sessions of callers, each with as many visitors as each.
func newCrowd(ctx context.Context, callers, each int, open func() (browser, error)) (crowd, error) {
	all := make(crowd, callers)
	err := share(ctx, min(callers, crowding), callers, func(ctx context.Context, c int) error {
		b, err := open()
		if err != nil {
			return err
		}
		for range each {
			v := &visitor{browser: b}
			begin := func() error { _, err := v.get(ctx, pageBegin); return err }
			if err := patiently(ctx, begin, unavailable); err != nil {
				return err
			}
			if v.cookie == "" {
				return fmt.Errorf("%s: no cookie was set", pageBegin)
			}
			all[c] = append(all[c], v)
		}
		return nil
	})
	return all, err
}

// at lets each caller's visitors request a page in turn.
func (c crowd) at(page string) func(ctx context.Context, caller, turn int) error {
	return func(ctx context.Context, caller, turn int) error {
		return c[caller][turn%len(c[caller])].do(ctx, page)
	}
}

// check checks every value of every visitor.
func (c crowd) check(ctx context.Context) error {
	return share(ctx, min(len(c), crowding), len(c), func(ctx context.Context, i int) error {
		for _, v := range c[i] {
			if err := v.look(ctx, pageAll); err != nil {
				return err
			}
		}
		return nil
	})
}

// get requests a page and returns the number in its answer.
func (v *visitor) get(ctx context.Context, page string) (int, error) {
	status, set, body, err := v.ask(ctx, page, v.cookie)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", page, err)
	}
	if status != http.StatusOK {
		return 0, &statusError{page, status, string(body)}
	}
	if set != "" {
		v.cookie = set
	}
	n, err := strconv.Atoi(string(body))
	if err != nil {
		return 0, fmt.Errorf("%s: %w", page, err)
	}
	return n, nil
}

type statusError struct {
	page   string
	status int
	body   string
}

func unavailable(err error) bool {
	e, ok := errors.AsType[*statusError](err)
	return ok && e.status == http.StatusServiceUnavailable
}

// answered reports whether an error is an answer of the site.
func answered(err error) bool {
	_, ok := errors.AsType[*statusError](err)
	return ok
}

func (e *statusError) Error() string {
	return fmt.Sprintf("%s: status %d: %.200s", e.page, e.status, e.body)
}

// look requests a page that changes nothing, and checks its number.
func (v *visitor) look(ctx context.Context, page string) error {
	n, err := v.get(ctx, page)
	if err == nil && n != v.visits && page != pageUntouched {
		err = fmt.Errorf("%s: %d visits were counted, and %d are there", page, v.visits, n)
	}
	return err
}

// count requests a page that counts a visit.
func (v *visitor) count(ctx context.Context, page string) error {
	n, err := v.get(ctx, page)
	if err != nil {
		return err
	}
	if v.visits++; n != v.visits {
		err = fmt.Errorf("%s: visit %d was counted as %d", page, v.visits, n)
	}
	return err
}

// do requests a page and checks its answer.
func (v *visitor) do(ctx context.Context, page string) error {
	if page == pageVisit || page == pageBrowse {
		return v.count(ctx, page)
	}
	return v.look(ctx, page)
}

// inside asks a handler without a network.
type inside struct {
	handler  http.Handler
	requests map[string]*http.Request
	w        sink
}

func newInside(h http.Handler) *inside {
	in := &inside{handler: h, requests: map[string]*http.Request{}, w: sink{header: http.Header{}}}
	for _, page := range pages {
		r := httptest.NewRequestWithContext(context.Background(), http.MethodGet, page, nil)
		r.Header.Set("User-Agent", strings.Clone(userAgent)) // a server has a copy for each request
		in.requests[page] = r
	}
	return in
}

const userAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0.0.0 Safari/537.36"

func (in *inside) ask(ctx context.Context, page, cookie string) (int, string, []byte, error) {
	r := in.requests[page]
	if cookie != "" {
		if have := r.Header["Cookie"]; len(have) == 1 {
			have[0] = cookie
		} else {
			r.Header["Cookie"] = []string{cookie}
		}
	}
	if ctx != r.Context() {
		r = r.WithContext(ctx)
		in.requests[page] = r
	}
	in.w.reset()
	in.handler.ServeHTTP(&in.w, r)
	return in.w.status, firstPair(in.w.header["Set-Cookie"]), in.w.body, nil
}

// firstPair returns the name and value of the first cookie that is set.
func firstPair(set []string) string {
	if len(set) == 0 {
		return ""
	}
	pair, _, _ := strings.Cut(set[0], ";")
	return pair
}

// sink is a ResponseWriter that costs next to nothing.
type sink struct {
	header http.Header
	status int
	body   []byte
}

func (w *sink) reset() {
	clear(w.header)
	w.status, w.body = 0, w.body[:0]
}

func (w *sink) Header() http.Header { return w.header }

func (w *sink) WriteHeader(status int) {
	if w.status == 0 {
		w.status = status
	}
}

func (w *sink) Write(b []byte) (int, error) {
	w.WriteHeader(http.StatusOK)
	w.body = append(w.body, b...)
	return len(b), nil
}
