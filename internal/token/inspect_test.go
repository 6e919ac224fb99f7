package token_test

import (
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is the tests of what people are told of a token.

func TestInspect(t *testing.T) {
	for _, s := range samples() {
		r := mustRing(t, s.ring...)
		scope := token.NewScope(s.app, "cookie")
		text := r.Sign(scope, s.claims.ID, s.secret)
		p, err := token.Inspect(text)
		if err != nil || p.ID != s.claims.ID || p.Hint != r.Hints()[0] || p.Hint != plainHint(s.ring[0])[0] || len(r.Hints()) != len(s.ring) {
			t.Errorf("%s: %v %v", s.name, p, err)
		}
		for changed, want := range map[string]string{
			"":                                 "has 0 characters",
			text[1:]:                           "has 66 characters",
			text + "A":                         "has 68 characters",
			text[:20] + "!" + text[21:]:        "character 21 is none",
			text[:20] + "+" + text[21:]:        "character 21 is none",
			text[:20] + "\n" + text[21:]:       "character 21 is none",
			text[:66] + "B":                    "last character",
			text[:66] + "=":                    "character 67 is none",
			"B" + text[1:]:                     "its format is 5",
			strings.Repeat("A", token.TextLen): "its format is 0",
		} {
			_, err := token.Inspect(changed)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%q: %v, want %s", changed, err, want)
			}
			if _, ok := r.Parse(scope, changed); ok {
				t.Errorf("%q is accepted", changed)
			}
		}
	}
}
