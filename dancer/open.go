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
	// Load says how the function Open reads the configuration.
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

	// AdjustStore does the same for the store and its client: a CAFile, Replicas,
	// or another Index. OneIndex is refused, and an Index with which new sessions
	// would live in the old module's. Defaults to none.
	AdjustStore func(*elasticstore.ClientConfig, *elasticstore.Config)

	// Wrap returns what the Manager has for its store, such as one that counts and
	// passes on to the one it is given. Admin.Report tells of the engine only if that
	// is a driver.Inspector as well. Close closes the Store itself. Defaults to the
	// Store.
	Wrap func(cloakroom.Store) cloakroom.Store

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

// Open gives the sessions of a configuration that LoadConfig has read, as the function
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
	if options.Adjust != nil {
		options.Adjust(&manager)
	}
	if s.Manager, err = cloakroom.New(store, keyring, &manager); err != nil {
		return nil, errors.Join(fmt.Errorf("dancer: the settings of %s: %w", c.Files[0], err), s.Store.Close())
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

// Close ends the Manager and then the store.
func (s *Sessions) Close() error { return errors.Join(s.Manager.Close(), s.Store.Close()) }

// Flush saves the session of the request that the context belongs to, and returns
// it, as the old flush did. With is_lazy: 0 there is nothing left to save. A session
// that was destroyed, or that nothing was put into, stays out of the engine.
//
// Errors are those of Manager.Session and Session.Save.
func (s *Sessions) Flush(ctx context.Context) (*cloakroom.Session, error) {
	session, err := s.Session(ctx)
	if err != nil {
		return nil, err
	}
	return session, session.Save(ctx)
}

// AfterHook is the after hook that the old documentation has applications write for
// is_lazy: 1: it flushes what h changed. Put it around all handlers, or around some:
//
//	http.ListenAndServe(addr, s.Handler(s.AfterHook(mux)))
//
// Dancer runs the hook when the handler has returned, and sends the response then.
// Here a response may begin before, and so the hook flushes before its first byte;
// if that fails, the client gets the error in the place of the response. What is
// changed later is flushed when h returns, or logged if it can't be. A session that
// is begun after the first byte is lost, since the client can't be given its cookie
// any more: flushing it is cloakroom.ErrTooLate, which is logged. To answer in pieces,
// begin the session before, or Flush it.
//
// A request that doesn't ask for its session costs nothing, and one that changes
// nothing writes nothing. A panic that reaches AfterHook saves nothing, nor does an
// answer of Fail: in the old module the worker's next request could do so.
//
// With is_lazy: 0 it does nothing. It is cloakroom.Manager.AutoSave.
func (s *Sessions) AfterHook(h http.Handler) http.Handler { return s.AutoSave(h) }

// ManagerConfig returns the Manager's settings as far as config.yml has them.
//
// session_expires was the time since the last response: the browser forgot the
// cookie then. So it is the idle timeout, and cookies outlive the browser. A sign-in
// with LoginOptions.Remember has none, unless LoginOptions.IdleTimeout says otherwise.
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

// NewCookie returns how new tokens travel. The cookie has the root's default name:
// "__Host-Http-session" with session_secure: 1, "__Secure-session" if there is a
// session_domain as well, "session" for plain HTTP. If that is session_name, if only
// but for upper and lower case, "session" in it becomes "cloakroom".
//
// So neither cookie is taken for the other, nor replaced by it. The old one is left
// alone, neither read nor deleted: while both kinds of processes run, each kind's
// visitors keep theirs, and can go back.
func (c *Config) NewCookie() cloakroom.Cookie {
	k := cloakroom.Cookie{
		SameSite: c.Cookie.SameSite, Insecure: !c.Cookie.Secure, Domain: c.Cookie.Domain,
		RememberAnonymous: c.Cookie.Expires > 0,
	}
	if k.SameSite == http.SameSiteNoneMode && k.Insecure { // no browser keeps such a one
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
