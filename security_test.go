package cloakroom_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/token"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the tests by requirements of OWASP's ASVS, and of secrets in stores and
// logs.

// Names of tests give the requirement of OWASP's Application Security
// Verification Standard, version 5.0, that they are about.

// signIn signs a principal in and returns the token that is handed out.
func (d *desk) signIn(principal string, o *cloakroom.LoginOptions, with ...func(*http.Request)) (string, *http.Response) {
	d.t.Helper()
	resp := d.ask(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Login(r.Context(), principal, o)
	}, with...)
	tok := tokenIn(resp)
	if resp.StatusCode != http.StatusOK || tok == "" {
		d.t.Fatalf("signing in: %d, %v", resp.StatusCode, resp.Header)
	}
	return tok, resp
}

func (d *desk) signOut(tok string) *http.Response {
	return d.ask(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Destroy(r.Context())
	}, bring(tok))
}

// opens reports whether a token opens a session, and whose.
func (d *desk) opens(tok string) (principal string, ok bool) {
	d.t.Helper()
	s, err := d.m.Retrieve(context.Background(), tok)
	if errors.Is(err, cloakroom.ErrNotFound) {
		return "", false
	}
	if err != nil {
		d.t.Fatal(err)
	}
	return s.Principal(), true
}

func (d *desk) wantShut(tok, what string) {
	d.t.Helper()
	if _, ok := d.opens(tok); ok {
		d.t.Errorf("%s: the token still opens the session", what)
	}
	d.ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if s.Principal() != "" || len(slices.Collect(s.Names())) > 0 {
			d.t.Errorf("%s: a request with the token sees the session", what)
		}
		return nil
	}, bring(tok))
}

// attributes splits a Set-Cookie line into its name, value and the set of its
// attributes.
func attributes(line string) (name, value string, attrs []string) {
	parts := strings.Split(line, "; ")
	name, value, _ = strings.Cut(parts[0], "=")
	return name, value, slices.Sorted(slices.Values(parts[1:]))
}

// TestASVS_3_3_CookieSetup: 3.3.1 Secure, 3.3.2 SameSite, 3.3.3 the __Host- prefix and
// its conditions, 3.3.4 HttpOnly, 3.3.5 a size that browsers take.
func TestASVS_3_3_CookieSetup(t *testing.T) {
	for _, tt := range []struct {
		name   string
		cookie cloakroom.Cookie
		named  string
		attrs  []string
	}{
		{"default", cloakroom.Cookie{}, "__Host-Http-session", []string{"HttpOnly", "Path=/", "SameSite=Lax", "Secure"}},
		{"another name", cloakroom.Cookie{Name: "sid"}, "sid", []string{"HttpOnly", "Path=/", "SameSite=Lax", "Secure"}},
		{"strict", cloakroom.Cookie{SameSite: http.SameSiteStrictMode}, "__Host-Http-session", []string{"HttpOnly", "Path=/", "SameSite=Strict", "Secure"}},
		{"none", cloakroom.Cookie{SameSite: http.SameSiteNoneMode}, "__Host-Http-session", []string{"HttpOnly", "Path=/", "SameSite=None", "Secure"}},
		{"net/http's default", cloakroom.Cookie{SameSite: http.SameSiteDefaultMode}, "__Host-Http-session", []string{"HttpOnly", "Path=/", "SameSite=Lax", "Secure"}},
		{"plain HTTP", cloakroom.Cookie{Insecure: true}, "session", []string{"HttpOnly", "Path=/", "SameSite=Lax"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t, &cloakroom.Config{Transport: tt.cookie})
			begun := d.ask(putPage("bowler"))
			_, signedIn := d.signIn("ann", nil)
			for what, resp := range map[string]*http.Response{"a new session": begun, "a sign-in": signedIn} {
				lines := setCookies(resp)
				if len(lines) != 1 {
					t.Fatalf("%s: Set-Cookie %q", what, lines)
				}
				name, value, attrs := attributes(lines[0])
				if name != tt.named || len(value) != token.TextLen || !slices.Equal(attrs, tt.attrs) {
					t.Errorf("%s: %s", what, lines[0])
				}
				if len(name)+len(value) > 4096 {
					t.Errorf("%s: %d bytes", what, len(name)+len(value))
				}
			}
			// It is told in no other place.
			for name, values := range signedIn.Header {
				if name != "Set-Cookie" && strings.Contains(strings.Join(values, " "), tokenIn(signedIn)) {
					t.Errorf("the token is in %s, too", name)
				}
			}
		})
	}
}

