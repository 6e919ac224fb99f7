// Package shop is what the examples of this module have in common: who the customers
// are, what a cart is, and a process around the application.
package shop

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file is what a process needs: the sessions' manager, a listener, an orderly end.

// Config is the sessions' configuration, the same in all examples and their tests.
func Config() *cloakroom.Config {
	return &cloakroom.Config{
		Transport: cloakroom.Cookie{Insecure: true}, // plain HTTP on this machine; leave it out with HTTPS
		NoStore:   true,
	}
}

// Main runs an application of net/http until it is interrupted.
func Main(app func(*cloakroom.Manager) http.Handler) {
	MainOf(func(ctx context.Context, l net.Listener, sessions *cloakroom.Manager) error {
		server := &http.Server{
			Handler:           app(sessions),
			ReadHeaderTimeout: 10 * time.Second,
		}
		// Requests end with ctx, so that streams don't keep Shutdown waiting.
		server.BaseContext = func(net.Listener) context.Context { return ctx }
		stopped := make(chan error, 1)
		context.AfterFunc(ctx, func() {
			grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
			defer cancel()
			stopped <- server.Shutdown(grace)
		})
		if err := server.Serve(l); !errors.Is(err, http.ErrServerClosed) {
			return err
		}
		return <-stopped
	})
}

// MainOf runs an application that has a server of its own. serve returns soon after ctx
// has ended.
func MainOf(serve func(ctx context.Context, l net.Listener, sessions *cloakroom.Manager) error) {
	addr := flag.String("addr", "127.0.0.1:8080", "the address to listen on")
	dir := flag.String("dir", "", "a folder for the sessions and their keys (default: in memory)")
	flag.Parse()
	if flag.NArg() > 0 {
		log.Fatalf("%q: this program takes flags only, see -h", flag.Arg(0))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *addr, *dir, serve); err != nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, addr, dir string, serve func(context.Context, net.Listener, *cloakroom.Manager) error) (err error) {
	store, keyring, err := open(ctx, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, store.Close()) }() // last
	sessions, err := cloakroom.New(store, keyring, Config())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, sessions.Close()) }() // waits for saves
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", addr)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	return serve(ctx, l, sessions)
}

// store is a store that is closed at the end.
type store interface {
	cloakroom.Store
	io.Closer
}

// open opens the sessions' store and keys in a folder, or without one in memory.
func open(ctx context.Context, dir string) (store, *cloakroom.Keyring, error) {
	if dir == "" {
		secret := make([]byte, 32)
		_, _ = rand.Read(secret) // never fails
		keyring, err := cloakroom.NewKeyring(secret)
		return memstore.New(nil), keyring, err
	}
	keyring, err := cloakroom.KeyringFile(filepath.Join(dir, "session.keys"))
	if err != nil {
		return nil, nil, err
	}
	file, err := sqlitestore.Open(ctx, filepath.Join(dir, "sessions.db"), nil)
	if err != nil {
		return nil, nil, err
	}
	return file, keyring, nil
}
