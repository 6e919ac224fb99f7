package main

import (
	"context"
	"errors"
	"net"
	"sync"
)

// This file is visitors who come by sockets and lose their patience.

// mostSockets is the number of connections to a site, as a proxy before it would have. It
// is more than the operations that are let in during a rush, and with both ends in this
// process far from the number of files that a process may have open.
const mostSockets = 4096

// sockets lets visitors come over loopback, by connections that they share.
func sockets(b *Bench, s *site) (open func() (browser, error), err error) {
	ln, err := loopback(b)
	if err != nil {
		return nil, err
	}
	b.Cleanup(s.serve(ln))
	var dialer net.Dialer
	p := newPool(mostSockets, func(ctx context.Context) (net.Conn, error) {
		return dialer.DialContext(ctx, "tcp", ln.Addr().String())
	})
	b.Cleanup(func() error { p.close(); return nil })
	return func() (browser, error) { return &impatient{pool: p}, nil }, nil
}

// pool is connections, of which those that were used last are used first.
type pool struct {
	dial func(context.Context) (net.Conn, error)
	free chan struct{} // a token for each that isn't in use

	mu   sync.Mutex
	idle []*wire
}

func newPool(most int, dial func(context.Context) (net.Conn, error)) *pool {
	p := &pool{dial: dial, free: make(chan struct{}, most)}
	for range most {
		p.free <- struct{}{}
	}
	return p
}

// take waits for a connection.
func (p *pool) take(ctx context.Context) (*wire, error) {
	select {
	case <-p.free:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	p.mu.Lock()
	if n := len(p.idle); n > 0 {
		w := p.idle[n-1]
		p.idle = p.idle[:n-1]
		p.mu.Unlock()
		return w, nil
	}
	p.mu.Unlock()
	conn, err := p.dial(ctx)
	if err != nil {
		p.free <- struct{}{}
		return nil, err
	}
	return newWire(conn), nil
}

// give returns a connection, unless its request was given up: its answer may still come.
func (p *pool) give(w *wire, err error) {
	if err != nil {
		_ = w.conn.Close()
	} else {
		p.mu.Lock()
		p.idle = append(p.idle, w)
		p.mu.Unlock()
	}
	p.free <- struct{}{}
}

func (p *pool) close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, w := range p.idle {
		_ = w.conn.Close()
	}
	p.idle = nil
}

// impatient is a browser that gives a request up when its context ends.
type impatient struct {
	pool *pool
	body []byte
}

func (i *impatient) ask(ctx context.Context, page, cookie string) (status int, set string, body []byte, err error) {
	w, err := i.pool.take(ctx)
	if err != nil {
		return 0, "", nil, err
	}
	defer func() { i.pool.give(w, err) }()
	end, _ := ctx.Deadline() // the zero time means none
	if err := w.conn.SetDeadline(end); err != nil {
		return 0, "", nil, err
	}
	status, set, body, err = w.ask(ctx, page, cookie)
	i.body = append(i.body[:0], body...) // the connection is somebody else's from now on
	return status, set, i.body, err
}

// tooLate reports whether a visitor lost patience.
func tooLate(err error) bool {
	e, ok := errors.AsType[net.Error](err)
	return ok && e.Timeout() || errors.Is(err, context.Canceled)
}