// TestPersistentOnlyIfRemembered: Max-Age and Expires reach to the deadline, on
// a later response too, and are there after Remember only.
func TestPersistentOnlyIfRemembered(t *testing.T) {
	d := newDesk(t, nil)
	_, resp := d.signIn("ann", &cloakroom.LoginOptions{Remember: true, Lifetime: 10 * time.Hour})
	_, _, attrs := attributes(setCookies(resp)[0])
	want := []string{
		"Expires=" + deskStart.Add(10*time.Hour).Format(http.TimeFormat), "HttpOnly", "Max-Age=36000", "Path=/", "SameSite=Lax", "Secure",
	}
	if !slices.Equal(attrs, want) {
		t.Errorf("attributes %q, want %q", attrs, want)
	}
	d.clock.advance(9 * time.Hour)
	renewed := d.ask(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Renew(r.Context())
	}, bring(tokenIn(resp)))
	if len(setCookies(renewed)) != 1 {
		t.Fatalf("Set-Cookie %q", setCookies(renewed))
	}
	if _, _, attrs := attributes(setCookies(renewed)[0]); !slices.Contains(attrs, "Max-Age=3600") || !slices.Contains(attrs, want[0]) {
		t.Errorf("nine hours later: %q", attrs)
	}
	_, resp = d.signIn("ann", nil, bring(tokenIn(renewed)))
	if _, _, attrs := attributes(setCookies(resp)[0]); len(attrs) != 4 {
		t.Errorf("a sign-in that doesn't remember: %q", attrs)
	}
}

// TestASVS_7_2_3_TokensAreRandom: unique, from a CSPRNG, 128 bits. A test can see that
// each bit takes both values, evenly.
func TestASVS_7_2_3_TokensAreRandom(t *testing.T) {
	d := newDesk(t, &cloakroom.Config{Transport: cloakroom.Cookie{}})
	const n = 2000
	var ones [128]int
	seen := map[string]bool{}
	for range n {
		s, err := d.m.Create(context.Background())
		if err != nil {
			t.Fatal(err)
		}
		tok := s.Token()
		parsed, ok := deskRing(t).Parse(deskScope, tok)
		if !ok || seen[tok] || seen[string(parsed.Secret[:])] {
			t.Fatalf("%v, or seen before", ok)
		}
		seen[tok], seen[string(parsed.Secret[:])] = true, true
		for bit := range ones {
			ones[bit] += int(parsed.Secret[bit/8] >> (bit % 8) & 1)
		}
	}
	for bit, got := range ones {
		// Seven times the standard deviation, which is 22: by chance once in
		// several billion runs.
		if got < n/2-157 || got > n/2+157 {
			t.Errorf("bit %d is set in %d of %d secrets", bit, got, n)
		}
	}
}

// TestASVS_7_2_4_NewTokenAtSignIn: a sign-in, and one more, change id and token,
// and the ones before open nothing. So a token that somebody planted is no way in.
func TestASVS_7_2_4_NewTokenAtSignIn(t *testing.T) {
	d := newDesk(t, nil)
	planted, plantedID := d.stored("the attacker's")
	first, _ := d.signIn("ann", nil, bring(planted))
	if first == planted || idIn(t, first) == plantedID {
		t.Error("the sign-in kept the token or the id")
	}
	d.wantShut(planted, "after the sign-in")
	if who, ok := d.opens(first); !ok || who != "ann" {
		t.Errorf("the new token opens %q, %v", who, ok)
	}
	again, _ := d.signIn("ann", nil, bring(first))
	if again == first || idIn(t, again) == idIn(t, first) {
		t.Error("signing in again kept the token or the id")
	}
	d.wantShut(first, "after signing in again")
	other, _ := d.signIn("bob", nil, bring(again))
	d.wantShut(again, "after another signed in")
	if d.kept(other) != "" {
		t.Errorf("bob's session has ann's %s", d.kept(other))
	}

	// An id that a client chooses is never taken.
	chosen := driver.NewID(driver.LayoutDay, deskStart)
	tok, _ := d.signIn("eve", nil, bring(sign(t, chosen)))
	if idIn(t, tok) == chosen {
		t.Error("the session took the id that the client chose")
	}
}

