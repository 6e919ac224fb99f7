package sqlitestore

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"
	"zombiezen.com/go/sqlite/sqlitex"

	"github.com/cloakroom-go/cloakroom/driver"
)

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
	session, rev := id("AZgHlUgAAgECAwQFBgcICQ"), driver.WriteID{1, 2, 3, 4, 5, 6, 7, 8}
	for _, want := range []*driver.Record{{
		ID: session, Kind: driver.KindSession, App: "shop", Principal: "alice",
		Created: ms(1750000000000), Authenticated: ms(1750000000001), Seen: ms(1750000060000),
		Expires: ms(1750086460000), Deadline: ms(1752592000000),
		Verifier: []byte{1, 2, 255}, Previous: []byte{0}, PreviousEnds: ms(1750000090000), Persistent: true,
		Client: driver.Client{Address: "203.0.113.7", UserAgent: "Browser/1.0"},
		Writes: 7, WriteIDs: []driver.WriteID{rev, {255}},
		Values:  driver.ValueList{{Name: "\x00", JSON: json.RawMessage(`"\ud800"`)}, {Name: "n", JSON: json.RawMessage("1.10")}},
		Version: driver.Version{Term: 3, Seq: 7},
	}, {
		ID: id("AZgHlUgABgECAwQFBgcICQ"), Kind: driver.KindLedger, App: "shop", Principal: "alice",
		Version: driver.Version{Term: 4, Seq: 1},
	}, {
		ID: id("AZgHlUgBAgECAwQFBgcICQ"), Version: driver.Version{Term: 9, Seq: 2},
		Grave: &driver.Grave{Reason: driver.EndReplaced, At: ms(1750000000000), Until: ms(1752592000000),
			Successor: session, Writes: 8, WriteIDs: []driver.WriteID{rev}},
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

// TestGoldenSchema compares the schema of a new file. While there is one version
// only, it must not differ.
func TestGoldenSchema(t *testing.T) {
	if len(migrations) != 1 {
		t.Skip("there are later versions; TestGoldenFile brings an old file up to date")
	}
	const schema = "SELECT group_concat(sql, ';' ORDER BY name) FROM sqlite_schema"
	old, err := openConn(golden(t))
	if err != nil {
		t.Fatal(err)
	}
	defer old.Close()
	want, err := queryText(old, schema)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := queryText(openTest(t, nil).writer.conn, schema); err != nil || got != want {
		t.Errorf("%v; a new file's schema is\n%s\nthat of testdata/v1.sql is\n%s", err, got, want)
	}
}
