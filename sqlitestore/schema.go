package sqlitestore

import (
	"fmt"
	"slices"
	"strings"

	"zombiezen.com/go/sqlite"
)

// This file is the schema of the file, and the steps that bring an older one up to
// date.

// applicationID marks the file as ours, for this package and for the file
// command. It spells "clkr".
const applicationID = 0x636c6b72

// migrations make the schema. Each is a step that earlier programs can't work with. The
// number of those applied is the file's user_version, and so the least that a program
// must know to use the file. Never change a released migration: add another. Better, add
// an addition.
//
// The table has rowids, and rows are found by them. In a WITHOUT ROWID table, rows of
// some hundred bytes leave room for four in each inner page of its tree, and updates
// took four times as long. AUTOINCREMENT never gives a rowid twice, not even that of a
// deleted row. So the rowid and a counter in the row make a version that never repeats
// for an id, and needs no write but the row itself.
//
// An index costs a save as much as the row, unless none of its columns is in the
// UPDATE's SET list. So the common UPDATE lists only the columns that change in a
// session's life. Its WHERE demands that the others are unchanged; other cases go to a
// second statement (measured: 2.5 to 4 times as fast). That would not work with an index
// on expires, which moves with each save. So the sweep goes by due: no record is over
// before it. Saves leave due alone as long as that holds. When the sweep finds that a
// session has been used meanwhile, it moves due on: once in the idle timeout instead of
// at each save.
//
// That leaves three indexes beside the id, which cost only creates and ends; the additions
// have those of graves. records_due
// serves the sweep, records_order Search, and records_principal Search by principal; the
// last has no sessions without a principal. Graves, which have no kind, are in neither
// of the last two. Both end in app, though no search uses it as a key: so SQLite passes
// over other apps' rows, and counts all, without reading the table.
var migrations = [][]string{{`
CREATE TABLE records (
	term          INTEGER PRIMARY KEY AUTOINCREMENT, -- the version: term,
	seq           INTEGER NOT NULL,                  -- and seq, which counts the writes
	id            TEXT    NOT NULL UNIQUE,           -- 22 characters, base64url
	kind          TEXT    NOT NULL,                  -- session or ledger, '' for a grave
	app           TEXT    NOT NULL,
	principal     TEXT    NOT NULL,                  -- '' for none
	created       INTEGER NOT NULL,                  -- times are Unix milliseconds, NULL for none
	due           INTEGER NOT NULL,                  -- not over before; the sweep goes by it
	authenticated INTEGER,
	seen          INTEGER,
	expires       INTEGER,
	deadline      INTEGER,
	verifier      BLOB,
	previous      BLOB,                              -- verifier before a renewal
	previous_ends INTEGER,
	persistent    INTEGER NOT NULL,                  -- 0 or 1
	address       TEXT    NOT NULL,
	user_agent    TEXT    NOT NULL,
	writes        INTEGER NOT NULL,
	revs          TEXT    NOT NULL,                  -- newest first, with blanks between
	grave         TEXT,                              -- JSON; then the rest is empty
	data          TEXT    NOT NULL                   -- the values: a JSON object
) STRICT`,
	`CREATE INDEX records_due ON records (due)`,
	`CREATE INDEX records_order ON records (kind, created, id, app) WHERE kind <> ''`,
	`CREATE INDEX records_principal ON records (principal, kind, created, id, app)
	WHERE kind <> '' AND principal <> ''`,
}}

