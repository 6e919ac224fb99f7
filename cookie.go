package cloakroom

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// This file is Cookie: tokens in cookies, how they are found in a request and set in a
// response.

// Cookie sends tokens as a cookie. The zero Cookie is Secure and HttpOnly, and for its
// host alone (no Domain, Path=/). A cookie lasts as long as the browser runs, unless a
// sign-in (LoginOptions.Remember) or RememberAnonymous says otherwise.
//
// HttpOnly can't be left out. No script needs the token, and a script that an attacker
// got into a page would send it away.
//
// New refuses a configuration that browsers would refuse, except for faults of a Domain
// that it can't know.
//
// A change of Domain, Path or Partitioned needs another Name. Browsers would keep the old
// cookie beside the new one and send both, and a request with the tokens of two live
// sessions has none until the visitor signs in or out, which ends both.
type Cookie struct {
	// Name is the cookie's name. Browsers keep a name with a prefix only if the cookie is
	// as safe as the prefix says: "__Host-" and "__Host-Http-" need Secure, no Domain and
	// Path=/; "__Secure-" and "__Http-" need Secure. In a prefix, upper and lower case
	// are the same.
	//
	// If the name doesn't begin with "__Host-", sibling subdomains can also set the
	// cookie, beside the visitor's or in its place. So they can have a visitor without a
	// session use one of the attacker's choice (session fixation). They can also keep a
	// visitor out of a session, since of two live ones none is used. A sign-in ends both.
	//
	// Defaults to "__Host-Http-session". Defaults with a Domain or a Path to
	// "__Secure-session", whose prefix all browsers know; not all know "__Http-".
	// Defaults with Insecure to "session".
	Name string
	// Domain has all hosts below it get the cookie, too: shop.example.com for
	// "example.com". Set it only if several hosts have to share sessions, since it costs
	// safety. Each of the hosts receives the tokens, so whoever controls one of them can
	// use the sessions. Each can also set the cookie, and so have a visitor use a session
	// of the attacker's choice (session fixation), or keep a visitor out with a second
	// live session. The prefix "__Host-" rules all that out, and excludes a Domain.
	//
	// A leading dot is dropped, as browsers do. New refuses a text that is no host's
	// name, IP addresses, and single labels such as "com". It knows neither public
	// suffixes of several labels, such as "co.uk", nor whether the application's host is
	// in the domain. If one of these is wrong, browsers keep no cookie.
	//
	// Defaults to none: only the host that set the cookie gets it.
	Domain string
	// Path is the part of the host to which the cookie is sent: there and below. "/shop"
	// has it sent to /shop and /shop/cart, but not to /shopping. It is spelled as in an
	// address, percent-encoded. It tells applications on a host apart, but doesn't
	// protect them from each other. Defaults to "/".
	Path string
	// SameSite says when other sites' requests carry the cookie. With
	// http.SameSiteNoneMode, which needs Secure, they all do: look at
	// http.CrossOriginProtection then. Defaults to http.SameSiteLaxMode.
	SameSite http.SameSite
	// Partitioned is for pages that other sites embed. Browsers keep a separate cookie
	// for each site that embeds them (CHIPS), even where they block other cookies of
	// embedded pages. It needs Secure. Without http.SameSiteNoneMode browsers don't send
	// the cookie to embedded pages at all. Defaults to false.
	Partitioned bool
	// RememberAnonymous lets the cookie of a visitor who hasn't signed in outlive the
	// browser's run, to the session's deadline: Config.AnonymousLifetime after its
	// beginning, which nothing moves. Config.IdleTimeout may end the session before, and
	// should be raised as well. Defaults to false.
	//
	// A sign-in is not affected. Its cookie outlives the browser's run only with
	// LoginOptions.Remember, so that on a shared computer nobody stays signed in unasked.
	// Set both to have all cookies last.
	RememberAnonymous bool
	// Insecure leaves Secure out, for plain HTTP in development. Defaults to false.
	Insecure bool
}

func (c Cookie) name() string            { return "cookie" }
func (c Cookie) vary() string            { return "Cookie" }
func (c Cookie) rememberAnonymous() bool { return c.RememberAnonymous }

func (c Cookie) check() (Transport, error) {
	if c.Path == "" {
		c.Path = "/"
	}
	if c.SameSite == 0 || c.SameSite == http.SameSiteDefaultMode {
		c.SameSite = http.SameSiteLaxMode
	}
	if c.SameSite < 0 || c.SameSite > http.SameSiteNoneMode {
		return nil, fmt.Errorf("cloakroom: Cookie.SameSite is %d: use one of net/http's modes", c.SameSite)
	}
	if c.Insecure && c.SameSite == http.SameSiteNoneMode {
		return nil, errors.New("cloakroom: Cookie.SameSite None needs Secure, which Cookie.Insecure leaves out")
	}
	if c.Insecure && c.Partitioned {
		return nil, errors.New("cloakroom: Cookie.Partitioned needs Secure, which Cookie.Insecure leaves out")
	}
	var err error
	if c.Domain, err = cookieDomain(c.Domain); err != nil {
		return nil, err
	}
	if err := checkCookiePath(c.Path); err != nil {
		return nil, err
	}
	oneHost := c.Domain == "" && c.Path == "/"
	switch {
	case c.Name != "":
	case c.Insecure:
		c.Name = "session"
	case oneHost:
		c.Name = "__Host-Http-session"
	default:
		c.Name = "__Secure-session"
	}
	if err := checkCookieName(c.Name, !c.Insecure, oneHost); err != nil {
		return nil, err
	}
	return c, nil
}

// next scans the header itself: net/http would parse every cookie, and refuses requests
// that have very many. Apart from that limit net/http finds each cookie that next finds,
// under the same name and with the same value.
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

// cookieValue takes the quotes off a value. ok is false if net/http would refuse the
// value.
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
	return &http.Cookie{
		Name: c.Name, Value: value, Domain: c.Domain, Path: c.Path,
		HttpOnly: true, Secure: !c.Insecure, SameSite: c.SameSite, Partitioned: c.Partitioned,
	}
}

func (c Cookie) issue(h http.Header, token string, until, now time.Time) {
	k := c.cookie(token)
	if !until.IsZero() {
		// Both round down. In the last second Expires stands alone, and past the deadline
		// too: the session is live, so this clock is wrong, and no cookie is taken away.
		k.Expires, k.MaxAge = until, max(int(until.Sub(now)/time.Second), 0)
	}
	h.Add("Set-Cookie", k.String())
}

// revoke sets an expired cookie. It replaces the one of the same Name, Domain, Path and
// Partitioned.
func (c Cookie) revoke(h http.Header) {
	k := c.cookie("")
	k.MaxAge = -1
	h.Add("Set-Cookie", k.String())
}

func (c Cookie) attach(r *http.Request, token string) {
	// The request may have a cookie of that name already, which would make two.
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
