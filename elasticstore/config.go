package elasticstore

import (
	"fmt"
	"log/slog"
	"time"
)

// This file is the configuration of a Store, its defaults and its bounds.

// Config says how a Store works. The zero Config, and nil, are good for
// production.
type Config struct {
	// Index begins the names of all the store's indices. It has lower case letters,
	// digits, '.', '_' and '-', a letter or digit first, and at most 200 bytes. Of two
	// stores in one cluster, neither Index may be the other's followed by "-" and more.
	// Defaults to "session".
	Index string

	// OneIndex keeps everything in one index, named Index, instead of an index for
	// each period. A sweep then deletes document by document, which costs the engine
	// far more than dropping a period's index: use it for a few thousand sessions.
	// Neither arrangement finds records of the other. Defaults to false.
	OneIndex bool

	// ReadOnly is for a login that may only read, such as a console's: Open sets nothing
	// up, and Get, Search, Summarize and Report work. Writes, Sweep and Setup are
	// driver.ErrInvalid. Defaults to false.
	ReadOnly bool

	// Shards is the number of primary shards of new indices. Defaults to 1,
	// which serves thousands of saves a second.
	Shards int

	// Replicas is the number of copies that new indices have beside the primary. A
	// negative number means none. Defaults to 0: one copy as soon as the cluster has a
	// second node for it (auto_expand_replicas 0-1).
	Replicas int

	// Settings are further settings of new indices, such as
	// {"index.codec": "best_compression", "routing.allocation.include._tier_preference":
	// "data_hot"}: by flat or nested names, with or without "index.". Values are strings,
	// numbers, bools and lists of strings. The engine decides whether it knows them. A
	// setting that has a field here, or that would break a promise of this package, such as
	// translog.durability, is refused. auto_expand_replicas is allowed in place of Replicas.
	// Defaults to none.
	Settings map[string]any

	// TemplatePriority is the priority of the index template. Of the templates that have
	// an index's name in their patterns, the engine takes the one with the highest. No two
	// with overlapping patterns may have the same. Defaults to 500.
	TemplatePriority int

	// NoTemplate makes no index template, for clusters that forbid it; one that is there
	// is left alone. The Store makes its indices with all their settings without it. But
	// an index that the engine makes by itself, when one is deleted while it is written
	// to, lacks the mapping that it needs. So have the engine make none of these names:
	// set the cluster's action.auto_create_index to
	// "-session-20*.*,-session-principals,-session-imports,*". Defaults to false.
	NoTemplate bool

	// RefreshInterval bounds how far Search, Sweep and Inspector trail behind
	// acknowledged writes, in whole milliseconds. Get never trails. A shorter interval
	// costs more on every save. Defaults to 5 s.
	RefreshInterval time.Duration

	// InFlight bounds the requests with reads that may be under way at once, and
	// likewise those with writes. Defaults to 4.
	InFlight int

	// MaxItems bounds the reads or writes in one request. Defaults to 256.
	MaxItems int

	// MaxBytes bounds the bytes of records in one request; a larger record goes alone.
	// Keep it well below the engine's http.max_content_length (100 MB by default).
	// Defaults to 4 MiB.
	MaxBytes int

	// QueueItems bounds the reads that wait to be sent, and likewise the writes.
	// QueueBytes bounds the bytes of those writes. Operations beyond fail at once with
	// driver.ErrOverloaded, and a single record beyond QueueBytes with
	// driver.ErrTooLarge. Default to 10,000 and 64 MiB.
	QueueItems, QueueBytes int

	// CopyBytes bounds the memory of the copies that the Store keeps of records. Get
	// of such a record asks the engine for the version alone, and for the whole
	// document only if the copy is stale. No read rests on a copy without asking the
	// engine. A negative number means no copies. Defaults to 32 MiB, some 25,000
	// sessions.
	CopyBytes int

	// RequestTimeout bounds the time of one request to the engine. An operation with
	// its retries ends after twice that, or with its context. A timeout longer than
	// callers wait is of no use: until it ends, a node that hangs holds up other
	// operations. Defaults to 5 s.
	RequestTimeout time.Duration

	// Dashboards makes new indices with what panels of Kibana and OpenSearch Dashboards
	// need: times as dates, and the app, the principal, the client's address and user
	// agent and the reason of an end as fields that can be aggregated. Searches by address
	// and agent are then quick too. Indices that are there stay as they are. It costs the
	// engine a quarter more processor time a save: 61 µs beside 48 (BenchmarkMappings on
	// OpenSearch 2.19). docs/dashboards.md has the fields, and a dashboard to import.
	// Defaults to false: such panels are empty.
	Dashboards bool

	// Logger is told of events that no caller can be told of: an index that is
	// missing, a foreign index among ours, a period that was dropped. Defaults to
	// slog.Default().
	Logger *slog.Logger

	// For tests.
	now      func() time.Time // defaults to time.Now
	patience time.Duration    // replaces lagPatience
}

// lagPatience bounds the time for which nodes are asked again that don't know an index
// which should be there. A lag of 1.4 s was seen.
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
		{"TemplatePriority", &d.TemplatePriority, defaultPriority},
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
	return d, d.checkSettings()
}

// checkIndex refuses names that the engines refuse, and some that would be a nuisance
// in addresses and patterns.
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
