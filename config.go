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

// This file is Config, with checks and defaults.

// Config says how a Manager works. The zero Config, and nil, are good for
// production. Durations that are negative where that has no meaning are errors.
type Config struct {
	// App names the application. Several may share a store: their sessions,
	// principals and tokens are worlds apart. At most 128 bytes. Defaults to
	// "session".
	App string

	// Transport says how tokens travel: Cookie or Bearer. Defaults to Cookie{}.
	Transport Transport

	// IdleTimeout is how long a session lives without a request. Negative: it
	// has no idle timeout. Since activity is recorded once in TouchEvery only,
	// a session may end that much earlier, but never later. What counts is when a
	// request asks for its session, not how long it runs. A sign-in may give its
	// session another (LoginOptions.IdleTimeout). Clocks of machines that lie apart
	// shift it by as much: with less than driver.ClockTolerance beyond TouchEvery, New
	// warns. Defaults to 24 h.
	IdleTimeout time.Duration

	// Lifetime is how long a session lives after its sign-in, however active.
	// At most MaxLifetime. Defaults to 30 days, or MaxLifetime if that is less.
	Lifetime time.Duration

	// AnonymousLifetime is how long a session lives that nobody has signed in
	// to. At most MaxLifetime. Defaults to 7 days, or MaxLifetime if less.
	AnonymousLifetime time.Duration

	// MaxLifetime is the longest lifetime that LoginOptions.Lifetime may give.
	// Tokens that are older cost no store operation. It also chooses the periods
	// that stores keep records by: don't set it much higher than needed. At
	// most the constant MaxLifetime (400 days). Defaults to the longer of Lifetime and
	// AnonymousLifetime.
	MaxLifetime time.Duration

	// TouchEvery is how often, at most, a request that changes nothing writes
	// the time of the last activity. That goes with the request's save if there is one.
	// Defaults to a tenth of IdleTimeout, and 1
	// minute at most. Less than IdleTimeout. Negative: every request does.
	TouchEvery time.Duration

	// RenewGrace is how long the old secret stays good once the new one of a
	// Renew has been used, and how long requests with a token that a sign-in
	// replaced or a RenewStrict ended, or whose session was signed out, are kept
	// from starting another session. Both take driver.ClockTolerance (2 minutes)
	// more, as the clocks of machines may lie apart. An hour after a Renew its old
	// secret is over anyway. Defaults to 30 s.
	RenewGrace time.Duration

	// SaveTimeout bounds how long a store is waited for: to read a session, and
	// to save one, which goes on although the client may have hung up. Defaults
	// to 5 s.
	SaveTimeout time.Duration

	// SweepEvery is how often this manager has the store remove what is over.
	// One manager in a store's whole world is enough, more do no harm. After its
	// first sweep and each sixth from then on, it also ends the app's sessions that
	// RevokeAll or a limit left ending because the store was in trouble; after every
	// sweep, if it left some itself.
	// Negative: never. Defaults to 10 minutes.
	SweepEvery time.Duration

	// CacheFor is how old what a request reads of its session may be. If it is
	// set, the manager remembers sessions that it has read or written (up to 64
	// MiB of them), and requests that find theirs don't ask the store.
	//
	// What this manager and its Admin save and end is seen at once. What others
	// do, such as another process on the same store, may go unnoticed here for
	// CacheFor, counted from before the store was asked, by Now or the real clock,
	// whichever comes first: an earlier state of the values is read, and a session that was signed out or revoked, a token that
	// a sign-in replaced, or a renewed one's old secret, still opens. Nothing else
	// is bounded by it: saves, sign-ins, renewals and sign-outs work on what the
	// store has, so they neither write over what others saved nor bring anything
	// back, and one that meets the end of its session fails with ErrGone. Limits
	// in time, Devices and Admin are exact. While the store is out of reach,
	// what is remembered is still read, for no longer than CacheFor.
	//
	// At most MaxCacheFor (1 hour), and less than IdleTimeout. Some seconds
	// take most of the load off a store. Defaults to 0: each request asks.
	CacheFor time.Duration

	// NotBefore refuses all tokens of sessions that were made before this time,
	// without asking the store: the lever to sign everyone out, and what a
	// restore of the store from a backup needs. Defaults to the zero time: none.
	NotBefore time.Time

	// Save says when changes are saved. Defaults to SaveOnce.
	Save SaveMode

	// MaxBytes bounds the names and values of one session, as JSON. Beyond it a
	// save is ErrTooLarge. Negative: no bound of ours. Defaults to 64 KiB.
	MaxBytes int

	// MaxPerPrincipal is how many live sessions a principal may have. A sign-in
	// beyond it ends the oldest. Negative: no bound. Defaults to 100.
	MaxPerPrincipal int

	// NoStore has responses say "Cache-Control: no-store" if the request asked for its
	// session, somebody is signed in to it, and the handler said nothing to caches, be
	// it by Cache-Control, Expires, or a header for some caches alone such as
	// CDN-Cache-Control. So neither a cache nor a browser shows such a page to who comes
	// next. What hands out or revokes a token, and errors, say no to caches in any case,
	// whatever the handler said. Defaults to false.
	NoStore bool

	// ClientAddr returns what is recorded as the client's address: of that 64 bytes,
	// without control characters and what isn't UTF-8. Behind proxies, TrustedProxies
	// makes one. Defaults to the IP address of Request.RemoteAddr.
	ClientAddr func(*http.Request) string

	// Background reports whether a request is not the visitor's doing, such as
	// a page that polls. It may use the session and change it, but doesn't keep
	// it alive. Defaults to none.
	Background func(*http.Request) bool

	// OnError writes the answer to a request whose session could not be read or
	// saved, or whose handler returned an error (Manager.Fail). Status and headers that
	// Fail chose are passed in; it may use others. If it writes nothing, or panics, the
	// answer has the status alone. Defaults to a short text.
	OnError func(w http.ResponseWriter, r *http.Request, status int, err error)

	// Events are told what happens to sessions. Defaults to none.
	Events *Events

	// Logger gets what goes wrong where there is no caller to tell. Defaults to
	// slog.Default().
	Logger *slog.Logger

	// Now is the clock. Defaults to time.Now.
	Now func() time.Time
}

