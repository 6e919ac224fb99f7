package cloakroom_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/token"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the tests of tokens in cookies and headers: refused, forged, doubled
// (invariant 4).

// TestI4_RefusedWithoutStore: a text that can't be a live session's token costs no
// store operation, makes a fresh visitor, and is told with its reason.
func TestI4_RefusedWithoutStore(t *testing.T) {
	const lifetime = 3 * time.Hour
	config := cloakroom.Config{
		Lifetime: lifetime, AnonymousLifetime: lifetime, NotBefore: deskStart.Add(-2 * time.Hour),
	}
	old := config
	old.MaxLifetime = 4 * time.Hour
	old.NotBefore = time.Time{}

	made := func(l driver.Layout, ago time.Duration) func(*testing.T, string) string {
		return func(t *testing.T, _ string) string { return sign(t, driver.NewID(l, deskStart.Add(-ago))) }
	}
	other := func(app, transport string, secret byte) func(*testing.T, string) string {
		return func(t *testing.T, good string) string {
			r := deskRing(t)
			if secret != 'k' {
				var err error
				if r, err = token.NewRing([][]byte{bytes.Repeat([]byte{secret}, 32)}); err != nil {
					t.Fatal(err)
				}
			}
			parsed, _ := deskRing(t).Parse(deskScope, good)
			return r.Sign(token.NewScope(app, transport), parsed.ID, parsed.Secret)
		}
	}
	text := func(f func(string) string) func(*testing.T, string) string {
		return func(_ *testing.T, good string) string { return f(good) }
	}
	const tolerance = driver.ClockTolerance
	for _, tt := range []struct {
		name   string
		config cloakroom.Config
		token  func(t *testing.T, good string) string
		want   cloakroom.Refusal // "" for one that the store has to be asked for
	}{
		{"the good one", config, text(func(s string) string { return s }), ""},
		{"of its key, app and transport", config, other("session", "cookie", 'k'), ""},
		{"made within the lifetime", old, made(driver.LayoutHour, 4*time.Hour-time.Millisecond), ""},
		{"made at NotBefore", config, made(driver.LayoutHour, 2*time.Hour), ""},
		{"made in the future, tolerably", config, made(driver.LayoutHour, -tolerance), ""},
		{"of another layout", config, made(driver.LayoutMonth, 0), ""},
		{"of an import", config, made(driver.LayoutImport, 0), ""},

		{"empty", config, text(func(string) string { return "" }), cloakroom.RefusedForged},
		{"one character", config, text(func(string) string { return "x" }), cloakroom.RefusedForged},
		{"cut", config, text(func(s string) string { return s[:66] }), cloakroom.RefusedForged},
		{"lengthened", config, text(func(s string) string { return s + "A" }), cloakroom.RefusedForged},
		{"padded", config, text(func(s string) string { return s + "=" }), cloakroom.RefusedForged},
		{"first character changed", config, text(func(s string) string { return "B" + s[1:] }), cloakroom.RefusedForged},
		{"an id's character changed", config, text(func(s string) string { return s[:14] + flip(s[14]) + s[15:] }), cloakroom.RefusedForged},
		{"a secret's character changed", config, text(func(s string) string { return s[:30] + flip(s[30]) + s[31:] }), cloakroom.RefusedForged},
		{"the MAC's character changed", config, text(func(s string) string { return s[:60] + flip(s[60]) + s[61:] }), cloakroom.RefusedForged},
		{"percent", config, text(func(s string) string { return fmt.Sprintf("%%%02X%s", s[0], s[1:]) }), cloakroom.RefusedForged},
		{"an id", config, text(func(string) string { return driver.NewID(driver.LayoutDay, deskStart).String() }), cloakroom.RefusedForged},
		{"long", config, text(func(string) string { return strings.Repeat("A", 4000) }), cloakroom.RefusedForged},
		{"of another key", config, other("session", "cookie", 'x'), cloakroom.RefusedForged},
		{"of another app", config, other("shop", "cookie", 'k'), cloakroom.RefusedForged},
		{"of another transport", config, other("session", "bearer", 'k'), cloakroom.RefusedForged},

		{"too old", old, made(driver.LayoutHour, 4*time.Hour), cloakroom.RefusedAge},
		{"very old", old, made(driver.LayoutHour, 50*365*24*time.Hour), cloakroom.RefusedAge},
		{"before NotBefore", config, made(driver.LayoutHour, 2*time.Hour+time.Millisecond), cloakroom.RefusedAge},
		{"from the future", config, made(driver.LayoutHour, -tolerance-time.Millisecond), cloakroom.RefusedAge},
		{"from the far future", config, made(driver.LayoutHour, -100*365*24*time.Hour), cloakroom.RefusedAge},
		{"a ledger's id", config, func(t *testing.T, _ string) string {
			return sign(t, driver.LedgerID("session", "ann"))
		}, cloakroom.RefusedAge},
		{"an id of layout ledger with a time", config, made(driver.LayoutLedger, 0), cloakroom.RefusedAge},
		{"an id of layout 0", config, made(0, 0), cloakroom.RefusedAge},
		{"an id of an unknown layout", config, made(200, 0), cloakroom.RefusedAge},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t, &tt.config)
			good, goodID := d.stored("bowler")
			bad := tt.token(t, good)

			resp := d.ask(lookPage, bring(bad))
			if tt.want == "" {
				d.wantOps("1 reads, 0 writes")
				return
			}
			d.wantOps("0 reads, 0 writes")
			if got := d.events.take(); !strings.HasPrefix(got, "refused "+string(tt.want)) {
				t.Errorf("events: %q, want a refusal for %q", got, tt.want)
			}
			if resp.StatusCode != http.StatusOK || len(setCookies(resp)) > 0 {
				t.Errorf("a look: %d, Set-Cookie %q", resp.StatusCode, setCookies(resp))
			}

			var begun *cloakroom.Session
			resp = d.ask(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
				begun = s
				if !s.IsNew() || s.Token() != "" || !s.ID().IsZero() || s.Principal() != "" || hat.Get(s) != "" {
					t.Errorf("the session isn't fresh: %+v", s.Info())
				}
				return putPage("cap")(w, r, s)
			}, bring(bad))
			d.wantOps("0 reads, 1 writes")
			if tok := tokenIn(resp); tok == "" || tok == bad || begun.ID() == goodID || idIn(t, tok) != begun.ID() {
				t.Errorf("the visitor got the token %q for %v", tok, begun.ID())
			}

			if _, err := d.m.Retrieve(context.Background(), bad); !errors.Is(err, cloakroom.ErrNotFound) {
				t.Errorf("Retrieve: %v", err)
			}
			d.wantOps("0 reads, 0 writes")
			if got := d.hatOf(good); got != "bowler" {
				t.Errorf("the live session now has %q", got)
			}
		})
	}
}

