package console

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// This file is the guard: what is refused before anything is looked at, and the headers
// that each answer has.

// policy is the Content-Security-Policy: everything is from here, and nothing is inline.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; " +
	"form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

// referrers has no other site told of a page's address. With no-referrer a form would be
// sent with the origin "null", which can't be told from another site's where the browser
// sends no Sec-Fetch-Site: over plain HTTP to another host than this one.
const referrers = "same-origin"

// guard refuses foreign hosts and posts of other sites, and sets the headers.
func (c *Console) guard(next http.Handler) http.Handler {
	cross := http.NewCrossOriginProtection()
	cross.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c.refuse(w, r, &complaint{http.StatusForbidden, "Another site sent this", "A page of another site sent this request, or the browser doesn't tell whose page it was. Nothing was done."})
	}))
	inside := cross.Handler(next)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", policy)
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", referrers)
		h.Set("X-Frame-Options", "DENY")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if isForeignLook(r) {
			c.refuse(w, r, &complaint{http.StatusForbidden, "Another site asks for this", "A page of another site put this into itself. Open the console by its own address."})
			return
		}
		if !c.isHost(r.Host) {
			c.refuse(w, r, &complaint{http.StatusMisdirectedRequest, "This isn't known by that name", "The console isn't reached by this host name. Config.Hosts lists those that it is reached by."})
			return
		}
		inside.ServeHTTP(w, r)
	})
}

// isForeignLook reports whether a page of another site has the browser read something here,
// as for a picture or a frame: that shows it nothing, but would keep the store busy. A link
// that is followed is none.
func isForeignLook(r *http.Request) bool {
	if site := r.Header.Get("Sec-Fetch-Site"); site != "cross-site" && site != "same-site" || r.Method != http.MethodGet && r.Method != http.MethodHead {
		return false
	}
	dest := r.Header.Get("Sec-Fetch-Dest") // of a frame "iframe"; not all browsers send it
	return r.Header.Get("Sec-Fetch-Mode") != "navigate" || dest != "" && dest != "document"
}

// isHost reports whether a request may name the server so. Without Config.Hosts these are
// names that no foreign page can have point here.
func (c *Console) isHost(host string) bool {
	host = strings.ToLower(host)
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	for _, allowed := range c.config.Hosts {
		if allowed = strings.ToLower(allowed); host == allowed || name == strings.Trim(allowed, "[]") {
			return true
		}
	}
	if len(c.config.Hosts) > 0 {
		return false
	}
	a, err := netip.ParseAddr(strings.Trim(name, "[]"))
	return name == "localhost" || err == nil && a.IsLoopback()
}
