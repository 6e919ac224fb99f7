package cloakroom_test

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests of the client's address, and of texts that are cleaned before
// they are kept.

// proxyNetworks are the networks that the tests trust.
var proxyNetworks = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("2001:db8:5::/48"),
	netip.MustParsePrefix("fe80::/10"),
	netip.MustParsePrefix("::ffff:172.16.0.0/108"),
	{}, // none, and trusts nobody
}

// hop is a request as the last proxy sends it.
func hop(remote string, headers ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.RemoteAddr = remote
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	return r
}

func TestTrustedProxies(t *testing.T) {
	const xff, fwd = "X-Forwarded-For", "Forwarded"
	client := cloakroom.TrustedProxies(proxyNetworks...)
	for _, test := range []struct {
		what    string
		remote  string
		headers []string
		want    string
	}{
		{"no header", "10.0.0.1:80", nil, "10.0.0.1"},
		{"not by a proxy", "192.0.2.9:80", []string{xff, "198.51.100.1", fwd, "for=198.51.100.1"}, "192.0.2.9"},
		{"one hop", "10.0.0.1:80", []string{xff, "192.0.2.1"}, "192.0.2.1"},
		{"one hop", "10.0.0.1:80", []string{fwd, "for=192.0.2.1"}, "192.0.2.1"},
		{"made up on the left", "10.0.0.1:80", []string{xff, "198.51.100.1, 192.0.2.1"}, "192.0.2.1"},
		{"made up on the left", "10.0.0.1:80", []string{fwd, "for=198.51.100.1, for=192.0.2.1;by=10.0.0.1"}, "192.0.2.1"},
		{"made up as a proxy's", "10.0.0.1:80", []string{xff, "198.51.100.1, 10.9.9.9, 192.0.2.1"}, "192.0.2.1"},
		{"two hops", "10.0.0.1:80", []string{xff, "198.51.100.1, 192.0.2.1, 10.0.0.2"}, "192.0.2.1"},
		{"two hops", "10.0.0.1:80", []string{fwd, "for=198.51.100.1,for=192.0.2.1 , For=10.0.0.2"}, "192.0.2.1"},
		{"in lines", "10.0.0.1:80", []string{xff, "198.51.100.1", xff, "192.0.2.1,10.0.0.3", xff, "10.0.0.2"}, "192.0.2.1"},
		{"in lines", "10.0.0.1:80", []string{fwd, "for=198.51.100.1", fwd, "for=192.0.2.1,for=10.0.0.3", fwd, "for=10.0.0.2"}, "192.0.2.1"},
		{"all are proxies", "10.0.0.1:80", []string{xff, "10.0.0.3,10.0.0.2"}, "10.0.0.3"},
		{"all are proxies", "10.0.0.1:80", []string{fwd, "for=10.0.0.3, for=10.0.0.2"}, "10.0.0.3"},
		{"with ports", "10.0.0.1:80", []string{xff, "192.0.2.1:8080, 10.0.0.2:1"}, "192.0.2.1"},
		{"with a hidden port", "10.0.0.1:80", []string{fwd, `for="192.0.2.1:_a.b-c"`}, "192.0.2.1"},
		{"with an empty port", "10.0.0.1:80", []string{xff, "192.0.2.1:"}, "10.0.0.1"},
		{"with a wrong port", "10.0.0.1:80", []string{xff, "192.0.2.1:8 0"}, "10.0.0.1"},
		{"IPv6", "[2001:db8:5::1]:80", []string{xff, "2001:DB8::0:1"}, "2001:db8::1"},
		{"IPv6 in brackets", "10.0.0.1:80", []string{xff, "[2001:db8::1]"}, "2001:db8::1"},
		{"IPv6 in brackets with a port", "10.0.0.1:80", []string{xff, "[2001:db8::1]:443"}, "2001:db8::1"},
		{"IPv6 of the RFC", "10.0.0.1:80", []string{fwd, `For="[2001:db8:cafe::17]:4711"`}, "2001:db8:cafe::17"},
		{"IPv6 without quotes", "10.0.0.1:80", []string{fwd, `for=[2001:db8::1]:80;proto=https`}, "2001:db8::1"},
		{"IPv4 in brackets", "10.0.0.1:80", []string{xff, "[192.0.2.1]"}, "10.0.0.1"},
		{"an open bracket", "10.0.0.1:80", []string{xff, "[2001:db8::1"}, "10.0.0.1"},
		{"behind a bracket", "10.0.0.1:80", []string{xff, "[2001:db8::1]x"}, "10.0.0.1"},
		{"mapped IPv4", "[::ffff:10.0.0.1]:80", []string{xff, "::ffff:192.0.2.1, ::ffff:10.0.0.2"}, "192.0.2.1"},
		{"a mapped network", "172.16.0.1:80", []string{xff, "192.0.2.1"}, "192.0.2.1"},
		{"a zone of ours", "[fe80::1%eth0]:80", []string{xff, "192.0.2.1"}, "192.0.2.1"},
		{"a zone of ours", "[fe80::1%eth0]:80", nil, "fe80::1%eth0"},
		{"a zone of another", "10.0.0.1:80", []string{xff, "2001:db8::1%a\nb"}, "2001:db8::1"},
		{"leading zeros", "10.0.0.1:80", []string{xff, "192.000.2.1"}, "10.0.0.1"},
		{"no address", "10.0.0.1:80", []string{xff, "192.0.2.1, unknown, 10.0.0.2"}, "10.0.0.2"},
		{"no address", "10.0.0.1:80", []string{fwd, "for=192.0.2.1, for=unknown, for=10.0.0.2"}, "10.0.0.2"},
		{"hidden", "10.0.0.1:80", []string{fwd, `for="_gazonk", for=_SEVKISEK, for="10.0.0.2"`}, "10.0.0.2"},
		{"a Unix socket on the way", "10.0.0.1:80", []string{xff, "192.0.2.1, unix:"}, "10.0.0.1"},
		{"nothing", "10.0.0.1:80", []string{xff, ""}, "10.0.0.1"},
		{"nothing", "10.0.0.1:80", []string{fwd, ""}, "10.0.0.1"},
		{"nothing in between", "10.0.0.1:80", []string{xff, "192.0.2.1,,10.0.0.2"}, "10.0.0.2"},
		{"nothing in between", "10.0.0.1:80", []string{fwd, "for=192.0.2.1,,for=10.0.0.2"}, "10.0.0.1"},
		{"nobody named", "10.0.0.1:80", []string{fwd, "for=192.0.2.1,by=10.0.0.9;proto=https,for=10.0.0.2"}, "10.0.0.2"},
		{"named twice", "10.0.0.1:80", []string{fwd, "for=198.51.100.1;for=192.0.2.1"}, "10.0.0.1"},
		{"escaped", "10.0.0.1:80", []string{fwd, `for="\192.0.2.\1";host="a\"b,for=198.51.100.1"`}, "192.0.2.1"},
		{"a comma in quotes", "10.0.0.1:80", []string{fwd, `for=192.0.2.1;host="x, for=198.51.100.1"`}, "192.0.2.1"},
		{"quotes left open by the client", "10.0.0.1:80", []string{fwd, `for=198.51.100.1;x=", for=192.0.2.1`}, "10.0.0.1"},
		{"quotes that meet those of a proxy", "10.0.0.1:80", []string{fwd, `for=198.51.100.1;x=", for="[2001:db8::1]"`}, "10.0.0.1"},
		{"quotes left open in a line of its own", "10.0.0.1:80", []string{fwd, `for=198.51.100.1;x="`, fwd, "for=192.0.2.1"}, "192.0.2.1"},
		{"quotes in the middle", "10.0.0.1:80", []string{fwd, `for=192.0.2.1"x"`}, "10.0.0.1"},
		{"a name without a value", "10.0.0.1:80", []string{fwd, "for"}, "10.0.0.1"},
		{"a semicolon too many", "10.0.0.1:80", []string{fwd, "for=192.0.2.1;"}, "10.0.0.1"},
		{"both agree", "10.0.0.1:80", []string{xff, "198.51.100.1, 192.0.2.1, 10.0.0.2", fwd, "for=192.0.2.1, for=10.0.0.2"}, "192.0.2.1"},
		{"the one is the client's", "10.0.0.1:80", []string{xff, "192.0.2.1", fwd, "for=198.51.100.1"}, "10.0.0.1"},
		{"the other is the client's", "10.0.0.1:80", []string{xff, "198.51.100.1", fwd, "for=192.0.2.1"}, "10.0.0.1"},
		{"the one knows more", "10.0.0.1:80", []string{xff, "192.0.2.1, 10.0.0.2", fwd, "for=10.0.0.2"}, "10.0.0.2"},
		{"the one is empty", "10.0.0.1:80", []string{xff, "192.0.2.1", fwd, ""}, "10.0.0.1"},
		{"a Unix socket", "@", []string{xff, "192.0.2.1"}, "@"},
		{"no connection", "", []string{xff, "192.0.2.1"}, ""},
		{"more proxies than there are", "10.0.0.1:80", []string{xff, "192.0.2.1" + strings.Repeat(",10.0.0.2", 100)}, "10.0.0.2"},
	} {
		if got := client(hop(test.remote, test.headers...)); got != test.want {
			t.Errorf("%s: from %s with %q: %q, want %q", test.what, test.remote, test.headers, got, test.want)
		}
	}
	if got := cloakroom.TrustedProxies()(hop("10.0.0.1:80", xff, "192.0.2.1")); got != "10.0.0.1" {
		t.Errorf("without networks: %q", got)
	}
}

