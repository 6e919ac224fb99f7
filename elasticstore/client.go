package elasticstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"
)

// This file is Client, which sends requests, and the package's own client with its
// configuration.

// Client sends requests to a cluster. The clients that Elasticsearch and
// OpenSearch publish have this method. Requests have a path and no host: the
// client fills in scheme, host and login. Stores call it from many goroutines.
//
// A client of your own must not repeat requests with writes by itself (in
// go-elasticsearch: DisableRetry). It should allow twice Config.InFlight idle
// connections to a host. A client that checks which product answers may refuse the
// other family's.
type Client interface {
	Perform(*http.Request) (*http.Response, error)
}

// ClientConfig has the addresses, login and TLS settings for a cluster. Only URLs is
// required.
type ClientConfig struct {
	// URLs are the addresses of some or all nodes, such as
	// "https://node1.example:9200", with a path if a proxy wants one. Requests
	// go to the nodes in turn; one that fails is left alone for a while. A URL may
	// hold a user and password.
	URLs []string

	// User and Password are for the nodes whose URLs have none. Default to no
	// login.
	User, Password string

	// APIKey is used instead of User, in the form that the engine hands out as
	// "encoded". Defaults to none.
	APIKey string

	// CAFile names a file of PEM certificates, and CA holds them: those of the
	// authorities that signed the nodes' certificates. They replace the system's.
	// Default to the system's.
	CAFile string
	CA     []byte

	// TLS has further settings, such as a client certificate. It is copied. Defaults
	// to Go's.
	TLS *tls.Config

	// ConnectTimeout bounds the time to connect to a node. Defaults to 3 s.
	ConnectTimeout time.Duration
}

// withoutLogin returns an address without user and password.
func withoutLogin(text string) string {
	u, err := url.Parse(text)
	if err != nil {
		return "(no URL)"
	}
	u.User = nil
	return u.Redacted()
}

// printed describes a ClientConfig without its secrets.
func (c ClientConfig) printed() string {
	urls := make([]string, len(c.URLs))
	for i, text := range c.URLs {
		urls[i] = withoutLogin(text)
	}
	return "client of " + strings.Join(urls, ", ")
}

// Format implements fmt.Formatter: no login is printed, whatever the verb. Package fmt
// can't call it for a ClientConfig in an unexported field of another struct: keep a
// pointer there, or none.
func (c ClientConfig) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, c.printed()) }

// MarshalText implements encoding.TextMarshaler, for encoding/json and log/slog: no
// login is encoded.
func (c ClientConfig) MarshalText() ([]byte, error) { return []byte(c.printed()), nil }

// client is the Client that NewClient makes: Go's own HTTP transport, a choice of
// nodes and a login.
type client struct {
	nodes *pool
	http  *http.Transport
	// header returns the Authorization for nodes whose URL has no login. It is a
	// function, so that printing a client shows no secret.
	header func() string
	user   string // the login's name, for messages
}

// NewClient returns a client for a cluster of either family. It does no network
// I/O. The client never repeats a request, doesn't ask which product answers, and
// needs no closing. Errors never hold a password.
func NewClient(c ClientConfig) (Client, error) {
	cl, err := newClient(c)
	if err != nil {
		return nil, fmt.Errorf("elasticstore: %w", err)
	}
	return cl, nil
}