// flip returns another character of base64.
func flip(c byte) string {
	if c == 'A' {
		return "B"
	}
	return "A"
}

// TestI4_RefusalNamesID: an id is told where the token verified.
func TestI4_RefusalNamesID(t *testing.T) {
	d := newDesk(t, nil)
	late := driver.NewID(driver.LayoutDay, deskStart.Add(time.Hour))
	d.ask(lookPage, bring(sign(t, late)))
	d.wantEvents(fmt.Sprintf("refused age %v", late))
	d.ask(lookPage, bring("forged"))
	d.wantEvents("refused forged")
	d.ask(lookPage)
	d.wantEvents("")
}

// TestI4_WrongSecret signs a token well, for a live session whose secret it doesn't
// have, as an attacker could who has the keys and a copy of the store.
func TestI4_WrongSecret(t *testing.T) {
	d := newDesk(t, nil)
	good, id := d.stored("bowler")
	stolen := sign(t, id)

	d.ask(lookPage, bring(stolen))
	d.wantOps("1 reads, 0 writes")
	d.wantEvents(fmt.Sprintf("refused secret %v", id))

	resp := d.ask(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		if !s.IsNew() || hat.Get(s) != "" {
			t.Error("the session isn't fresh")
		}
		return putPage("cap")(w, r, s)
	}, bring(stolen))
	if tok := tokenIn(resp); resp.StatusCode != http.StatusOK || tok == "" || idIn(t, tok) == id {
		t.Errorf("%d, and the visitor got %q", resp.StatusCode, tok)
	}
	if _, err := d.m.Retrieve(context.Background(), stolen); !errors.Is(err, cloakroom.ErrNotFound) {
		t.Errorf("Retrieve: %v", err)
	}
	if v := d.hatOf(good); v != "bowler" {
		t.Errorf("the live session now has %q", v)
	}
}