// FuzzTrustedProxies: whatever a client sends, and however its proxy writes down who
// asked, it is told as itself, or not told.
func FuzzTrustedProxies(f *testing.F) {
	for _, made := range []string{
		"", "1.2.3.4", "for=1.2.3.4", `for="[::1]"`, `x="`, `for=1.2.3.4;x="`, `"`, `\`, ",", ";", "[", "10.0.0.1", "for=10.0.0.1",
		"unknown", "_x", "::ffff:10.0.0.1", "fe80::1%x", `for=1.2.3.4;for=10.0.0.1`, `for="\`, "a,b;c=d", `for=1.2.3.4, x="\"`,
	} {
		f.Add(made, made)
		f.Add(made, "")
		f.Add("", made)
	}
	const own, asked = "10.0.0.1", "2001:db8::77"
	client := cloakroom.TrustedProxies(proxyNetworks...)
	f.Fuzz(func(t *testing.T, xff, fwd string) {
		check := func(how string, r *http.Request, allowed ...string) {
			if got := client(r); !slices.Contains(allowed, got) {
				t.Errorf("%s with %q: %q, want one of %q", how, r.Header, got, allowed)
			}
		}
		join := func(made, written string) string {
			if made == "" {
				return written
			}
			return made + ", " + written
		}
		// Who isn't a proxy is itself, whatever it sends.
		check("without a proxy", hop("192.0.2.5:1", "X-Forwarded-For", xff, "Forwarded", fwd), "192.0.2.5")
		// A proxy that appends to a line, or adds one, and removes the other header.
		check("appended", hop(own+":1", "X-Forwarded-For", join(xff, asked)), asked)
		check("added", hop(own+":1", "X-Forwarded-For", xff, "X-Forwarded-For", asked), asked)
		check("added", hop(own+":1", "Forwarded", fwd, "Forwarded", `for="[`+asked+`]"`), asked)
		for _, written := range []string{`for="[` + asked + `]:99"`, `for="[` + asked + `]";proto=http;by=_x`, `proto="http";for="[` + asked + `]";host="a,b"`} {
			check("appended", hop(own+":1", "Forwarded", join(fwd, written)), asked, own)
			// One that knows the one header, and passes on the other.
			check("both", hop(own+":1", "X-Forwarded-For", xff, "Forwarded", join(fwd, written)), asked, own)
		}
		check("both", hop(own+":1", "X-Forwarded-For", join(xff, asked), "Forwarded", fwd), asked, own)
		// And where all is made up, it is an address.
		got := client(hop(own+":1", "X-Forwarded-For", xff))
		if a, err := netip.ParseAddr(got); err != nil || a.Zone() != "" || a.String() != got {
			t.Errorf("made up %q: %q", xff, got)
		}
	})
}

