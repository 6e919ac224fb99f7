package sqlitestore

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file guards the form of the file, byte by byte.

// golden makes the file that testdata/v1.sql describes.
func golden(t *testing.T) string {
	t.Helper()
	script, err := os.ReadFile("testdata/v1.sql")
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "v1.db")
	c, err := sqlite.OpenConn(path, sqlite.OpenReadWrite|sqlite.OpenCreate)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := sqlitex.ExecuteScript(c, string(script), nil); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestGoldenFile reads a file of the first version.
func TestGoldenFile(t *testing.T) {
	s, err := Open(t.Context(), golden(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ms := func(n int64) time.Time { return time.UnixMilli(n).UTC() }
	id := func(text string) driver.ID {
		id, err := driver.ParseID(text)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	session, write := id("AZgHlUgAAgECAwQFBgcICQ"), driver.WriteID{1, 2, 3, 4, 5, 6, 7, 8}
	for _, want := range []*driver.Record{{
		ID: session, Kind: driver.KindSession, App: "shop", Principal: "alice",
		Created: ms(1750000000000), Authenticated: ms(1750000000001), Seen: ms(1750000060000),
		Expires: ms(1750086460000), Deadline: ms(1752592000000),
		Verifier: []byte{1, 2, 255}, Previous: []byte{0}, PreviousEnds: ms(1750000090000), Persistent: true,
		Client: driver.Client{Address: "203.0.113.7", UserAgent: "Browser/1.0"},
		Writes: 7, WriteIDs: []driver.WriteID{write, {255}},
		Values:  driver.ValueList{{Name: "\x00", JSON: json.RawMessage(`"\ud800"`)}, {Name: "n", JSON: json.RawMessage("1.10")}},
		Version: driver.Version{Term: 3, Seq: 7},
	}, {
		ID: id("AZgHlUgABgECAwQFBgcICQ"), Kind: driver.KindLedger, App: "shop", Principal: "alice",
		Version: driver.Version{Term: 4, Seq: 1},
	}, {
		ID: id("AZgHlUgBAgECAwQFBgcICQ"), Version: driver.Version{Term: 9, Seq: 2},
		Grave: &driver.Grave{Reason: driver.EndReplaced, At: ms(1750000000000), Until: ms(1752592000000),
			Successor: session, Writes: 8, WriteIDs: []driver.WriteID{write}},
	}} {
		got, err := s.Get(t.Context(), want.ID)
		if (want.Grave == nil) != (err == nil) || want.Grave != nil && !errors.Is(err, driver.ErrGone) {
			t.Errorf("%s: %v", want.ID, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s:\n got %+v\nwant %+v", want.ID, got, want)
		}
	}
}

// updateGolden writes the golden files anew. v1.sql always stays as it is: files of an
// earlier version must still be read.
var updateGolden = flag.Bool("update", false, "write the golden files anew")

// TestGoldenWritten compares a new file's content, to the byte, with the golden one, and
// its schema with that of an old file brought up to date.
func TestGoldenWritten(t *testing.T) {
	s := openTest(t, nil)
	ms := func(n int64) time.Time { return time.UnixMilli(n).UTC() }
	id := func(last byte) driver.ID {
		return driver.ID{1, 0x98, 7, 0x95, 0x48, 0, byte(driver.LayoutDay), 1, 2, 3, 4, 5, 6, 7, 8, last}
	}
	bare := &driver.Record{ID: id(1), Kind: driver.KindSession, App: "shop", Created: ms(1750000000000)}
	session := &driver.Record{
		ID: id(2), Kind: driver.KindSession, App: "shop", Principal: "alice",
		Created: ms(1750000000000), Authenticated: ms(1750000000001), Seen: ms(1750000060000),
		Expires: ms(1750086460000), Deadline: ms(1752592000000),
		Verifier: []byte{1, 2, 255}, Previous: []byte{0}, PreviousEnds: ms(1750000090000), Persistent: true,
		Client: driver.Client{Address: "203.0.113.7", UserAgent: "Browser/1.0"},
		Writes: 7, WriteIDs: []driver.WriteID{{1, 2, 3, 4, 5, 6, 7, 8}, {255}},
		Values: driver.ValueList{{Name: "\x00", JSON: json.RawMessage(`"\ud800"`)}, {Name: "n", JSON: json.RawMessage("1.10")}},
		Extra:  driver.ValueList{{Name: "\"é\"", JSON: json.RawMessage("null")}, {Name: "labels", JSON: json.RawMessage(`{"a":"b"}`)}},
	}
	ledger := &driver.Record{
		ID: driver.LedgerID("shop", "alice"), Kind: driver.KindLedger, App: "shop", Principal: "alice",
		Created: ms(1750000000000), Deadline: ms(1752592000000), Writes: 1, WriteIDs: []driver.WriteID{{1}},
		Values: driver.ValueList{{Name: "ledger", JSON: json.RawMessage(`{"live":[]}`)}},
		Extra:  driver.ValueList{{Name: "note", JSON: json.RawMessage(`[1]`)}},
	}
	for _, r := range []*driver.Record{bare, session, ledger} {
		if _, err := s.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	buried := *session
	buried.ID = id(3)
	v, err := s.Create(t.Context(), &buried)
	if err != nil {
		t.Fatal(err)
	}
	g := buried.GraveFor(driver.EndReplaced, ms(1750000070000), driver.WriteID{9})
	g.Successor, g.Extra = id(2), session.Extra
	if err := s.Bury(t.Context(), buried.ID, g, v); err != nil {
		t.Fatal(err)
	}
	if err := s.Bury(t.Context(), id(4), driver.Grave{Reason: driver.EndRevoked, Until: ms(1752592000000)}, driver.Version{}); err != nil {
		t.Fatal(err)
	}

	text, err := dump(s.writer.conn)
	if err != nil {
		t.Fatal(err)
	}
	const path = "testdata/written.sql"
	if *updateGolden {
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("a new file has in it\n%s\nwant\n%s", text, want)
	}

	old, err := Open(t.Context(), golden(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	const schema = "SELECT group_concat(sql, ';' ORDER BY name) FROM sqlite_schema"
	got, err1 := queryText(old.writer.conn, schema)
	same, err2 := queryText(s.writer.conn, schema)
	if err := errors.Join(err1, err2); err != nil || got != same {
		t.Errorf("%v; the schema of an old file brought up to date is\n%s\nthat of a new one\n%s", err, got, same)
	}
}

// dump returns a file's content, as SQL.
func dump(c *sqlite.Conn) (text string, err error) {
	var b strings.Builder
	for _, pragma := range []string{"application_id", "user_version"} {
		n, err := queryInt(c, "PRAGMA "+pragma)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(&b, "PRAGMA %s = %d;\n", pragma, n)
	}
	lines := func(sql string) error {
		return sqlitex.ExecuteTransient(c, sql, &sqlitex.ExecOptions{ResultFunc: func(s *sqlite.Stmt) error {
			fmt.Fprintf(&b, "%s;\n", s.ColumnText(0))
			return nil
		}})
	}
	if err := lines("SELECT sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite_%' ORDER BY name"); err != nil {
		return "", err
	}
	columns, err := queryText(c, "SELECT group_concat('quote(' || name || ')', ' || '', '' || ') FROM pragma_table_info('records')")
	if err != nil {
		return "", err
	}
	err = lines("SELECT 'INSERT INTO records VALUES (' || " + columns + " || ')' FROM records ORDER BY term")
	return b.String(), err
}