// TestI4_GoneGetsFreshID: a good token whose record is gone never gets its own
// id back.
func TestI4_GoneGetsFreshID(t *testing.T) {
	for name, end := range map[string]func(*desk, string, cloakroom.ID){
		"never stored": func(*desk, string, cloakroom.ID) {},
		"signed out": func(d *desk, tok string, _ cloakroom.ID) {
			d.ask(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
				return s.Destroy(r.Context())
			}, bring(tok))
		},
		"revoked": func(d *desk, _ string, id cloakroom.ID) {
			if err := d.m.Admin().Revoke(context.Background(), id); err != nil {
				d.t.Error(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, nil)
			tok, id := d.stored("bowler")
			if name == "never stored" {
				id = driver.NewID(driver.LayoutDay, deskStart)
				tok = sign(t, id)
			}
			end(d, tok, id)
			d.clock.advance(time.Minute + driver.ClockTolerance) // past RenewGrace
			resp := d.ask(putPage("cap"), bring(tok))
			fresh := tokenIn(resp)
			if fresh == "" || idIn(t, fresh) == id {
				t.Errorf("the visitor got %q", fresh)
			}
			if _, err := d.m.Retrieve(context.Background(), tok); !errors.Is(err, cloakroom.ErrNotFound) {
				t.Errorf("the old token: %v", err)
			}
		})
	}
}

// TestTwoTokens: of the tokens of two live sessions none is used, and no session is
// begun beside them.
func TestTwoTokens(t *testing.T) {
	d := newDesk(t, nil)
	a, aID := d.stored("bowler")
	b, _ := d.stored("cap")
	third := sign(t, aID) // well signed, of the same session, but another secret

	for name, with := range map[string][]func(*http.Request){
		"two cookies":               {bring(a), bring(b)},
		"in one header":             {header("Cookie", deskCookie+"="+a+"; "+deskCookie+"="+b)},
		"apart":                     {bring(a), bring("junk"), bring(a), bring(b)},
		"beside a wrong secret":     {bring(third), bring(a), bring(b)},
		"one twice, then the other": {bring(b), bring(b), bring(a)},
	} {
		t.Run(name, func(t *testing.T) {
			resp := d.ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				if !s.IsNew() || hat.Get(s) != "" {
					t.Errorf("one of them was used: %v", s.ID())
				}
				return nil
			}, with...)
			d.wantOps("2 reads, 0 writes")
			if got := d.events.take(); !strings.HasPrefix(got, "refused ambiguous ") || strings.Contains(got, ",") {
				t.Errorf("events: %q", got)
			}
			if len(setCookies(resp)) > 0 {
				t.Errorf("Set-Cookie: %q", setCookies(resp))
			}
			if resp := d.ask(putPage("fez"), with...); resp.StatusCode != http.StatusConflict || len(setCookies(resp)) > 0 {
				t.Errorf("a save: %d, Set-Cookie %q", resp.StatusCode, setCookies(resp))
			}
			d.store.since()
			d.events.take()
		})
	}
	if d.hatOf(a) != "bowler" || d.hatOf(b) != "cap" {
		t.Error("one of the sessions was changed")
	}
}

// TestSameTokenTwice: it is fine, also beside texts that are no tokens.
func TestSameTokenTwice(t *testing.T) {
	d := newDesk(t, nil)
	a, id := d.stored("bowler")
	for name, with := range map[string][]func(*http.Request){
		"twice":               {bring(a), bring(a)},
		"in one header":       {header("Cookie", deskCookie+"="+a+"; "+deskCookie+"="+a)},
		"after junk":          {bring("junk"), bring(""), bring(a)},
		"before junk":         {bring(a), bring("junk")},
		"quoted":              {bring(`"` + a + `"`)},
		"among other cookies": {header("Cookie", "a=b; "+deskCookie+"="+a+";c=d")},
		"without spaces":      {header("Cookie", "a=b;"+deskCookie+"="+a+";c=d;;;")},
		"with many spaces":    {header("Cookie", "  a=b ;   "+deskCookie+"="+a+"   ;")},
		"beside a nameless":   {header("Cookie", "=x; x; "+deskCookie+"="+a)},
	} {
		t.Run(name, func(t *testing.T) {
			d.ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				if s.ID() != id || hat.Get(s) != "bowler" {
					t.Errorf("the session is not used: %v", s.ID())
				}
				return nil
			}, with...)
			d.wantOps("1 reads, 0 writes")
			d.wantEvents("")
		})
	}
}

