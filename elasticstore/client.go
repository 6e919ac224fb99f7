package elasticstore

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
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

	// PasswordFile names a file that holds the password, instead of Password. It is read
	// again when it changes, and when the engine refuses the login. What precedes it stays
	// in use while it is missing or empty, and as long as the engine refuses the new
	// password. The line break at its end isn't part of the password.
	PasswordFile string

	// APIKey is used instead of User, in the form that the engine hands out as
	// "encoded". Defaults to none.
	APIKey string

	// APIKeyFile names a file that holds the API key, instead of APIKey. It is read again
	// as PasswordFile is.
	APIKeyFile string

	// Login returns the login, instead of all of these. It is called before the first
	// request, and when the engine refuses the login that it returned last, at most once
	// a second. Concurrent requests share a call. It must return soon after its context
	// ends, and its errors must hold no secrets.
	Login func(context.Context) (Login, error)

	// CAFile names a file of PEM certificates, and CA holds them: those of the
	// authorities that signed the nodes' certificates. They replace the system's.
	// Default to the system's. The file is read again when it changes, and when a node's
	// certificate is of an unknown authority; new connections use it. To replace an
	// authority, have both in the file until all nodes have certificates of the new one.
	CAFile string
	CA     []byte

	// TLS has further settings, such as a client certificate. It is copied. Defaults
	// to Go's.
	TLS *tls.Config

	// ConnectTimeout bounds the time to connect to a node. Defaults to 3 s.
	ConnectTimeout time.Duration

	// Application names the application in the engine's slow logs and lists of tasks
	// (the header X-Opaque-Id). It is up to 128 printable ASCII characters, and no secret.
	// Defaults to "cloakroom/" and the name of the program.
	Application string

	// Compress compresses requests and answers by gzip, for engines that are far: it costs
	// both sides time. With 2 KB of values that were saved and read again by 64 callers,
	// it sent 1.2 KB instead of 5.1 KB. Over 10 Mbit/s and 10 ms that made 370 saves a
	// second of 165; over 100 Mbit/s, and within a machine, nothing was gained. A lone
	// save sends half as much. Where others can have a text of theirs put beside a secret,
	// and watch the line, the length of what is compressed tells of both. Defaults to
	// false.
	Compress bool
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
	config      *ClientConfig
	nodes       *pool
	now         func() time.Time
	logins      *logins
	urlUser     string   // the user of a URL, for messages
	application []string // the header that names it, shared by all requests
	watch       watch
	logger      atomic.Pointer[slog.Logger] // nil: slog.Default()

	http   atomic.Pointer[http.Transport]
	caFile *watchedFile // nil: none
	caTurn sync.Mutex
	ca     []byte // those of http
}

// NewClient returns a client for a cluster of either family. It does no network
// I/O. The client repeats a request only if the engine refused its login and there is
// another; nothing was executed then. It doesn't ask which product answers, and
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
	cl := &client{config: &c, now: time.Now, application: []string{c.Application}}
	var urls []*url.URL
	for i, text := range c.URLs {
		u, err := parseURL(text)
		if err != nil {
			return nil, fmt.Errorf("ClientConfig.URLs[%d]: %w", i, err)
		}
		if u.User != nil && cl.urlUser == "" {
			cl.urlUser = u.User.Username()
		}
		urls = append(urls, u)
	}
	switch {
	case c.ConnectTimeout < 0:
		return nil, fmt.Errorf("ClientConfig.ConnectTimeout is %v: it must not be negative", c.ConnectTimeout)
	case c.CAFile != "" && len(c.CA) > 0:
		return nil, errors.New("ClientConfig has both CAFile and CA")
	case len(c.Application) > 128 || strings.ContainsFunc(c.Application, func(r rune) bool { return r < ' ' || r > '~' }):
		return nil, errors.New("ClientConfig.Application must be at most 128 printable ASCII characters")
	case c.Application == "":
		cl.application[0] = defaultApplication()
	}
	cl.nodes = newPool(urls, func() time.Time { return cl.now() })
	if err := cl.setUpLogins(); err != nil {
		return nil, err
	}
	return cl, cl.setUpCA()
}

// setUpCA makes the transport.
func (c *client) setUpCA() error {
	if c.config.CAFile == "" {
		if err := c.setCA(c.config.CA); err != nil {
			return fmt.Errorf("ClientConfig.CA: %w", err)
		}
		return nil
	}
	c.caFile = &watchedFile{field: "CAFile", path: c.config.CAFile, log: c.log, use: c.setCA}
	c.watch.files = append(c.watch.files, c.caFile)
	return c.caFile.load()
}

// defaultApplication names this program.
func defaultApplication() string {
	program := strings.Map(func(r rune) rune {
		if r <= ' ' || r > '~' {
			return '_'
		}
		return r
	}, filepath.Base(os.Args[0]))
	return "cloakroom/" + program[:min(len(program), 64)]
}

// log returns the logger: that of the first Store on the client.
func (c *client) log() *slog.Logger {
	if l := c.logger.Load(); l != nil {
		return l
	}
	return slog.Default()
}

// Perform sends a request to the next node. It changes req.
func (c *client) Perform(req *http.Request) (*http.Response, error) {
	c.watch.renew(c.now)
	n := c.nodes.next()
	req.URL.Scheme, req.URL.Host, req.URL.Path = n.url.Scheme, n.url.Host, n.url.Path+req.URL.Path
	req.Header.Set("User-Agent", "cloakroom")
	req.Header["X-Opaque-Id"] = c.application
	if c.config.Compress {
		if err := compress(req); err != nil {
			c.nodes.leave(n)
			return nil, err
		}
	}
	res, err := c.attempt(n, req)
	switch _, noLogin := errors.AsType[*loginError](err); {
	case err == nil:
		c.nodes.answered(n)
	case noLogin, errors.Is(req.Context().Err(), context.Canceled):
		c.nodes.leave(n) // the node may be well: there is no login, or the caller gave up
		return nil, err
	default:
		c.nodes.failed(n)
	}
	if wrong := c.otherScheme(req.Context(), n, res, err); wrong != nil {
		if res != nil {
			_ = res.Body.Close() // it isn't read
		}
		return nil, wrong
	}
	if err != nil {
		return nil, fmt.Errorf("%s://%s: %w", n.url.Scheme, n.url.Host, err)
	}
	decompress(res)
	return res, nil
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
func (c *client) login() string {
	switch st := c.logins.state.Load(); {
	case c.urlUser != "" && (st == nil || st.current.header == ""):
		return fmt.Sprintf("the user %q", c.urlUser)
	case st != nil:
		return st.current.name
	case c.logins.renew != nil:
		return "the login that ClientConfig.Login returns"
	}
	return Login{}.name()
}

// close frees the connections that are idle.
func (c *client) close() { c.http.Load().CloseIdleConnections() }

// parseURL checks the address of a node. Its errors don't repeat the text,
// which may hold a password; those of url.Parse do.
func parseURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil:
		return nil, errors.New("it is no URL such as https://node1.example:9200; if it has a password, that has to be percent-encoded")
	case u.Scheme != "http" && u.Scheme != "https":
		return nil, errors.New("it does not begin with http:// or https://, as https://node1.example:9200 does")
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