// TestASVS_7_3_1_IdleTimeout: to the millisecond, and on the server.
func TestASVS_7_3_1_IdleTimeout(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDesk(t, &cloakroom.Config{IdleTimeout: time.Hour, TouchEvery: -1})
		tok, _ := d.signIn("ann", nil)
		for range 5 { // activity keeps it alive
			d.clock.advance(time.Hour - time.Millisecond)
			d.ask(lookPage, bring(tok))
			synctest.Wait()
		}
		if _, ok := d.opens(tok); !ok {
			t.Error("it ended although it was in use")
		}
		d.clock.advance(time.Hour)
		d.wantShut(tok, "idle for an hour")
		d.clock.advance(-time.Hour) // a clock that was set back opens it no more
		d.wantShut(tok, "once it was called expired")
	})
}

// TestASVS_7_3_2_AbsoluteLifetime: however active, and remembered or not.
func TestASVS_7_3_2_AbsoluteLifetime(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		d := newDesk(t, &cloakroom.Config{Lifetime: 10 * time.Hour, IdleTimeout: 5 * time.Hour, TouchEvery: -1})
		tok, _ := d.signIn("ann", &cloakroom.LoginOptions{Remember: true})
		page := func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			hat.Update(s, func(v string) string { return v + "x" })
			return nil
		}
		for range 9 {
			d.clock.advance(time.Hour)
			d.ask(page, bring(tok))
			synctest.Wait()
		}
		d.clock.advance(time.Hour - time.Millisecond)
		if _, ok := d.opens(tok); !ok {
			t.Error("it ended early")
		}
		d.clock.advance(time.Millisecond)
		d.wantShut(tok, "at its deadline")
	})
}

// TestASVS_7_4_1_SignOut: the token is of no use any more, the cookie is taken
// back with the attributes it was set with, and nothing of it is cached.
func TestASVS_7_4_1_SignOut(t *testing.T) {
	d := newDesk(t, nil)
	tok, _ := d.signIn("ann", nil)
	resp := d.signOut(tok)
	if len(setCookies(resp)) != 1 {
		t.Fatalf("Set-Cookie %q", setCookies(resp))
	}
	name, value, attrs := attributes(setCookies(resp)[0])
	if want := []string{"HttpOnly", "Max-Age=0", "Path=/", "SameSite=Lax", "Secure"}; name != deskCookie || value != "" || !slices.Equal(attrs, want) {
		t.Errorf("Set-Cookie %q", setCookies(resp)[0])
	}
	if got := resp.Header.Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	d.wantShut(tok, "after the sign-out")
	d.clock.advance(29 * 24 * time.Hour)
	d.wantShut(tok, "long after the sign-out")
}

// TestASVS_7_4_2_SignOutOfAPrincipal, as when an account is closed (7.4.2) or an
// administrator steps in (7.4.5), with exceptions, as after a change of the
// password (7.4.3).
func TestASVS_7_4_2_SignOutOfAPrincipal(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t, nil)
	var anns []string
	for range 5 {
		tok, _ := d.signIn("ann", nil)
		anns = append(anns, tok)
	}
	bob, _ := d.signIn("bob", nil)

	if err := d.m.Admin().Revoke(ctx, idIn(t, anns[0])); err != nil {
		t.Fatal(err)
	}
	d.wantShut(anns[0], "revoked by id")
	if err := d.m.Admin().RevokeAll(ctx, "ann", idIn(t, anns[4])); err != nil {
		t.Fatal(err)
	}
	for _, tok := range anns[:4] {
		d.wantShut(tok, "all but one revoked")
	}
	if _, ok := d.opens(anns[4]); !ok {
		t.Error("the exception was revoked")
	}
	if err := d.m.Admin().RevokeAll(ctx, "ann"); err != nil {
		t.Fatal(err)
	}
	d.wantShut(anns[4], "all revoked")
	if who, ok := d.opens(bob); !ok || who != "bob" {
		t.Error("another principal was signed out as well")
	}
	if err := d.m.Admin().RevokeAll(ctx, ""); err == nil {
		t.Error("the empty principal is taken for somebody")
	}
}

