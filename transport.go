package cloakroom

import (
	"net/http"
	"time"
)

// This file is Transport: how tokens travel, the methods that Cookie and Bearer have in
// common.

// Transport says how tokens travel between client and server: Cookie or Bearer.
type Transport interface {
	// check returns the transport with its defaults, or an error that says what is wrong
	// with the configuration.
	check() (Transport, error)
	// name is part of what a token is signed for.
	name() string
	// next returns the next text in a line that could be a token, and the rest of the
	// line behind it. The line is of the header that vary names.
	next(line string) (text, rest string, ok bool)
	// issue hands a token out: until a time, or if that is zero for as long as the client
	// runs.
	issue(h http.Header, token string, until, now time.Time)
	// revoke tells the client to forget its token.
	revoke(h http.Header)
	// attach puts a token on a request.
	attach(r *http.Request, token string)
	// rememberAnonymous reports whether a token outlives the client's run before anybody
	// has signed in.
	rememberAnonymous() bool
	// vary names the request header that tokens come in.
	vary() string
}

// trimBlanks cuts spaces and tabs, which RFC 6265bis lets surround a cookie, and nothing
// else. strings.TrimSpace cuts further characters. To a browser those are the beginning
// of a name without the prefix "__Host-", so a sibling domain may set such a cookie for
// this host as well.
func trimBlanks(s string) string {
	for s != "" && (s[0] == ' ' || s[0] == '\t') {
		s = s[1:]
	}
	for s != "" && (s[len(s)-1] == ' ' || s[len(s)-1] == '\t') {
		s = s[:len(s)-1]
	}
	return s
}
