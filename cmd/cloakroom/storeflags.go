package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/dancer"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the flags that name a store, and its opening.

// accessFlags say how an engine is reached.
type accessFlags struct {
	User         string `env:"CLOAKROOM_USER" group:"login" placeholder:"NAME" help:"The user at the engine, if the URL has none. The password is in --password-file or $$CLOAKROOM_PASSWORD."`
	PasswordFile string `env:"CLOAKROOM_PASSWORD_FILE" group:"login" placeholder:"FILE" help:"A file with the password. A line end at its end isn't part of it."`
	APIKeyFile   string `name:"api-key-file" env:"CLOAKROOM_API_KEY_FILE" group:"login" placeholder:"FILE" help:"A file with an API key, as the engine hands it out as \"encoded\", in place of a user. Or it is in $$CLOAKROOM_API_KEY."`
	CAFile       string `name:"ca-file" env:"CLOAKROOM_CA_FILE" group:"login" placeholder:"FILE" help:"Certificates in PEM of the authorities that signed the engine's. Default: the system's."`
}

// access returns what the flags and the environment say.
func (f *accessFlags) access() place.Access {
	return place.Access{
		User: f.User, Password: os.Getenv("CLOAKROOM_PASSWORD"), PasswordFile: f.PasswordFile,
		APIKey: os.Getenv("CLOAKROOM_API_KEY"), APIKeyFile: f.APIKeyFile, CAFile: f.CAFile,
	}
}

// placeFlags are the flags that name a store.
type placeFlags struct {
	Store       place.Place `env:"CLOAKROOM_STORE" group:"store" placeholder:"PLACE" help:"Where the sessions are: sqlite:PATH, or http(s)://[USER:PASSWORD@]HOST:9200[/INDEX]."`
	Config      string      `group:"store" placeholder:"FILE" help:"In place of --store: a Dancer application's config.yml. Its engine, index and type are used."`
	Environment string      `group:"store" placeholder:"NAME" help:"The environment of --config. Default: as Dancer chooses it."`
	Index       string      `env:"CLOAKROOM_INDEX" group:"store" placeholder:"NAME" help:"Config.Index of an engine's store. Default: that of the URL or of --config, or session."`
	accessFlags
}

// storeFlags are those, and the app.
type storeFlags struct {
	placeFlags
	App string `env:"CLOAKROOM_APP" group:"store" placeholder:"NAME" help:"Config.App, whose sessions it is about. Default: session, or the type of --config."`
}

// openedStore is a store that is open.
type openedStore struct {
	place.Store
	where  place.Place
	app    string
	chosen bool // the app was named
	admin  *cloakroom.Admin
	config *dancer.Config // of --config, or nil
}

// find returns the place that the flags name, and the configuration of --config.
func (f *placeFlags) find(flags *kong.Context) (place.Place, *dancer.Config, error) {
	has := func(name string) bool { return slices.Contains(given(flags), name) }
	where := f.Store
	var config *dancer.Config
	switch {
	case has("config") && has("store"):
		return where, nil, misuse("--config says where the sessions are: leave --store out")
	case has("config") && f.Config == "":
		return where, nil, misuse("--config: the path of the config.yml is missing")
	case has("environment") && !has("config"):
		return where, nil, misuse("--environment is that of --config, which is missing")
	case has("config"):
		var err error
		if config, err = loadDancer(f.Config, f.Environment); err != nil {
			return where, nil, err
		}
		where = place.Engine(config.ClientConfig(), config.StoreConfig(), config.Servers...)
	case where.IsZero():
		return where, nil, misuse("no store is named: give --store or set $CLOAKROOM_STORE, such as sqlite:PATH or https://HOST:9200")
	case !where.Lasting():
		return where, nil, misuse("--store: the memory of another process can't be looked at: name a file or an engine")
	}
	if f.Index != "" {
		if !where.IsEngine() {
			return where, nil, misuse("--index is that of an engine's store, and --store names a file")
		}
		where = where.WithIndex(f.Index)
	}
	return where, config, nil
}

// open opens the store that is there.
func (f *storeFlags) open(t *terminal, flags *kong.Context, why place.Intent) (*openedStore, error) {
	return f.openWith(t, flags, why, t.warnings())
}

// openWith is open with another logger than the terminal's.
func (f *storeFlags) openWith(t *terminal, flags *kong.Context, why place.Intent, logger *slog.Logger) (*openedStore, error) {
	where, config, err := f.find(flags)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(t.ctx, openPatience)
	defer cancel()
	store, err := where.Existing(ctx, place.Options{Access: f.access(), Why: why, Logger: logger})
	if err != nil {
		return nil, openError(t.ctx, where, err)
	}
	o := &openedStore{Store: store, where: where, config: config}
	o.app, o.chosen = f.appOf(config)
	o.admin = cloakroom.NewAdmin(store, o.app)
	return o, nil
}

// appOf returns the app, and whether it was named.
func (f *storeFlags) appOf(config *dancer.Config) (app string, chosen bool) {
	switch {
	case f.App != "":
		return f.App, true
	case config != nil:
		return config.Type, true
	}
	return "session", false
}

// openError returns an error of opening a store.
func openError(ctx context.Context, where place.Place, err error) error {
	switch {
	case errors.Is(err, place.ErrAccess):
		return usageError{error: err}
	case errors.Is(err, place.ErrNoStore):
		return fmt.Errorf("%v: %w. \"cloakroom setup\" makes one", where, err)
	case errors.Is(err, place.ErrOutdated):
		return fmt.Errorf("%v: %w. \"cloakroom setup\" brings it up to date", where, err)
	case errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil:
		return fmt.Errorf("%v: no answer within %v: %w", where, openPatience, err)
	}
	return fmt.Errorf("%v: %w", where, err)
}

// close closes the store. What it was opened for is done by then.
func (o *openedStore) close() { _ = o.Close() }

// otherApps returns a hint if the app has no live session: the name of an app that has
// some. Else it returns "".
func (o *openedStore) otherApps(ctx context.Context) string {
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	has := false
	for _, err := range o.Search(ctx, driver.Query{App: o.app, Limit: 1}) {
		if err != nil {
			return "" // nothing can be said
		}
		has = true
	}
	if has {
		return ""
	}
	for rec, err := range o.Search(ctx, driver.Query{Limit: 1}) {
		if err == nil && rec.App != o.app {
			return fmt.Sprintf("The app %q has no sessions here. There are some of the app %q: --app names it.", o.app, rec.App)
		}
	}
	return ""
}
