package cloakroom

import (
	"iter"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file is caching: the response's headers that shared caches obey. They are
// Cache-Control and Expires (RFC 9111), those for some caches alone that go before
// Cache-Control there (RFC 9213 and its forerunners), and nginx's.

// cacheHeader reports whether a header tells caches something.
func cacheHeader(name string) bool {
	return strings.EqualFold(name, "Cache-Control") || strings.EqualFold(name, "Expires") ||
		strings.EqualFold(name, "X-Accel-Expires") || targeted(name)
}

// targeted reports whether a header is a Cache-Control for some caches alone, such as
// CDN-Cache-Control.
func targeted(name string) bool {
	const suffix = "-Cache-Control"
	n := len(name) - len(suffix)
	return n >= 0 && strings.EqualFold(name[n:], suffix) ||
		strings.EqualFold(name, "Surrogate-Control") || strings.EqualFold(name, "Edge-Control")
}

// privately is the Cache-Control of a response that hands out or revokes a token.
const privately = "private, no-store"

// forbidCaching replaces all of a response's headers for caches by one Cache-Control.
func forbidCaching(h http.Header, cacheControl string) {
	deleteCaching(h)
	h.Set("Cache-Control", cacheControl)
}

// deleteCaching deletes all of a response's headers for caches.
func deleteCaching(h http.Header) {
	for name := range h {
		if cacheHeader(name) { // upper or lower case: the map has the name as it was set
			delete(h, name)
		}
	}
}

// silent reports whether a response has no header for caches.
func silent(h http.Header) bool {
	for name := range h {
		if cacheHeader(name) {
			return false
		}
	}
	return true
}

// public reports whether one of a response's headers lets shared caches keep it. The
// max-age of Cache-Control itself would too, but is mostly meant for browsers, and
// doesn't count.
func public(h http.Header, now time.Time) bool {
	expires := false
	for name, values := range h {
		switch {
		case strings.EqualFold(name, "Cache-Control"):
			if permits(values, "s-maxage") {
				return true
			}
		case strings.EqualFold(name, "Expires"):
			expires = slices.ContainsFunc(values, func(v string) bool {
				t, err := http.ParseTime(v)
				return err == nil && t.After(now)
			})
		case strings.EqualFold(name, "X-Accel-Expires"):
			if slices.ContainsFunc(values, func(v string) bool { return accelExpires(v, now) }) {
				return true
			}
		case targeted(name):
			// cache-maxage is Edge-Control's.
			if permits(values, "s-maxage", "max-age", "cache-maxage", "stale-while-revalidate", "stale-if-error") {
				return true
			}
		}
	}
	return expires && len(h["Cache-Control"]) == 0 // Cache-Control goes before Expires
}

// permits reports whether the directives of a header let shared caches keep a response:
// by name, or for a time that a directive named in ages gives.
func permits(values []string, ages ...string) bool {
	yes := false
	for name, value := range directives(values) {
		switch {
		case name == "no-store", name == "private" && value == "": // private may also name headers, and says less then
			return false
		case name == "public", name == "immutable", slices.Contains(ages, name) && positive(value):
			yes = true
		}
	}
	return yes
}

// directives yields the names, in lower case, and the values in a header such as
// Cache-Control.
func directives(values []string) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for _, line := range values {
			for line != "" {
				var part string
				part, line = cutDirective(line)
				name, value, _ := strings.Cut(part, "=")
				name = strings.ToLower(trimBlanks(name))
				if name != "" && !yield(name, strings.Trim(trimBlanks(value), `"`)) {
					return
				}
			}
		}
	}
}

// cutDirective cuts a line at its first comma that isn't inside of quotes.
func cutDirective(line string) (first, rest string) {
	quoted := false
	for i := 0; i < len(line); i++ {
		switch c := line[i]; {
		case c == '"':
			quoted = !quoted
		case c == '\\' && quoted:
			i++
		case c == ',' && !quoted:
			return line[:i], line[i+1:]
		}
	}
	return line, ""
}

// positive reports whether a time is more than 0. It ignores all that follows the number.
func positive(value string) bool {
	value = strings.TrimLeft(value, "0")
	return value != "" && value[0] >= '1' && value[0] <= '9'
}

// accelExpires reports whether nginx keeps a response with this X-Accel-Expires: seconds,
// or @ and a Unix time.
func accelExpires(value string, now time.Time) bool {
	at, absolute := strings.CutPrefix(trimBlanks(value), "@")
	n, err := strconv.ParseInt(at, 10, 64)
	return err == nil && (absolute && n > now.Unix() || !absolute && n > 0)
}
