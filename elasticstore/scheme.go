package elasticstore

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"mime"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// This file is addresses that begin with http:// where the node wants TLS, or with
// https:// where it has none.

// schemeError: a node's port speaks the other of HTTP and HTTPS than its address says.
type schemeError struct {
	host  string
	tls   bool // the port speaks TLS
	cause error
}

func (e *schemeError) Error() string {
	if e.tls {
		return fmt.Sprintf("the address http://%s is wrong: the port speaks TLS. Write https:// in ClientConfig.URLs", e.host)
	}
	return fmt.Sprintf("the address https://%s is wrong: the port speaks plain HTTP, without TLS. Write http:// in ClientConfig.URLs, or turn TLS on at the node", e.host)
}

func (e *schemeError) Unwrap() error { return e.cause }

// probe is what a connection of its own has shown about a node.
type probe struct {
	at    time.Time
	other bool // the port speaks the other protocol
}

// probes keeps the last probe of a node.
type probes struct{ last atomic.Pointer[probe] }

const (
	probeEvery = 10 * time.Second // a node that fails is not made to answer more
	probeTime  = time.Second
)

// otherScheme returns the schemeError of a request that failed with err, or was answered
// with res, if that is the reason. A node that wants TLS answers plain HTTP by an end of
// the connection, as a crash does, so only a connection of its own can tell.
func (c *client) otherScheme(ctx context.Context, n *node, res *http.Response, err error) error {
	if err == nil && (n.url.Scheme != "http" || !maybeTLS(res)) {
		return nil // as nearly always
	}
	e := &schemeError{host: n.url.Host, tls: n.url.Scheme == "http", cause: err}
	switch {
	case err != nil && !e.tls && saysPlain(err):
		return e
	case err != nil && !brokeOff(err):
		return nil
	}
	now := c.now()
	p := n.probes.last.Load()
	if p == nil || now.Sub(p.at) >= probeEvery {
		limited, cancel := context.WithTimeout(ctx, probeTime)
		defer cancel()
		p = &probe{now, speaks(limited, n.url, e.tls)}
		n.probes.last.Store(p)
	}
	if p.other {
		return e
	}
	return nil
}

// saysPlain reports whether a TLS handshake was answered in plain text.
func saysPlain(err error) bool {
	var record tls.RecordHeaderError
	return errors.As(err, &record) || strings.Contains(err.Error(), "server gave HTTP response to HTTPS client")
}

// maybeTLS reports whether an answer is one that a TLS port may give to plain HTTP.
func maybeTLS(res *http.Response) bool {
	if res.StatusCode != http.StatusBadRequest {
		return false
	}
	kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type"))
	return kind != typeJSON
}

// brokeOff reports whether a connection was made, and ended before an answer that makes
// sense.
func brokeOff(err error) bool {
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op != "dial"
	}
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || strings.Contains(err.Error(), "malformed HTTP")
}

// speaks reports whether a node's port certainly speaks TLS, or certainly speaks plain
// HTTP. It sends no login.
func speaks(ctx context.Context, u *url.URL, overTLS bool) bool {
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(u.Hostname(), port))
	if err != nil {
		return false
	}
	defer func() { _ = conn.Close() }() // nothing of it matters any more
	if overTLS {
		// Whose certificate it is doesn't matter: nothing is sent.
		err := tls.Client(conn, &tls.Config{InsecureSkipVerify: true, ServerName: u.Hostname()}).HandshakeContext(ctx)
		var alert tls.AlertError
		return err == nil || errors.As(err, &alert)
	}
	if end, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(end) // without it the read below fails later
	}
	if _, err := io.WriteString(conn, "HEAD / HTTP/1.1\r\nHost: "+u.Host+"\r\nConnection: close\r\n\r\n"); err != nil {
		return false
	}
	// A TLS port of some servers answers plain HTTP by 400.
	var start [len("HTTP/1.1 200")]byte
	_, err = io.ReadFull(conn, start[:])
	return err == nil && string(start[:5]) == "HTTP/" && string(start[9:]) != "400"
}
