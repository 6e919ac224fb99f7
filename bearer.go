package cloakroom

import (
	"fmt"
	"net/http"
	"strings"
	"time"
)

// This file is Bearer: tokens in the Authorization header.

// Bearer sends tokens in headers, for clients that are not browsers. Requests carry
// "Authorization: Bearer TOKEN". A response that hands out a token carries it in a header
// of its own, which is empty where the client has to forget its token.
type Bearer struct {
	// Header is the name of the response's header. Defaults to "Session-Token".
	Header string
}

func (b Bearer) name() string            { return "bearer" }
func (b Bearer) vary() string            { return "Authorization" }
func (b Bearer) rememberAnonymous() bool { return false }

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

// revoke sends an empty token, at which the client forgets its own.
func (b Bearer) revoke(h http.Header) { h.Set(b.Header, "") }

func (b Bearer) attach(r *http.Request, token string) {
	r.Header.Set("Authorization", "Bearer "+token)
}
