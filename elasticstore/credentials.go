package elasticstore

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"
)

// This file is logins that change while the program runs.

// Login is a login: a User with a Password, or an APIKey in the form that the engine hands
// out as "encoded".
type Login struct {
	User, Password string
	APIKey         string
}

// Format implements fmt.Formatter: neither password nor key is printed.
func (l Login) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, l.name()) }

// MarshalText implements encoding.TextMarshaler, for encoding/json and log/slog: neither
// password nor key is encoded.
func (l Login) MarshalText() ([]byte, error) { return []byte(l.name()), nil }

// name returns the login's name, for messages.
func (l Login) name() string {
	switch {
	case l.APIKey != "":
		return "the API key"
	case l.User != "":
		return fmt.Sprintf("the user %q", l.User)
	}
	return "requests without a login"
}

// check refuses what is no login.
func (l Login) check() error {
	switch {
	case l == Login{}:
		return errors.New("there is neither an API key nor a user with a password")
	case l.APIKey != "" && (l.User != "" || l.Password != ""):
		return errors.New("there is an API key beside a user or password: only one of them can be used")
	case (l.User == "") != (l.Password == ""):
		return errors.New("there is one of user and password without the other")
	case strings.ContainsAny(l.APIKey, "\r\n \t"):
		return errors.New("the API key has white space in it")
	}
	return nil
}

// header returns the value of Authorization.
func (l Login) header() string {
	switch {
	case l.APIKey != "":
		return "ApiKey " + l.APIKey
	case l.User != "":
		return basic(url.UserPassword(l.User, l.Password))
	}
	return ""
}

// credentials are a login as requests carry it.
type credentials struct{ header, name string }

// noCredentials are those of requests without a login.
var noCredentials = new(credentials)

// logins keeps the login of a client. A login that replaces another doesn't push it out
// before the engine has accepted it: a file may be half-written, and an engine may learn
// of a new password later than this process.
type logins struct {
	// renew has the login read, or asked for, anew, and calls set. Nil: it never changes.
	renew func(context.Context) error
	// every is the least time between two renewals because of refused requests.
	every time.Duration
	now   func() time.Time
	log   func() *slog.Logger

	turn  chan struct{} // holds one token: renewals take turns
	last  time.Time     // the last renewal; whoever has the token may use it
	state atomic.Pointer[loginState]
}

// loginState doesn't change once it is stored.
type loginState struct {
	current *credentials
	before  *credentials // the last that was accepted, until current is; nil: current was
	prefer  time.Time    // until then before is sent first, since current was refused
}

// preferBefore is the time for which a new login, which the engine refused, isn't tried.
const preferBefore = 10 * time.Second

func newLogins(now func() time.Time, log func() *slog.Logger) *logins {
	l := &logins{now: now, log: log, turn: make(chan struct{}, 1)}
	l.turn <- struct{}{}
	return l
}

// set makes a login the one that requests carry from now on.
func (l *logins) set(login Login) {
	next := &loginState{current: &credentials{login.header(), login.name()}}
	old := l.state.Load()
	if old != nil && old.current.header == next.current.header {
		return
	}
	if old != nil {
		next.before = old.current
		if old.before != nil {
			next.before = old.before // the current one never was accepted
		}
		l.log().Info("elasticstore: the login has changed", "login", next.current.name)
	}
	l.state.Store(next)
}

// loginError: there is no login yet, so nothing was sent.
type loginError struct{ err error }

func (e *loginError) Error() string { return "there is no login yet: " + e.err.Error() }
func (e *loginError) Unwrap() error { return e.err }

// get returns the login for a request; one without a header if there is none.
func (l *logins) get(ctx context.Context) (*credentials, error) {
	st := l.state.Load()
	if st == nil {
		if l.renew == nil {
			return noCredentials, nil
		}
		err := l.renewed(ctx, nil)
		if st = l.state.Load(); st == nil {
			return nil, &loginError{err}
		}
	}
	if st.before != nil && l.now().Before(st.prefer) {
		return st.before, nil
	}
	return st.current, nil
}

// renewed renews the login, unless another caller has done so since failed was in use.
func (l *logins) renewed(ctx context.Context, failed *credentials) error {
	select {
	case <-l.turn:
	case <-ctx.Done():
		return contextError(ctx)
	}
	defer func() { l.turn <- struct{}{} }()
	st := l.state.Load()
	switch {
	case st != nil && failed == nil, st != nil && st.current.header != failed.header && st.before == nil:
		return nil // another caller has
	case st != nil && l.now().Sub(l.last) < l.every:
		return nil
	}
	l.last = l.now()
	return l.renew(ctx)
}

// after returns another login than those that the engine has just refused, or nil.
func (l *logins) after(ctx context.Context, refused []*credentials) *credentials {
	if l.renew == nil {
		return nil
	}
	fresh := func() *credentials {
		st := l.state.Load()
		for _, c := range []*credentials{st.current, st.before} {
			if c != nil && !isAmong(c, refused) {
				return c
			}
		}
		return nil
	}
	if st := l.state.Load(); !isAmong(st.current, refused) {
		return st.current // it changed meanwhile, or wasn't tried because of prefer
	}
	if err := l.renewed(ctx, refused[len(refused)-1]); err != nil {
		l.log().Warn("elasticstore: the engine refused the login, and there is no other", "error", err)
	}
	return fresh()
}

