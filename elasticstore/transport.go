package elasticstore

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"
)

// This file is a client's connections: Go's HTTP transport, and a new one for new
// authorities.

// setCA has new connections trust the authorities of these certificates, or of the system
// if there are none. Requests under way go on over their connections, which end after
// them.
func (c *client) setCA(ca []byte) error {
	c.caTurn.Lock()
	defer c.caTurn.Unlock()
	old := c.http.Load()
	if old != nil && bytes.Equal(ca, c.ca) {
		return nil
	}
	next, err := newTransport(c.config, ca)
	if err != nil {
		return err
	}
	c.ca = ca
	c.http.Store(next)
	if old != nil {
		old.CloseIdleConnections()
		c.log().Info("elasticstore: the certificates of the authorities have changed; new connections use them")
	}
	return nil
}

// roundTrip sends a request. If the node's certificate is of an authority that isn't
// known, it looks whether the file of authorities has changed, and tries once more:
// nothing was sent.
func (c *client) roundTrip(req *http.Request) (*http.Response, error) {
	t := c.http.Load()
	res, err := t.RoundTrip(req)
	if _, unknown := errors.AsType[*tls.CertificateVerificationError](err); !unknown || c.caFile == nil {
		return res, err
	}
	_ = c.caFile.renew(true) // logged
	next := c.http.Load()
	if next == t {
		return nil, err
	}
	again, ok := repeated(req)
	if !ok {
		return nil, err
	}
	return next.RoundTrip(again)
}

// authorities returns the pool of certificates in PEM. It refuses a text whose last
// certificate is cut off: the file may be half-written.
func authorities(ca []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("there is no certificate in PEM")
	}
	rest := ca
	for block := new(pem.Block); block != nil; {
		block, rest = pem.Decode(rest)
	}
	if bytes.Contains(rest, []byte("-----BEGIN")) {
		return nil, errors.New("the last certificate has no end")
	}
	return pool, nil
}

func newTransport(c *ClientConfig, ca []byte) (*http.Transport, error) {
	config := c.TLS.Clone() // nil stays nil
	if config == nil {
		config = new(tls.Config)
	}
	if len(ca) > 0 {
		var err error
		if config.RootCAs, err = authorities(ca); err != nil {
			return nil, err
		}
	}
	connect := c.connectTimeout()
	const idle = 64 // per node; a Store uses up to twice Config.InFlight
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           (&net.Dialer{Timeout: connect, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       config,
		TLSHandshakeTimeout:   connect,
		ForceAttemptHTTP2:     slices.ContainsFunc(c.URLs, func(u string) bool { return strings.HasPrefix(u, "https:") }),
		MaxIdleConns:          4 * idle,
		MaxIdleConnsPerHost:   idle,
		IdleConnTimeout:       90 * time.Second,
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true,
	}, nil
}

// connectTimeout returns ConnectTimeout, or its default.
func (c *ClientConfig) connectTimeout() time.Duration {
	if c.ConnectTimeout == 0 {
		return 3 * time.Second
	}
	return c.ConnectTimeout
}