// TestASVS_7_5_1_ReauthenticationIsSeen: how long ago the password was given is
// there to be asked, and only a sign-in moves it.
func TestASVS_7_5_1_ReauthenticationIsSeen(t *testing.T) {
	d := newDesk(t, nil)
	tok, _ := d.signIn("ann", nil)
	d.clock.advance(time.Hour)
	tok = tokenIn(d.ask(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		hat.Set(s, "cap")
		return s.Renew(r.Context())
	}, bring(tok)))
	if got := d.open(tok).Authenticated(); !got.Equal(deskStart) {
		t.Errorf("after an hour's use it is %v", got)
	}
	tok, _ = d.signIn("ann", nil, bring(tok))
	if got := d.open(tok).Authenticated(); !got.Equal(deskStart.Add(time.Hour)) {
		t.Errorf("after signing in again it is %v", got)
	}
	if d.kept(tok) != `hat="cap"` {
		t.Errorf("the values are %s", d.kept(tok))
	}
}

// TestASVS_7_5_2_DevicesAreSeen by their owner, and can be ended one by one.
func TestASVS_7_5_2_DevicesAreSeen(t *testing.T) {
	d := newDesk(t, nil)
	phone, _ := d.signIn("ann", nil, header("User-Agent", "phone"))
	d.clock.advance(time.Second)
	desktop, _ := d.signIn("ann", nil, header("User-Agent", "desktop"))
	d.signIn("bob", nil)
	devices := func() (list string) {
		d.ask(func(_ http.ResponseWriter, r *http.Request, _ *cloakroom.Session) error {
			all, err := d.m.Devices(r.Context())
			for _, x := range all {
				list += fmt.Sprintf("%s %v;", x.Client.UserAgent, x.Current)
			}
			return err
		}, bring(desktop), header("User-Agent", "desktop"))
		return list
	}
	if got := devices(); got != "desktop true;phone false;" {
		t.Errorf("devices: %q", got)
	}
	if err := d.m.Admin().Revoke(context.Background(), idIn(t, phone)); err != nil {
		t.Fatal(err)
	}
	if got := devices(); got != "desktop true;" {
		t.Errorf("devices: %q", got)
	}
}

// TestASVS_14_3_2_NoStoreBesideCredentials: whatever headers the handler set.
func TestASVS_14_3_2_NoStoreBesideCredentials(t *testing.T) {
	for _, said := range []string{"", "public, max-age=3600", "max-age=60"} {
		d := newDesk(t, nil)
		say := func(do deskPage) deskPage {
			return func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
				if said != "" {
					w.Header().Set("Cache-Control", said)
				}
				return do(w, r, s)
			}
		}
		begun := d.ask(say(putPage("bowler")))
		tok := tokenIn(begun)
		renewed := d.ask(say(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error { return s.Renew(r.Context()) }), bring(tok))
		signedIn := d.ask(say(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			return s.Login(r.Context(), "ann", nil)
		}), bring(tokenIn(renewed)))
		signedOut := d.ask(say(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
			return s.Destroy(r.Context())
		}), bring(tokenIn(signedIn)))
		for what, resp := range map[string]*http.Response{"begun": begun, "renewed": renewed, "signed in": signedIn, "signed out": signedOut} {
			if len(setCookies(resp)) != 1 {
				t.Errorf("%s: Set-Cookie %q", what, setCookies(resp))
			}
			if got := resp.Header.Values("Cache-Control"); len(got) != 1 || got[0] != "private, no-store" {
				t.Errorf("%s, the handler said %q: Cache-Control %q", what, said, got)
			}
		}
		seen := d.ask(say(lookPage), bring(tokenIn(d.ask(putPage("cap")))))
		if got := seen.Header.Get("Cache-Control"); got != said || len(setCookies(seen)) > 0 {
			t.Errorf("a look, the handler said %q: Cache-Control %q, Set-Cookie %q", said, got, setCookies(seen))
		}
	}
}

