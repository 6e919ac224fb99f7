package cloakroom

import (
	"bytes"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// This file is the tests of the functions that read and replace a response's headers
// for caches.

// headersOf are headers from lines, under names as they are written.
func headersOf(lines ...string) http.Header {
	h := http.Header{}
	for _, line := range lines {
		name, value, _ := strings.Cut(line, ": ")
		h[name] = append(h[name], value)
	}
	return h
}

func TestPublic(t *testing.T) {
	now := time.Date(2030, 1, 1, 0, 0, 0, 0, time.UTC)
	const (
		past   = "Tue, 01 Jan 2030 00:00:00 GMT"
		future = "Tue, 01 Jan 2030 00:00:01 GMT"
	)
	for want, all := range map[bool][][]string{
		true: {
			{"Cache-Control: public"},
			{"Cache-Control: PUBLIC, Max-Age=60"},
			{"Cache-Control: max-age=0, s-maxage=60"},
			{"Cache-Control: s-maxage=\"060\""},
			{"Cache-Control: max-age=60", "Cache-Control:  immutable ,,"},
			{"Cache-Control: no-cache, public"},
			{`Cache-Control: public, private="Set-Cookie, X"`},
			{"cache-control: public"},
			{"CDN-Cache-Control: max-age=60"},
			{"Cdn-Cache-Control: max-age=60", "Cache-Control: private, no-store"},
			{"Cloudflare-CDN-Cache-Control: max-age=1"},
			{"Vercel-CDN-Cache-Control: s-maxage=1"},
			{"Netlify-CDN-Cache-Control: public"},
			{"X-LiteSpeed-Cache-Control: public,max-age=120"},
			{"Whatever-Cache-Control: max-age=0, stale-while-revalidate=5"},
			{"Surrogate-Control: max-age=3600+600, content=\"ESI/1.0\""},
			{"Edge-Control: !no-store, cache-maxage=1d"},
			{"X-Accel-Expires: 1"},
			{"X-Accel-Expires: @1893456001"},
			{"X-Accel-Expires: 1", "Cache-Control: no-store"},
			{"Expires: " + future},
			{"Expires: " + past, "Surrogate-Control: max-age=1"},
		},
		false: {
			{},
			{"Cache-Control: "},
			{"Cache-Control: private"},
			{"Cache-Control: no-cache"},
			{"Cache-Control: max-age=60"}, // as most say it for browsers
			{"Cache-Control: s-maxage=0"},
			{"Cache-Control: s-maxage=00"},
			{"Cache-Control: s-maxage=-1"},
			{"Cache-Control: s-maxage"},
			{"Cache-Control: public, no-store"},
			{"Cache-Control: public", "Cache-Control: private"},
			{"Cache-Control: x=\"public, s-maxage=60\\\", public\""},
			{"Cache-Control: republican, ss-maxage=60"},
			{"CDN-Cache-Control: max-age=0"},
			{"CDN-Cache-Control: no-store, max-age=60"},
			{"CDN-Cache-Control: private, max-age=60"},
			{"Surrogate-Control: no-store"},
			{"Surrogate-Key: public"},
			{"Edge-Control: no-store, max-age=60"},
			{"X-Cache-Controls: public"},
			{"X-Accel-Expires: 0"},
			{"X-Accel-Expires: off"},
			{"X-Accel-Expires: -1"},
			{"X-Accel-Expires: @1893456000"},
			{"X-Accel-Expires: @"},
			{"Expires: " + past},
			{"Expires: 0"},
			{"Expires: " + future, "Cache-Control: private"},
		},
	} {
		for _, lines := range all {
			if got := public(headersOf(lines...), now); got != want {
				t.Errorf("public(%q) is %t, want %t", lines, got, want)
			}
		}
	}
}

// FuzzForbidCaching: of a handler's headers for caches nothing is left, and no other
// header goes.
func FuzzForbidCaching(f *testing.F) {
	for _, seed := range []string{
		"Cache-Control: public, max-age=60", "cache-control: public\nCACHE-CONTROL: s-maxage=1", "CDN-Cache-Control: max-age=60\nX-Other: 1",
		"cdn-cache-control: max-age=60", "-Cache-Control: public", "Surrogate-Control: max-age=60\nSurrogate-Key: a b", "Edge-Control: cache-maxage=1h",
		"X-Accel-Expires: @9999999999\nExpires: Fri, 31 Dec 9999 23:59:59 GMT", "Vary: *", `Cache-Control: x="\", public`, "Cache-Control: =,\"\\",
		"Cache-Control: private=\"a\", public\nExpires: x", "X-Cache-Control-X: public", "",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var lines []string
		for line := range bytes.Lines(text) {
			lines = append(lines, strings.TrimSuffix(string(line), "\n"))
		}
		h, before := headersOf(lines...), headersOf(lines...)
		now := time.Unix(1893456000, 0)
		if public(h, now) && silent(h) {
			t.Errorf("%q has caches keep the response, and says nothing to them", lines)
		}
		forbidCaching(h, "no-store")
		if public(h, now) || !slices.Equal(h["Cache-Control"], []string{"no-store"}) {
			t.Errorf("%q became %q, which caches keep", lines, h)
		}
		for name := range h {
			if name != "Cache-Control" && cacheHeader(name) {
				t.Errorf("%q became %q, which still has %s", lines, h, name)
			}
		}
		for name, values := range before {
			lower := strings.ToLower(name)
			known := strings.HasSuffix(lower, "cache-control") || strings.HasSuffix(lower, "expires") ||
				lower == "surrogate-control" || lower == "edge-control"
			if !known && !slices.Equal(h[name], values) {
				t.Errorf("%q became %q, where %s is missing", lines, h, name)
			}
		}
	})
}
