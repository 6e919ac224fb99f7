package cloakroom

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// This file is the cleaning of texts that clients send, before they are kept or logged:
// user agents, addresses, methods and paths.

// The most bytes that are kept of each.
const (
	userAgentBytes  = 256
	clientAddrBytes = 64 // an IPv6 address with the name of a zone has 39, 1 and 15
	methodBytes     = 32
	pathBytes       = 256
)

// clean returns the beginning of a text, at most most bytes, without control characters
// and invalid UTF-8.
func clean(s string, most int) string {
	s = s[:min(len(s), most)]
	for i := range len(s) {
		if b := s[i]; b < ' ' || b > '~' { // seldom
			return strings.Map(visible, s)
		}
	}
	return s
}

// visible drops control characters, and bytes that aren't UTF-8.
func visible(r rune) rune {
	if r == utf8.RuneError || unicode.IsControl(r) {
		return -1
	}
	return r
}