func newClient(c ClientConfig) (*client, error) {
	if len(c.URLs) == 0 {
		return nil, errors.New("ClientConfig.URLs is empty: give the address of at least one node, such as http://127.0.0.1:9200")
	}
	var urls []*url.URL
	user := c.User
	for i, text := range c.URLs {
		u, err := parseURL(text)
		if err != nil {
			return nil, fmt.Errorf("ClientConfig.URLs[%d]: %w", i, err)
		}
		if u.User != nil && user == "" {
			user = u.User.Username()
		}
		urls = append(urls, u)
	}
	switch {
	case c.APIKey != "" && (c.User != "" || c.Password != ""):
		return nil, errors.New("ClientConfig has an APIKey beside User or Password: only one of them can be used")
	case (c.User == "") != (c.Password == ""):
		return nil, errors.New("ClientConfig has one of User and Password without the other")
	case strings.ContainsAny(c.APIKey, "\r\n \t"):
		return nil, errors.New("ClientConfig.APIKey has white space in it")
	case c.ConnectTimeout < 0:
		return nil, fmt.Errorf("ClientConfig.ConnectTimeout is %v: it must not be negative", c.ConnectTimeout)
	}
	transport, err := newTransport(&c)
	if err != nil {
		return nil, err
	}
	header := ""
	cl := &client{header: func() string { return header }, nodes: newPool(urls, time.Now), http: transport, user: fmt.Sprintf("the user %q", user)}
	switch {
	case c.APIKey != "":
		header, cl.user = "ApiKey "+c.APIKey, "the API key"
	case c.User != "":
		header = basic(url.UserPassword(c.User, c.Password))
	case user == "":
		cl.user = "requests without a login"
	}
	return cl, nil
}

// Perform sends a request to the next node. It changes req.
func (c *client) Perform(req *http.Request) (*http.Response, error) {
	n := c.nodes.next()
	req.URL.Scheme, req.URL.Host, req.URL.Path = n.url.Scheme, n.url.Host, n.url.Path+req.URL.Path
	if n.url.User != nil {
		req.Header.Set("Authorization", basic(n.url.User))
	} else if header := c.header(); header != "" {
		req.Header.Set("Authorization", header)
	}
	req.Header.Set("User-Agent", "cloakroom")
	res, err := c.http.RoundTrip(req)
	switch {
	case err == nil:
		c.nodes.answered(n)
		return res, nil
	case errors.Is(req.Context().Err(), context.Canceled):
		c.nodes.leave(n) // the caller gave up: the node may be well
		return nil, err
	}
	c.nodes.failed(n)
	return nil, fmt.Errorf("%s://%s: %w", n.url.Scheme, n.url.Host, err)
}

// Format implements fmt.Formatter: no login is printed.
func (c *client) Format(f fmt.State, _ rune) {
	hosts := make([]string, len(c.nodes.nodes))
	for i, n := range c.nodes.nodes {
		hosts[i] = n.url.Scheme + "://" + n.url.Host
	}
	_, _ = io.WriteString(f, "client of "+strings.Join(hosts, ", "))
}

func basic(u *url.Userinfo) string {
	password, _ := u.Password()
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(u.Username()+":"+password))
}

// login returns the login's name, for messages.
func (c *client) login() string { return c.user }

// close frees the connections that are idle.
func (c *client) close() { c.http.CloseIdleConnections() }

// parseURL checks the address of a node. Its errors don't repeat the text,
// which may hold a password; those of url.Parse do.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("it is no URL; if it has a password, that has to be percent-encoded")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("it does not begin with http:// or https://")
	case u.Hostname() == "":
		return nil, errors.New("it names no host")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("it has a query or fragment, which has no meaning here")
	}
	if u.User != nil {
		if password, _ := u.User.Password(); u.User.Username() == "" || password == "" {
			return nil, errors.New("it has a user without a password, or the other way round")
		}
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	return u, nil
}

func newTransport(c *ClientConfig) (*http.Transport, error) {
	config := c.TLS.Clone() // nil stays nil
	if config == nil {
		config = new(tls.Config)
	}
	ca := c.CA
	if c.CAFile != "" {
		if len(ca) > 0 {
			return nil, errors.New("ClientConfig has both CAFile and CA")
		}
		var err error
		if ca, err = os.ReadFile(c.CAFile); err != nil {
			return nil, fmt.Errorf("ClientConfig.CAFile: %w", err)
		}
	}
	if len(ca) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			return nil, errors.New("ClientConfig.CAFile or CA holds no certificate in PEM")
		}
	}
	connect := c.ConnectTimeout
	if connect == 0 {
		connect = 3 * time.Second
	}
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
