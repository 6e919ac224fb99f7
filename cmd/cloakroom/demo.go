package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/demo"
	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
)

// demoCommand is "cloakroom demo".
type demoCommand struct {
	Addr     string      `default:"127.0.0.1:8080" env:"CLOAKROOM_ADDR" placeholder:"HOST:PORT" help:"Where to listen. Default: 127.0.0.1:8080."`
	Store    place.Place `env:"CLOAKROOM_STORE" placeholder:"PLACE" help:"Where to keep the sessions: memory:, sqlite:PATH, or http(s)://[USER:PASSWORD@]HOST:9200[/INDEX]. Default: demo.db in your data folder."`
	Idle     duration    `env:"CLOAKROOM_IDLE" placeholder:"TIME" help:"How long a session lives without a visit, such as 30m. Default: 24h."`
	Lifetime duration    `env:"CLOAKROOM_LIFETIME" placeholder:"TIME" help:"How long a session lives at most, such as 12h or 7d. Default: 7d, and 30d once signed in."`
}

// openPatience is how long opening the store may take. An engine that doesn't
// answer is left for later.
const openPatience = 10 * time.Second

// Run serves the shop until the terminal's context ends.
func (c *demoCommand) Run(t *terminal) (err error) {
	logger := t.logger()
	listener, err := listen(t.ctx, c.Addr)
	if err != nil {
		return err
	}
	defer func() { _ = listener.Close() }() // again, if it was served

	where, err := c.Store.Resolve()
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(t.ctx, openPatience)
	defer cancel()
	store, err := where.Open(ctx, logger)
	if err != nil {
		return fmt.Errorf("--store: %w", err)
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	keyring, keyFile, err := where.Keyring()
	if err != nil {
		return err
	}
	shop, err := demo.New(store, keyring, demo.Config{
		Where: where.String(), Lasting: where.Lasting(),
		Idle: time.Duration(c.Idle), Lifetime: time.Duration(c.Lifetime), Logger: logger,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, shop.Close()) }()

	t.say("The shop is open:  %s", address(listener))
	t.say("Sessions are in:   %s", where)
	if keyFile != "" {
		t.say("Keys are in:       %q", keyFile)
	}
	if !where.Lasting() {
		t.say("They end with the demo.")
	}
	if !isLoopback(listener.Addr()) {
		t.warn("Warning: --addr %q can be reached by other machines, and the demo speaks plain HTTP: "+
			"whoever is on the way can read the cookies.", c.Addr)
	}
	t.say("Ctrl-C stops it.")
	return serve(t.ctx, listener, shop, logger, func() {
		t.say("Stopping. What is under way is finished first; Ctrl-C again ends at once.")
	})
}

// listen listens at --addr.
func listen(ctx context.Context, addr string) (net.Listener, error) {
	if _, _, err := net.SplitHostPort(addr); err != nil {
		return nil, usageError{fmt.Errorf("--addr: %q is not of the form HOST:PORT, such as 127.0.0.1:8080", addr)}
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

// cause spares a message what listening says of itself.
func cause(err error) error {
	if e, ok := errors.AsType[*net.OpError](err); ok {
		return e.Err
	}
	return err
}