// additions are the steps that earlier programs can work with, as they do during a
// deployment and after it was taken back: columns that may be NULL, and indexes, which
// SQLite keeps up to date in all programs. They leave user_version as it is, so those
// programs don't refuse the file. They have no number: the schema itself shows whether
// one was made. A program makes the additions that it knows, and leaves others alone.
//
// For that to hold, each statement of a program names its columns. Its INSERT leaves the
// others NULL, and its UPDATE leaves them as they are. So the content of an added column
// must stay true when the rest of the row changes. SQLite itself prepares a statement
// anew that was prepared before a column was added.
//
// SQLite reads all rows when it adds a column to a STRICT table, though it writes none,
// and when it makes an index: about two seconds for a million, in which nobody else
// writes. Added columns stand behind data in the row (see columns).
//
// The indexes of graves cost only ends: no save has the column grave in its SET list, so
// none opens them (TestSaveMovesNoIndex). An end costs a fifth more (BenchmarkIndexes:
// 4,400 ends/s beside 5,500 without, on a busy machine).
var additions = []addition{
	// The record's Extra: a JSON object, NULL for none. A grave's is in grave.
	{"extra", "SELECT count(*) FROM pragma_table_info('records') WHERE name = ?", `ALTER TABLE records ADD COLUMN extra TEXT`},
	index("records_ended", "("+graveAt+", id, "+graveApp+", "+graveReason+", "+gravePrincipal+") WHERE grave IS NOT NULL"),
	index("records_ended_principal", "("+gravePrincipal+", "+graveAt+", id, "+graveApp+", "+graveReason+
		") WHERE grave IS NOT NULL AND "+gravePrincipal+" <> ''"),
}

// seenIndex is the addition of Config.IndexSeen. Each save moves the record in it, which
// costs more than the save itself (BenchmarkIndexes, two runs: 6,600 saves/s beside 14,500
// without, and 3,400 beside 9,000).
var seenIndex = index("records_seen", "(kind, "+lastSeen+", id, app, principal) WHERE kind <> ''")

// additions returns the additions that a configuration asks for.
func (c *Config) additions() []addition {
	if c.IndexSeen {
		return append(slices.Clip(additions), seenIndex)
	}
	return additions
}

// addition adds a column or an index to the table of records, and can tell by its name
// whether that was done.
type addition struct{ name, count, sql string }

func index(name, columns string) addition {
	return addition{name, "SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND name = ?", "CREATE INDEX " + name + " ON records " + columns}
}

// made reports whether an addition has been made.
func (a addition) made(c *sqlite.Conn) (bool, error) {
	n, err := queryInt(c, strings.Replace(a.count, "?", "'"+a.name+"'", 1))
	return n > 0, err
}

// schemaVersion returns the number of migrations that the file has had, 0 if it is
// empty. It runs inside a transaction, since other processes may be making the schema.
func schemaVersion(c *sqlite.Conn) (int, error) {
	app, err := queryInt(c, "PRAGMA application_id")
	if err != nil {
		return 0, err
	}
	version, err := queryInt(c, "PRAGMA user_version")
	if err != nil {
		return 0, err
	}
	objects, err := queryInt(c, "SELECT count(*) FROM sqlite_schema")
	if err != nil {
		return 0, err
	}
	known := int64(len(migrations))
	switch {
	case app == 0 && version == 0 && objects == 0:
		return 0, nil
	case app != applicationID:
		return 0, refusal("it belongs to another application; give the store a file of its own")
	case version < 1:
		return 0, refusal("it is marked as cloakroom's, but its user_version isn't; restore it from a backup")
	case version > known:
		return 0, refusal(fmt.Sprintf("a newer version of cloakroom has written to it (schema %d, this program knows %d); upgrade this program",
			version, known))
	}
	return int(version), nil
}

// migrate brings the schema up to date. It runs inside a transaction that writes, so
// that each step is made once.
func migrate(c *sqlite.Conn, cfg Config) error {
	version, err := schemaVersion(c)
	if err != nil {
		return err
	}
	if version < len(migrations) {
		if err := migrateFrom(c, version); err != nil {
			return err
		}
	}
	for _, a := range cfg.additions() {
		made, err := a.made(c)
		if err == nil && !made {
			err = execute(c, a.sql)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// migrateFrom makes the steps that the file has not had.
func migrateFrom(c *sqlite.Conn, version int) error {
	for _, step := range migrations[version:] {
		for _, sql := range step {
			if err := execute(c, sql); err != nil {
				return err
			}
		}
	}
	if err := execute(c, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return err
	}
	return execute(c, fmt.Sprintf("PRAGMA user_version = %d", len(migrations)))
}
