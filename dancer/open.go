package dancer

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file makes running sessions from a configuration.

// Sessions are the sessions that a config.yml describes, running.
type Sessions struct {
	*cloakroom.Manager

	// Store is the handle to the engine, the old module's _es.
	Store *elasticstore.Store

	// Config is the configuration, with its warnings.
	Config *Config

	// KeyFile is the file that the keyring was read from; "" if OpenOptions gave the
	// keyring.
	KeyFile string
}

// OpenOptions are options of Open. The zero OpenOptions, and nil, are good.
type OpenOptions struct {
	// Load is the options with which the function Open reads the configuration.
	Load LoadOptions

	// Keyring signs the new tokens. If several machines share the sessions, give all of
	// them the same. Defaults to that of KeyFile.
	Keyring *cloakroom.Keyring

	// KeyFile is the file of the keyring. It is made on first use. Defaults to
	// "session.keys" beside config.yml.
	KeyFile string

	// Adjust changes the settings that config.yml gave, before the Manager is made:
	// SaveOnce in place of is_lazy's mode, or an Events. Defaults to none.
	Adjust func(*cloakroom.Config)

	// AdjustStore does the same for the store and its client: a CAFile, Replicas, or
	// another Index. OneIndex is refused, and so is an Index with which new sessions
	// would live in the old module's. Defaults to none.
	AdjustStore func(*elasticstore.ClientConfig, *elasticstore.Config)

	// Import has the old module's sessions come along with their visitors: see Importer.
	// Defaults to none: visitors start afresh, and the old index isn't read.
	Import *ImportOptions

	// Wrap returns the Manager's store, such as one that counts operations and passes
	// them on to the given store. Admin.Report tells about the engine only if the result
	// is a driver.Inspector. Close closes the given store itself. Defaults to the given
	// store.
	Wrap func(cloakroom.Store) cloakroom.Store

	// Logger gets the warnings about settings, and the Manager's and the store's
	// messages. Defaults to slog.Default().
	Logger *slog.Logger
}

// Open reads a Dancer application's config.yml and returns its sessions, ready for use:
// new ones, signed with fresh keys, in indices of their own.
//
// The setting type names the app, and index the indices. With index "my_index" sessions
// live in my_index-*; the index my_index stays the old module's. Only OpenOptions.Import
// has documents in it read, and deleted when they have been imported.
// is_lazy: 0 is cloakroom.SaveEach. is_lazy: 1 is cloakroom.SaveManual, for which
// AfterHook saves as the old after hook did. The secret of signing only verifies old
// cookies; see Config.Signer and OpenOptions.Import.
//
// The engine needn't be within reach. Open fails for a wrong configuration, with a
// *ConfigError for wrong settings. Close the Sessions at the end.
func Open(ctx context.Context, path string, o *OpenOptions) (*Sessions, error) {
	var load *LoadOptions
	if o != nil {
		load = &o.Load
	}
	c, err := LoadConfig(path, load)
	if err != nil {
		return nil, err
	}
	return c.Open(ctx, o)
}

