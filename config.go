package cloakroom

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// This file is Config: its fields, defaults and checks.

// Config configures a Manager. The zero Config, and nil, are good for production. A
// negative duration is an error where the field gives it no meaning. Its functions are called
// by the goroutines of requests, many at once; a panic of one is the request's.
type Config struct {
	// App names the application. Several may share a store: each has its own sessions,
	// principals and tokens. At most 128 bytes. Defaults to "session".
	App string

	// Transport says how tokens travel: Cookie or Bearer. Defaults to Cookie{}.
	Transport Transport

	// IdleTimeout is how long a session lives without a request. Negative: for its whole
	// lifetime. Since activity is recorded only once in TouchEvery, a session may end
	// that much earlier, but never later. The time at which a request asks for its
	// session counts, not how long it runs. A sign-in may give its session another
	// timeout (LoginOptions.IdleTimeout). Clocks of machines that lie apart shift it by
	// as much: New warns if it is less than driver.ClockTolerance beyond TouchEvery.
	// Defaults to 24 h.
	IdleTimeout time.Duration

	// Lifetime is how long a session lives after its sign-in, even if it is active. At
	// most MaxLifetime. Defaults to 30 days, or MaxLifetime if that is less.
	Lifetime time.Duration

	// AnonymousLifetime is how long a session lives that nobody has signed in to. At most
	// MaxLifetime. Defaults to 7 days, or MaxLifetime if that is less.
	AnonymousLifetime time.Duration

	// MaxLifetime is the longest lifetime that LoginOptions.Lifetime may give. Older
	// tokens are refused without a store operation. It also chooses the periods by which
	// stores keep records, so don't set it much higher than needed. At most the constant
	// MaxLifetime (400 days). Defaults to the longer of Lifetime and AnonymousLifetime.
	MaxLifetime time.Duration

	// TouchEvery is how often, at most, a request that changes nothing writes the time of
	// the last activity. That write goes with the request's save if there is one. Less
	// than IdleTimeout. Negative: every request writes it. Defaults to a tenth of
	// IdleTimeout, and 1 minute at most.
	TouchEvery time.Duration

	// RenewGrace is how long the old secret stays good once the new one of a Renew has
	// been used. It is also how long a late request begins no other session: one with a
	// token that a sign-in replaced or a RenewStrict ended, or whose session was signed
	// out. Both take driver.ClockTolerance (2 minutes) more, as the clocks of machines
	// may lie apart. An hour after a Renew its old secret is over anyway. Defaults to 30
	// s.
	RenewGrace time.Duration

	// SaveTimeout bounds the wait for the store, for a read and for a save. A save goes
	// on even if the client hangs up. Defaults to 5 s.
	SaveTimeout time.Duration

	// SweepEvery is how often this manager has the store remove expired records. One
	// manager on a store is enough, more do no harm. After its first sweep and each sixth
	// from then on, it also ends the app's sessions that RevokeAll or a limit left ending
	// because the store was in trouble. If it left some itself, it does so after every
	// sweep. Nothing is swept by a clock that may be wrong (Admin.Sweep). Negative: never.
	// Defaults to 10 minutes.
	SweepEvery time.Duration

	// CacheFor is the age up to which a request may read a remembered state of its
	// session. If it is set, the manager remembers sessions that it has read or written
	// (up to 64 MiB of them), and requests that find theirs don't ask the store.
	//
	// Saves and ends by this manager and its Admin are seen at once. Those by others,
	// such as another process on the same store, may go unnoticed here for CacheFor,
	// counted from before the store was asked, by Now or the real clock, whichever comes
	// first. For that long a request may read an earlier state of the values. A session
	// that was signed out or revoked, a token that a sign-in replaced, or a renewed
	// session's old secret still opens.
	//
	// All else is exact. Saves, sign-ins, renewals and sign-outs work on the store's
	// state: they neither write over what others saved nor bring anything back, and fail
	// with ErrGone where the session has ended. So are limits in time, Devices and Admin.
	// While the store is out of reach, a remembered session is still read, for no longer
	// than CacheFor.
	//
	// At most MaxCacheFor (1 hour), and less than IdleTimeout. Some seconds take most of
	// the load off a store. Defaults to 0: each request asks the store.
	CacheFor time.Duration

	// NotBefore refuses all tokens of sessions that were made before this time, without
	// asking the store. It signs everyone out, as is needed after the store was restored
	// from a backup. Defaults to the zero time: no token is refused for it.
	NotBefore time.Time

	// Import has visitors keep the sessions that another library made for them. Defaults
	// to nil: nothing is imported.
	Import *Import

	// Save says when changes are saved. Defaults to SaveOnce.
	Save SaveMode

	// MaxBytes bounds the names and values of one session, in bytes of JSON. A larger
	// save is ErrTooLarge. Negative: no bound here. Defaults to 64 KiB.
	MaxBytes int

	// MaxPerPrincipal is the number of live sessions that a principal may have. A sign-in
	// beyond it ends the oldest. Negative: no bound. Defaults to 100.
	MaxPerPrincipal int

	// NoStore has a response say "Cache-Control: no-store" if the request asked for its
	// session, somebody is signed in to it, and the handler set no header for caches:
	// neither Cache-Control nor Expires, nor one for some caches alone such as
	// CDN-Cache-Control. So neither a cache nor a browser shows such a page to the next
	// user. A response that hands out or revokes a token, and an error, forbid caching in
	// any case, even if the handler allowed it. Defaults to false.
	NoStore bool

	// ClientAddr returns the client's address to be recorded. It is cut to 64 bytes,
	// without control characters and invalid UTF-8. Behind proxies, TrustedProxies makes
	// one. Defaults to the IP address of Request.RemoteAddr.
	ClientAddr func(*http.Request) string

	// Background reports whether a request isn't the visitor's doing, such as one of a
	// page that polls. Such a request may use the session and change it, but doesn't keep
	// it alive. Defaults to none.
	Background func(*http.Request) bool

	// RefuseEarly reports whether a request may be turned down before its handler begins:
	// one that presents a token while more operations are under way than the store carries
	// out in time, so that it would be turned down once it asked for its session. Its
	// answer is the same, 503 by OnError, and costs a fraction of that, so more of the
	// others are served. A handler that wouldn't have asked isn't called either. So say
	// false for what must be answered without a session, such as files and health checks.
	// It is called for such requests alone, by many goroutines at a time, and never with
	// CacheFor. Defaults to nil: no request is turned down before its handler begins.
	RefuseEarly func(*http.Request) bool

	// OnError writes the answer to a request whose session could not be read or saved, or
	// whose handler returned an error (Manager.Fail). Fail passes in the status that it
	// chose, and has set headers; OnError may use others. If it writes nothing, or panics, the
	// answer has the status alone. Defaults to a short text.
	OnError func(w http.ResponseWriter, r *http.Request, status int, err error)

	// Events are functions that are called when something happens to sessions. Defaults
	// to none.
	Events *Events

	// Logger gets the errors and warnings that no caller gets. Defaults to
	// slog.Default().
	Logger *slog.Logger

	// Now is the clock. It has to be safe for concurrent use. Where it is ahead of that of
	// the store's engine (driver.EngineClock) by more than driver.ClockTolerance, nothing
	// ends that isn't over by both: so a test that sets it needs a store without an engine.
	// Defaults to time.Now.
	Now func() time.Time
}

