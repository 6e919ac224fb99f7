package dancer

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"unicode"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file finds settings that Dancer accepted and that no sessions can be made of: it
// makes some, without an engine.

// try adds an error for each setting that the store or the Manager refuses.
func (r *settingsReader) try(settings *value, c *Config) {
	const indexSetting, typeSetting, domainSetting = optionsGroup + ".index", optionsGroup + ".type", "session_domain"
	const maxApp = 128 // the most bytes of cloakroom.Config.App
	options := settings.get(optionsGroup)
	fine := func(setting string) bool {
		return !slices.ContainsFunc(r.found.errors, func(f finding) bool { return f.setting == setting })
	}

	if index := options.get("index"); index.is(scalar) && fine(indexSetting) {
		if store, err := emptyStore(c.Index); err != nil {
			r.fail(index, indexSetting, "is %s: it must consist of lower case letters, digits, '.', '_' and '-', "+
				"begin with a letter or digit, and have at most 200 bytes", quoted(c.Index))
		} else {
			_ = store.Close() // never fails
		}
	}
	if len(c.Type) > maxApp && fine(typeSetting) {
		r.fail(options.get("type"), typeSetting, "has %d bytes: at most %d are allowed", len(c.Type), maxApp)
	}
	if fine(typeSetting) && strings.ContainsFunc(c.Type, unicode.IsControl) {
		r.fail(options.get("type"), typeSetting, "is %s: it must be without control characters", quoted(c.Type))
	}
	if c.Cookie.Domain != "" && fine(domainSetting) && tryManager(cloakroom.Config{Transport: cloakroom.Cookie{Domain: c.Cookie.Domain}}) != nil {
		r.fail(settings.get(domainSetting), domainSetting, "is %s, which browsers refuse: name a domain of the application's own, "+
			"such as \"shop.example\", or leave the setting out", quoted(c.Cookie.Domain))
	}
	if len(r.found.errors) > 0 {
		return
	}
	if err := tryManager(c.ManagerConfig()); err != nil {
		r.fail(settings.get("session"), "session", "can't be made of these settings: %v", guarded(err.Error()))
	}
}

// tryManager makes a Manager, and returns the error.
func tryManager(config cloakroom.Config) error {
	config.Logger, config.SweepEvery = slog.New(slog.DiscardHandler), -1
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
	keys, err := cloakroom.NewKeyring(secret[:])
	if err != nil {
		return err
	}
	store, err := emptyStore("")
	if err != nil {
		return err
	}
	defer func() { _ = store.Close() }() // never fails
	sessions, err := cloakroom.New(store, keys, &config)
	if err != nil {
		return err
	}
	return sessions.Close()
}

// emptyStore makes a store without an engine.
func emptyStore(index string) (*elasticstore.Store, error) {
	return elasticstore.New(noEngine{}, &elasticstore.Config{Index: index, CopyBytes: -1, Logger: slog.New(slog.DiscardHandler)})
}

// noEngine is the client of no engine.
type noEngine struct{}

// Perform implements elasticstore.Client.
func (noEngine) Perform(*http.Request) (*http.Response, error) {
	return nil, errors.New("dancer: there is no engine")
}
