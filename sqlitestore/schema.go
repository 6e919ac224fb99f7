package sqlitestore

import (
	"fmt"

	"zombiezen.com/go/sqlite"
)

// applicationID marks the file as ours, for this package and for the file
// command. It spells "clkr".
const applicationID = 0x636c6b72

// migrations make the schema, and are those steps that programs from before can't
// work with. The number of those applied is the file's user_version, and so the
// least that a program must know to use the file. Never change one that was
// released: add another. Better, add an addition.
//
// The table has rowids, and rows are found by them: rows of some hundred bytes
// in a WITHOUT ROWID table leave room for four in each inner page of its tree,
// and updates took four times as long. AUTOINCREMENT never gives a rowid twice,
// not even one whose row is gone. So the rowid and a counter in the row make a
// version that never repeats for an id, and nothing has to be written for it
// but the row itself.
//
// An index costs a save as much as the row, unless none of its columns is in
// the UPDATE's SET list. So that none is, the common UPDATE lists only what
// changes in a session's life, demands in its WHERE that the rest is as it was,
// and leaves other cases to a second statement (measured: 2.5 to 4 times as
// fast). With expires that would not do, as it moves with each save. So the
// sweep goes by due: no record is over before it. Saves leave it alone as long
// as that holds, and the sweep moves it on when it finds that a session has
// been used meanwhile: once in its idle timeout rather than with each save.
//
// That leaves three indexes beside the id, which cost creates and endings only:
// records_due for the sweep, records_order for Search, records_principal for
// Search by principal, which sessions that nobody is signed in to are not part
// of. Graves, which have no kind, are in neither of the last two. Both end in
// app, though no search goes by it in them: so other apps' rows are passed over,
// and all are counted, without a look at the table.
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

// additions are the steps that programs from before can work with, which during a
// deployment, and after it was taken back, they do: columns that may be NULL. They
// leave user_version as it is, which is why those programs don't refuse the file,
// and have no number: whether one was made shows in the table. A program makes
// those that it knows, and leaves others alone.
//
// For that to hold, each statement of a program names its columns. Its INSERT
// leaves the others NULL, and its UPDATE leaves them as they are; so what they say
// must stay true when the rest of the row changes. A statement that was prepared
// before a column was added is prepared anew by SQLite itself.
//
// SQLite looks at all rows when it adds a column to a STRICT table, though it
// writes none: about two seconds for a million, in which nobody else writes. They
// stand behind data in the row (see columns).
var additions = []addition{
	// The record's Extra: a JSON object, NULL for none. A grave's is in grave.
	{"extra", `ALTER TABLE records ADD COLUMN extra TEXT`},
}

// addition adds a column to the table of records.
type addition struct{ column, sql string }

// made reports whether an addition has been made.
func (a addition) made(c *sqlite.Conn) (bool, error) {
	n, err := queryInt(c, "SELECT count(*) FROM pragma_table_info('records') WHERE name = '"+a.column+"'")
	return n > 0, err
}

// schemaVersion returns how many migrations the file has had, 0 if it is empty. It
// runs inside a transaction, as others may be making the schema.
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
// that of all who open the file one makes each step.
func migrate(c *sqlite.Conn) error {
	version, err := schemaVersion(c)
	if err != nil {
		return err
	}
	if version < len(migrations) {
		if err := migrateFrom(c, version); err != nil {
			return err
		}
	}
	for _, a := range additions {
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
