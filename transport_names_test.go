package cloakroom_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests of names of cookies and headers that look like the session's.

// foreignSpaces are Unicode's white space, and more that looks like it or like nothing.
// For a browser each is a part of a cookie's name, so that one of them before "__Host-"
// makes a name without that prefix, which a sibling domain may set.
var foreignSpaces = []rune{
	'\u0085', '\u00a0', '\u1680', '\u2000', '\u2001', '\u2002', '\u2003', '\u2004', '\u2005', '\u2006', '\u2007',
	'\u2008', '\u2009', '\u200a', '\u2028', '\u2029', '\u202f', '\u205f', '\u3000',
	'\u00ad', '\u180e', '\u200b', '\u200c', '\u200d', '\u2060', '\ufeff',
}

// What a manager makes of a cookie.
const (
	opens   = "opens the session"
	forged  = "is ours, and no token"
	ignored = "is another cookie, or none"
	// stricter is ignored too, though net/http takes it for ours.
	stricter = "is another cookie, or none, but not for net/http"
)

// TestCookieNames: a cookie is the session's if its name is the same byte for byte.
// net/http accepts the same names, with the same value.
func TestCookieNames(t *testing.T) {
	type line struct{ name, header, want string }
	// In the lines GOOD stands for a good token.
	const ours = deskCookie + "=GOOD"
	lines := []line{
		{"as sent", ours, opens},
		{"behind another", "a=b; " + ours, opens},
		{"without a space", "a=b;" + ours, opens},
		{"before another", ours + "; a=b", opens},
		{"quoted", deskCookie + `="GOOD"`, opens},
		{"quoted, and a space", deskCookie + `="GOOD" `, opens},

		{"no value", deskCookie + "=", forged},
		{"quotes of nothing", deskCookie + `=""`, forged},
		{"single quotes", deskCookie + "='GOOD'", forged},
		{"a space inside quotes", deskCookie + `=" GOOD"`, forged},
		{"two =", deskCookie + "==GOOD", forged},
		{"a comma", ours + ", a=b", forged},

		{"one quote", deskCookie + `="`, ignored},
		{"quoted in part", deskCookie + `="GOOD`, ignored},
		{"something behind the quotes", deskCookie + `="GOOD"x`, ignored},
		{"quoted twice", deskCookie + `=""GOOD""`, ignored},
		{"a backslash", deskCookie + `=GOOD\`, ignored},
		{"a quoted name", `"` + deskCookie + `"=GOOD`, ignored},
		{"an empty name", "=GOOD", ignored},
		{"an empty name, and ours in the value", "=" + ours, ignored},
		{"a space for a name, and ours in the value", " =" + ours, ignored},
		{"nothing but =", "=", ignored},
		{"our name, in lower case", strings.ToLower(deskCookie) + "=GOOD", ignored},
		{"our name, percent-encoded", "%5F%5F" + deskCookie[2:] + "=GOOD", ignored},
		{"a letter of our name in another alphabet", "__H\u043est-Http-session=GOOD", ignored},
		{"the long s for an s", strings.ReplaceAll(deskCookie, "s", "\u017f") + "=GOOD", ignored},
		{"without =", deskCookie, stricter},
	}
	for _, blank := range []string{" ", "\t", " \t "} {
		what := fmt.Sprintf("%q ", blank)
		lines = append(lines,
			line{what + "before the name", blank + ours, opens},
			line{what + "before the name, behind another", "a=b;" + blank + ours, opens},
			line{what + "behind the value", ours + blank, opens},
			line{what + "behind the value, before another", ours + blank + ";a=b", opens},
			line{what + "behind the name", deskCookie + blank + "=GOOD", stricter},
			line{what + "in the name", "__Host-" + blank + deskCookie[len("__Host-"):] + "=GOOD", ignored},
		)
	}
	lines = append(lines,
		line{"a space before the value", deskCookie + "= GOOD", forged},
		line{"a space in the value", deskCookie + "=GO OD", forged},
		line{"a tab before the value", deskCookie + "=\tGOOD", ignored},
		line{"a tab in the value", ours + "\tGOOD", ignored},
	)
	var others []string
	for _, r := range foreignSpaces {
		others = append(others, string(r))
	}
	for b := range byte(' ') {
		if b != '\t' {
			others = append(others, string(rune(b)))
		}
	}
	// Bytes that are no UTF-8, two of which Latin-1 calls white space.
	others = append(others, "\x7f", "\x80", "\x85", "\xa0", "\xff")
	for _, x := range others {
		what, outside := fmt.Sprintf("%+q ", x), ignored
		if x == "\r" || x == "\n" { // net/http cuts them, but no header has one
			outside = stricter
		}
		lines = append(lines,
			line{what + "before the name", x + ours, outside},
			line{what + "before the name, behind another", "a=b; " + x + ours, outside},
			line{what + "and a space before the name", x + " " + ours, outside},
			line{what + "behind a space, before the name", " " + x + ours, outside},
			line{what + "behind the name", deskCookie + x + "=GOOD", outside},
			line{what + "in the name", "__Host-" + x + deskCookie[len("__Host-"):] + "=GOOD", ignored},
			line{what + "before the value", deskCookie + "=" + x + "GOOD", ignored},
			line{what + "in the value", ours + x + "GOOD", ignored},
			line{what + "behind the value", ours + x, outside},
			line{what + "behind the value, before another", ours + x + "; a=b", outside},
			line{what + "inside quotes", deskCookie + `="` + x + `GOOD"`, ignored},
			line{what + "before quotes", deskCookie + "=" + x + `"GOOD"`, ignored},
			line{what + "alone, and then ours", x + "; " + ours, opens},
			line{what + "for a name", x + "=GOOD", ignored},
		)
	}

	d := newDesk(t, nil)
	good, id := d.stored("bowler")
	for _, tt := range lines {
		t.Run(tt.name, func(t *testing.T) {
			h := strings.ReplaceAll(tt.header, "GOOD", good)
			var seen cloakroom.ID
			d.ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				seen = s.ID()
				return nil
			}, header("Cookie", h))
			got := ignored
			switch events := d.events.take(); {
			case seen == id && events == "":
				got = opens
			case seen.IsZero() && events == "refused forged":
				got = forged
			case !seen.IsZero() || events != "":
				t.Fatalf("%+q: session %v, events %q", tt.header, seen, events)
			}
			if want := strings.Replace(tt.want, stricter, ignored, 1); got != want {
				t.Errorf("%+q %s, want one that %s", tt.header, got, want)
			}

			values := namedOurs(h)
			byHTTP := map[string]bool{
				opens:    slices.Equal(values, []string{good}),
				forged:   len(values) == 1 && values[0] != good,
				ignored:  len(values) == 0,
				stricter: len(values) == 1,
			}
			if !byHTTP[tt.want] {
				t.Errorf("%+q %s, but net/http finds the values %q", tt.header, tt.want, values)
			}
		})
	}
}

// namedOurs returns the values of the session's cookies that net/http finds.
func namedOurs(lines ...string) (values []string) {
	r := &http.Request{Header: http.Header{"Cookie": lines}}
	for _, c := range r.CookiesNamed(deskCookie) {
		values = append(values, c.Value)
	}
	return values
}

// TestPlantedCookies: cookies that a sibling domain planted under names that look
// like the session's neither open their session nor get in the way of the visitor's.
func TestPlantedCookies(t *testing.T) {
	d := newDesk(t, nil)
	mine, id := d.stored("mine")
	theirs, _ := d.stored("theirs")
	var planted []string
	for _, r := range foreignSpaces {
		planted = append(planted, string(r)+deskCookie+"="+theirs)
	}
	all := strings.Join(planted, "; ")
	for name, with := range map[string]func(*http.Request){
		"before":     header("Cookie", all+"; "+deskCookie+"="+mine),
		"behind":     header("Cookie", deskCookie+"="+mine+"; "+all),
		"one a line": func(r *http.Request) { r.Header["Cookie"] = append(slices.Clone(planted), deskCookie+"="+mine) },
	} {
		d.ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if s.ID() != id || hat.Get(s) != "mine" {
				t.Errorf("planted %s the visitor's: the session is %v, %q", name, s.ID(), hat.Get(s))
			}
			return nil
		}, with)
		d.wantEvents("")
	}
	d.ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if !s.IsNew() || hat.Get(s) != "" {
			t.Errorf("planted alone: the session is %v, %q", s.ID(), hat.Get(s))
		}
		return nil
	}, header("Cookie", all))
	d.wantEvents("")
}

// TestAttachLeavesOthers: Attach replaces the session's cookie, and changes no byte
// of those whose names merely look like it.
func TestAttachLeavesOthers(t *testing.T) {
	d := newDesk(t, nil)
	s, _ := d.begun(`hat="bowler"`)
	d.save(s)
	var others []string
	for _, r := range foreignSpaces {
		others = append(others, string(r)+deskCookie+"=x"+string(r), string(r)+"a=b")
	}
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.Header["Cookie"] = []string{strings.Join(others, "; "), " " + deskCookie + "=old\t;\t" + deskCookie + "=older"}
	d.m.Attach(r, s)
	want := strings.Join(append(others, deskCookie+"="+s.Token()), "; ")
	if got := r.Header["Cookie"]; len(got) != 1 || got[0] != want {
		t.Errorf("the header is\n%+q, want\n%+q", got, want)
	}
}

// TestBearerSpaces: spaces and tabs may surround a token, and nothing else.
func TestBearerSpaces(t *testing.T) {
	d := newDesk(t, &cloakroom.Config{Transport: cloakroom.Bearer{}})
	s, err := d.m.Create(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	hat.Set(s, "bowler")
	d.save(s)
	tok := s.Token()
	ask := func(auth, events string, opens bool) {
		t.Helper()
		d.events.take()
		d.ask(func(_ http.ResponseWriter, _ *http.Request, got *cloakroom.Session) error {
			if (got.ID() == s.ID()) != opens {
				t.Errorf("%+q opens %v, want the session: %v", auth, got.ID(), opens)
			}
			return nil
		}, header("Authorization", auth))
		d.wantEvents(events)
	}
	for _, blank := range []string{" ", "\t", " \t "} {
		ask("Bearer "+blank+tok, "", true)
		ask("Bearer "+tok+blank, "", true)
		ask("Bearer"+blank+tok, "", blank[0] == ' ')
	}
	for _, r := range append(foreignSpaces, '\v', '\f', '\r', '\n', 0, 0x7f) {
		x := string(r)
		ask("Bearer "+x+tok, "refused forged", false)
		ask("Bearer "+tok+x, "refused forged", false)
		ask("Bearer"+x+tok, "", false)
		ask("Bearer"+x+" "+tok, "", false)
		ask(x+"Bearer "+tok, "", false)
	}
	// The scheme is compared by Unicode's folding, which for these letters is ASCII's.
	for _, letter := range "Bearer" {
		for r := unicode.SimpleFold(letter); r != letter; r = unicode.SimpleFold(r) {
			if r > unicode.MaxASCII {
				t.Errorf("%+q counts as %q", r, letter)
			}
		}
	}
}
