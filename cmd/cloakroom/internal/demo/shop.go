// Package demo is a small shop that shows cloakroom at work. Its page has a visit
// counter, a cart, signing in and out, and beside them the token, the record and the
// store operations behind each request. Scripts have an API under /api/.
package demo

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/devices"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Shop: its configuration, its routes and its handlers' errors.

// App is the default name of the app of the shop's sessions and principals. It keeps
// them apart from those of real applications in the same store. In the shop everybody
// can sign in as anybody, so its "sign out everywhere" must not reach others.
const App = "demo"

// maxBody bounds the body of a request.
const maxBody = 256 << 10

// Config says how a Shop works.
type Config struct {
	Where    string        // the sessions' place, for visitors
	Saving   string        // a sentence for visitors that tells when changes are saved; "": none
	Lasting  bool          // the sessions outlive the process
	Idle     time.Duration // idle timeout; 0: the manager's own
	Lifetime time.Duration // of all sessions; 0: the manager's own
	Logger   *slog.Logger
}

// Shop is the demo's web site.
type Shop struct {
	config   Config
	app      string
	meter    *meter
	sessions *cloakroom.Manager
	devices  *devices.Page
	handler  http.Handler
	console  string // the URL of the operators' console; "" without one
}

// New makes a shop with sessions of its own. The store may be out of reach. The caller
// closes it.
func New(store cloakroom.Store, keys *cloakroom.Keyring, config Config) (*Shop, error) {
	s := Build(config)
	settings := cloakroom.Config{Transport: cloakroom.Cookie{Insecure: true}} // the demo speaks plain HTTP
	s.Adjust(&settings)
	sessions, err := cloakroom.New(s.Wrap(store), keys, &settings)
	if err != nil {
		return nil, err
	}
	if err := s.Open(sessions); err != nil {
		return nil, errors.Join(err, sessions.Close())
	}
	return s, nil
}

// Build makes a shop that isn't open yet. Sessions that others make for it need its Wrap
// and its Adjust; after that, call Open.
func Build(config Config) *Shop { return &Shop{config: config, meter: newMeter(nil, config.Logger)} }

// Wrap returns a store that passes operations on and shows them to the shop.
func (s *Shop) Wrap(store cloakroom.Store) cloakroom.Store {
	s.meter.store = store
	return s.meter
}

// Adjust changes a manager's settings to those in the shop's Config and to the shop's
// own. The app's name defaults to App.
func (s *Shop) Adjust(settings *cloakroom.Config) {
	settings.App = cmp.Or(settings.App, App)
	s.app = settings.App
	if s.config.Idle > 0 {
		settings.IdleTimeout = s.config.Idle
	}
	if s.config.Lifetime > 0 {
		settings.Lifetime, settings.AnonymousLifetime = s.config.Lifetime, s.config.Lifetime
	}
	settings.OnError, settings.Logger = s.onError, s.config.Logger
}

// Open opens the shop. Close closes the sessions.
func (s *Shop) Open(sessions *cloakroom.Manager) (err error) {
	s.sessions = sessions
	s.devices, err = devices.New(sessions, "/signin", &devices.Config{
		Home: "/", Stylesheet: assetPath("devices.css"), Logger: s.config.Logger,
	})
	s.handler = s.routes()
	return err
}

// Admin returns the view of the shop's sessions for operators. It works on the store
// itself, so that the counts that visitors see are those of the shop alone.
func (s *Shop) Admin() *cloakroom.Admin { return cloakroom.NewAdmin(s.meter.store, s.app) }

// Manager returns the shop's manager, which tells operators its figures and problems.
func (s *Shop) Manager() *cloakroom.Manager { return s.sessions }

// LinkConsole has the page link to the operators' console at a URL. It isn't called while
// the shop is served.
func (s *Shop) LinkConsole(url string) { s.console = url }

// Close waits for saves in flight.
func (s *Shop) Close() error { return s.sessions.Close() }

// ServeHTTP implements http.Handler.
func (s *Shop) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

func (s *Shop) routes() http.Handler {
	mux := http.NewServeMux()
	page := func(pattern string, h handler) { mux.Handle(pattern, s.sessions.With(s.claiming(h))) }
	page("GET /{$}", s.page)
	page("POST /cart", s.changeCart)
	page("GET /signin", s.signInAgain)
	page("POST /signin", s.signIn)
	page("POST /signout", s.signOut)
	page(devicesPath, func(w http.ResponseWriter, r *http.Request, _ *cloakroom.Session) error {
		s.devices.ServeHTTP(w, r)
		return nil
	})
	mux.HandleFunc("POST /anew", s.startAnew)
	mux.Handle("GET /assets/", assetServer())
	mux.HandleFunc("GET /favicon.ico", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, assetPath("icon.svg"), http.StatusFound)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			s.answerError(w, r, http.StatusMethodNotAllowed, "This can't be done here.")
			return
		}
		s.answerError(w, r, http.StatusNotFound, "There is nothing on this hook.")
	})
	s.routeAPI(mux)

	// Scripts send neither Origin nor Sec-Fetch-Site, and pass. A page of another site
	// doesn't, whatever cookies its visitor's browser adds.
	guard := http.NewCrossOriginProtection()
	guard.SetDenyHandler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		s.answerError(w, r, http.StatusForbidden, "Requests from other sites change nothing here.")
	}))
	return secure(guard.Handler(traced(s.sessions.Handler(s.sessions.AutoSave(mux)))))
}

// handler answers a request that has its session. Errors go to Manager.Fail, except for
// a complaint, which is the answer itself.
type handler func(http.ResponseWriter, *http.Request, *cloakroom.Session) error

// complaint is the answer to a request that makes no sense.
type complaint struct {
	status int
	text   string
}

func (c *complaint) Error() string { return c.text }

// claiming attributes the saves of the visitor's ledger to this request, and answers
// complaints.
func (s *Shop) claiming(h handler) handler {
	return func(w http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
		if p := session.Principal(); p != "" {
			s.meter.trace.claim(requestOf(r.Context()), driver.LedgerID(s.app, p))
		}
		err := h(w, r, session)
		if c, ok := errors.AsType[*complaint](err); ok {
			s.answerError(w, r, c.status, c.text)
			return nil
		}
		return err
	}
}

// login signs in. An impossible name is the visitor's mistake.
func (s *Shop) login(ctx context.Context, session *cloakroom.Session, name string, o *cloakroom.LoginOptions) error {
	s.meter.trace.claim(requestOf(ctx), driver.LedgerID(s.app, name))
	err := session.Login(ctx, name, o)
	if errors.Is(err, cloakroom.ErrInvalid) {
		return &complaint{http.StatusBadRequest, "A name has 1 to 512 bytes of UTF-8, without control characters."}
	}
	return err
}

// traced marks requests for the trace.
func traced(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		ctx, request := enter(r.Context(), r.Method+" "+r.URL.Path)
		defer request.over.Store(true)
		h.ServeHTTP(w, r.WithContext(ctx))
	})
}

// secure sets the headers of every answer. The page loads nothing but its own files.
func secure(h http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		header := w.Header()
		header.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; "+
			"connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		header.Set("X-Content-Type-Options", "nosniff")
		header.Set("Referrer-Policy", "same-origin")
		header.Set("Cross-Origin-Opener-Policy", "same-origin")
		header.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.ServeHTTP(w, r)
	})
}