// TestCookieName: a cookie of a similar name is another cookie.
func TestCookieName(t *testing.T) {
	d := newDesk(t, nil)
	a, _ := d.stored("bowler")
	for _, name := range []string{
		"__host-http-session", "__Host-Http-Session", "__Host-Http-session2", "x__Host-Http-session", "Host-Http-session",
		"__Host-Http-session ", "__Host-Http-session%20", "session", "__Host-Http-sessio", `"__Host-Http-session"`, "",
	} {
		d.ask(lookPage, cookie(name, a))
		if got := d.store.since(); got != "0 reads, 0 writes" {
			t.Errorf("a cookie named %q is taken for the session's", name)
		}
	}
	d.wantEvents("")
	d.ask(lookPage, header("Cookie", deskCookie))
	d.ask(lookPage, header("Cookie", deskCookie+";"))
	d.wantOps("0 reads, 0 writes")
}

// TestManyCookies: among thousands of cookies the session's is found.
func TestManyCookies(t *testing.T) {
	d := newDesk(t, nil)
	good, id := d.stored("bowler")
	server := httptest.NewUnstartedServer(d.m.Handler(d.m.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		_, err := fmt.Fprint(w, s.ID())
		return err
	})))
	server.Config.MaxHeaderBytes = 8 << 20
	server.Start()
	defer server.Close()
	client := &http.Client{Timeout: 20 * time.Second}

	ours := func(value string) string { return deskCookie + "=" + value }
	junk := func(n int) []string {
		all := make([]string, n)
		for i := range all {
			all[i] = ours(flip(good[40]) + good[1:60] + fmt.Sprintf("%07d", i))
		}
		return all
	}
	strange := func(n int) []string {
		all := make([]string, n)
		for i := range all {
			all[i] = fmt.Sprintf("c%d=%d", i, i)
		}
		return all
	}
	none := cloakroom.ID{}.String()
	for _, tt := range []struct {
		name   string
		header string
		want   string
		events string
	}{
		{"10,000 others, then ours", strings.Join(append(strange(10_000), ours(good)), "; "), id.String(), ""},
		{"eight forged, then ours", strings.Join(append(junk(8), ours(good)), "; "), id.String(), ""},
		{"10,000 forged, then ours", strings.Join(append(junk(10_000), ours(good)), "; "), id.String(), ""},
		{"10,000 forged", strings.Join(junk(10_000), "; "), none, "refused forged"},
		{"ours, then 10,000 forged", ours(good) + "; " + strings.Join(junk(10_000), "; "), id.String(), ""},
		{"10,000 times ours", strings.Repeat(ours(good)+"; ", 10_000), id.String(), ""},
		{"a megabyte in one cookie", ours(strings.Repeat("A", 1<<20)), none, "refused forged"},
		{"a megabyte of names", strings.Repeat(deskCookie, 1<<20/len(deskCookie)), none, ""},
		{"a megabyte of empty cookies", strings.Repeat(";", 1<<20), none, ""},
		{"a megabyte of spaces", ours(good) + ";" + strings.Repeat(" ", 1<<20) + "; a=b", id.String(), ""},
		{"a megabyte of empty ones of ours", strings.Repeat(deskCookie+"=;", 1<<20/(len(deskCookie)+2)), none, "refused forged"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r, err := http.NewRequest(http.MethodGet, server.URL, nil)
			if err != nil {
				t.Fatal(err)
			}
			r.Header.Set("Cookie", tt.header)
			resp, err := client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			var body bytes.Buffer
			if _, err := body.ReadFrom(resp.Body); err != nil || resp.StatusCode != http.StatusOK || body.String() != tt.want {
				t.Errorf("%d, session %q, %v; want session %q", resp.StatusCode, body.String(), err, tt.want)
			}
			d.wantEvents(tt.events)
		})
	}
	if logged := d.log.String(); logged != "" {
		t.Errorf("logged: %s", logged)
	}
}

