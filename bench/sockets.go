package main

import (
	"context"
	"net"
)

// This file is visitors who come by sockets and lose their patience.

// impatient is a browser that gives a request up when its context ends. It then takes a new
// connection for the next one, as the answer may still come by the old one.
type impatient struct {
	dial func(context.Context) (net.Conn, error)
	w    *wire
}

// sockets lets visitors come over loopback.
func sockets(b *Bench, s *site) (open func() (browser, error), err error) {
	ln, err := loopback(b)
	if err != nil {
		return nil, err
	}
	b.Cleanup(s.serve(ln))
	var dialer net.Dialer
	return func() (browser, error) {
		i := &impatient{dial: func(ctx context.Context) (net.Conn, error) {
			return dialer.DialContext(ctx, "tcp", ln.Addr().String())
		}}
		b.Cleanup(func() error { i.close(); return nil })
		return i, nil
	}, nil
}

func (i *impatient) ask(ctx context.Context, page, cookie string) (status int, set string, body []byte, err error) {
	if i.w == nil {
		conn, err := i.dial(ctx)
		if err != nil {
			return 0, "", nil, err
		}
		i.w = newWire(conn)
	}
	end, _ := ctx.Deadline() // the zero time means none
	if err := i.w.conn.SetDeadline(end); err != nil {
		return 0, "", nil, err
	}
	status, set, body, err = i.w.ask(ctx, page, cookie)
	if err != nil {
		i.close()
	}
	return status, set, body, err
}

func (i *impatient) close() {
	if i.w != nil {
		_ = i.w.conn.Close() // what was asked has no answer in any case
		i.w = nil
	}
}

var _ browser = (*impatient)(nil)