// TestVaryWhereConsulted, and only there: else a cache would keep a copy of a
// static file for each visitor.
func TestVaryWhereConsulted(t *testing.T) {
	for transport, want := range map[cloakroom.Transport]string{cloakroom.Cookie{}: "Cookie", cloakroom.Bearer{}: "Authorization"} {
		d := newDesk(t, &cloakroom.Config{Transport: transport})
		if got := d.ask(lookPage).Header.Values("Vary"); len(got) != 1 || got[0] != want {
			t.Errorf("consulted, without a token: Vary %q", got)
		}
		if got := d.ask(lookPage, bring("forged"), header("Authorization", "Bearer forged")).Header.Values("Vary"); len(got) != 1 || got[0] != want {
			t.Errorf("consulted, with a forged one: Vary %q", got)
		}
		resp := d.ask(func(w http.ResponseWriter, _ *http.Request, _ *cloakroom.Session) error {
			w.Header().Set("Vary", "Accept-Encoding")
			return nil
		})
		if got := resp.Header.Values("Vary"); !slices.Equal(got, []string{"Accept-Encoding", want}) {
			t.Errorf("beside the handler's: Vary %q", got)
		}
		plain := d.plain(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "static") })
		if got := plain.Header.Values("Vary"); len(got) != 0 {
			t.Errorf("not consulted: Vary %q", got)
		}
		d.wantOps("0 reads, 0 writes")
	}
}

// plain sends a request with a token to a handler that doesn't ask for it.
func (d *desk) plain(h http.HandlerFunc) *http.Response {
	tok := sign(d.t, driver.NewID(driver.LayoutDay, deskStart))
	return serve(d.m.Handler(h), bring(tok), header("Authorization", "Bearer "+tok))
}

// TestASVS_14_2_1_NoTokenInAddresses: one in the address or a form is none.
func TestASVS_14_2_1_NoTokenInAddresses(t *testing.T) {
	d := newDesk(t, nil)
	tok, _ := d.stored("bowler")
	for _, name := range []string{deskCookie, "session", "token", "Session-Token"} {
		d.ask(lookPage, func(r *http.Request) {
			r.Method = "POST"
			r.URL.RawQuery = name + "=" + tok
			r.Form = map[string][]string{name: {tok}}
			r.PostForm = r.Form
		}, header(http.CanonicalHeaderKey(name), tok))
		d.wantOps("0 reads, 0 writes")
	}
}

// TestStoreOpensNothing: the store has neither the token nor its secret, in no
// spelling.
func TestStoreOpensNothing(t *testing.T) {
	d := newDesk(t, nil)
	tok, _ := d.stored("bowler")
	renewed := tokenIn(d.ask(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error { return s.Renew(r.Context()) }, bring(tok)))
	rec, err := d.store.Get(context.Background(), idIn(t, tok))
	if err != nil || len(rec.Verifier) == 0 || len(rec.Previous) == 0 {
		t.Fatalf("%v, %+v", err, rec)
	}
	all := fmt.Sprintf("%v %s %s", rec.Info(), rec.Verifier, rec.Previous)
	for _, b := range [][]byte{rec.Verifier, rec.Previous} {
		all += fmt.Sprintf(" %x %s %s", b, base64.StdEncoding.EncodeToString(b), base64.RawURLEncoding.EncodeToString(b))
	}
	for _, l := range []driver.ValueList{rec.Values, rec.Extra} {
		for name, raw := range l.All() {
			all += fmt.Sprintf(" %s %s %x", name, raw, raw)
		}
	}
	for _, tok := range []string{tok, renewed} {
		for _, s := range spellings(t, tok) {
			if strings.Contains(all, s) {
				t.Errorf("the record has %q of the token", s)
			}
		}
	}
}

// spellings returns a token, and its secret as bytes, in hexadecimal and base64.
func spellings(t testing.TB, tok string) []string {
	t.Helper()
	raw, err := base64.RawURLEncoding.DecodeString(tok)
	if err != nil || len(raw) != 50 {
		t.Fatalf("%q is no token", tok)
	}
	secret := raw[18:34]
	return []string{
		tok, tok[24:], string(secret), hex.EncodeToString(secret),
		base64.RawStdEncoding.EncodeToString(secret), base64.RawURLEncoding.EncodeToString(secret),
	}
}