func FuzzCookieHeader(f *testing.F) {
	d := newDesk(f, nil)
	good, id := d.stored("bowler")
	for _, h := range []string{
		deskCookie + "=GOOD", "a=b; " + deskCookie + `="GOOD"; c`, deskCookie + "=;=;;" + deskCookie, "=", ";", deskCookie + "=GOOD; " + deskCookie + "=x",
	} {
		f.Add(h, "")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		place := func(s string) string { return strings.ReplaceAll(s, "GOOD", good) }
		var got cloakroom.ID
		d.ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			got = s.ID()
			return nil
		}, header("Cookie", place(one)), header("Cookie", place(two)))
		switch {
		case got != id && !got.IsZero():
			t.Fatalf("a session of id %v came up", got)
		case got == id && !slices.ContainsFunc([]string{one, two}, func(s string) bool { return strings.Contains(s, deskCookie+"=") && strings.Contains(s, "GOOD") }):
			t.Fatalf("%q and %q open the session", one, two)
		}
		// What is taken for the session's cookie, net/http finds under this name, with
		// this value. Of more cookies than a few thousand it would find none.
		events := d.events.take()
		if strings.Count(one+two, ";") > 1000 {
			return
		}
		switch values := namedOurs(place(one), place(two)); {
		case got == id && !slices.Contains(values, good):
			t.Fatalf("%q and %q open the session; net/http finds the values %q", one, two, values)
		case events == "refused forged" && !slices.ContainsFunc(values, func(v string) bool { return v != good }):
			t.Fatalf("%q and %q have a forged token; net/http finds the values %q", one, two, values)
		}
	})
}

// TestAttach: a request carries one token, that of the last session attached, beside
// its other cookies.
func TestAttach(t *testing.T) {
	for _, transport := range []cloakroom.Transport{
		cloakroom.Cookie{}, cloakroom.Cookie{Domain: "example.com", Path: "/shop", RememberAnonymous: true}, cloakroom.Bearer{},
	} {
		d := newDesk(t, &cloakroom.Config{Transport: transport})
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.Header.Set("Cookie", "a=b; c=d")
		for _, value := range []string{"bowler", "cap"} {
			s, err := d.m.Create(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			hat.Set(s, value)
			d.save(s)
			d.m.Attach(r, s)
			d.ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				if got := hat.Get(s); got != value {
					t.Errorf("%T: the request opens the session of %q, want that of %q", transport, got, value)
				}
				return nil
			}, func(asked *http.Request) { asked.Header = r.Header })
		}
		if c, err := r.Cookie("a"); err != nil || c.Value != "b" {
			t.Errorf("%T: another cookie is now %v, %v", transport, c, err)
		}
		if c, err := r.Cookie("c"); err != nil || c.Value != "d" {
			t.Errorf("%T: another cookie is now %v, %v", transport, c, err)
		}
	}
}

// TestPrinting a session, as in a log's line, tells neither its secret nor its
// values.
func TestPrinting(t *testing.T) {
	d := newDesk(t, nil)
	s, tok := d.begun(`hat="` + hiddenValue + `"`)
	text, structured := new(logLines), new(logLines)
	slog.New(slog.NewTextHandler(text, nil)).Info("asked", "session", s)
	slog.New(slog.NewJSONHandler(structured, nil)).Info("asked", "session", s)
	parsed, _ := deskRing(t).Parse(deskScope, tok)
	raw := []byte(`"` + hiddenValue + `"`)
	for how, printed := range map[string]string{
		"%v": fmt.Sprintf("%v", s), "%+v": fmt.Sprintf("%+v", s), "%#v": fmt.Sprintf("%#v", s),
		"slog as text": text.String(), "slog as JSON": structured.String(),
	} {
		for _, hidden := range append(spellings(t, tok),
			hiddenValue, fmt.Sprintf("%d", raw), fmt.Sprintf("%#v", raw)[len("[]byte"):],
			fmt.Sprint(parsed.Secret), fmt.Sprintf("%#v", parsed.Secret)) {
			if strings.Contains(printed, hidden) {
				t.Errorf("%s prints %q", how, hidden)
			}
		}
	}
}