// SaveMode says when changes of a session are saved.
type SaveMode int

const (
	// SaveOnce saves all changes of a request in one write, before the first
	// byte of the response goes out. Session.Save saves earlier.
	SaveOnce SaveMode = iota
	// SaveEach saves each change by itself, and reads before each look at a value. It is
	// slow and seldom needed.
	SaveEach
	// SaveManual saves only when Session.Save is called, or inside
	// Manager.AutoSave. Other changes are dropped at the end of the request.
	SaveManual
)

// MaxCacheFor is the longest time that Config.CacheFor may be.
const MaxCacheFor = time.Hour

// withDefaults returns a copy that is checked and complete.
func (c *Config) withDefaults() (*Config, error) {
	var d Config
	if c != nil {
		d = *c
	}
	if err := d.checkGiven(); err != nil {
		return nil, err
	}
	setDefault(&d.App, "session")
	if err := d.setLifetimes(); err != nil {
		return nil, err
	}
	if err := d.setIdleTimeout(); err != nil {
		return nil, err
	}
	setDefault(&d.RenewGrace, 30*time.Second)
	setDefault(&d.SaveTimeout, 5*time.Second)
	setDefault(&d.SweepEvery, 10*time.Minute)
	setDefault(&d.MaxBytes, 64<<10)
	setDefault(&d.MaxPerPrincipal, 100)
	d.setFunctions()
	var err error
	if d.Import, err = d.Import.check(d.Now()); err != nil {
		return nil, err
	}
	return &d, nil
}

