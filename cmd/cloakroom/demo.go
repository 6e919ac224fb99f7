package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"slices"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/demo"
	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/console"
)

// This file is "cloakroom demo".

// demoCommand is "cloakroom demo".
type demoCommand struct {
	Addr string `default:"127.0.0.1:8080" env:"CLOAKROOM_ADDR" placeholder:"HOST:PORT" help:"Where to listen. Default: 127.0.0.1:8080."`
	accessFlags
	Store       place.Place `env:"CLOAKROOM_STORE" placeholder:"PLACE" help:"Where to keep the sessions: memory:, sqlite:PATH, or http(s)://[USER:PASSWORD@]HOST:9200[/INDEX]. Default: demo.db in your data folder."`
	Config      string      `placeholder:"FILE" help:"In place of --store: a Dancer application's config.yml. Its engine, index, type, is_lazy and cookie are used; its old sessions aren't. Keys are in session.keys beside it."`
	KeyFile     string      `placeholder:"FILE" help:"The file of keys, which sign the cookies. It is made if it isn't there. Default: beside a SQLite file, as demo.keys for demo.db; for an engine, demo.keys in your data folder."`
	Environment string      `placeholder:"NAME" help:"The environment of --config. Default: as Dancer chooses it."`
	Idle        duration    `env:"CLOAKROOM_IDLE" placeholder:"TIME" help:"How long a session lives without a visit, such as 30m. Default: 24h."`
	Lifetime    duration    `env:"CLOAKROOM_LIFETIME" placeholder:"TIME" help:"How long a session lives at most, such as 12h or 7d. Default: 7d, and 30d once signed in."`
}

// Help implements kong.HelpProvider.
func (*demoCommand) Help() string {
	return `Anybody who can reach the shop can sign in as anybody. Its sessions belong to the app "demo".

Beside the shop it serves the operators' console of its sessions, to this machine alone, and prints a link to it that is good once, for five minutes; Enter prints another. The shop's page links to the console too, which opens by such a link.

Examples:

    cloakroom demo
    cloakroom demo --addr 127.0.0.1:0 --store memory:
    cloakroom demo --store http://127.0.0.1:9200
    cloakroom demo --store http://127.0.0.1:9200 --key-file demo.keys
    cloakroom ls --app demo --store sqlite:$HOME/.local/share/cloakroom/demo.db`
}

// openPatience bounds the time to open the store. The demo goes on without an engine
// that doesn't answer, and finds it later.
const openPatience = 10 * time.Second

// opened is an open shop, with facts to tell of it.
type opened struct {
	*demo.Shop
	store   io.Closer
	config  demo.Config
	keyFile string // "" if no file has the keys
	notes   []string
}

// Run serves the shop until the terminal's context ends.
func (c *demoCommand) Run(t *terminal, flags *kong.Context) (err error) {
	has := func(name string) bool { return slices.Contains(given(flags), name) }
	switch {
	case has("config") && has("store"):
		return misuse("--config says where the sessions are: leave --store out")
	case has("config") && c.Config == "":
		return misuse("--config: the path of the config.yml is missing")
	case has("config") && c.KeyFile != "":
		return misuse("--config says where the keys are: leave --key-file out")
	case has("environment") && !has("config"):
		return misuse("--environment is that of --config, which is missing")
	case has("config") && c.accessFlags != (accessFlags{}):
		return misuse("--config says how the engine is reached: leave --user, --password-file, --api-key-file and --ca-file out")
	}
	logger := t.logger()
	listener, err := listen(t.ctx, c.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // a second time if it was served

	config := demo.Config{Idle: time.Duration(c.Idle), Lifetime: time.Duration(c.Lifetime), Logger: logger}
	open := c.openStore
	if has("config") {
		open = c.openConfig
	}
	ctx, cancel := context.WithTimeout(t.ctx, openPatience)
	defer cancel()
	shop, err := open(ctx, config)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shop.Close(), shop.store.Close()) }()

	for _, note := range shop.notes {
		t.note("%s", note)
	}
	return c.serve(t, shop, listener, logger)
}