// TestBearer: where a token may stand in the header.
func TestBearer(t *testing.T) {
	d := newDesk(t, &cloakroom.Config{Transport: cloakroom.Bearer{}})
	resp := d.ask(putPage("bowler"))
	a := resp.Header.Get("Session-Token")
	if len(a) != token.TextLen || len(setCookies(resp)) > 0 {
		t.Fatalf("a new session: Session-Token %q, Set-Cookie %q", a, setCookies(resp))
	}
	id := idIn(t, a)
	d.store.since()
	d.events.take()

	auth := func(values ...string) []func(*http.Request) {
		var with []func(*http.Request)
		for _, v := range values {
			with = append(with, header("Authorization", v))
		}
		return with
	}
	for _, tt := range []struct {
		name   string
		with   []func(*http.Request)
		ok     bool
		events string
	}{
		{"as documented", auth("Bearer " + a), true, ""},
		{"lower case scheme", auth("bearer " + a), true, ""},
		{"upper case scheme", auth("BEARER " + a), true, ""},
		{"more spaces", auth("Bearer   " + a + " "), true, ""},
		{"twice", auth("Bearer "+a, "bearer "+a), true, ""},
		{"beside another scheme", auth("Basic YW5uOmFubg==", "Bearer "+a), true, ""},
		{"beside junk", auth("Bearer junk", "Bearer "+a), true, ""},
		{"eight forged before", append(auth(slices.Repeat([]string{"Bearer x"}, 8)...), auth("Bearer "+a)...), true, ""},

		{"none", nil, false, ""},
		{"empty", auth(""), false, ""},
		{"scheme only", auth("Bearer"), false, ""},
		{"another scheme", auth("Basic " + a), false, ""},
		{"no scheme", auth(a), false, ""},
		{"no space", auth("Bearer" + a), false, ""},
		{"scheme and a space", auth("Bearer "), false, "refused forged"},
		{"something behind", auth("Bearer " + a + " x"), false, "refused forged"},
		{"two in one", auth("Bearer " + a + ", Bearer " + a), false, "refused forged"},
		{"quoted", auth(`Bearer "` + a + `"`), false, "refused forged"},
		{"as a cookie", []func(*http.Request){cookie("Session-Token", a), bring(a)}, false, ""},
		{"in the response's header", []func(*http.Request){header("Session-Token", a)}, false, ""},
		{"in the address", []func(*http.Request){func(r *http.Request) { r.URL.RawQuery = "access_token=" + a }}, false, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			resp := d.ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				if got := s.ID() == id && hat.Get(s) == "bowler"; got != tt.ok {
					t.Errorf("the session is used: %v, want %v", got, tt.ok)
				}
				return nil
			}, tt.with...)
			if tt.ok {
				d.wantOps("1 reads, 0 writes")
			} else {
				d.wantOps("0 reads, 0 writes")
			}
			d.wantEvents(tt.events)
			if _, ok := resp.Header["Session-Token"]; ok {
				t.Errorf("a look hands out %q", resp.Header["Session-Token"])
			}
		})
	}
}

// TestBearerHeader: the response's header can be named, and a sign-out empties it.
func TestBearerHeader(t *testing.T) {
	d := newDesk(t, &cloakroom.Config{Transport: cloakroom.Bearer{Header: "X-Shop-Session"}})
	resp := d.ask(putPage("bowler"))
	tok := resp.Header.Get("X-Shop-Session")
	if len(tok) != token.TextLen || resp.Header.Get("Session-Token") != "" {
		t.Fatalf("headers %v", resp.Header)
	}
	resp = d.ask(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Destroy(r.Context())
	}, header("Authorization", "Bearer "+tok))
	if got, ok := resp.Header["X-Shop-Session"]; !ok || len(got) != 1 || got[0] != "" {
		t.Errorf("after a sign-out the header is %q", got)
	}
	if got := resp.Header.Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("Cache-Control %q", got)
	}
}

// TestBearerNeverFallsBack: with an invalid bearer token a good cookie isn't
// looked at, even by name of the other manager's.
func TestBearerNeverFallsBack(t *testing.T) {
	d := newDesk(t, nil)
	good, _ := d.stored("bowler")
	api := newDeskOn(t, d.store, d.keyring, &cloakroom.Config{Transport: cloakroom.Bearer{}})
	for _, auth := range []string{"Bearer forged", "Bearer " + good, "Bearer ", "Basic x", ""} {
		api.ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if !s.IsNew() || hat.Get(s) != "" {
				t.Errorf("%q and a good cookie open %v", auth, s.ID())
			}
			return nil
		}, bring(good), header("Authorization", auth))
		api.wantOps("0 reads, 0 writes")
	}
}