// checkGiven checks the fields whose bounds don't depend on defaults.
func (c *Config) checkGiven() error {
	for _, f := range []struct {
		name  string
		value time.Duration
	}{
		{"Lifetime", c.Lifetime}, {"AnonymousLifetime", c.AnonymousLifetime}, {"MaxLifetime", c.MaxLifetime},
		{"RenewGrace", c.RenewGrace}, {"SaveTimeout", c.SaveTimeout}, {"CacheFor", c.CacheFor},
	} {
		switch {
		case f.value < 0:
			return fmt.Errorf("cloakroom: Config.%s is %v: it must not be negative", f.name, f.value)
		case f.value > 0 && f.value < time.Millisecond && strings.HasSuffix(f.name, "Lifetime"):
			return fmt.Errorf("cloakroom: Config.%s is %v: 0, or a millisecond and more is allowed, as times are kept in milliseconds", f.name, f.value)
		case f.value > MaxLifetime && f.name != "CacheFor": // which setIdleTimeout bounds lower
			return fmt.Errorf("cloakroom: Config.%s is %v: at most %v (400 days) is allowed", f.name, f.value, MaxLifetime)
		}
	}
	switch {
	case len(c.App) > 128:
		return fmt.Errorf("cloakroom: Config.App has %d bytes: at most 128 are allowed", len(c.App))
	case !utf8.ValidString(c.App) || strings.ContainsFunc(c.App, unicode.IsControl):
		return fmt.Errorf("cloakroom: Config.App is %q: it must be UTF-8 without control characters", c.App)
	case c.Save < SaveOnce || c.Save > SaveManual:
		return fmt.Errorf("cloakroom: Config.Save is %d: use SaveOnce, SaveEach or SaveManual", c.Save)
	}
	return nil
}

const day = 24 * time.Hour

// setLifetimes completes the lifetimes. The configured ones bound the defaults.
func (c *Config) setLifetimes() error {
	if c.MaxLifetime == 0 {
		setDefault(&c.Lifetime, 30*day)
		setDefault(&c.AnonymousLifetime, 7*day)
		c.MaxLifetime = max(c.Lifetime, c.AnonymousLifetime)
	}
	setDefault(&c.Lifetime, min(30*day, c.MaxLifetime))
	setDefault(&c.AnonymousLifetime, min(7*day, c.MaxLifetime))
	switch {
	case c.MaxLifetime > MaxLifetime:
		return fmt.Errorf("cloakroom: a lifetime of %v is configured: at most %v (400 days) is allowed", c.MaxLifetime, MaxLifetime)
	case c.Lifetime > c.MaxLifetime:
		return fmt.Errorf("cloakroom: Config.Lifetime is %v: at most MaxLifetime, %v, is allowed", c.Lifetime, c.MaxLifetime)
	case c.AnonymousLifetime > c.MaxLifetime:
		return fmt.Errorf("cloakroom: Config.AnonymousLifetime is %v: at most MaxLifetime, %v, is allowed", c.AnonymousLifetime, c.MaxLifetime)
	}
	return nil
}

// setIdleTimeout completes the idle timeout, and checks the fields that have to be
// shorter.
func (c *Config) setIdleTimeout() error {
	setDefault(&c.IdleTimeout, day)
	if c.IdleTimeout > 0 && c.IdleTimeout < time.Millisecond {
		return fmt.Errorf("cloakroom: Config.IdleTimeout is %v: 0, a negative one, or a millisecond and more is allowed, as times are kept in milliseconds", c.IdleTimeout)
	}
	if c.IdleTimeout < 0 || c.IdleTimeout > MaxLifetime {
		c.IdleTimeout = MaxLifetime // the deadline comes first
	}
	setDefault(&c.TouchEvery, min(c.IdleTimeout/10, time.Minute))
	if c.TouchEvery >= c.IdleTimeout {
		return fmt.Errorf("cloakroom: Config.TouchEvery is %v: it must be less than IdleTimeout, %v, or active visitors are signed out", c.TouchEvery, c.IdleTimeout)
	}
	if longest := min(MaxCacheFor, c.IdleTimeout-1); c.CacheFor > longest {
		return fmt.Errorf("cloakroom: Config.CacheFor is %v: at most %v, and less than IdleTimeout, %v, is allowed, as a session that was ended elsewhere opens here for that long", c.CacheFor, MaxCacheFor, c.IdleTimeout)
	}
	return nil
}

// setFunctions gives fields that hold functions and objects their defaults.
func (c *Config) setFunctions() {
	if c.Transport == nil {
		c.Transport = Cookie{}
	}
	if c.ClientAddr == nil {
		c.ClientAddr = remoteHost
	}
	if c.Background == nil {
		c.Background = func(*http.Request) bool { return false }
	}
	if c.OnError == nil {
		c.OnError = plainError
	}
	if c.Events == nil {
		c.Events = &Events{}
	}
	if c.Logger == nil {
		c.Logger = slog.Default()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
}

// setDefault gives a field that is zero a value.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// remoteHost is the default of Config.ClientAddr.
func remoteHost(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}
