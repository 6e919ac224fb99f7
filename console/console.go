// Package console is the operators' page for a store's sessions: an http.Handler that an
// application mounts, and that the command "cloakroom console" serves.
//
// It shows how many sessions there are, finds them by principal, address, agent, age and
// state, also those that have ended, shows one, signs principals out, and ends all that
// match a filter. It reads unless it is told otherwise (Config.Writable), and asks the
// application at each request who acts and what they may (Config.Authorize).
//
// All of it works without scripts, but for figures that go on by themselves. Nothing is
// loaded from elsewhere.
package console

import (
	"context"
	"errors"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/agent"
)

// This file is Console: its configuration, its beginning and its end.

// Config configures a Console. nil stands for the zero Config, which lacks what is required.
type Config struct {
	// Admins are the apps that it shows, one each, all on one store. Required, unless
	// Manager is set: then it defaults to the Manager's.
	Admins []*cloakroom.Admin

	// Authorize says who sends a request, and what they may. It is called for each but
	// those of style sheets and scripts. Required.
	//
	// ErrUnauthorized is answered by 401, ErrForbidden by 403, and any other error by 500
	// and a line in the log.
	Authorize func(*http.Request) (Operator, error)

	// Writable lets operators end sessions whom Authorize lets (Operator.End). Defaults to
	// false: nobody changes anything.
	Writable bool

	// Path is the path below which the Console is mounted, such as "/console/". It gets
	// requests with their whole path. Defaults to "/".
	Path string

	// Hosts are the names under which browsers reach it, such as "ops.example.com", or with
	// a port "ops.example.com:8443". A request for another host is answered by 421, so that
	// no foreign name can be made to point here. Defaults to addresses of this machine's
	// loopback and localhost.
	Hosts []string

	// Environment is the name of what is shown, such as "staging". It is on each page.
	Environment string
	// Colour is the environment's, as #rrggbb. Defaults to a colour that is the same for the
	// same name.
	Colour string
	// Production has whoever ends several sessions type their number.
	Production bool

	// Audit is told of each act: of ends, sign-outs, and values that are revealed. It is
	// called in the goroutine that acts, before the act, and of one that ends sessions once
	// more after it. If it returns an error before, or panics, nothing is done and the
	// operator learns that. After it, an error is logged. To stop a job goes on in either
	// case. Its context ends after 10 seconds: it has to return then, as Close waits for it.
	// The Logger is told too. Defaults to nil.
	Audit func(context.Context, Act) error

	// Manager is the application's, if it is in this process: then its configuration is
	// judged too (Health), and its figures are shown (Overview). Defaults to nil.
	Manager *cloakroom.Manager

	// Logger gets acts and errors. Defaults to slog.Default().
	Logger *slog.Logger

	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// Operator is who sends a request, and what they may.
type Operator struct {
	Name         string // is told with each act; required
	SeeValues    bool   // reveal the values of sessions, which is an act
	SeeAddresses bool   // see clients' addresses, and find sessions by them
	End          bool   // end sessions, if Config.Writable
}

// The errors that Authorize returns.
var (
	// ErrUnauthorized: nobody is signed in.
	ErrUnauthorized = errors.New("sign in first")
	// ErrForbidden: who is signed in may not see this.
	ErrForbidden = errors.New("not allowed")
)

// Console is the operators' page. It is an http.Handler, and safe for concurrent use.
// Close it when it isn't used any more.
type Console struct {
	config  Config
	path    string // with a slash at both ends
	handler http.Handler
	pages   *template.Template
	assets  *assets
	shared  *shared
	tidings *shared // what is new, apart: how many figures that are is up to who asks
	agents  *agent.Reader

	readings readings
	jobs     *jobs
	looks    chan struct{} // the searches of pages under way

	ctx    context.Context //nolint:containedctx // the life of the goroutines that it owns
	cancel context.CancelFunc
	owned  sync.WaitGroup
	mu     sync.Mutex // guards closed, and that nothing begins once Close waits
	closed bool
}

// isColour reports whether a text has the form of Config.Colour.
func isColour(text string) bool {
	return regexp.MustCompile(`^#[0-9a-fA-F]{6}$`).MatchString(text)
}

// isPath reports whether a text has the form of Config.Path.
func isPath(text string) bool {
	clean := path.Clean(text)
	return (text == clean || text == clean+"/") && regexp.MustCompile(`^/([A-Za-z0-9._~-]+/)*[A-Za-z0-9._~-]*$`).MatchString(text)
}

// check returns an error for a configuration that can't work, and completes it.
func (c *Config) check() error {
	if len(c.Admins) == 0 && c.Manager != nil {
		c.Admins = []*cloakroom.Admin{c.Manager.Admin()}
	}
	switch {
	case len(c.Admins) == 0:
		return errors.New("console: Config.Admins is empty: give Manager.Admin() or cloakroom.NewAdmin")
	case c.Authorize == nil:
		return errors.New("console: Config.Authorize is missing: it says who may see the sessions")
	case c.Colour != "" && !isColour(c.Colour):
		return fmt.Errorf("console: Config.Colour is %q: the form is #rrggbb", c.Colour)
	}
	seen := map[string]bool{}
	for _, a := range c.Admins {
		if a == nil || seen[a.App()] {
			return errors.New("console: Config.Admins has a nil, or an app twice")
		}
		seen[a.App()] = true
	}
	if c.Path == "" {
		c.Path = "/"
	}
	if !isPath(c.Path) {
		return fmt.Errorf("console: Config.Path is %q: it begins with a slash, and has letters, digits and - . _ ~ between slashes", c.Path)
	}
	for _, h := range c.Hosts {
		if h == "" || strings.ContainsAny(h, "/ *") {
			return fmt.Errorf("console: Config.Hosts has %q: give names such as ops.example.com, without a scheme and a path", h)
		}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return nil
}

// New makes a Console. It does nothing with the store yet.
//
// Errors: something required is missing, or has a form that can't work.
func New(config *Config) (*Console, error) {
	var own Config
	if config != nil {
		own = *config
	}
	if err := own.check(); err != nil {
		return nil, err
	}
	c := &Console{config: own, path: strings.TrimSuffix(own.Path, "/") + "/"}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.assets = newAssets(c.path, own.Environment, own.Colour)
	c.shared, c.tidings = c.newShared(atOnce, mostEntries), c.newShared(1, mostTidings)
	c.jobs, c.agents, c.looks = &jobs{names: map[string]time.Time{}}, agent.NewReader(), make(chan struct{}, mostLooks)
	pages, err := c.parse()
	if err != nil {
		c.cancel()
		return nil, fmt.Errorf("console: its own pages: %w", err)
	}
	c.pages = pages
	c.handler = c.routes()
	return c, nil
}

// run runs f in a goroutine that Close waits for. After Close, when its context is over, f
// runs at once.
func (c *Console) run(f func()) {
	c.mu.Lock()
	closed := c.closed
	if !closed {
		c.owned.Go(f)
	}
	c.mu.Unlock()
	if closed {
		f()
	}
}

// enter has Close wait for an act, until leave is called. After Close it returns a complaint.
func (c *Console) enter() (leave func(), err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return nil, &complaint{http.StatusServiceUnavailable, "The console is being stopped", "Nothing was done."}
	}
	c.owned.Add(1)
	return c.owned.Done, nil
}

// Close stops what is under way, which is told as stopped, and waits for it, and for acts
// that have begun. What was ended stays ended. Requests that come later are answered, but
// for acts.
func (c *Console) Close() error {
	c.cancel()
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.owned.Wait()
	return nil
}

// ServeHTTP implements http.Handler.
func (c *Console) ServeHTTP(w http.ResponseWriter, r *http.Request) { c.handler.ServeHTTP(w, r) }

// Format implements fmt.Formatter: a console is printed without what it has read.
func (c *Console) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "console of apps %q", c.apps())
}

// admin returns the app of that name; "" is the first.
func (c *Console) admin(app string) (*cloakroom.Admin, bool) {
	if app == "" {
		return c.config.Admins[0], true
	}
	for _, a := range c.config.Admins {
		if a.App() == app {
			return a, true
		}
	}
	return nil, false
}
