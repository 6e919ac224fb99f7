package sqlitestore

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"sync"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests files that processes of several versions use.

// firstVersion has the statements of the version before there were additions, word for
// word, prepared on a connection of its own. It stands for a process that keeps running
// during a deployment.
type firstVersion struct {
	conn                                                              *sqlite.Conn
	insert, save, replace, bury, dig, expire, spare, remove, get, due *sqlite.Stmt
}

func openFirstVersion(t *testing.T, path string) *firstVersion {
	t.Helper()
	c, err := openConn(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if n, err := queryInt(c, "PRAGMA user_version"); err != nil || n != 1 {
		t.Fatalf("the first version refuses a file of user_version %d (%v)", n, err)
	}
	f := &firstVersion{conn: c}
	const (
		setRecord = `UPDATE records SET seq = ?21 + 1, authenticated = ?7, seen = ?8, expires = ?9, deadline = ?10,
			verifier = ?11, previous = ?12, previous_ends = ?13, persistent = ?14, address = ?15, user_agent = ?16,
			writes = ?17, revs = ?18, data = ?19`
		atVersion = ` WHERE term = ?20 AND seq = ?21 AND id = ?1 AND grave IS NULL`
		setGrave  = ` SET seq = seq + 1, kind = '', app = '', principal = '', due = ?3, authenticated = NULL,
			seen = NULL, expires = NULL, deadline = NULL, verifier = NULL, previous = NULL, previous_ends = NULL,
			persistent = 0, address = '', user_agent = '', writes = 0, revs = '', data = '{}', grave = ?4`
	)
	for _, p := range []struct {
		stmt **sqlite.Stmt
		sql  string
	}{
		{&f.insert, `INSERT INTO records (seq, id, kind, app, principal, created, due, authenticated, seen, expires,
			deadline, verifier, previous, previous_ends, persistent, address, user_agent, writes, revs, data)
			VALUES (1, ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19)
			ON CONFLICT (id) DO NOTHING`},
		{&f.save, setRecord + atVersion +
			` AND kind = ?2 AND app = ?3 AND principal = ?4 AND created = ?5 AND due <= ?6`},
		{&f.replace, setRecord + `, kind = ?2, app = ?3, principal = ?4, created = ?5, due = ?6` + atVersion},
		{&f.bury, `UPDATE records` + setGrave + ` WHERE term = ?1 AND seq = ?2 AND id = ?5`},
		{&f.dig, `INSERT INTO records (seq, id, kind, app, principal, created, due, persistent, address, user_agent,
			writes, revs, data, grave) VALUES (1, ?5, '', '', '', 0, ?3, 0, '', '', 0, '', '{}', ?4)
			ON CONFLICT (id) DO UPDATE` + setGrave},
		{&f.expire, `UPDATE records` + setGrave + ` WHERE term = ?1 AND seq = ?2 AND grave IS NULL`},
		{&f.spare, `UPDATE records SET due = ?3 WHERE term = ?1 AND seq = ?2`},
		{&f.remove, `DELETE FROM records WHERE term = ?1 AND seq = ?2`},
		{&f.get, `SELECT term, seq, kind, app, principal, created, authenticated, seen, expires, deadline,
	verifier, previous, previous_ends, persistent, address, user_agent, writes, revs, grave, data FROM records WHERE id = ?1`},
		{&f.due, `SELECT due, term, seq, grave IS NOT NULL, kind, expires, deadline, writes, revs FROM records
	WHERE due < ? AND (due, term) > (?, ?) ORDER BY due, term LIMIT ?`},
	} {
		if *p.stmt, err = c.Prepare(p.sql); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

// bind binds a record as the first version did, whose parameters end with data, term
// and seq.
func (f *firstVersion) bind(s *sqlite.Stmt, r *driver.Record) {
	const data, term, seq = 19, 20, 21
	values, _ := encodeValues(r.Values)
	for i, v := range []string{r.ID.String(), string(r.Kind), r.App, r.Principal} {
		s.BindText(i+1, v)
	}
	s.BindInt64(5, r.Created.UnixMilli())
	s.BindInt64(6, dueOf(r.Kind, r.Expires, r.Deadline))
	for i, v := range []time.Time{r.Authenticated, r.Seen, r.Expires, r.Deadline} {
		bindTime(s, 7+i, v)
	}
	bindBlob(s, 11, r.Verifier)
	bindBlob(s, 12, r.Previous)
	bindTime(s, 13, r.PreviousEnds)
	s.BindBool(14, r.Persistent)
	s.BindText(15, r.Client.Address)
	s.BindText(16, r.Client.UserAgent)
	s.BindInt64(17, int64(r.Writes))
	s.BindText(18, encodeWriteIDs(r.WriteIDs))
	s.BindText(data, values)
	if s != f.insert {
		s.BindInt64(term, int64(r.Version.Term))
		s.BindInt64(seq, int64(r.Version.Seq))
	}
}

// write runs a statement that must change one row.
func (f *firstVersion) write(t *testing.T, s *sqlite.Stmt) {
	t.Helper()
	if err := run(s); err != nil || f.conn.Changes() != 1 {
		t.Fatalf("%d rows changed, %v", f.conn.Changes(), err)
	}
}

// entomb runs a statement that writes a grave.
func (f *firstVersion) entomb(t *testing.T, s *sqlite.Stmt, r *driver.Record) {
	t.Helper()
	if s != f.dig {
		s.BindInt64(1, int64(r.Version.Term))
		s.BindInt64(2, int64(r.Version.Seq))
	}
	s.BindInt64(3, removable(r.Deadline))
	s.BindText(4, `{"reason":"revoked","at":5,"until":6,"writes":7,"revs":["AQIDBAUGBwg"]}`)
	if s != f.expire {
		s.BindText(5, r.ID.String())
	}
	f.write(t, s)
}

// TestTwoVersionsAtOnce: a process of the first version goes on with a file that this
// version opens, with statements that it prepared before and with new ones. Each reads
// the other's rows, and Extra, which only this version knows, stays.
func TestTwoVersionsAtOnce(t *testing.T) {
	path := golden(t)
	before := openFirstVersion(t, path)
	s, err := Open(t.Context(), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for name, f := range map[string]*firstVersion{"before": before, "afterwards": openFirstVersion(t, path)} {
		t.Run(name, func(t *testing.T) {
			want := func(w *driver.Record) {
				t.Helper()
				if got, err := s.Get(t.Context(), w.ID); err != nil || !reflect.DeepEqual(got, w) {
					t.Fatalf("%v\n got %+v\nwant %+v", err, got, w)
				}
			}
			// A record of theirs.
			theirs := sample(0)
			f.bind(f.insert, theirs)
			f.write(t, f.insert)
			theirs.Version = driver.Version{Term: uint64(f.conn.LastInsertRowID()), Seq: 1}
			want(theirs)

			// A record of ours, which they save in both ways.
			ours := sample(1)
			ours.Extra = driver.ValueList{{Name: driver.ExtraLabels, JSON: json.RawMessage(`{"a":"b"}`)}}
			v, err := s.Create(t.Context(), ours)
			if err != nil {
				t.Fatal(err)
			}
			ours.Version = v
			for _, stmt := range []*sqlite.Stmt{f.save, f.replace, f.save} {
				save(ours)
				f.bind(stmt, ours)
				f.write(t, stmt)
				ours.Version.Seq++
				want(ours)
			}
			f.spare.BindInt64(1, int64(ours.Version.Term))
			f.spare.BindInt64(2, int64(ours.Version.Seq))
			f.spare.BindInt64(3, ours.Expires.UnixMilli())
			f.write(t, f.spare)
			want(ours)
			f.get.BindText(1, ours.ID.String())
			if ok, err := f.get.Step(); !ok || err != nil || f.get.ColumnText(4) != ours.Principal || f.get.ColumnInt64(16) != int64(ours.Writes) {
				t.Errorf("they read %v, %v", ok, err)
			}
			if err := f.get.Reset(); err != nil {
				t.Fatal(err)
			}
			next := *ours
			save(&next)
			if next.Version, err = s.Update(t.Context(), &next); err != nil {
				t.Fatal(err)
			}
			want(&next)

			// Their graves, of our record and of theirs, keep nothing of the record.
			third := sample(2)
			third.Extra = ours.Extra
			if third.Version, err = s.Create(t.Context(), third); err != nil {
				t.Fatal(err)
			}
			f.entomb(t, f.bury, &next)
			f.entomb(t, f.dig, theirs)
			f.entomb(t, f.expire, third)
			for _, r := range []*driver.Record{&next, theirs, third} {
				grave := &driver.Grave{Reason: driver.EndRevoked, At: time.UnixMilli(5).UTC(), Until: time.UnixMilli(6).UTC(),
					Writes: 7, WriteIDs: []driver.WriteID{{1, 2, 3, 4, 5, 6, 7, 8}}}
				got, err := s.Get(t.Context(), r.ID)
				if !errors.Is(err, driver.ErrGone) || !reflect.DeepEqual(got.Grave, grave) {
					t.Errorf("their grave is %+v, %v", got, err)
				}
			}

			// Our grave, which they read and bury anew.
			if err := s.Bury(t.Context(), third.ID, ours.GraveFor(driver.EndDestroyed, ours.Seen, driver.WriteID{3}), driver.Version{}); err != nil {
				t.Fatal(err)
			}
			f.get.BindText(1, third.ID.String())
			if ok, err := f.get.Step(); !ok || err != nil {
				t.Fatal(ok, err)
			}
			var j struct { // as the first version had it
				Reason driver.EndReason `json:"reason"`
				At     *int64           `json:"at,omitempty"`
				Until  *int64           `json:"until,omitempty"`
				Writes uint64           `json:"writes"`
				Revs   []driver.WriteID `json:"revs"`
			}
			if err := json.Unmarshal([]byte(f.get.ColumnText(18)), &j); err != nil || j.Reason != driver.EndDestroyed || j.Writes != ours.Writes+1 || len(j.Revs) != 8 {
				t.Errorf("they read the grave %+v, %v", j, err)
			}
			if err := f.get.Reset(); err != nil {
				t.Fatal(err)
			}
		})
	}
}

// TestUpgradeAtOnce: many open a file of the first version at once, also from two more
// processes, while a process of that version writes.
func TestUpgradeAtOnce(t *testing.T) {
	path := golden(t)
	f := openFirstVersion(t, path)
	if err := execute(f.conn, "PRAGMA journal_mode = WAL"); err != nil {
		t.Fatal(err)
	}
	f.conn.SetBusyTimeout(10 * time.Second)
	var wg sync.WaitGroup
	for range 6 {
		wg.Go(func() {
			s, err := Open(t.Context(), path, &Config{Readers: 1})
			if err != nil {
				t.Error(err)
				return
			}
			r := sample(0)
			r.Extra = driver.ValueList{{Name: "note", JSON: json.RawMessage("1")}}
			if _, err := s.Create(t.Context(), r); err != nil {
				t.Error(err)
			}
			if got, err := s.Get(t.Context(), r.ID); err != nil || !reflect.DeepEqual(got.Extra, r.Extra) {
				t.Errorf("%+v, %v", got, err)
			}
			if err := s.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	const inserts = 50
	for range inserts {
		f.bind(f.insert, sample(0))
		f.write(t, f.insert)
	}
	wg.Wait()
	if n, err := queryInt(f.conn, "SELECT count(*) FROM records WHERE kind = 'session'"); err != nil || n != 1+6+inserts {
		t.Errorf("%d sessions are there, %v", n, err)
	}
	if n, err := queryInt(f.conn, "SELECT count(*) FROM pragma_table_info('records') WHERE name = 'extra'"); err != nil || n != 1 {
		t.Errorf("the column is there %d times, %v", n, err)
	}
}

// TestColumnsOfALaterVersion: a later version's columns keep their content, whatever
// this version writes.
func TestColumnsOfALaterVersion(t *testing.T) {
	s := openTest(t, nil)
	for _, sql := range []string{
		"ALTER TABLE records ADD COLUMN colour TEXT DEFAULT 'red'",
		"ALTER TABLE records ADD COLUMN score INTEGER",
		"CREATE INDEX records_score ON records (score)",
		"CREATE TABLE later (x)",
	} {
		if err := execute(s.writer.conn, sql); err != nil {
			t.Fatal(err)
		}
	}
	r := sample(0)
	v, err := s.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	want := func(what, colour string) {
		t.Helper()
		got, err := queryText(s.writer.conn, "SELECT colour || ' ' || ifnull(score, 'none') FROM records WHERE id = '"+r.ID.String()+"'")
		if err != nil || got != colour {
			t.Errorf("%s: the columns are %q, %v; want %q", what, got, err, colour)
		}
	}
	want("created", "red none")
	set := fmt.Sprintf("UPDATE records SET colour = 'blue', score = 7 WHERE id = '%s'", r.ID)
	if err := execute(s.writer.conn, set); err != nil {
		t.Fatal(err)
	}
	update := func(what string, change func(*driver.Record)) {
		t.Helper()
		u := *r
		u.Version = v
		save(&u)
		change(&u)
		if v, err = s.Update(t.Context(), &u); err != nil {
			t.Fatal(err)
		}
		r = &u
		want(what, "blue 7")
	}
	update("saved", func(*driver.Record) {})
	update("touched", func(u *driver.Record) { u.Seen = u.Seen.Add(time.Hour) })
	update("saved with other columns of indexes", func(u *driver.Record) { u.Principal, u.Expires = "bob", u.Created })
	update("saved with Extra", func(u *driver.Record) { u.Extra = driver.ValueList{{Name: "note", JSON: json.RawMessage("1")}} })
	update("saved without Extra", func(u *driver.Record) { u.Extra, u.Expires = nil, u.Deadline })
	if report, err := s.Sweep(t.Context(), r.Deadline.Add(-time.Hour)); err != nil || report != (driver.SweepReport{}) {
		t.Fatalf("%+v, %v", report, err)
	}
	want("spared by a sweep", "blue 7")
	if err := s.Bury(t.Context(), r.ID, r.ExpiredGrave(r.Seen), v); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(t.Context(), r.ID); !errors.Is(err, driver.ErrGone) || got.Grave.App != r.App || got.Grave.Principal != "bob" {
		t.Errorf("%+v, %v", got, err)
	}
	// Another process of this version opens it.
	again, err := Open(t.Context(), s.path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
}

// TestNewerRows: a row of a newer format need not resemble anything that this version
// knows.
func TestNewerRows(t *testing.T) {
	s := openTest(t, &Config{CopyBytes: -1}) // which don't see what the writer's own connection is made to do
	for _, edit := range []string{
		`kind = 'robot'`, `revs = 'hello'`, `data = 'hello'`, `data = '[1]', revs = 'x', kind = 'robot', verifier = NULL`,
	} {
		r := sample(0)
		v, err := s.Create(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		err = execute(s.writer.conn, fmt.Sprintf(`UPDATE records SET %s, extra = '{"a":[],"format" : 2 , "z":0}' WHERE id = '%s'`, edit, r.ID))
		if err != nil {
			t.Fatal(err)
		}
		got, err := s.Get(t.Context(), r.ID)
		if got != nil || !errors.Is(err, driver.ErrNewer) || errors.Is(err, driver.ErrCorrupt) {
			t.Errorf("%s: %+v, %v", edit, got, err)
		}
		due := dueIn(t, s, r.ID)
		if report, err := s.Sweep(t.Context(), r.Expires.Add(time.Hour)); err != nil || report != (driver.SweepReport{}) {
			t.Errorf("%s: Sweep: %+v, %v", edit, report, err)
		}
		if now := dueIn(t, s, r.ID); now != due {
			t.Errorf("%s: a sweep moved its due by %d ms", edit, now-due)
		}
		if err := s.Bury(t.Context(), r.ID, r.ExpiredGrave(r.Seen), v); err != nil {
			t.Errorf("%s: Bury: %v", edit, err)
		}
	}
	for r := range s.Search(t.Context(), driver.Query{}) {
		t.Errorf("Search yields %+v", r)
	}
}

// TestGraveMembers: unknown members of a grave's JSON come back, however they are
// written.
func TestGraveMembers(t *testing.T) {
	for text, want := range map[string]*driver.Grave{
		`{}`: {},
		` { "writes" : 2 , "Reason" : "x" , "note" : [ 1 ] , "at" : null } `: {Writes: 2,
			Extra: driver.ValueList{{Name: "Reason", JSON: json.RawMessage(`"x"`)}, {Name: "note", JSON: json.RawMessage(`[ 1 ]`)}}},
		`{"zz":null,"format":2,"app":"a","principal":"\u00e9","zz":3}`: {App: "a", Principal: "é",
			Extra: driver.ValueList{{Name: "format", JSON: json.RawMessage(`2`)}, {Name: "zz", JSON: json.RawMessage(`3`)}}},
	} {
		g, err := decodeGrave([]byte(text))
		if err != nil || !reflect.DeepEqual(g, want) {
			t.Fatalf("%s: %+v, %v; want %+v", text, g, err, want)
		}
		again, err := encodeGrave(*g)
		if err != nil {
			t.Fatal(err)
		}
		if g, err = decodeGrave([]byte(again)); err != nil || !reflect.DeepEqual(g, want) {
			t.Errorf("%s: again %s: %+v, %v", text, again, g, err)
		}
	}
	for _, text := range []string{`null`, `[]`, `{"writes":-1}`, `{"revs":["x"]}`, `{"at":"now"}`, `{"app":1}`, `{`} {
		if g, err := decodeGrave([]byte(text)); err == nil {
			t.Errorf("%s was read as %+v", text, g)
		}
	}
	s := openTest(t, nil)
	r := sample(0)
	for _, name := range []string{"reason", "at", "until", "successor", "app", "principal", "writes", "revs", "\xff"} {
		g := driver.Grave{Extra: driver.ValueList{{Name: name, JSON: json.RawMessage("1")}}}
		if err := s.Bury(t.Context(), r.ID, g, driver.Version{}); !errors.Is(err, driver.ErrInvalid) {
			t.Errorf("a grave with %q in Extra: %v", name, err)
		}
	}
	if _, err := s.Get(t.Context(), r.ID); !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("a grave that was refused is there: %v", err)
	}
}
