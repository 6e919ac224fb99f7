// Package onelink lets in whoever comes by a link that is good once, and knows the browser
// again by a cookie. It is for a server on loopback, whose owner reads the link in the
// terminal.
package onelink

import (
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"strings"
	"sync"
	"time"
)

// This file is Gate: links, and the browsers that came by one.

// Good is how long a link is good.
const Good = 5 * time.Minute

// lasts is how long a browser is known.
const lasts = 12 * time.Hour

// cookieName names the cookie. Cookies are sent to all ports of a host, so other servers on
// loopback could get it: but it has the path of this gate, which they don't know.
const cookieName = "cloakroom-console"

// Gate has a link at a time, and the browsers that came by one. It is safe for concurrent
// use.
type Gate struct {
	host string // as requests have to name it
	path string // all of it is below this, with a slash at both ends
	now  func() time.Time

	mu      sync.Mutex
	link    [sha256.Size]byte // of the secret that is good
	until   time.Time         // the link; zero: there is none
	known   []browser
	entered func()
}

// browser is one that came by a link.
type browser struct {
	secret [sha256.Size]byte
	until  time.Time
}

// New returns a gate that is reached by a host, which is an address with a port. entered is
// called when a link is used.
func New(host string, now func() time.Time, entered func()) *Gate {
	return &Gate{host: HostOf(host), path: "/" + random() + "/", now: now, entered: entered}
}

// HostOf returns how browsers name an address with a port: without the port that http has
// anyway.
func HostOf(addr string) string { return strings.TrimSuffix(addr, ":80") }

// random returns 128 random bits as text.
func random() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// Path returns the path below which what the gate guards has to be mounted.
func (g *Gate) Path() string { return g.path }

// NewLink makes a link, and returns its path and its end. The one before it is over.
func (g *Gate) NewLink() (path string, until time.Time) {
	secret := random()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.link, g.until = sha256.Sum256([]byte(secret)), g.now().Add(Good)
	return g.path + "enter/" + secret, g.until
}

// isGood reports whether a secret is the link's. The caller holds mu.
func (g *Gate) isGood(secret string) bool {
	sum := sha256.Sum256([]byte(secret))
	return subtle.ConstantTimeCompare(sum[:], g.link[:]) == 1 && g.now().Before(g.until)
}

// enter uses the link up, and returns the cookie's secret. Of several that come at once one
// gets it.
func (g *Gate) enter(secret string) (cookie string, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.isGood(secret) {
		return "", false
	}
	g.until = time.Time{}
	cookie = random()
	now := g.now()
	kept := g.known[:0]
	for _, b := range g.known {
		if now.Before(b.until) {
			kept = append(kept, b)
		}
	}
	g.known = append(kept, browser{sha256.Sum256([]byte(cookie)), now.Add(lasts)})
	return cookie, true
}

// Knows reports whether a request is of a browser that came by a link.
func (g *Gate) Knows(r *http.Request) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	now := g.now()
	for _, c := range r.CookiesNamed(cookieName) {
		sum := sha256.Sum256([]byte(c.Value))
		for _, b := range g.known {
			if subtle.ConstantTimeCompare(sum[:], b.secret[:]) == 1 && now.Before(b.until) {
				return true
			}
		}
	}
	return false
}
