package elasticstore

import (
	"fmt"
	"log/slog"
	"time"
)

// Config says how a Store works. The zero Config, and nil, are good for
// production.
type Config struct {
	// Index is what the names of all indices of the store begin with. Lower
	// case letters, digits, '.', '_' and '-', a letter or digit first; at most
	// 200 bytes. Two stores in one cluster need names of which none is the
	// other with "-" and more behind it. Defaults to "session".
	Index string

	// OneIndex keeps everything in one index, named Index, instead of one
	// index for each period of time. Sweeping then deletes document by document,
	// which costs the engine far more than to drop a period's index: use it for
	// a few thousand sessions. Records of one arrangement are not found by the
	// other. Defaults to false.
	OneIndex bool

	// Shards is the number of primary shards of new indices. Defaults to 1,
	// which serves thousands of saves a second.
	Shards int

	// Replicas is the number of copies beside the primary that new indices
	// have. Negative: none. Defaults to 0: one copy as soon as the cluster has a
	// second node for it (auto_expand_replicas 0-1).
	Replicas int

	// RefreshInterval is how far Search, Sweep and Inspector may trail behind
	// what was acknowledged; Get never does. Shorter costs more on every save.
	// Whole milliseconds. Defaults to 5 s.
	RefreshInterval time.Duration

	// InFlight is how many requests with reads, and how many with writes, may
	// be under way at once. Defaults to 4.
	InFlight int

	// MaxItems is how many reads or writes one request carries at most.
	// Defaults to 256.
	MaxItems int

	// MaxBytes is how many bytes of records one request carries at most; a
	// record that is larger goes alone. Keep it well below the engine's
	// http.max_content_length (100 MB, unless somebody changed it). Defaults to
	// 4 MiB.
	MaxBytes int

	// QueueItems bounds the reads, and the writes, that wait to be sent;
	// QueueBytes the bytes of those writes. Beyond, operations fail at once with
	// driver.ErrOverloaded. Default to 10,000 and 64 MiB.
	QueueItems, QueueBytes int

	// CopyBytes is how much memory the records take at most that are kept to
	// be compared with: where the engine's version is still that of the copy,
	// Get reads the version alone. No read rests on a copy that the engine
	// wasn't asked about. Negative: none are kept. Defaults to 32 MiB, some
	// 25,000 sessions.
	CopyBytes int

	// RequestTimeout is how long one request to the engine may take. An
	// operation with its retries ends after twice that, or with its context.
	// Longer than callers wait is of no use: a node that hangs holds up others
	// until it is noticed. Defaults to 5 s.
	RequestTimeout time.Duration

	// Logger gets what has no caller to be told: a node that lags behind, a
	// foreign index among ours, a period that was dropped. Defaults to
	// slog.Default().
	Logger *slog.Logger

	// For tests.
	now      func() time.Time // defaults to time.Now
	settings map[string]any   // further settings of indices
	patience time.Duration    // how long a lagging node is asked again; defaults to lagPatience
}

// lagPatience is how long an index that should be there may be unknown to the
// nodes that are asked. 1.4 s was seen.
const lagPatience = 3 * time.Second

// withDefaults returns a checked copy.
func (c *Config) withDefaults() (Config, error) {
	var d Config
	if c != nil {
		d = *c
	}
	for _, f := range []struct {
		name  string
		value *int
		def   int
	}{
		{"Shards", &d.Shards, 1},
		{"InFlight", &d.InFlight, 4},
		{"MaxItems", &d.MaxItems, 256},
		{"MaxBytes", &d.MaxBytes, 4 << 20},
		{"QueueItems", &d.QueueItems, 10_000},
		{"QueueBytes", &d.QueueBytes, 64 << 20},
	} {
		if *f.value < 0 {
			return d, fmt.Errorf("elasticstore: Config.%s is %d: it must not be negative", f.name, *f.value)
		}
		if *f.value == 0 {
			*f.value = f.def
		}
	}
	for _, f := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{
		{"RefreshInterval", &d.RefreshInterval, 5 * time.Second},
		{"RequestTimeout", &d.RequestTimeout, 5 * time.Second},
	} {
		switch {
		case *f.value == 0:
			*f.value = f.def
		case *f.value < time.Millisecond, *f.value%time.Millisecond != 0:
			return d, fmt.Errorf("elasticstore: Config.%s is %v: it must be a positive number of milliseconds", f.name, *f.value)
		}
	}
	if d.CopyBytes == 0 {
		d.CopyBytes = 32 << 20
	}
	if d.Index == "" {
		d.Index = "session"
	}
	if err := checkIndex(d.Index); err != nil {
		return d, err
	}
	if d.Logger == nil {
		d.Logger = slog.Default()
	}
	if d.now == nil {
		d.now = time.Now
	}
	if d.patience == 0 {
		d.patience = lagPatience
	}
	return d, nil
}

// checkIndex refuses names that the engines refuse, and some more that would be
// a nuisance in addresses and patterns.
func checkIndex(name string) error {
	const most = 200
	if len(name) > most {
		return fmt.Errorf("elasticstore: Config.Index has %d bytes: at most %d are allowed", len(name), most)
	}
	for i, c := range []byte(name) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case (c == '-' || c == '_' || c == '.') && i > 0:
		default:
			return fmt.Errorf("elasticstore: Config.Index is %q: it must consist of lower case letters, digits, '.', '_' and '-', "+
				"and begin with a letter or digit", name)
		}
	}
	return nil
}