func isAmong(c *credentials, list []*credentials) bool {
	for _, other := range list {
		if c.header == other.header {
			return true
		}
	}
	return false
}

// accepted notes that the engine took a login, after it had refused others.
func (l *logins) accepted(c *credentials, refused []*credentials) {
	st := l.state.Load()
	switch {
	case st == nil || st.before == nil:
	case c.header == st.current.header:
		l.state.CompareAndSwap(st, &loginState{current: st.current})
	case c.header == st.before.header && isAmong(st.current, refused):
		next := *st
		next.prefer = l.now().Add(preferBefore)
		if l.state.CompareAndSwap(st, &next) && st.prefer.IsZero() {
			l.log().Warn("elasticstore: the engine doesn't accept the new login (yet); the one before is used as long as it is accepted",
				"new", st.current.name, "before", st.before.name)
		}
	}
}

// any reports whether requests carry a login.
func (l *logins) any() bool {
	st := l.state.Load()
	return l.renew != nil || st != nil && st.current.header != ""
}

// setUpLogins sets the login, and where it comes from.
func (c *client) setUpLogins() error {
	l := newLogins(func() time.Time { return c.now() }, c.log)
	c.logins = l
	given := c.config
	static := Login{given.User, given.Password, given.APIKey}
	var file *watchedFile
	switch {
	case given.Login != nil:
		if static != (Login{}) || given.PasswordFile != "" || given.APIKeyFile != "" {
			return errors.New("ClientConfig.Login stands beside User, a password or an API key: only one of them can be used")
		}
		l.every = time.Second
		l.renew = func(ctx context.Context) error {
			login, err := given.Login(ctx)
			if err == nil {
				err = login.check()
			}
			if err != nil {
				return fmt.Errorf("ClientConfig.Login: %w", err)
			}
			l.set(login)
			return nil
		}
		return nil
	case given.PasswordFile != "" && (given.Password != "" || given.APIKey != "" || given.APIKeyFile != "" || given.User == ""):
		return errors.New("ClientConfig.PasswordFile needs a User, and neither Password nor an API key beside it")
	case given.APIKeyFile != "" && static != (Login{}):
		return errors.New("ClientConfig has an APIKeyFile beside APIKey, User or Password: only one of them can be used")
	case given.PasswordFile != "":
		file = &watchedFile{field: "PasswordFile", path: given.PasswordFile, use: l.fromFile(func(text string) Login {
			return Login{User: given.User, Password: text}
		})}
	case given.APIKeyFile != "":
		file = &watchedFile{field: "APIKeyFile", path: given.APIKeyFile, use: l.fromFile(func(text string) Login {
			return Login{APIKey: strings.TrimSpace(text)}
		})}
	case static == Login{}:
		return nil
	default:
		if err := static.check(); err != nil {
			return fmt.Errorf("ClientConfig: %w", err)
		}
		l.set(static)
		return nil
	}
	file.log = c.log
	l.renew = func(context.Context) error { _ = file.renew(true); return nil } // logged
	c.watch.files = append(c.watch.files, file)
	return file.load()
}

// fromFile returns the function that takes up the content of a file, a password or an API
// key. Its errors never hold that.
func (l *logins) fromFile(login func(string) Login) func([]byte) error {
	return func(content []byte) error {
		text := strings.TrimRight(string(content), "\r\n")
		if strings.TrimSpace(text) == "" {
			return errEmpty
		}
		if strings.ContainsAny(text, "\r\n\x00") {
			return errors.New("the file has more than one line, or zero bytes")
		}
		next := login(text)
		if err := next.check(); err != nil {
			return err
		}
		l.set(next)
		return nil
	}
}

// attempt sends a request to a node, with the login. If the engine refuses the login, it
// is renewed, and the request is sent once more with the next one: an engine that refuses
// a login has executed nothing.
func (c *client) attempt(n *node, req *http.Request) (*http.Response, error) {
	if n.url.User != nil {
		req.Header.Set("Authorization", basic(n.url.User))
		return c.roundTrip(req)
	}
	login, err := c.logins.get(req.Context())
	if err != nil {
		return nil, err
	}
	var refused []*credentials
	for {
		if login.header != "" {
			req.Header.Set("Authorization", login.header)
		}
		res, err := c.roundTrip(req)
		if err != nil {
			return nil, err
		}
		if res.StatusCode != http.StatusUnauthorized {
			c.logins.accepted(login, refused)
			return res, nil
		}
		refused = append(refused, login)
		next := c.logins.after(req.Context(), refused)
		again, ok := repeated(req)
		if next == nil || !ok || len(refused) > 2 {
			return res, nil
		}
		_, _ = io.CopyN(io.Discard, res.Body, 64<<10) // so that the connection is used again
		_ = res.Body.Close()
		login, req = next, again
	}
}

// repeated returns a request to be sent once more. ok is false if its body can't be had
// again.
func repeated(req *http.Request) (again *http.Request, ok bool) {
	again = req.Clone(req.Context())
	if req.Body == nil || req.Body == http.NoBody {
		return again, true
	}
	if req.GetBody == nil {
		return nil, false
	}
	body, err := req.GetBody()
	if err != nil {
		return nil, false
	}
	again.Body = body
	return again, true
}
