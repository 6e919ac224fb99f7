package elasticstore

import (
	"net/http"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests what is logged of logins that may do less, as the documentation has them.

// TestTemplateUnseenIsNoWarning: a login that may not see templates is documented. Each
// process says so when it starts, and warns of nothing.
func TestTemplateUnseenIsNoWarning(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	f := newFaulty(l.client)
	f.set(onKind(l.index+"-periods", instead(func() *http.Response {
		return replyJSON(403, `{"error":{"type":"security_exception","reason":"no permissions for [indices:admin/index_template/get]"},"status":403}`)
	})))
	var heard listener
	s := l.open(t, f, func(c *Config) { c.Logger = heard.logger() })
	mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	if !heard.has("INFO", "Setup", "NoTemplate") || heard.has("WARN") {
		t.Errorf("told: %q", heard.all())
	}
}

// TestReadOnlyBeforeSetup: a console starts before the application. It sets nothing up, and
// doesn't say that it will.
func TestReadOnlyBeforeSetup(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var heard listener
	s, err := Open(testContext(t), ClientConfig{URLs: []string{l.url}}, l.config(func(c *Config) {
		c.ReadOnly = true
		c.Logger = heard.logger()
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if !heard.has("WARN", "can't be read yet") || heard.has("WARN", "set up") {
		t.Errorf("told: %q", heard.all())
	}
}
