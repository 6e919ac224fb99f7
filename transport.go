package cloakroom

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/token"
)

// Transport says how tokens travel between client and server: Cookie or Bearer.
type Transport interface {
	// check says what is wrong with the configuration, and fills in defaults.
	check() (Transport, error)
	// name is part of what a token is signed for.
	name() string
	// next returns the next of what could be tokens in a line of the header that
	// they come in, and what of the line is behind it.
	next(line string) (text, rest string, ok bool)
	// issue hands a token out: until a time, or if that is zero for as long as
	// the client runs.
	issue(h http.Header, token string, until, now time.Time)
	// revoke tells the client to forget its token.
	revoke(h http.Header)
	// attach puts a token on a request.
	attach(r *http.Request, token string)
	// vary names the request header that tokens come in.
	vary() string
}

// maxCandidates bounds how many tokens of one request are looked at: a client
// that sends thousands of cookies doesn't get thousands verified.
const maxCandidates = 8

// Cookie sends tokens as a cookie: HttpOnly, for the whole host (no Domain,
// Path=/), and Secure but for Insecure. It lasts as long as the browser runs,
// unless a sign-in said otherwise (LoginOptions.Remember).
type Cookie struct {
	// Name of the cookie. Defaults to "__Host-Http-session", which browsers
	// accept only as safe as it is meant (HttpOnly, Secure, this host alone);
	// with Insecure to "session".
	Name string
	// SameSite says when other sites' requests carry the cookie. Defaults to
	// http.SameSiteLaxMode.
	SameSite http.SameSite
	// Insecure leaves Secure out, for plain HTTP.
	Insecure bool
}

func (c Cookie) name() string { return "cookie" }
func (c Cookie) vary() string { return "Cookie" }

func (c Cookie) check() (Transport, error) {
	if c.Name == "" {
		c.Name = "__Host-Http-session"
		if c.Insecure {
			c.Name = "session"
		}
	}
	if c.SameSite == 0 || c.SameSite == http.SameSiteDefaultMode {
		c.SameSite = http.SameSiteLaxMode
	}
	if c.SameSite < 0 || c.SameSite > http.SameSiteNoneMode {
		return nil, fmt.Errorf("cloakroom: Cookie.SameSite is %d: use one of net/http's modes", c.SameSite)
	}
	if err := (&http.Cookie{Name: c.Name, Value: "x"}).Valid(); err != nil {
		return nil, fmt.Errorf("cloakroom: Cookie.Name %q can't name a cookie: use letters, digits, - and _", c.Name)
	}
	lower := strings.ToLower(c.Name)
	if c.Insecure && (strings.HasPrefix(lower, "__host-") || strings.HasPrefix(lower, "__secure-") || strings.HasPrefix(lower, "__http-")) {
		return nil, fmt.Errorf("cloakroom: Cookie.Name %q needs Secure, which Cookie.Insecure leaves out: use another name", c.Name)
	}
	if c.Insecure && c.SameSite == http.SameSiteNoneMode {
		return nil, fmt.Errorf("cloakroom: Cookie.SameSite None needs Secure, which Cookie.Insecure leaves out")
	}
	return c, nil
}

// next scans the header itself: net/http would parse every cookie, and refuses
// requests that have very many. Apart from that limit net/http finds each cookie that
// next finds, under the same name and with the same value.
func (c Cookie) next(line string) (text, rest string, ok bool) {
	for line != "" {
		var pair string
		pair, line, _ = strings.Cut(line, ";")
		pair = trimBlanks(pair)
		if len(pair) <= len(c.Name) || pair[len(c.Name)] != '=' || pair[:len(c.Name)] != c.Name {
			continue
		}
		if text, ok = cookieValue(pair[len(c.Name)+1:]); ok {
			return text, line, true
		}
	}
	return "", "", false
}

// trimBlanks cuts spaces and tabs, which RFC 6265bis lets surround a cookie, and
// nothing else. A browser takes the other characters that strings.TrimSpace cuts for
// the beginning of a name without the prefix "__Host-", so a sibling domain may set
// such a cookie for this host as well.
func trimBlanks(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}

// cookieValue takes the quotes off a value. ok is false for what net/http doesn't
// take for a cookie's value.
func cookieValue(s string) (value string, ok bool) {
	if n := len(s); n > 1 && s[0] == '"' && s[n-1] == '"' {
		s = s[1 : n-1]
	}
	for _, b := range []byte(s) {
		if b < ' ' || b > '~' || b == '"' || b == '\\' {
			return "", false
		}
	}
	return s, true
}

