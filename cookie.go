package cloakroom

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// This file is Cookie: tokens in cookies.

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