// TestNest nests managers that share a store: each has its own session, token
// and header, whichever is inside.
func TestNest(t *testing.T) {
	web := func(t *testing.T, store cloakroom.Store) *desk { return newDeskOn(t, store, testKeyring(t), nil) }
	second := &cloakroom.Config{Transport: cloakroom.Cookie{Name: "__Host-second"}}
	for _, tt := range []struct {
		name  string
		other *cloakroom.Config
		// handed returns the other manager's token in a response, and bring puts
		// it on a request.
		handed func(*http.Response) string
		bring  func(string) func(*http.Request)
		vary   string
	}{
		{
			"cookie and bearer", &cloakroom.Config{Transport: cloakroom.Bearer{}},
			func(r *http.Response) string { return r.Header.Get("Session-Token") },
			func(tok string) func(*http.Request) { return header("Authorization", "Bearer "+tok) },
			"Authorization",
		},
		{"two cookies of one app", second, cookieNamed("__Host-second"), func(tok string) func(*http.Request) { return cookie("__Host-second", tok) }, "Cookie"},
		{
			"two cookies of two apps", &cloakroom.Config{App: "shop", Transport: second.Transport},
			cookieNamed("__Host-second"), func(tok string) func(*http.Request) { return cookie("__Host-second", tok) }, "Cookie",
		},
	} {
		t.Run(tt.name, func(t *testing.T) {
			mem := memstore.New(nil)
			defer mem.Close()
			a := web(t, mem)
			b := newDeskOn(t, mem, testKeyring(t), tt.other)
			use := func(outer, inner *cloakroom.Manager, h func(a, b *cloakroom.Session), with ...func(*http.Request)) *http.Response {
				t.Helper()
				r, w := httptest.NewRequest(http.MethodGet, "/", nil), httptest.NewRecorder()
				for _, f := range with {
					f(r)
				}
				outer.Handler(inner.Handler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
					sa, err1 := a.m.Session(r.Context())
					sb, err2 := b.m.Session(r.Context())
					if err := errors.Join(err1, err2); err != nil {
						t.Error(err)
						return
					}
					h(sa, sb)
				}))).ServeHTTP(w, r)
				return w.Result()
			}
			for _, order := range [][2]*cloakroom.Manager{{a.m, b.m}, {b.m, a.m}} {
				resp := use(order[0], order[1], func(sa, sb *cloakroom.Session) {
					hat.Set(sa, "of a")
					hat.Set(sb, "of b")
				})
				tokA, tokB := cookieNamed(deskCookie)(resp), tt.handed(resp)
				if len(tokA) != token.TextLen || len(tokB) != token.TextLen || tokA == tokB {
					t.Fatalf("tokens %q and %q", tokA, tokB)
				}
				if vary := resp.Header.Values("Vary"); !slices.Contains(vary, "Cookie") || !slices.Contains(vary, tt.vary) {
					t.Errorf("Vary: %q", vary)
				}
				use(order[0], order[1], func(sa, sb *cloakroom.Session) {
					if hat.Get(sa) != "of a" || hat.Get(sb) != "of b" {
						t.Errorf("sessions %q and %q", hat.Get(sa), hat.Get(sb))
					}
				}, bring(tokA), tt.bring(tokB))
				a.store.since()
				b.store.since()
				use(order[0], order[1], func(sa, sb *cloakroom.Session) {
					if hat.Get(sa) != "" || hat.Get(sb) != "of b" {
						t.Errorf("with b's token only: %q and %q", hat.Get(sa), hat.Get(sb))
					}
				}, tt.bring(tokB))
				a.wantOps("0 reads, 0 writes")
				b.wantOps("1 reads, 0 writes")
			}
		})
	}
}

// cookieNamed returns a reader of the cookie that a response sets.
func cookieNamed(name string) func(*http.Response) string {
	return func(r *http.Response) string {
		for _, c := range r.Cookies() {
			if c.Name == name {
				return c.Value
			}
		}
		return ""
	}
}
