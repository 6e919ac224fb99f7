package dancer

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file makes running sessions of a configuration.

// Sessions are the sessions that a config.yml describes, running.
type Sessions struct {
	*cloakroom.Manager

	// Store is the handle to the engine, the old module's _es.
	Store *elasticstore.Store

	// Config is what was read, with its warnings.
	Config *Config

	// KeyFile is the file that the keyring was read from; "" if OpenOptions gave
	// one.
	KeyFile string
}

// OpenOptions are for Open. The zero OpenOptions, and nil, are good.
type OpenOptions struct {
	// Load says how the configuration is read.
	Load LoadOptions

	// Keyring signs the new tokens. Where several machines share the sessions,
	// give all of them the same. Defaults to that of KeyFile.
	Keyring *cloakroom.Keyring

	// KeyFile is the file of the keyring, which is made on first use. Defaults to
	// "session.keys" beside config.yml.
	KeyFile string

	// Adjust changes what was made of config.yml, before the Manager is made:
	// SaveOnce in the place of what is_lazy says, or an Events. Defaults to none.
	Adjust func(*cloakroom.Config)

	// Logger gets the warnings about settings, and what the Manager and the store
	// have to tell. Defaults to slog.Default().
	Logger *slog.Logger
}

// Open reads a Dancer application's config.yml and gives its sessions, ready for
// use: new ones, signed with fresh keys, in indices of their own.
//
// The setting type names the app, index the indices: with index "my_index" sessions
// live in my_index-*, and the index my_index itself stays the old module's, which is
// read at most. is_lazy: 0 is cloakroom.SaveEach, is_lazy: 1 cloakroom.SaveManual,
// for which AfterHook is what flushed. The secret of signing only verifies old
// cookies; see Config.Signer.
//
// The engine needn't be within reach. Close the Sessions at the end.
func Open(ctx context.Context, path string, o *OpenOptions) (*Sessions, error) {
	var options OpenOptions
	if o != nil {
		options = *o
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	c, err := LoadConfig(path, &options.Load)
	if err != nil {
		return nil, err
	}
	for _, w := range c.Warnings {
		options.Logger.WarnContext(ctx, "dancer: "+w.String())
	}
	s := &Sessions{Config: c}
	keyring := options.Keyring
	if keyring == nil {
		s.KeyFile = options.KeyFile
		if s.KeyFile == "" {
			s.KeyFile = filepath.Join(filepath.Dir(path), "session.keys")
		}
		if keyring, err = cloakroom.KeyringFile(s.KeyFile); err != nil {
			return nil, fmt.Errorf("dancer: %w", err)
		}
	}
	manager := c.ManagerConfig()
	manager.Logger = options.Logger
	if options.Adjust != nil {
		options.Adjust(&manager)
	}
	store := c.StoreConfig()
	store.Logger = options.Logger
	if s.Store, err = elasticstore.Open(ctx, c.ClientConfig(), &store); err != nil {
		return nil, fmt.Errorf("dancer: %w", err)
	}
	if s.Manager, err = cloakroom.New(s.Store, keyring, &manager); err != nil {
		return nil, errors.Join(fmt.Errorf("dancer: %w", err), s.Store.Close())
	}
	return s, nil
}

// Close ends the Manager and then the store.
func (s *Sessions) Close() error { return errors.Join(s.Manager.Close(), s.Store.Close()) }

// ManagerConfig returns the Manager's settings as far as config.yml has them.
//
// session_expires was the time since the last response: the browser forgot the
// cookie then. So it is the idle timeout, and cookies outlive the browser.
func (c *Config) ManagerConfig() cloakroom.Config {
	const day = 24 * time.Hour
	m := cloakroom.Config{App: c.Type, Save: cloakroom.SaveEach, Transport: c.NewCookie()}
	if c.Lazy {
		m.Save = cloakroom.SaveManual
	}
	if c.Cookie.Expires > 0 {
		m.IdleTimeout = c.Cookie.Expires
		m.Lifetime = max(30*day, c.Cookie.Expires)
		m.AnonymousLifetime = max(7*day, c.Cookie.Expires)
	}
	return m
}

// NewCookie returns how new tokens travel. The cookie has another name than the old
// one, so that neither is taken for the other, nor replaced by it: while both kinds
// of processes run, each kind's visitors keep theirs.
func (c *Config) NewCookie() cloakroom.Cookie {
	k := cloakroom.Cookie{
		SameSite: c.Cookie.SameSite, Insecure: !c.Cookie.Secure, Domain: c.Cookie.Domain,
		RememberAnonymous: c.Cookie.Expires > 0,
	}
	if k.SameSite == http.SameSiteNoneMode && k.Insecure { // no browser keeps such a one
		k.SameSite = http.SameSiteLaxMode
	}
	return k
}