// TestEditedRecordOpensForNobody: an attacker who can write to the store makes nobody
// another principal and no session longer.
func TestEditedRecordOpensForNobody(t *testing.T) {
	for name, edit := range map[string]func(r *driver.Record){
		"principal":     func(r *driver.Record) { r.Principal = "root" },
		"no principal":  func(r *driver.Record) { r.Principal = "" },
		"deadline":      func(r *driver.Record) { r.Deadline = r.Deadline.Add(time.Hour) },
		"made":          func(r *driver.Record) { r.Created = r.Created.Add(time.Millisecond) },
		"authenticated": func(r *driver.Record) { r.Authenticated = r.Authenticated.Add(time.Hour) },
		"no verifier":   func(r *driver.Record) { r.Verifier = nil },
		"cut verifier":  func(r *driver.Record) { r.Verifier = r.Verifier[:1] },
	} {
		t.Run(name, func(t *testing.T) {
			d := newDesk(t, nil)
			tok, _ := d.signIn("ann", nil)
			rec, err := d.store.Get(context.Background(), idIn(t, tok))
			if err != nil {
				t.Fatal(err)
			}
			edited := *rec
			edit(&edited)
			if _, err := d.store.Update(context.Background(), &edited); err != nil {
				t.Fatal(err)
			}
			d.events.take()
			d.ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				if !s.IsNew() || s.Principal() != "" {
					t.Errorf("it opens for %q", s.Principal())
				}
				return nil
			}, bring(tok))
			d.wantEvents(fmt.Sprintf("refused secret %v", rec.ID))
		})
	}
	t.Run("another's verifier", func(t *testing.T) {
		d := newDesk(t, nil)
		ann, _ := d.signIn("ann", nil)
		root, _ := d.signIn("root", nil)
		a, _ := d.store.Get(context.Background(), idIn(t, ann))
		r, err := d.store.Get(context.Background(), idIn(t, root))
		if err != nil {
			t.Fatal(err)
		}
		// All of ann's record but its id goes where root's is.
		edited := *a
		edited.ID, edited.Version, edited.Principal = r.ID, r.Version, "root"
		if _, err := d.store.Update(context.Background(), &edited); err != nil {
			t.Fatal(err)
		}
		d.wantShut(root, "overwritten")
		parsed, _ := deskRing(t).Parse(deskScope, ann)
		d.wantShut(deskRing(t).Sign(deskScope, r.ID, parsed.Secret), "with ann's secret")
	})
}

// TestASVS_16_5_2_OutageIsNoSignOut: an unreachable store is a 503, the cookie is
// left alone, and nobody is taken for anybody.
func TestASVS_16_5_2_OutageIsNoSignOut(t *testing.T) {
	mem := memstore.New(nil)
	defer mem.Close()
	down := &downStore{Store: mem}
	d := newDeskOn(t, down, testKeyring(t), &cloakroom.Config{SaveTimeout: 50 * time.Millisecond})
	tok, _ := d.signIn("ann", nil)
	down.set(errors.New("connection refused"))
	resp := d.ask(func(http.ResponseWriter, *http.Request, *cloakroom.Session) error {
		t.Error("the handler is called without its session")
		return nil
	}, bring(tok))
	if resp.StatusCode != http.StatusServiceUnavailable || resp.Header.Get("Retry-After") == "" || len(setCookies(resp)) > 0 {
		t.Errorf("%d, %v", resp.StatusCode, resp.Header)
	}
	if got := resp.Header.Get("Cache-Control"); got != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
	down.set(nil)
	if who, ok := d.opens(tok); !ok || who != "ann" {
		t.Errorf("afterwards the token opens %q, %v", who, ok)
	}
}

// downStore fails while it is told to.
type downStore struct {
	cloakroom.Store
	mu  sync.Mutex
	err error
}

func (s *downStore) set(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *downStore) fails() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

func (s *downStore) Get(ctx context.Context, id cloakroom.ID) (*driver.Record, error) {
	if err := s.fails(); err != nil {
		return nil, err
	}
	return s.Store.Get(ctx, id)
}

