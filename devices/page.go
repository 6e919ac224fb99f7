package devices

import (
	"bytes"
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/agent"
)

// This file is Page: its requests, and the headers of its answers.

// Page is the page of a visitor's devices, an http.Handler. It is safe for concurrent
// use. It may be mounted anywhere, inside the manager's Handler or without. Where
// something further out takes a prefix from the path that the browser sees, signIn has to
// name the way back itself, in place of {back}.
type Page struct {
	sessions *cloakroom.Manager
	signIn   string
	config   Config
	agents   *agent.Reader
	policy   string // Content-Security-Policy
	handler  http.Handler
}

// ServeHTTP implements http.Handler.
func (p *Page) ServeHTTP(w http.ResponseWriter, r *http.Request) { p.handler.ServeHTTP(w, r) }

// serve answers a request that has its session.
func (p *Page) serve(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		return p.get(w, r, s)
	case http.MethodPost:
		return p.post(w, r, s)
	}
	w.Header().Set("Allow", "GET, HEAD, POST")
	http.Error(w, "The page of devices takes GET, HEAD and POST.", http.StatusMethodNotAllowed)
	return nil
}

// get shows the list. After a form it says what the form did, if the list bears it out: so
// a link from elsewhere can make no claim.
func (p *Page) get(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
	ended := r.URL.Query().Get("ended")
	if s.Principal() == "" {
		if ended == "" {
			p.redirect(w, p.view(r, s, Listed).SignInURL)
			return nil
		}
		return p.show(w, r, p.view(r, s, SignIn)) // a redirect would go on that of the form, and may not leave the site
	}
	v := p.view(r, s, Listed)
	var err error
	if v.Devices, v.Older, err = p.Devices(r.Context()); err != nil {
		return err
	}
	switch id, err := cloakroom.ParseID(ended); {
	case ended == "":
	case ended == "others" && len(v.Devices) == 1 && v.Older == 0:
		v.Outcome = OthersEnded
	case err == nil && !has(v.Devices, id) && p.wasOurs(r.Context(), id, s.Principal()):
		v.Outcome = Ended
	}
	return p.show(w, r, v)
}

// wasOurs reports whether a session has ended that was the principal's.
func (p *Page) wasOurs(ctx context.Context, id cloakroom.ID, principal string) bool {
	rec, err := p.sessions.Admin().Stored(ctx, id)
	return err == nil && rec.Grave != nil && rec.Grave.Principal == principal
}

// has reports whether a list has a session.
func has(devices []Device, id cloakroom.ID) bool {
	for _, d := range devices {
		if d.ID == id {
			return true
		}
	}
	return false
}

// deny answers a form of another site.
func (p *Page) deny(w http.ResponseWriter, r *http.Request) {
	v := &View{Outcome: Foreign, Now: p.config.Now()}
	if err := p.show(w, r, v); err != nil {
		p.sessions.Fail(w, r, err)
	}
}

// view begins the view of a request.
func (p *Page) view(r *http.Request, s *cloakroom.Session, o Outcome) *View {
	path := url.QueryEscape(ownPath(r))
	return &View{
		Outcome: o, Now: p.config.Now(), SignedIn: s.Authenticated(), MayEnd: p.mayEnd(s),
		SignInURL:      strings.ReplaceAll(p.signIn, back, path),
		SignInAgainURL: strings.ReplaceAll(p.config.SignInAgain, back, path),
	}
}

// mayEnd reports whether the visitor signed in lately. A time that isn't known, as of an
// imported session, is the zero one, which is long ago.
func (p *Page) mayEnd(s *cloakroom.Session) bool {
	if p.config.MaxAge < 0 {
		return s.Principal() != ""
	}
	return p.config.Now().Sub(s.Authenticated()) <= p.config.MaxAge
}

// ownPath returns the page's path as the browser knows it: a router may have taken a
// prefix from r.URL. It begins with one slash, so that it names no other host.
func ownPath(r *http.Request) string {
	path := r.URL.EscapedPath()
	if u, err := url.ParseRequestURI(r.RequestURI); err == nil {
		path = u.EscapedPath()
	}
	return "/" + strings.TrimLeft(path, `/\`)
}

// show writes a page.
func (p *Page) show(w http.ResponseWriter, r *http.Request, v *View) error {
	v.Status = v.Outcome.status()
	var body bytes.Buffer
	render := p.config.Render
	if render == nil {
		render = p.render
	}
	if err := render(&body, r, v); err != nil {
		return err
	}
	h := p.secure(w)
	h.Set("Content-Type", "text/html; charset=utf-8")
	switch {
	case p.config.Render == nil:
		h.Set("Content-Security-Policy", p.policy)
	case h.Get("Content-Security-Policy") == "":
		h.Set("Content-Security-Policy", framing)
	}
	if v.Outcome == Uncertain {
		h.Set("Retry-After", "2")
	}
	w.WriteHeader(v.Status)
	_, _ = body.WriteTo(w) // the client hung up, or another answer was sent in place of this one
	return nil
}

// redirect sends the browser on to a GET. The URL may be relative, to what the browser
// knows: http.Redirect would resolve it by r.URL.
func (p *Page) redirect(w http.ResponseWriter, url string) {
	p.secure(w).Set("Location", url)
	w.WriteHeader(http.StatusSeeOther)
}

// framing is the policy that every page has.
const framing = "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// secure sets the headers of every answer. A browser that is told to send no referrer at
// all says "Origin: null" with a form of the same site, which would then be refused.
func (p *Page) secure(w http.ResponseWriter) http.Header {
	h := w.Header()
	h.Set("Cache-Control", "no-store")
	h.Set("Referrer-Policy", "same-origin")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
	return h
}
