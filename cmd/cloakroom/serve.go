package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"time"
)

// This file serves HTTP until the program is told to stop.

// stopPatience bounds the time of requests under way once the program is told to stop.
// Saves of a session end earlier.
const stopPatience = 15 * time.Second

// serve serves a handler until the context ends. Then it calls stopping, lets the
// requests under way finish, and returns.
func serve(ctx context.Context, l net.Listener, h http.Handler, logger *slog.Logger, stopping func()) error {
	unused := newUnused()
	server := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: 10 * time.Second,
		ReadTimeout:       time.Minute,
		IdleTimeout:       2 * time.Minute,
		ErrorLog:          slog.NewLogLogger(logger.Handler(), slog.LevelWarn),
		ConnState:         unused.watch,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serving: %w", err)
	case <-ctx.Done():
	}
	stopping()
	unused.close()
	patience, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopPatience)
	defer cancel()
	err := server.Shutdown(patience)
	if err != nil {
		err = errors.Join(fmt.Errorf("some requests did not end within %v: %w", stopPatience, err), server.Close())
	}
	if serving := <-failed; !errors.Is(serving, http.ErrServerClosed) {
		err = errors.Join(err, serving)
	}
	return err
}

// unused are the connections that have had no request yet. Browsers open such
// connections ahead of need, and Shutdown would wait seconds for them.
type unused struct {
	mu     sync.Mutex
	conns  map[net.Conn]bool
	closed bool
}

func newUnused() *unused { return &unused{conns: make(map[net.Conn]bool)} }

// watch is a http.Server's ConnState.
func (u *unused) watch(c net.Conn, state http.ConnState) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case state != http.StateNew:
		delete(u.conns, c)
	case u.closed:
		_ = c.Close()
	default:
		u.conns[c] = true
	}
}

// close closes these connections, and all that come later.
func (u *unused) close() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.closed = true
	for c := range u.conns {
		_ = c.Close()
	}
}