func (s *downStore) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if err := s.fails(); err != nil {
		return driver.Version{}, err
	}
	return s.Store.Create(ctx, r)
}

func (s *downStore) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if err := s.fails(); err != nil {
		return driver.Version{}, err
	}
	return s.Store.Update(ctx, r)
}

func (s *downStore) Bury(ctx context.Context, id cloakroom.ID, g driver.Grave, v driver.Version) error {
	if err := s.fails(); err != nil {
		return err
	}
	return s.Store.Bury(ctx, id, g, v)
}

// Secrets that must never be seen: a password in an address, a value of each kind.
const (
	hiddenPassword = "hunter2hunter2"
	hiddenValue    = "correct-horse-battery"
	hiddenNumber   = "4111111111111111"
)

// TestASVS_16_2_5_NothingSecretIsToldOrLogged makes all kinds of failures, and
// looks for tokens, secrets, keys, values and passwords in the log, in errors,
// and (16.5.1) in responses.
func TestASVS_16_2_5_NothingSecretIsToldOrLogged(t *testing.T) {
	for name, fail := range map[string]func(d *desk, down *downStore, ask func(deskPage)){
		"store down at load": func(_ *desk, down *downStore, ask func(deskPage)) {
			down.set(errors.New("connection refused"))
			ask(lookPage)
		},
		"store down at save": func(_ *desk, down *downStore, ask func(deskPage)) {
			ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				hat.Set(s, hiddenValue+"!")
				down.set(errors.New("connection refused"))
				return nil
			})
		},
		"store down at sign-in": func(_ *desk, down *downStore, ask func(deskPage)) {
			ask(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
				down.set(errors.New("connection refused"))
				return s.Login(r.Context(), "ann", nil)
			})
		},
		"store down at sign-out": func(_ *desk, down *downStore, ask func(deskPage)) {
			ask(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
				down.set(errors.New("connection refused"))
				return s.Destroy(r.Context())
			})
		},
		"corrupt": func(_ *desk, down *downStore, ask func(deskPage)) {
			down.set(cloakroom.ErrCorrupt)
			ask(lookPage)
		},
		"too large": func(_ *desk, _ *downStore, ask func(deskPage)) {
			ask(putPage(strings.Repeat(hiddenValue, 4000)))
		},
		"a value that can't be encoded": func(_ *desk, _ *downStore, ask func(deskPage)) {
			ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				cloakroom.NewKey[any](hatKey).Set(s, []any{hiddenValue, func() {}})
				return nil
			})
		},
		"not JSON": func(_ *desk, _ *downStore, ask func(deskPage)) {
			ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				s.SetRaw(hatKey, json.RawMessage(hiddenValue))
				return nil
			})
		},
		"a string read as a number":  decodeFailure[int](hatKey),
		"a string read as a time":    decodeFailure[time.Time](hatKey),
		"a string read as an IP":     decodeFailure[netip.Addr](hatKey),
		"a number read as a string":  decodeFailure[string]("card"),
		"a number that is too large": decodeFailure[int8]("card"),
		"ended meanwhile": func(d *desk, _ *downStore, ask func(deskPage)) {
			ask(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
				hat.Set(s, hiddenValue+"!")
				return d.m.Admin().Revoke(r.Context(), s.ID())
			})
		},
		"forged and wrong": func(d *desk, _ *downStore, _ func(deskPage)) {
			tok, id := d.stored(hiddenValue)
			d.ask(lookPage, bring("B"+tok[1:]))
			d.ask(lookPage, bring(sign(d.t, id)))
			d.ask(lookPage, bring(tok), bring(sign(d.t, id)))
		},
		"the handler's own error": func(_ *desk, _ *downStore, ask func(deskPage)) {
			ask(func(http.ResponseWriter, *http.Request, *cloakroom.Session) error { return errors.New("its own") })
		},
		"after the response had begun": func(_ *desk, down *downStore, ask func(deskPage)) {
			ask(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
				w.WriteHeader(http.StatusOK)
				hat.Set(s, hiddenValue+"!")
				down.set(errors.New("connection refused"))
				return nil
			})
		},
	} {
		t.Run(name, func(t *testing.T) {
			mem := memstore.New(nil)
			defer mem.Close()
			down := &downStore{Store: mem}
			var told strings.Builder
			d := newDeskOn(t, down, testKeyring(t), &cloakroom.Config{
				SaveTimeout: 30 * time.Millisecond,
				OnError: func(w http.ResponseWriter, _ *http.Request, status int, err error) {
					fmt.Fprintf(&told, "%v\n%+v\n", err, err)
					http.Error(w, "sorry", status)
				},
			})
			_, tok := d.begun(fmt.Sprintf("%s=%q", hatKey, hiddenValue), "card="+hiddenNumber)
			tokens := []string{tok, sign(t, idIn(t, tok))}
			fail(d, down, func(page deskPage) {
				resp := d.ask(page, bring(tok), func(r *http.Request) {
					r.URL.RawQuery = "user=ann&password=" + hiddenPassword
					r.RequestURI = "/?" + r.URL.RawQuery
					r.Header.Set("Authorization", "Basic "+base64.StdEncoding.EncodeToString([]byte("ann:"+hiddenPassword)))
				})
				body, err := io.ReadAll(resp.Body)
				if err != nil {
					t.Fatal(err)
				}
				fmt.Fprintf(&told, "%s\n", body)
				if fresh := tokenIn(resp); fresh != "" {
					tokens = append(tokens, fresh)
				}
			})
			d.m.Close()
			all := told.String() + d.log.String()
			hidden := []string{
				hiddenPassword, hiddenValue, hiddenNumber, "a secret of a test: 32 bytes, no more",
				base64.StdEncoding.EncodeToString([]byte("ann:" + hiddenPassword)),
			}
			for _, tok := range tokens {
				hidden = append(hidden, spellings(t, tok)...)
			}
			for _, h := range hidden {
				if strings.Contains(all, h) {
					t.Errorf("%q is told:\n%s", h, all)
				}
			}
		})
	}
}

