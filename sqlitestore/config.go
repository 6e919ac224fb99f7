package sqlitestore

import (
	"log/slog"
	"runtime"
	"time"
)

// Config holds what can be chosen about a Store. The zero value is made for
// production; set fields only for a reason.
type Config struct {
	// Readers is how many reads can go on at a time, each on a connection of
	// its own; further ones wait for their turn. Sessions that are looked up
	// take GOMAXPROCS of them at most, and those that wait for one share it.
	// Defaults to GOMAXPROCS, but at least 4.
	Readers int

	// MaxBatch is how many saves share one transaction, and so one sync to the
	// disk, at most. Defaults to 256.
	MaxBatch int

	// QueueItems and QueueBytes bound the saves that wait for their
	// transaction: by number, and by the bytes of their values. What would go
	// beyond fails at once, with driver.ErrOverloaded. Default to 16384 and
	// 64 MiB.
	QueueItems int
	QueueBytes int

	// BusyTimeout is how long a save waits for other processes that write to
	// the file, before it fails with driver.ErrUnavailable and, as nothing was
	// sent, driver.ErrOverloaded. Defaults to 5 seconds.
	BusyTimeout time.Duration

	// Logger gets warnings: of records that can't be understood and are passed
	// over by Search. Ids are logged, values never. Defaults to
	// slog.Default().
	Logger *slog.Logger
}

// withDefaults returns a copy of c, which may be nil, with all fields set.
func (c *Config) withDefaults() Config {
	var d Config
	if c != nil {
		d = *c
	}
	if d.Readers <= 0 {
		d.Readers = max(4, runtime.GOMAXPROCS(0))
	}
	if d.MaxBatch <= 0 {
		d.MaxBatch = 256
	}
	if d.QueueItems <= 0 {
		d.QueueItems = 16384
	}
	if d.QueueBytes <= 0 {
		d.QueueBytes = 64 << 20
	}
	if d.BusyTimeout <= 0 {
		d.BusyTimeout = 5 * time.Second
	}
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	return d
}
