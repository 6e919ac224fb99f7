package main

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/keyfile"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file tests the judgement of "cloakroom token inspect".

// TestInspectedTokens: a token is refused for what a Manager refuses it for.
func TestInspectedTokens(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	keys, err := keyfile.New(filepath.Join(t.TempDir(), "keys"), now)
	if err != nil {
		t.Fatal(err)
	}
	if err := keys.Add(now); err != nil {
		t.Fatal(err)
	}
	sign := func(key int, app, transport string, id driver.ID) string {
		ring, err := keys.Keys[key].Ring()
		if err != nil {
			t.Fatal(err)
		}
		return ring.Sign(token.NewScope(app, transport), id, [16]byte{1})
	}
	at := func(d time.Duration) driver.ID { return driver.NewID(driver.LayoutDay, now.Add(d)) }
	good := sign(0, "session", "cookie", at(-time.Hour))
	for name, c := range map[string]struct{ text, want string }{
		"good":          {good, ""},
		"second key":    {sign(1, "session", "cookie", at(-time.Hour)), ""},
		"bearer":        {sign(0, "session", "bearer", at(-time.Hour)), ""},
		"imported":      {sign(0, "session", "cookie", driver.DerivedID(driver.LayoutImport, "x")), ""},
		"clocks apart":  {sign(0, "session", "cookie", at(2*time.Minute)), ""},
		"the future":    {sign(0, "session", "cookie", at(2*time.Minute+time.Second)), "from the future"},
		"old":           {sign(0, "session", "cookie", at(-30*day)), "too old: it was made 30d ago, and sessions last 30d"},
		"just in time":  {sign(0, "session", "cookie", at(-30*day+time.Second)), ""},
		"another app":   {sign(0, "shop", "cookie", at(-time.Hour)), `another app than "session"`},
		"changed":       {good[:40] + string(good[40]^1) + good[41:], ""}, // judged below
		"cut":           {good[:60], "has 60 characters"},
		"of a later or": {"B" + good[1:], "its format is"},
	} {
		command := tokenInspectCommand{App: "session", MaxLifetime: duration(30 * day)}
		l := command.inspect(c.text, keys, now)
		if name == "changed" {
			if l.Valid || l.Reason == "" {
				t.Errorf("a changed token is valid: %+v", l)
			}
			continue
		}
		if l.Valid != (c.want == "") || !strings.Contains(l.Reason, c.want) || !l.Checked && c.want == "" {
			t.Errorf("%s: %+v, want %q", name, l, c.want)
		}
	}
	other, err := keyfile.New(filepath.Join(t.TempDir(), "keys"), now)
	if err != nil {
		t.Fatal(err)
	}
	l := (&tokenInspectCommand{App: "session", MaxLifetime: duration(30 * day)}).inspect(good, other, now)
	if l.Valid || !strings.Contains(l.Reason, "none of the file's keys") && !strings.Contains(l.Reason, "the signature is wrong") {
		t.Errorf("of another key: %+v", l)
	}
}

// TestTokenIn: a token is found in the lines that people copy.
func TestTokenIn(t *testing.T) {
	tok := strings.Repeat("Ab-_", 16) + "xyz"
	for _, line := range []string{
		tok, " " + tok + " ", "Bearer " + tok, "Authorization: Bearer " + tok, "__Host-Http-session=" + tok,
		"Cookie: a=b; __Host-Http-session=" + tok, "cookie:s=" + tok + "; a=b", `Set-Cookie: s="` + tok + `"; Path=/; Secure`,
	} {
		if got := tokenIn(line); got != tok {
			t.Errorf("%q: %q", line, got)
		}
	}
}

// TestTokenOfAnApp: the command that it names for looking further asks for the same app.
func TestTokenOfAnApp(t *testing.T) {
	noVariables(t)
	path, _ := signedToken(t, t.TempDir())
	ring, err := token.NewRing([][]byte{[]byte("a secret for tests, known to all")})
	if err != nil {
		t.Fatal(err)
	}
	id := driver.NewID(driver.LayoutDay, time.Now())
	text := ring.Sign(token.NewScope("demo", "cookie"), id, [16]byte{7})
	exit, stdout, stderr := command(t, text, "token", "inspect", "--key-file", path, "--app", "demo")
	if want := "cloakroom show --app demo " + id.String() + "\n"; exit != exitOK || !strings.HasSuffix(stdout, want) {
		t.Errorf("exit %d\n%s%s, want %q", exit, stdout, stderr, want)
	}
}