// decodeFailure reads a value as another type and then tries to save.
func decodeFailure[T any](name string) func(*desk, *downStore, func(deskPage)) {
	return func(_ *desk, _ *downStore, ask func(deskPage)) {
		ask(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			cloakroom.NewKey[T](name).Get(s)
			s.SetRaw("other", json.RawMessage("1"))
			return nil
		})
	}
}

// TestASVS_16_5_1_ErrorPagesSayLittle: by default they are the same for all.
func TestASVS_16_5_1_ErrorPagesSayLittle(t *testing.T) {
	for err, status := range map[error]int{
		cloakroom.ErrUnavailable: 503, cloakroom.ErrGone: 409, cloakroom.ErrTooLarge: 413, errors.New("table users is locked"): 500,
	} {
		d := newDesk(t, nil)
		resp := d.ask(func(http.ResponseWriter, *http.Request, *cloakroom.Session) error {
			return fmt.Errorf("in /srv/shop.go: %w", err)
		})
		body, _ := io.ReadAll(resp.Body)
		if resp.StatusCode != status || strings.Contains(string(body), "users") || strings.Contains(string(body), "/srv") || len(body) > 100 {
			t.Errorf("%v: %d %s", err, resp.StatusCode, body)
		}
	}
}

// TestASVS_16_4_1_NoLinesInLogs: a text from outside can't end a log's line, nor break
// a terminal.
func TestASVS_16_4_1_NoLinesInLogs(t *testing.T) {
	ctx := context.Background()
	d := newDesk(t, nil)
	for _, principal := range []string{"ann\nbob", "ann\x1b[2J", "ann\x00", "\u0085", "ann\xff"} {
		s, err := d.m.Create(ctx)
		if err != nil {
			t.Fatal(err)
		}
		for what, err := range map[string]error{"Login": s.Login(ctx, principal, nil), "RevokeAll": d.m.Admin().RevokeAll(ctx, principal)} {
			if !errors.Is(err, cloakroom.ErrInvalid) || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%s of %q: %q", what, principal, err)
			}
		}
		s.SetRaw(principal, json.RawMessage("{"))
		if err := s.Err(); err == nil || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < ' ' || r == 0x7f }) {
			t.Errorf("a value named %q: %q", principal, err)
		}
	}
}