// serve serves the shop, and beside it the operators' console. That has a listener of its
// own, on loopback whatever --addr is: the shop's visitors don't get there.
func (c *demoCommand) serve(t *terminal, shop *opened, listener net.Listener, logger *slog.Logger) (err error) {
	beside, err := listen(t.ctx, "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer func() { _ = beside.Close() }() // a second time if it was served
	operators, err := newConsoleServer(t, beside, console.Config{
		Manager: shop.Manager(), Admins: []*cloakroom.Admin{shop.Admin()}, Writable: true, Environment: "demo", Logger: logger,
	}, console.Operator{SeeValues: true, SeeAddresses: true, End: true})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, operators.close()) }()
	ctx, cancel := context.WithCancel(t.ctx)
	defer cancel()
	served := make(chan error, 1)
	go func() {
		err := serve(ctx, beside, operators, logger, func() {})
		if err != nil && ctx.Err() == nil {
			logger.Error("cloakroom demo: the operators' console isn't served any more", "error", err)
		}
		served <- err
	}()
	shop.LinkConsole(operators.base + "/")
	shop.tell(t, c.Addr, listener, operators)
	operators.answerEnter()
	err = serve(ctx, listener, onlyTo(c.Addr, shop), logger, func() {
		if !t.json {
			t.say("Stopping. What is under way is finished first; Ctrl-C again ends at once.")
		}
	})
	cancel()
	return errors.Join(err, <-served)
}

// openLine says, in JSON, that the shop is open.
type openLine struct {
	Type    string `json:"type"` // open
	URL     string `json:"url"`
	Where   string `json:"sessionsIn"`
	Saving  string `json:"saving,omitempty"`
	KeyFile string `json:"keyFile,omitempty"`
	Lasting bool   `json:"lasting"` // the sessions outlive the demo
}

// tell says that the shop is open.
func (shop *opened) tell(t *terminal, addr string, l net.Listener, operators *consoleServer) {
	if t.json {
		operators.tellLink()
		t.emit(openLine{"open", address(l), shop.config.Where, shop.config.Saving, shop.keyFile, shop.config.Lasting})
	} else {
		t.say("The shop is open:   %s", address(l))
		operators.tellLink()
		t.say("Sessions are in:    %s", shop.config.Where)
		if shop.config.Saving != "" {
			t.say("Saving:             %s", shop.config.Saving)
		}
		if shop.keyFile != "" {
			t.say("Keys are in:        %q", shop.keyFile)
		}
		if !shop.config.Lasting {
			t.say("They end with the demo.")
		}
	}
	if !isLoopback(l.Addr()) {
		t.warn("Warning: --addr %q can be reached by other machines, and the demo speaks plain HTTP: "+
			"whoever is on the way can read the cookies.", addr)
	}
	if !t.json {
		t.say("Enter prints a new link.")
		t.say("Ctrl-C stops it.")
	}
}

// openStore opens a shop on --store.
func (c *demoCommand) openStore(ctx context.Context, config demo.Config) (*opened, error) {
	where, err := c.Store.Resolve()
	if err != nil {
		return nil, err
	}
	config.Where, config.Lasting = where.String(), where.Lasting()
	store, err := where.Open(ctx, c.access(), config.Logger)
	if err != nil {
		return nil, fmt.Errorf("--store: %w", err)
	}
	keys, keyFile, err := c.keyring(where)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	shop, err := demo.New(store, keys, config)
	if err != nil {
		return nil, errors.Join(err, store.Close())
	}
	return &opened{Shop: shop, store: store, config: config, keyFile: keyFile}, nil
}

// keyring returns the keys, and the file that has them.
func (c *demoCommand) keyring(where place.Place) (*cloakroom.Keyring, string, error) {
	if c.KeyFile == "" {
		return where.Keyring()
	}
	keys, err := cloakroom.KeyringFile(c.KeyFile)
	if err != nil {
		return nil, "", fmt.Errorf("--key-file: %w", err)
	}
	return keys, c.KeyFile, nil
}

// listen listens at --addr.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, usageError{error: fmt.Errorf("--addr: %q is not of the form HOST:PORT, such as 127.0.0.1:8080", addr)}
	}
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", addr)
	switch {
	case err == nil:
		return l, nil
	case isInUse(err):
		return nil, fmt.Errorf("--addr: %q is in use; is the demo running already? Choose another port with --addr, or 0 for any that is free", addr)
	}
	return nil, fmt.Errorf("--addr: can't listen at %q: %w", addr, cause(err))
}

// address returns the URL to open in a browser.
func address(l net.Listener) string {
	host, port, err := net.SplitHostPort(l.Addr().String())
	if ip := net.ParseIP(host); err != nil || ip == nil || ip.IsUnspecified() {
		host = "localhost"
	}
	return "http://" + net.JoinHostPort(host, port)
}

func isLoopback(a net.Addr) bool {
	t, ok := a.(*net.TCPAddr)
	return ok && t.IP.IsLoopback()
}

// cause removes the part of an error in which net repeats the address.
func cause(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Err
	}
	return err
}
