package sqlitestore

import (
	"log/slog"
	"runtime"
	"time"
)

// This file is the configuration of a Store and its defaults.

// Config says how a Store works. The zero value is made for production; set fields only
// for a reason.
type Config struct {
	// Readers bounds the reads at a time, each on a connection of its own. Further reads
	// wait for their turn. Get uses GOMAXPROCS of the connections at most; calls that
	// wait share them. Defaults to GOMAXPROCS, but at least 4.
	Readers int

	// MaxBatch bounds the saves that share one transaction, and so one sync to the disk.
	// Defaults to 256.
	MaxBatch int

	// QueueItems and QueueBytes bound the saves that wait for their transaction, by
	// number and by the bytes of their values. A save beyond fails at once with
	// driver.ErrOverloaded, and one that alone is beyond QueueBytes with
	// driver.ErrTooLarge. Default to 16384 and 64 MiB.
	QueueItems int
	QueueBytes int

	// CopyBytes bounds the memory of the copies that the Store keeps of records that it
	// read or wrote lately. Get answers with such a copy if SQLite tells that nobody else
	// has changed the file, which costs less than reading the record. Each write by
	// another store or process drops all copies. A negative number means no copies.
	// Defaults to 32 MiB.
	CopyBytes int

	// BusyTimeout bounds a save's wait for other processes that write to the file. A
	// save that waits longer fails with driver.ErrUnavailable and, since nothing was
	// sent, driver.ErrOverloaded. Defaults to 5 seconds.
	BusyTimeout time.Duration

	// IndexSeen makes an index for searches in the order of the last activity
	// (driver.OrderSeen): each page of a million sessions is then found at once, and takes
	// seconds without. It costs a save more than the save itself: on two busy cores 6,600
	// saves/s beside 14,500 without, and 3,400 beside 9,000. The index stays in the file,
	// and all programs that use the file keep it up to date, until somebody drops it
	// (DROP INDEX records_seen). Defaults to false.
	IndexSeen bool

	// Logger is warned of records that can't be understood, over which Search passes.
	// Ids are logged, values never. Defaults to slog.Default().
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
	if d.CopyBytes == 0 {
		d.CopyBytes = 32 << 20
	}
	if d.BusyTimeout <= 0 {
		d.BusyTimeout = 5 * time.Second
	}
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	return d
}
