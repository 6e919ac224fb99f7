package cloakroom

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is the rules by which browsers keep a cookie: RFC 6265bis, and for "__Http-"
// draft-ietf-httpbis-layered-cookies. A name, domain or path that net/http would leave
// out of Set-Cookie, or change, is an error here.

const (
	cookieBytes    = 4096 // of name and value, at most
	attributeBytes = 1024 // of an attribute's value; browsers ignore a longer one
)

// checkCookieName checks a cookie's name. oneHost says that the cookie has no Domain, and
// Path=/. "__Http-" and "__Host-Http-" also need HttpOnly, which all cookies here have.
func checkCookieName(name string, secure, oneHost bool) error {
	if (&http.Cookie{Name: name}).Valid() != nil {
		return fmt.Errorf("cloakroom: Cookie.Name %q can't name a cookie: use letters, digits, - and _", name)
	}
	if most := cookieBytes - token.TextLen; len(name) > most {
		return fmt.Errorf("cloakroom: Cookie.Name has %d bytes: at most %d are allowed", len(name), most)
	}
	// Older browsers take upper and lower case for different, and keep more.
	lower := strings.ToLower(name)
	host := strings.HasPrefix(lower, "__host-") // so does "__host-http-"
	switch {
	case !secure && (host || strings.HasPrefix(lower, "__secure-") || strings.HasPrefix(lower, "__http-")):
		return fmt.Errorf("cloakroom: Cookie.Name %q needs Secure, which Cookie.Insecure leaves out: use a name without the prefix", name)
	case host && !oneHost:
		return fmt.Errorf("cloakroom: Cookie.Name %q has a prefix that needs Path=/ and no Domain: leave Cookie.Domain and Cookie.Path out, or begin the name with __Secure-", name)
	}
	return nil
}

// cookieDomain checks a domain, and returns it without the leading dot.
func cookieDomain(domain string) (string, error) {
	if domain == "" {
		return "", nil
	}
	d := strings.TrimPrefix(domain, ".")
	if d == "" || d[0] == '.' || d[len(d)-1] == '.' || (&http.Cookie{Name: "x", Domain: d}).Valid() != nil {
		return "", fmt.Errorf("cloakroom: Cookie.Domain %q isn't the name of a host: write it in ASCII, without scheme, port, path and spaces, such as example.com", domain)
	}
	dot := strings.LastIndexByte(d, '.')
	switch first := d[dot+1]; { // of the last label
	case '0' <= first && first <= '9': // as in no host's name
		return "", fmt.Errorf("cloakroom: Cookie.Domain %q is an IP address, which has no hosts below it: leave Cookie.Domain out", domain)
	case dot < 0:
		return "", fmt.Errorf("cloakroom: Cookie.Domain %q is a single label, which browsers refuse: name a domain of your own, such as example.com, or leave Cookie.Domain out", domain)
	}
	return d, nil
}

// checkCookiePath checks a path. It also refuses characters that a request's path never
// has as browsers send it: they would keep such a cookie, and never send it.
func checkCookiePath(path string) error {
	switch {
	case path[0] != '/':
		return fmt.Errorf("cloakroom: Cookie.Path %q doesn't begin with /", path)
	case len(path) > attributeBytes:
		return fmt.Errorf("cloakroom: Cookie.Path has %d bytes: at most %d are allowed", len(path), attributeBytes)
	case strings.Contains(path, ";"):
		return fmt.Errorf("cloakroom: Cookie.Path %q has a semicolon, where the attribute would end: use a path above it", path)
	case strings.ContainsAny(path, ` "#<>?\`) || (&http.Cookie{Name: "x", Path: path}).Valid() != nil:
		return fmt.Errorf("cloakroom: Cookie.Path %q isn't a path as browsers send it: percent-encode what isn't plain ASCII, and leave out what follows ? or #", path)
	}
	return nil
}
