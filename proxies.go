package cloakroom

import (
	"net/http"
	"net/netip"
	"strings"
)

// This file is TrustedProxies: the client's address behind proxies, by X-Forwarded-For
// and Forwarded.

// TrustedProxies returns a function for Config.ClientAddr that tells the client's address
// behind proxies. networks are those that the proxies' addresses are in. Proxies say in
// the headers X-Forwarded-For or Forwarded (RFC 7239) from whom a request came.
//
// Each proxy adds at the right-hand side the address that asked it. All on the left came
// with the request, so the client may have made it up: to take the leftmost address is to
// record whatever an attacker likes. So this begins with the connection's own address,
// and goes to the left only as long as the hop that wrote is a trusted one. The first
// address that isn't in the networks is the client's. A text that is not an address
// ("unknown", "_hidden", nothing, broken quotes) ends the walk, and so do 32 proxies.
// Then the result is the last address that is known, that of a proxy.
//
// Name the networks of your proxies alone, each proxy's, and no wider than needed:
// whoever can connect from one of them can claim any address. A connection without an IP
// address, such as over a Unix socket, is not trusted, and without networks none is.
//
// Proxies should write one of the headers and remove the other: those that don't know it
// pass it on as the client sent it. So if a request has both, the walk goes on only as
// long as they agree. It never returns an address that only one of them names.
//
// Addresses are in their shortest form, without a port. Only the connection's own address
// may have a zone. IPv4 addresses that are mapped to IPv6 are IPv4 addresses, also in
// networks.
func TrustedProxies(networks ...netip.Prefix) func(*http.Request) string {
	trusted := make(proxyNetworks, len(networks))
	for i, n := range networks {
		trusted[i] = unmapped(n)
	}
	return trusted.client
}

// mostHops is the number of addresses of trusted proxies that are passed over. A client
// can send any number; no real request has come through more.
const mostHops = 32

// proxyNetworks are the networks of trusted proxies.
type proxyNetworks []netip.Prefix

// contain reports whether an address is a trusted proxy's.
func (t proxyNetworks) contain(a netip.Addr) bool {
	a = a.WithZone("") // a prefix contains no address with a zone
	for _, n := range t {
		if n.Contains(a) {
			return true
		}
	}
	return false
}

// client is the function that TrustedProxies returns.
func (t proxyNetworks) client(r *http.Request) string {
	own := remoteHost(r)
	addr, err := netip.ParseAddr(own)
	if err != nil {
		return own
	}
	addr = addr.Unmap()
	if !t.contain(addr) {
		return addr.String()
	}
	var headers []func() (netip.Addr, bool)
	if lines := r.Header["X-Forwarded-For"]; len(lines) > 0 {
		headers = append(headers, forwardedFor(lines))
	}
	if lines := r.Header["Forwarded"]; len(lines) > 0 {
		headers = append(headers, forwarded(lines))
	}
	for hops := 0; hops < mostHops && len(headers) > 0 && t.contain(addr); hops++ {
		next, ok := headers[0]()
		if len(headers) > 1 {
			other, known := headers[1]()
			ok = ok && known && next == other
		}
		if !ok {
			break
		}
		addr = next
	}
	return addr.String()
}

// unmapped returns a network of IPv4-mapped IPv6 addresses as one of IPv4.
func unmapped(n netip.Prefix) netip.Prefix {
	if n.Addr().Is4In6() && n.Bits() >= 96 {
		return netip.PrefixFrom(n.Addr().Unmap(), n.Bits()-96)
	}
	return n
}

// forwardedFor returns a function that reads lines of X-Forwarded-For from the right, an
// address a call. It reports false for a text that is no address, and at the end.
func forwardedFor(lines []string) func() (netip.Addr, bool) {
	n := len(lines)
	rest, more := "", false
	return func() (netip.Addr, bool) {
		if !more {
			if n == 0 {
				return netip.Addr{}, false
			}
			n--
			rest = lines[n]
		}
		last := rest
		i := strings.LastIndexByte(rest, ',')
		if more = i >= 0; more {
			rest, last = rest[:i], rest[i+1:]
		}
		return hopAddr(trimBlanks(last))
	}
}

// forwarded is forwardedFor for lines of Forwarded.
func forwarded(lines []string) func() (netip.Addr, bool) {
	n := len(lines)
	var hops []string
	return func() (netip.Addr, bool) {
		if len(hops) == 0 {
			if n == 0 {
				return netip.Addr{}, false
			}
			n--
			hops = forwardedLine(lines[n])
		}
		last := hops[len(hops)-1]
		hops = hops[:len(hops)-1]
		return hopAddr(last)
	}
}

// forwardedLine returns the "for" of each element in a line of Forwarded, "" for an
// element without one. Behind a malformed element nobody knows where others begin: by a
// quote left open, a client could have what a proxy wrote read as its own. So a malformed
// element and all behind it count as one that names nobody.
func forwardedLine(line string) []string {
	var hops []string
	hop, named := "", false
	for {
		name, rest, _ := strings.Cut(line, "=")
		if trimBlanks(line) == "" || strings.ContainsAny(name, `,;"`) {
			return append(hops, "")
		}
		value, rest, ok := forwardedValue(rest)
		if !ok {
			return append(hops, "")
		}
		if strings.EqualFold(trimBlanks(name), "for") {
			if named {
				return append(hops, "")
			}
			hop, named = value, true
		}
		rest = trimBlanks(rest)
		switch {
		case rest == "":
			return append(hops, hop)
		case rest[0] == ',':
			hops = append(hops, hop)
			hop, named = "", false
		}
		line = rest[1:]
	}
}

// forwardedValue cuts a value off a line: a quoted text, or anything without quotes up to
// a comma, a semicolon or the end. It takes addresses without quotes too, as many write
// them.
func forwardedValue(line string) (value, rest string, ok bool) {
	line = trimBlanks(line)
	if quoted, is := strings.CutPrefix(line, `"`); is {
		var b strings.Builder
		for i := 0; i < len(quoted); i++ {
			switch c := quoted[i]; {
			case c == '"':
				rest = trimBlanks(quoted[i+1:])
				return b.String(), rest, rest == "" || rest[0] == ',' || rest[0] == ';'
			case c == '\\' && i+1 < len(quoted):
				i++
				b.WriteByte(quoted[i])
			default:
				b.WriteByte(c)
			}
		}
		return "", "", false
	}
	end := strings.IndexAny(line, ",;")
	if end < 0 {
		end = len(line)
	}
	value = trimBlanks(line[:end])
	return value, line[end:], !strings.Contains(value, `"`)
}

// portCharacters are those of a port behind its colon: of a number, or of a name that
// hides it, such as _abc.
const portCharacters = ":0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-."

// hopAddr reads an address, with a port or without, IPv6 in brackets or without them. It
// drops a zone, which is another machine's.
func hopAddr(s string) (netip.Addr, bool) {
	port := ""
	six, bracketed := strings.CutPrefix(s, "[")
	if bracketed {
		var closed bool
		if s, port, closed = strings.Cut(six, "]"); !closed || port != "" && port[0] != ':' {
			return netip.Addr{}, false
		}
	} else if i := strings.IndexByte(s, ':'); i >= 0 && strings.Count(s, ":") == 1 {
		s, port = s[:i], s[i:]
	}
	a, err := netip.ParseAddr(s)
	if err != nil || bracketed && !a.Is6() || strings.TrimLeft(port, portCharacters) != "" || port == ":" {
		return netip.Addr{}, false
	}
	return a.WithZone("").Unmap(), true
}
