package console

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the routes, and what a request brings to its handler.

// visit is a request of an operator.
type visit struct {
	*http.Request
	w   http.ResponseWriter
	op  Operator
	now time.Time
}

// isFragment reports whether a script asks for the part of the page that goes on.
func (v *visit) isFragment() bool { return v.Header.Get("HX-Request") == "true" }

// complaint is the answer to a request that makes no sense, or isn't allowed.
type complaint struct {
	status      int
	title, text string
}

func (c *complaint) Error() string { return c.title + ": " + c.text }

// The methods below are for the page that shows it.

func (c *complaint) Status() int   { return c.status }
func (c *complaint) Title() string { return c.title }
func (c *complaint) Text() string  { return c.text }

// bad returns the complaint of a parameter that can't be understood.
func bad(text string) error {
	return &complaint{http.StatusBadRequest, "That can't be asked", text}
}

// missing returns the complaint of what isn't there.
func missing(text string) error {
	return &complaint{http.StatusNotFound, "There is no such thing", text}
}

// routes returns the handler of all paths.
func (c *Console) routes() http.Handler {
	mux := http.NewServeMux()
	page := func(pattern string, h func(*visit) error) {
		method, path, _ := strings.Cut(pattern, " ")
		mux.Handle(method+" "+c.path+path, c.with(h))
	}
	page("GET {$}", c.overview)
	page("GET sessions", c.sessions)
	page("GET session/{id}", c.session)
	page("POST session/{id}/end", c.endOne)
	page("POST session/{id}/values", c.reveal)
	page("GET principals", c.principals)
	page("POST principals/sign-out", c.signOut)
	page("GET ending", c.ending)
	page("POST ending", c.beginEnding)
	page("GET jobs", c.jobList)
	page("GET jobs/{id}", c.job)
	page("POST jobs/{id}/cancel", c.cancelJob)
	page("GET health", c.health)
	mux.Handle("GET "+c.path+"assets/{file}", c.assets)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		c.with(func(*visit) error { return c.nowhere(r) }).ServeHTTP(w, r)
	})
	return c.guard(mux)
}

// nowhere is the answer to a path that isn't there, or a method that it doesn't have.
func (c *Console) nowhere(r *http.Request) error {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		return &complaint{http.StatusMethodNotAllowed, "That can't be done here", "This page only shows."}
	}
	return missing("The console has no page of this address.")
}

// with asks who sends a request, and answers errors.
func (c *Console) with(h func(*visit) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		op, err := c.config.Authorize(r)
		if err == nil && op.Name == "" {
			err = errors.New("console: Config.Authorize returned an operator without a name")
		}
		if err != nil {
			c.refuse(w, r, c.unauthorized(r, err))
			return
		}
		op.End = op.End && c.config.Writable
		const most = 64 << 10 // of a form
		r.Body = http.MaxBytesReader(w, r.Body, most)
		v := &visit{r, w, op, c.config.Now()}
		if err := h(v); err != nil {
			c.fail(v, err)
		}
	})
}

// unauthorized returns the complaint for an error of Authorize.
func (c *Console) unauthorized(r *http.Request, err error) *complaint {
	switch {
	case errors.Is(err, ErrUnauthorized):
		return &complaint{http.StatusUnauthorized, "Sign in first", "The console is for operators who are signed in."}
	case errors.Is(err, ErrForbidden):
		return &complaint{http.StatusForbidden, "This isn't for you", "You are signed in, and may not see the console."}
	}
	c.config.Logger.ErrorContext(r.Context(), "cloakroom console: who sent a request couldn't be told", "error", err)
	return &complaint{http.StatusInternalServerError, "Something went wrong", "It couldn't be told who you are. The log says why."}
}

// fail answers an error of a handler.
func (c *Console) fail(v *visit, err error) {
	if errors.Is(v.Context().Err(), context.Canceled) {
		return // nobody waits for it
	}
	said, ok := errors.AsType[*complaint](err)
	switch {
	case ok:
	case errors.Is(err, cloakroom.ErrNotFound):
		said = &complaint{http.StatusNotFound, "There is no such session", "It never was, or its grave isn't kept any more."}
	case errors.Is(err, driver.ErrCorrupt), errors.Is(err, driver.ErrNewer):
		said = &complaint{http.StatusBadGateway, "It can't be read", err.Error() + ". It opens for nobody here; \"cloakroom revoke\" ends it unread."}
	case errors.Is(err, driver.ErrInvalid):
		said = &complaint{http.StatusBadRequest, "That can't be asked", err.Error()}
	default:
		c.config.Logger.ErrorContext(v.Context(), "cloakroom console: a page failed", "path", v.URL.Path, "error", err)
		said = &complaint{http.StatusServiceUnavailable, "The store didn't answer", err.Error() + ". Try again soon; Health says what is wrong with the store."}
	}
	c.show(v, said.status, "failure", said.title, "", said)
}

// refuse answers a request of somebody who isn't known.
func (c *Console) refuse(w http.ResponseWriter, r *http.Request, said *complaint) {
	c.show(&visit{Request: r, w: w, now: c.config.Now()}, said.status, "refusal", said.title, "", said)
}

// mayEnd returns a complaint for an operator who may not end sessions.
func (c *Console) mayEnd(v *visit) error {
	if !v.op.End {
		return &complaint{http.StatusForbidden, "You may not end sessions", "The console only shows, or only shows to you. Nothing was ended."}
	}
	return nil
}

// form reads the form of a post.
func (v *visit) form() error {
	if err := v.ParseForm(); err != nil {
		return bad("The form couldn't be read.")
	}
	return nil
}

// to redirects from a form to a page.
func (c *Console) to(v *visit, path string) error {
	http.Redirect(v.w, v.Request, c.path+path, http.StatusSeeOther)
	return nil
}