// SaveMode says when changes of a session are saved.
type SaveMode int

const (
	// SaveOnce saves all changes of a request in one write, before the first
	// byte of the response goes out. Session.Save saves earlier.
	SaveOnce SaveMode = iota
	// SaveEach saves each change by itself and reads before each look at a
	// value. It is slow and seldom needed.
	SaveEach
	// SaveManual saves only when Session.Save is called, or inside
	// Manager.AutoSave. Other changes are dropped at the end of the request.
	SaveManual
)

// MaxCacheFor is the longest time that Config.CacheFor may be.
const MaxCacheFor = time.Hour

// withDefaults returns a checked copy.
func (c *Config) withDefaults() (*Config, error) {
	var d Config
	if c != nil {
		d = *c
	}
	const day = 24 * time.Hour
	for _, f := range []struct {
		name  string
		value time.Duration
	}{
		{"Lifetime", d.Lifetime}, {"AnonymousLifetime", d.AnonymousLifetime}, {"MaxLifetime", d.MaxLifetime},
		{"RenewGrace", d.RenewGrace}, {"SaveTimeout", d.SaveTimeout}, {"CacheFor", d.CacheFor},
	} {
		switch {
		case f.value < 0:
			return nil, fmt.Errorf("cloakroom: Config.%s is %v: it must not be negative", f.name, f.value)
		case f.value > 0 && f.value < time.Millisecond && strings.HasSuffix(f.name, "Lifetime"):
			return nil, fmt.Errorf("cloakroom: Config.%s is %v: 0, or a millisecond and more is allowed, as times are kept in milliseconds", f.name, f.value)
		case f.value > MaxLifetime:
			return nil, fmt.Errorf("cloakroom: Config.%s is %v: at most %v (400 days) is allowed", f.name, f.value, MaxLifetime)
		}
	}
	if len(d.App) > 128 {
		return nil, fmt.Errorf("cloakroom: Config.App has %d bytes: at most 128 are allowed", len(d.App))
	}
	if !utf8.ValidString(d.App) || strings.ContainsFunc(d.App, unicode.IsControl) {
		return nil, fmt.Errorf("cloakroom: Config.App is %q: it must be UTF-8 without control characters", d.App)
	}
	setDefault(&d.App, "session")
	if d.Transport == nil {
		d.Transport = Cookie{}
	}
	if d.MaxLifetime == 0 {
		setDefault(&d.Lifetime, 30*day)
		setDefault(&d.AnonymousLifetime, 7*day)
		d.MaxLifetime = max(d.Lifetime, d.AnonymousLifetime)
	}
	setDefault(&d.Lifetime, min(30*day, d.MaxLifetime))
	setDefault(&d.AnonymousLifetime, min(7*day, d.MaxLifetime))
	switch {
	case d.MaxLifetime > MaxLifetime:
		return nil, fmt.Errorf("cloakroom: a lifetime of %v is configured: at most %v (400 days) is allowed", d.MaxLifetime, MaxLifetime)
	case d.Lifetime > d.MaxLifetime:
		return nil, fmt.Errorf("cloakroom: Config.Lifetime is %v: at most MaxLifetime, %v, is allowed", d.Lifetime, d.MaxLifetime)
	case d.AnonymousLifetime > d.MaxLifetime:
		return nil, fmt.Errorf("cloakroom: Config.AnonymousLifetime is %v: at most MaxLifetime, %v, is allowed", d.AnonymousLifetime, d.MaxLifetime)
	case d.Save < SaveOnce || d.Save > SaveManual:
		return nil, fmt.Errorf("cloakroom: Config.Save is %d: use SaveOnce, SaveEach or SaveManual", d.Save)
	}
	setDefault(&d.IdleTimeout, day)
	if d.IdleTimeout > 0 && d.IdleTimeout < time.Millisecond {
		return nil, fmt.Errorf("cloakroom: Config.IdleTimeout is %v: 0, a negative one, or a millisecond and more is allowed, as times are kept in milliseconds", d.IdleTimeout)
	}
	if d.IdleTimeout < 0 || d.IdleTimeout > MaxLifetime {
		d.IdleTimeout = MaxLifetime // the deadline comes first
	}
	setDefault(&d.TouchEvery, min(d.IdleTimeout/10, time.Minute))
	if d.TouchEvery >= d.IdleTimeout {
		return nil, fmt.Errorf("cloakroom: Config.TouchEvery is %v: it must be less than IdleTimeout, %v, or active visitors are signed out", d.TouchEvery, d.IdleTimeout)
	}
	if longest := min(MaxCacheFor, d.IdleTimeout-1); d.CacheFor > longest {
		return nil, fmt.Errorf("cloakroom: Config.CacheFor is %v: at most %v, and less than IdleTimeout, %v, is allowed, as a session that was ended elsewhere opens here for that long", d.CacheFor, MaxCacheFor, d.IdleTimeout)
	}
	setDefault(&d.RenewGrace, 30*time.Second)
	setDefault(&d.SaveTimeout, 5*time.Second)
	setDefault(&d.SweepEvery, 10*time.Minute)
	setDefault(&d.MaxBytes, 64<<10)
	setDefault(&d.MaxPerPrincipal, 100)
	if d.ClientAddr == nil {
		d.ClientAddr = remoteHost
	}
	if d.Background == nil {
		d.Background = func(*http.Request) bool { return false }
	}
	if d.OnError == nil {
		d.OnError = plainError
	}
	if d.Events == nil {
		d.Events = &Events{}
	}
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	return &d, nil
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
