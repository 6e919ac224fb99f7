package scsstore

import (
	"fmt"
	"log/slog"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/alexedwards/scs/v2"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is Config: its fields, defaults and checks.

// Config configures a Store. The zero Config, and nil, are good for production.
type Config struct {
	// App names the application. Several may share a database: each has its own
	// sessions. It must differ from the App of each cloakroom.Manager on the database. At
	// most 128 bytes. Defaults to "scs".
	App string

	// Manager is the session manager that the Store serves. If it hashes its tokens
	// (HashTokenInStore), their hashes are kept in the records, and All returns the
	// sessions by them. Otherwise All is an error: with the tokens, a copy of the
	// database would open every session. Set HashTokenInStore before the first request:
	// scs doesn't find sessions that it committed without it, and their visitors are
	// signed out. Defaults to none.
	Manager *scs.SessionManager

	// KeepDeleted is for how long after a Delete, at least, no Commit of the token
	// succeeds: longer than any request takes. At most driver.MaxLifetime. Defaults to
	// 24 h.
	KeepDeleted time.Duration

	// MaxBytes bounds the data of one session, as scs encodes it. A Commit of more is
	// driver.ErrTooLarge. Negative: no bound here. Defaults to 1 MiB.
	MaxBytes int

	// Timeout bounds the wait for the database. Commit and Delete go on for that long
	// even if the client hangs up. Defaults to 5 s.
	Timeout time.Duration

	// SweepEvery is how often this Store has the database remove sessions that have
	// expired. One Store or cloakroom.Manager on a database is enough, more do no harm.
	// If the database's engine has a clock of its own, nothing is removed while this
	// machine's is ahead of it by more than driver.ClockTolerance. Negative: never.
	// Defaults to 10 minutes.
	SweepEvery time.Duration

	// Logger gets the errors that no caller gets. Defaults to slog.Default().
	Logger *slog.Logger

	// Now is the clock. It has to be safe for concurrent use. Defaults to time.Now.
	Now func() time.Time
}

// withDefaults returns a copy that is checked and complete.
func (c *Config) withDefaults() (Config, error) {
	var d Config
	if c != nil {
		d = *c
	}
	switch {
	case len(d.App) > 128:
		return d, fmt.Errorf("scsstore: Config.App has %d bytes: at most 128 are allowed", len(d.App))
	case !utf8.ValidString(d.App) || strings.ContainsFunc(d.App, unicode.IsControl):
		return d, fmt.Errorf("scsstore: Config.App is %q: it must be UTF-8 without control characters", d.App)
	case d.KeepDeleted < 0 || d.KeepDeleted > driver.MaxLifetime:
		return d, fmt.Errorf("scsstore: Config.KeepDeleted is %v: 0 to %v (400 days) is allowed", d.KeepDeleted, driver.MaxLifetime)
	case d.Timeout < 0:
		return d, fmt.Errorf("scsstore: Config.Timeout is %v: it must not be negative", d.Timeout)
	}
	setDefault(&d.App, "scs")
	setDefault(&d.KeepDeleted, 24*time.Hour)
	setDefault(&d.MaxBytes, 1<<20)
	setDefault(&d.Timeout, 5*time.Second)
	setDefault(&d.SweepEvery, 10*time.Minute)
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	if d.Now == nil {
		d.Now = time.Now
	}
	return d, nil
}

// setDefault gives a field that is zero a value.
func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}
