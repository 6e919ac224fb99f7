package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/dancer"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file reads a Dancer application's config.yml for all commands.

// dancerCommands is "cloakroom dancer".
type dancerCommands struct {
	Config dancerConfigCommand `cmd:"" help:"Tell what a config.yml means here, and the same in Go."`
	Verify dancerVerifyCommand `cmd:"" help:"Check values of the old module's cookies, one a line on the standard input."`
	Status dancerStatusCommand `cmd:"" help:"Tell how much of the old module's index is left, and when imports end."`
	Purge  dancerPurgeCommand  `cmd:"" help:"Delete the old module's index, once imports have ended."`
}

// loadDancer reads a config.yml.
func loadDancer(path, environment string) (*dancer.Config, error) {
	return dancer.LoadConfig(path, &dancer.LoadOptions{Environment: environment})
}

// newCookie returns the cookie that a new visitor gets under a config.yml. It begins a
// session in memory for that.
func newCookie(config *dancer.Config) (*http.Cookie, error) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
	keys, err := cloakroom.NewKeyring(secret[:])
	if err != nil {
		return nil, err
	}
	settings := config.ManagerConfig()
	settings.Logger, settings.SweepEvery = slog.New(slog.DiscardHandler), -1
	sessions, err := cloakroom.New(memstore.New(nil), keys, &settings)
	if err != nil {
		return nil, err
	}
	defer func() { _ = sessions.Close() }() // no save is in flight
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, "/", nil)
	if err != nil {
		return nil, err
	}
	answer := headers{}
	sessions.With(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		cloakroom.NewKey[bool]("new").Set(s, true)
		return s.Save(r.Context())
	}).ServeHTTP(answer, r)
	return http.ParseSetCookie(http.Header(answer).Get("Set-Cookie"))
}

// headers is a response that keeps only its headers.
type headers http.Header

func (h headers) Header() http.Header         { return http.Header(h) }
func (h headers) Write(p []byte) (int, error) { return len(p), nil }
func (h headers) WriteHeader(int)             {}

// dancerErrors returns the errors of a config.yml, one for each wrong setting. Any other
// error is one.
func dancerErrors(err error) []errorLine {
	wrong, ok := errors.AsType[*dancer.ConfigError](err)
	if !ok {
		return []errorLine{dancerError(err)}
	}
	var all []errorLine
	for _, err := range wrong.Errors {
		all = append(all, dancerError(err))
	}
	return all
}

func dancerError(err error) errorLine {
	if e, ok := errors.AsType[*dancer.SettingError](err); ok {
		return errorLine{Type: "error", File: e.File, Line: e.Line, Setting: e.Setting, Text: e.Text}
	}
	return errorLine{Type: "error", Text: strings.TrimPrefix(err.Error(), "dancer: ")}
}

// dancerWarnings returns the warnings beside the errors of a config.yml.
func dancerWarnings(err error) []dancer.Warning {
	if e, ok := errors.AsType[*dancer.ConfigError](err); ok {
		return e.Warnings
	}
	return nil
}

// failureText returns the text of an error for people. Those of a config.yml are a line
// each, and then come the warnings.
func failureText(err error) string {
	all, warnings := dancerErrors(err), new(strings.Builder)
	for _, w := range dancerWarnings(err) {
		fmt.Fprintf(warnings, "\nWarning: %s", w)
	}
	if len(all) == 1 {
		return all[0].String() + warnings.String()
	}
	lines := make([]string, len(all))
	for i, e := range all {
		lines[i] = "\n  " + e.String()
	}
	return fmt.Sprintf("%d settings can't be used:%s%s", len(all), strings.Join(lines, ""), warnings)
}

// hasLogin reports whether any of the servers' addresses has a login.
func hasLogin(config *dancer.Config) bool {
	for _, address := range config.ClientConfig().URLs {
		if u, err := url.Parse(address); err == nil && u.User != nil {
			return true
		}
	}
	return false
}