// Open returns the sessions of a configuration that LoadConfig has read, as the function
// Open does.
func (c *Config) Open(ctx context.Context, o *OpenOptions) (s *Sessions, err error) {
	var options OpenOptions
	if o != nil {
		options = *o
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	if len(c.Files) == 0 {
		return nil, errors.New("dancer: this Config was not made by LoadConfig")
	}
	for _, w := range c.Warnings {
		options.Logger.WarnContext(ctx, "dancer: "+w.String())
	}
	s = &Sessions{Config: c}
	keyring := options.Keyring
	if keyring == nil {
		s.KeyFile = cmp.Or(options.KeyFile, filepath.Join(filepath.Dir(c.Files[0]), "session.keys"))
		if keyring, err = cloakroom.KeyringFile(s.KeyFile); err != nil {
			return nil, fmt.Errorf("dancer: %w", err)
		}
	}
	if s.Store, err = openStore(ctx, c, &options); err != nil {
		return nil, fmt.Errorf("dancer: %w", err)
	}
	store := cloakroom.Store(s.Store)
	if options.Wrap != nil {
		store = options.Wrap(store)
	}
	manager := c.ManagerConfig()
	manager.Logger = options.Logger
	if options.Import != nil {
		if manager.Import, err = c.Import(s.Store.Client(), *options.Import); err != nil {
			return nil, errors.Join(err, s.Store.Close())
		}
	}
	if options.Adjust != nil {
		options.Adjust(&manager)
	}
	if s.Manager, err = cloakroom.New(store, keyring, &manager); err != nil {
		return nil, errors.Join(fmt.Errorf("dancer: the settings of %s, with OpenOptions: %w", c.Files[0], err), s.Store.Close())
	}
	return s, nil
}

// openStore opens the store of new sessions, in other indices than the old one.
func openStore(ctx context.Context, c *Config, options *OpenOptions) (*elasticstore.Store, error) {
	client, config := c.ClientConfig(), c.StoreConfig()
	config.Logger = options.Logger
	if options.AdjustStore != nil {
		options.AdjustStore(&client, &config)
	}
	index := cmp.Or(config.Index, "session")
	switch {
	case config.OneIndex:
		return nil, fmt.Errorf("OneIndex would have new sessions in the index %q itself, and that name is the old module's: leave it out", index)
	case strings.HasPrefix(c.Index, index+"-"):
		return nil, fmt.Errorf("new sessions would live in %s-*, where the old module's index %q is as well: choose another Index", index, c.Index)
	}
	return elasticstore.Open(ctx, client, &config)
}

// Close closes the Manager and then the store.
func (s *Sessions) Close() error { return errors.Join(s.Manager.Close(), s.Store.Close()) }

// Flush saves the session of the context's request, and returns it, as the old flush
// did. With is_lazy: 0 everything is saved already. A session that was destroyed, or
// that has no values yet, stays out of the engine.
//
// Its errors are those of Manager.Session and Session.Save.
func (s *Sessions) Flush(ctx context.Context) (*cloakroom.Session, error) {
	session, err := s.Session(ctx)
	if err != nil {
		return nil, err
	}
	return session, session.Save(ctx)
}

// AfterHook is the after hook that the old documentation prescribes for is_lazy: 1. It
// flushes the changes of h. Put it around all handlers, or around some:
//
//	http.ListenAndServe(addr, s.Handler(s.AfterHook(mux)))
//
// Dancer runs the hook when the handler has returned, and then sends the response. Here
// a response may begin before, so the hook flushes before its first byte. If that fails,
// the client gets the error in place of the response. Later changes are flushed when h
// returns; a failure is logged. A session that begins after the first byte is lost,
// since the client can't be given its cookie any more: flushing it is
// cloakroom.ErrTooLate, which is logged. To answer in pieces, begin the session before,
// or Flush it.
//
// A request that doesn't ask for its session costs nothing, and one that changes nothing
// writes nothing. If h panics through AfterHook, or answers by Fail, nothing is saved;
// in the old module the worker's next request could still save it.
//
// With is_lazy: 0 it does nothing. It is cloakroom.Manager.AutoSave.
func (s *Sessions) AfterHook(h http.Handler) http.Handler { return s.AutoSave(h) }

// ManagerConfig returns the Manager's settings that config.yml has.
//
// session_expires was the time after the last response at which the browser forgot the
// cookie. So here it is the idle timeout, and cookies outlive the browser. A sign-in
// with LoginOptions.Remember has no idle timeout, unless LoginOptions.IdleTimeout sets
// one.
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

// NewCookie returns the transport of new tokens. The cookie has the root's default name:
// "__Host-Http-session" with session_secure: 1, "__Secure-session" if there is a
// session_domain as well, "session" for plain HTTP. If session_name is the same, upper
// and lower case aside, "session" in it becomes "cloakroom".
//
// So neither cookie is taken for the other, nor replaced by it. Without an import the old
// one is neither read nor deleted: while both kinds of processes run, each kind's visitors
// keep their cookie, and can go back.
func (c *Config) NewCookie() cloakroom.Cookie {
	k := cloakroom.Cookie{
		SameSite: c.Cookie.SameSite, Insecure: !c.Cookie.Secure, Domain: c.Cookie.Domain,
		RememberAnonymous: c.Cookie.Expires > 0,
	}
	if k.SameSite == http.SameSiteNoneMode && k.Insecure { // no browser keeps such a cookie
		k.SameSite = http.SameSiteLaxMode
	}
	prefix := "__Host-Http-"
	switch {
	case k.Insecure:
		prefix = ""
	case k.Domain != "":
		prefix = "__Secure-"
	}
	if k.Name = prefix + "session"; strings.EqualFold(k.Name, c.Cookie.Name) {
		k.Name = prefix + "cloakroom"
	}
	return k
}