func (c Cookie) cookie(value string) *http.Cookie {
	return &http.Cookie{Name: c.Name, Value: value, Path: "/", HttpOnly: true, Secure: !c.Insecure, SameSite: c.SameSite}
}

func (c Cookie) issue(h http.Header, token string, until, now time.Time) {
	k := c.cookie(token)
	if !until.IsZero() {
		k.Expires, k.MaxAge = until, max(1, int(until.Sub(now)/time.Second))
	}
	h.Add("Set-Cookie", k.String())
}

func (c Cookie) revoke(h http.Header) {
	k := c.cookie("")
	k.MaxAge = -1
	h.Add("Set-Cookie", k.String())
}

func (c Cookie) attach(r *http.Request, token string) {
	// One of its own from before would make two.
	lines := r.Header["Cookie"]
	r.Header.Del("Cookie")
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			pair = trimBlanks(pair)
			if name, _, _ := strings.Cut(pair, "="); pair == "" || name == c.Name {
				continue
			}
			if others := r.Header.Get("Cookie"); others != "" {
				pair = others + "; " + pair
			}
			r.Header.Set("Cookie", pair)
		}
	}
	r.AddCookie(&http.Cookie{Name: c.Name, Value: token})
}

// Bearer sends tokens in headers, for clients that are not browsers: requests
// carry "Authorization: Bearer TOKEN", and a response that hands out a token
// carries it in a header of its own.
type Bearer struct {
	// Header is the response's header. Defaults to "Session-Token".
	Header string
}

func (b Bearer) name() string { return "bearer" }
func (b Bearer) vary() string { return "Authorization" }

func (b Bearer) check() (Transport, error) {
	setDefault(&b.Header, "Session-Token")
	for _, r := range b.Header {
		if r != '-' && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			return nil, fmt.Errorf("cloakroom: Bearer.Header %q can't name a header: use letters, digits and -", b.Header)
		}
	}
	return b, nil
}

func (b Bearer) next(line string) (text, rest string, ok bool) {
	scheme, value, ok := strings.Cut(line, " ")
	return trimBlanks(value), "", ok && strings.EqualFold(scheme, "Bearer")
}

func (b Bearer) issue(h http.Header, token string, _, _ time.Time) { h.Set(b.Header, token) }

// revoke sends an empty token: forget the one you have.
func (b Bearer) revoke(h http.Header) { h.Set(b.Header, "") }

func (b Bearer) attach(r *http.Request, token string) {
	r.Header.Set("Authorization", "Bearer "+token)
}

// presents reports whether a request carries what could be a token.
func (m *Manager) presents(r *http.Request) bool {
	for _, line := range r.Header[m.transport.vary()] {
		if _, _, ok := m.transport.next(line); ok {
			return true
		}
	}
	return false
}

// presented returns the token that a request carries at a time, if it verifies and
// its session can still be live.
func (m *Manager) presented(r *http.Request, now time.Time) (token.Token, bool) {
	var found token.Token
	var why Refusal
	var whose ID
	ok, looked := false, 0
	ring := m.keys.ring.Load()
	for _, line := range r.Header[m.transport.vary()] {
		for text, rest, more := m.transport.next(line); more && looked < maxCandidates; text, rest, more = m.transport.next(rest) {
			looked++
			t, valid := ring.Parse(m.scope, text)
			switch {
			case !valid:
				if why == "" {
					why = RefusedForged
				}
			case !m.inTime(ID(t.ID), now):
				why, whose = RefusedTime, ID(t.ID)
			case ok && (t.ID != found.ID || t.Secret != found.Secret):
				m.events.refused(r.Context(), ID(t.ID), RefusedTwo)
				return token.Token{}, false
			default:
				found, ok = t, true
			}
		}
	}
	if !ok && why != "" {
		m.events.refused(r.Context(), whose, why)
	}
	return found, ok
}

// inTime reports whether a session of this id can still be live at a time.
func (m *Manager) inTime(id ID, now time.Time) bool {
	if l := id.Layout(); l < LayoutHour || l > LayoutFixed {
		return false
	}
	made := id.Time()
	age := now.Sub(made)
	return age >= -ClockTolerance && age < m.config.MaxLifetime && !made.Before(m.config.NotBefore)
}