// An address is kept cut, and without characters by which it could forge.
func TestClientIsCleaned(t *testing.T) {
	for _, test := range []struct{ sent, want string }{
		{"192.0.2.1", "192.0.2.1"},
		{"fe80:1234:5678:9abc:def0:1234:5678:9abc%enp0s31f6.1234", "fe80:1234:5678:9abc:def0:1234:5678:9abc%enp0s31f6.1234"},
		{strings.Repeat("1", 440_000), strings.Repeat("1", 64)},
		{"192.0.2.1\n\x1b[2Jx\x00\x7f\u0085y", "192.0.2.1[2Jxy"},
		{"a\xffb", "ab"},
		{"x" + strings.Repeat("é", 1000), "x" + strings.Repeat("é", 31)},
	} {
		d := newDesk(t, &cloakroom.Config{ClientAddr: func(*http.Request) string { return test.sent }})
		resp := d.ask(putPage("bowler"), func(r *http.Request) { r.Header["User-Agent"] = []string{test.sent} })
		c := d.open(tokenIn(resp)).Info().Client
		if c.Address != test.want {
			t.Errorf("an address of %d bytes is kept as %q, want %q", len(test.sent), c.Address, test.want)
		}
		if len(test.want) < 50 && c.UserAgent != test.want {
			t.Errorf("an agent %q is kept as %q, want %q", test.sent, c.UserAgent, test.want)
		}
	}
}
