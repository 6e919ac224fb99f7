package main

import (
	"bytes"
	"fmt"
	"go/format"
	"net/http"
	"net/url"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/dancer"
)

// This file writes a config.yml's meaning as Go code.

// goCode returns a Go file that makes the same sessions as dancer.Open makes of a
// config.yml. The file takes secrets and logins from the environment.
func goCode(config *dancer.Config) (string, error) {
	var b bytes.Buffer
	p := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	store, manager := config.StoreConfig(), config.ManagerConfig()
	urls, login := goURLs(config)

	p("package main\n\nimport (")
	p("%q\n%q", "context", "os")
	if store.RequestTimeout > 0 || manager.IdleTimeout > 0 {
		p("%q", "time")
	}
	if config.NewCookie().SameSite != 0 {
		p("%q", "net/http")
	}
	p("\n%q\n%q\n%q\n)\n", "github.com/cloakroom-go/cloakroom", "github.com/cloakroom-go/cloakroom/dancer", "github.com/cloakroom-go/cloakroom/elasticstore")
	p("// openSessions returns the application's sessions, and what verifies the old module's")
	p("// cookies. Close the store after the Manager.")
	p("func openSessions(ctx context.Context) (*cloakroom.Manager, *elasticstore.Store, *dancer.Signer, error) {")
	p("old, err := dancer.NewSigner(os.Getenv(%q), %d)", secretVariable, config.Signer().Length())
	p("if err != nil {\nreturn nil, nil, nil, err\n}")
	p("keys, err := cloakroom.KeyringFile(%q) // made on first use; the same on all machines", keyFile)
	p("if err != nil {\nreturn nil, nil, nil, err\n}")
	p("store, err := elasticstore.Open(ctx, elasticstore.ClientConfig{")
	p("%s\n%s}, &elasticstore.Config{", urls, login)
	p("Index: %q, // sessions live in %s", store.Index, newIndices(config))
	if store.RequestTimeout > 0 {
		p("RequestTimeout: %s,", goDuration(store.RequestTimeout))
	}
	p("})\nif err != nil {\nreturn nil, nil, nil, err\n}")
	p("sessions, err := cloakroom.New(store, keys, &cloakroom.Config{")
	p("App: %q,", manager.App)
	p("%s", goSave(manager.Save))
	p("Transport: %s,", goCookie(config.NewCookie()))
	for _, f := range []struct {
		name  string
		value time.Duration
	}{
		{"IdleTimeout", manager.IdleTimeout},
		{"Lifetime", manager.Lifetime},
		{"AnonymousLifetime", manager.AnonymousLifetime},
	} {
		if f.value > 0 {
			p("%s: %s,", f.name, goDuration(f.value))
		}
	}
	p("})\nif err != nil {\n_ = store.Close()\nreturn nil, nil, nil, err\n}")
	p("return sessions, store, old, nil\n}")
	code, err := format.Source(b.Bytes())
	return string(code), err
}

// keyFile is the name of the file, beside config.yml, in which dancer.Open keeps the
// keys.
const keyFile = "session.keys"

// newIndices returns the pattern of the indices in which new sessions live.
func newIndices(config *dancer.Config) string { return config.Index + "-*" }

// goURLs returns the field URLs, and the login's fields if all servers have the same
// login.
func goURLs(config *dancer.Config) (urls, login string) {
	users := map[string]int{}
	addresses := config.ClientConfig().URLs
	for _, address := range addresses {
		if u, err := url.Parse(address); err == nil && u.User != nil {
			users[u.User.String()]++
		}
	}
	same := false
	for _, n := range users {
		same = n == len(addresses)
	}
	urls = "URLs: []string{"
	if same {
		login = "User: os.Getenv(\"ENGINE_USER\"), Password: os.Getenv(\"ENGINE_PASSWORD\"),\n"
	}
	for i, address := range addresses {
		u, err := url.Parse(address)
		if own := err == nil && u.User != nil; own && !same {
			urls += fmt.Sprintf("\nos.Getenv(\"ENGINE_URL_%d\"), // %q, with its login", i+1, config.Servers[i])
		} else {
			urls += fmt.Sprintf("\n%q,", config.Servers[i])
		}
	}
	return urls + "\n},", login
}

// goSave returns the field Save, with a comment that names a better mode.
func goSave(mode cloakroom.SaveMode) string {
	if mode == cloakroom.SaveManual {
		return "// SaveOnce is better: it saves by itself, with one read and one write a request.\n" +
			"Save: cloakroom.SaveManual, // is_lazy: 1: Session.Save is what flush was, AutoSave the after hook"
	}
	return "// SaveOnce is better: one read and one write a request.\n" +
		"Save: cloakroom.SaveEach, // is_lazy: 0: each get reads, each set writes"
}

func goCookie(c cloakroom.Cookie) string {
	s := "cloakroom.Cookie{"
	if c.Name != "" {
		s += fmt.Sprintf("\nName: %q,", c.Name)
	}
	if c.Domain != "" {
		s += fmt.Sprintf("\nDomain: %q,", c.Domain)
	}
	if name := sameSites[c.SameSite].code; name != "" {
		s += fmt.Sprintf("\nSameSite: http.%s,", name)
	}
	if c.RememberAnonymous {
		s += "\nRememberAnonymous: true,"
	}
	if c.Insecure {
		s += "\nInsecure: true, // without session_secure: 1; leave it out if all is HTTPS"
	}
	if s[len(s)-1] != '{' {
		s += "\n"
	}
	return s + "}"
}

// sameSites are the names of SameSite's modes.
var sameSites = map[http.SameSite]struct{ code, text string }{
	http.SameSiteStrictMode: {"SameSiteStrictMode", "Strict"},
	http.SameSiteLaxMode:    {"SameSiteLaxMode", "Lax"},
	http.SameSiteNoneMode:   {"SameSiteNoneMode", "None"},
}

// goDuration writes a duration of whole milliseconds.
func goDuration(d time.Duration) string {
	unit := time.Millisecond
	names := map[time.Duration]string{time.Hour: "Hour", time.Minute: "Minute", time.Second: "Second", time.Millisecond: "Millisecond"}
	for _, u := range []time.Duration{time.Hour, time.Minute, time.Second} {
		if d%u == 0 {
			unit = u
			break
		}
	}
	if d == unit {
		return "time." + names[unit]
	}
	return fmt.Sprintf("%d * time.%s", d/unit, names[unit])
}
