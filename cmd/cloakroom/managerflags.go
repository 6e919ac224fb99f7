package main

import (
	"crypto/rand"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/dancer"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the flags that tell of an application's Manager, so that its configuration
// can be judged.

// managerFlags are fields of cloakroom.Config and Cookie.
type managerFlags struct {
	Idle              duration `group:"manager" placeholder:"TIME" help:"Config.IdleTimeout."`
	Lifetime          duration `group:"manager" placeholder:"TIME" help:"Config.Lifetime."`
	AnonymousLifetime duration `group:"manager" placeholder:"TIME" help:"Config.AnonymousLifetime."`
	NotBefore         string   `group:"manager" placeholder:"MOMENT" help:"Config.NotBefore, such as 2026-11-22T09:30:00Z."`
	CookieName        string   `group:"manager" placeholder:"NAME" help:"Cookie.Name."`
	CookieDomain      string   `group:"manager" placeholder:"NAME" help:"Cookie.Domain."`
	CookiePath        string   `group:"manager" placeholder:"PATH" help:"Cookie.Path."`
	CookieInsecure    bool     `group:"manager" help:"Cookie.Insecure."`
	Bearer            bool     `group:"manager" help:"Config.Transport is Bearer."`
	Manager           bool     `group:"manager" help:"The zero Config. Any of these flags says that it is the rest."`
	KeyFile           string   `group:"manager" env:"CLOAKROOM_KEY_FILE" placeholder:"FILE" help:"The file of keys (cloakroom.KeyringFile)."`
}

// managerConfig returns what the flags tell of the configuration. given is false if they
// tell nothing.
func (f *managerFlags) managerConfig(config *dancer.Config) (c cloakroom.Config, given bool, err error) {
	if config != nil {
		c, given = config.ManagerConfig(), true
	}
	for _, d := range []struct {
		flag duration
		to   *time.Duration
	}{{f.Idle, &c.IdleTimeout}, {f.Lifetime, &c.Lifetime}, {f.AnonymousLifetime, &c.AnonymousLifetime}} {
		if d.flag != 0 {
			*d.to, given = time.Duration(d.flag), true
		}
	}
	if f.NotBefore != "" {
		if c.NotBefore, err = time.Parse(time.RFC3339, f.NotBefore); err != nil {
			return c, given, misuse(fmt.Sprintf("--not-before: %q is no moment: give one such as 2026-11-22T09:30:00Z", f.NotBefore))
		}
		given = true
	}
	cookie, _ := c.Transport.(cloakroom.Cookie)
	own := f.CookieName != "" || f.CookieDomain != "" || f.CookiePath != "" || f.CookieInsecure
	switch {
	case own && f.Bearer:
		return c, given, misuse("--bearer has no cookie: leave the flags that begin with --cookie out")
	case f.Bearer:
		c.Transport, given = cloakroom.Bearer{}, true
	case own:
		given = true
		cookie.Name, cookie.Domain, cookie.Path = or(f.CookieName, cookie.Name), or(f.CookieDomain, cookie.Domain), or(f.CookiePath, cookie.Path)
		cookie.Insecure = cookie.Insecure || f.CookieInsecure
		c.Transport = cookie
	}
	return c, given || f.Manager, nil
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// newManager makes a Manager of the configuration, which does nothing by itself.
func newManager(store driver.Store, c cloakroom.Config) (*cloakroom.Manager, error) {
	var secret [32]byte
	_, _ = rand.Read(secret[:]) // never fails (crypto/rand)
	keys, err := cloakroom.NewKeyring(secret[:])
	if err != nil {
		return nil, err
	}
	c.SweepEvery, c.Logger = -1, quietly
	return cloakroom.New(store, keys, &c)
}
