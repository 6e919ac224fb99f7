package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/demo"
	"github.com/cloakroom-go/cloakroom/dancer"
)

// This file is "cloakroom demo --config".

// openConfig opens a shop on the sessions of --config.
func (c *demoCommand) openConfig(ctx context.Context, config demo.Config) (*opened, error) {
	d, err := loadDancer(c.Config, c.Environment)
	if err != nil {
		return nil, errors.New("--config: " + failureText(err))
	}
	config.Lasting = true
	config.Where = fmt.Sprintf("the engine at %q, indices %s, app %q", strings.Join(d.Servers, " "), newIndices(d), d.Type)
	config.Saving = "is_lazy is false: each get reads, and each set is saved at once."
	if d.Lazy {
		config.Saving = "is_lazy is true: an after hook saves what a request changed."
	}
	local, notes := forPlainHTTP(d)
	shop := demo.Build(config)
	sessions, err := local.Open(ctx, &dancer.OpenOptions{
		Wrap:   shop.Wrap,
		Logger: config.Logger, // also gets the warnings
		Adjust: shop.Adjust,
	})
	if err != nil {
		return nil, fmt.Errorf("--config: %w", err)
	}
	if err := shop.Open(sessions.Manager); err != nil {
		return nil, errors.Join(err, sessions.Close())
	}
	notes = append(notes, "In the demo anybody can sign in as anybody, "+
		"and an application with the same config.yml and keys takes its sessions for its own.")
	return &opened{Shop: shop, store: sessions, config: config, keyFile: sessions.KeyFile, notes: notes}, nil
}

// forPlainHTTP returns a configuration without the settings for which browsers would
// refuse the cookie at the demo's address, and notes that name them.
func forPlainHTTP(config *dancer.Config) (local *dancer.Config, notes []string) {
	c := *config
	if c.Cookie.Secure {
		c.Cookie.Secure = false
		notes = append(notes, "session_secure is left out, as the demo speaks plain HTTP.")
		if c.Cookie.SameSite == http.SameSiteNoneMode {
			notes = append(notes, "SameSite is Lax in place of None, which needs session_secure.")
		}
	}
	if c.Cookie.Domain != "" {
		c.Cookie.Domain = ""
		notes = append(notes, "session_domain is left out, as the demo has another host.")
	}
	return &c, notes
}
