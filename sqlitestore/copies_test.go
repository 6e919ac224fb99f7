package sqlitestore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
	"unsafe"
	"weak"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests the copies of records, and that no read takes a stale one.

func openCopies(t testing.TB, path string, bytes int) *Store {
	t.Helper()
	s, err := Open(t.Context(), path, &Config{CopyBytes: bytes})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func mustCreate(t testing.TB, s *Store, r *driver.Record) *driver.Record {
	t.Helper()
	v, err := s.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	c := *r
	c.Version = v
	return &c
}

// held reports whether a store has a copy.
func (s *Store) held(id driver.ID) bool {
	s.writer.copies.mu.Lock()
	defer s.writer.copies.mu.Unlock()
	_, ok := s.writer.copies.all.Peek(id)
	return ok
}

// TestCopyOfWrite: the copy of a write is what a read of the file gives.
func TestCopyOfWrite(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	s, bare := openCopies(t, path, 0), openCopies(t, path, -1)
	base := time.Now()
	pick := func() time.Time {
		return []time.Time{{}, base, base.Add(time.Hour).UTC(), time.Unix(0, 0), time.Unix(-5, 999)}[rand.IntN(5)]
	}
	texts := []string{"", "a", "é", "a\x00b", "\xff", "a longer text that is no app"}
	text := func() string { return texts[rand.IntN(len(texts))] }
	raw := func() json.RawMessage {
		return json.RawMessage([]string{`1`, ` 2 `, `"x"`, "{\"a\":\n[1]}", `{`, ``}[rand.IntN(6)])
	}
	kept := 0
	for i := range 400 {
		r := sample(i)
		r.App, r.Principal, r.Client = text(), text(), driver.Client{Address: text(), UserAgent: text()}
		r.Created, r.Authenticated, r.Seen, r.Expires, r.PreviousEnds = pick(), pick(), pick(), pick(), pick()
		r.Persistent, r.Writes = i%2 == 0, rand.Uint64()
		r.Previous, r.WriteIDs = make([]byte, i%3), r.WriteIDs[:i%4]
		switch i % 3 {
		case 0:
			r.Values = driver.ValueList{}
		case 1:
			r.Values = driver.ValueList{{Name: "b", JSON: raw()}, {Name: "a", JSON: raw()}}
		}
		if i%5 == 0 {
			r.Extra = driver.ValueList{{Name: "note", JSON: raw()}}
		}
		if _, err := s.Create(t.Context(), r); err != nil {
			continue // empty JSON, or names that are none
		}
		if s.held(r.ID) {
			kept++
		}
		got, err := s.Get(t.Context(), r.ID)
		want, wantErr := bare.Get(t.Context(), r.ID)
		if (err == nil) != (wantErr == nil) || errors.Is(err, driver.ErrCorrupt) != errors.Is(wantErr, driver.ErrCorrupt) || !reflect.DeepEqual(got, want) {
			t.Fatalf("the copy: %+v, %v\nthe row: %+v, %v", got, err, want, wantErr)
		}
	}
	if kept < 20 {
		t.Errorf("only %d copies were kept", kept)
	}
}

// TestCopiesAndOthers: what another store, the sqlite3 shell or a sweep does is seen by the
// next read.
func TestCopiesAndOthers(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	s, other := openCopies(t, path, 0), openCopies(t, path, 0)
	for name, change := range map[string]func(r *driver.Record) error{
		"nothing": func(*driver.Record) error { return nil },
		"a save": func(r *driver.Record) error {
			u := *r
			u.Principal = "else"
			_, err := other.Update(t.Context(), &u)
			return err
		},
		"an end":      func(r *driver.Record) error { return other.Bury(t.Context(), r.ID, driver.Grave{}, r.Version) },
		"its own end": func(r *driver.Record) error { return s.Bury(t.Context(), r.ID, driver.Grave{}, r.Version) },
		"its sweep": func(r *driver.Record) error {
			_, err := s.Sweep(t.Context(), r.Expires.Add(time.Minute))
			return err
		},
		"its removal": func(r *driver.Record) error {
			_, err := s.Sweep(t.Context(), r.Deadline.Add(48*time.Hour))
			return err
		},
		"the other's sweep": func(r *driver.Record) error {
			_, err := other.Sweep(t.Context(), r.Expires.Add(time.Minute))
			return err
		},
		"the shell": func(r *driver.Record) error {
			return execute(other.writer.conn, "UPDATE records SET data = '[1]' WHERE id = '"+r.ID.String()+"'")
		},
		"a vacuum": func(*driver.Record) error { return execute(other.writer.conn, "VACUUM") },
	} {
		for _, read := range []bool{false, true} {
			r := mustCreate(t, s, sample(1))
			if read { // the reader is sure of its number
				for range 3 {
					if _, err := s.Get(t.Context(), r.ID); err != nil {
						t.Fatal(err)
					}
				}
				if !s.held(r.ID) {
					t.Errorf("%s: nothing was kept", name)
				}
			}
			if err := change(r); err != nil {
				t.Fatal(name, err)
			}
			got, err := s.Get(t.Context(), r.ID)
			bare := openCopies(t, path, -1)
			want, wantErr := bare.Get(t.Context(), r.ID)
			if !reflect.DeepEqual(got, want) || (err == nil) != (wantErr == nil) {
				t.Errorf("after %s a read has %+v, %v, want %+v, %v", name, got, err, want, wantErr)
			}
			_ = bare.Close()
		}
	}
}

// TestCopiesOfWritesThatFailed: after a commit that failed there are no copies.
func TestCopiesOfWritesThatFailed(t *testing.T) {
	s := openCopies(t, filepath.Join(t.TempDir(), "sessions.db"), 0)
	r := mustCreate(t, s, sample(1))
	if !s.held(r.ID) {
		t.Fatal("nothing was kept")
	}
	if _, err := s.save(t.Context(), item{op: func(*writer) (outcome, error) { return outcome{}, errors.New("broken") }, tells: true}); err == nil {
		t.Fatal("a broken transaction had no error")
	}
	if s.held(r.ID) || s.writer.copies.heldIn(s.writer.copies.era) || len(s.writer.copies.writing) > 0 {
		t.Error("copies are left")
	}
}

// TestCopiesOvertaken: a read that began before a write keeps nothing after it.
func TestCopiesOvertaken(t *testing.T) {
	s := openCopies(t, filepath.Join(t.TempDir(), "sessions.db"), 0)
	r := mustCreate(t, s, sample(1))
	c := s.writer.copies
	c.drop()
	q := []question{{id: r.ID}}
	c.ask(q)
	q[0].answer = copyOfRow(r, []byte("{}"))
	if err := s.Bury(t.Context(), r.ID, driver.Grave{}, r.Version); err != nil {
		t.Fatal(err)
	}
	c.keep(q)
	if s.held(r.ID) {
		t.Error("what was read before the record's end was kept after it")
	}
}

func TestCopiesAreBounded(t *testing.T) {
	const bound = 64 << 10
	s, none := openCopies(t, filepath.Join(t.TempDir(), "one.db"), bound), openCopies(t, filepath.Join(t.TempDir(), "two.db"), -1)
	for i := range 200 {
		for _, s := range []*Store{s, none} {
			r := mustCreate(t, s, sample(i))
			if _, err := s.Get(t.Context(), r.ID); err != nil {
				t.Fatal(err)
			}
		}
	}
	c := s.writer.copies
	if n := c.all.Bytes(); n == 0 || n > bound || len(c.asking) > 0 || len(c.writing) > 0 {
		t.Errorf("copies of %d bytes, %d questions, %d writes are left", n, len(c.asking), len(c.writing))
	}
	if c := none.writer.copies; c.all.Len() > 0 || len(c.asking) > 0 {
		t.Error("a negative bound keeps copies")
	}
}

// TestCopiesCountWhatTheyHold: a copy of a row counts the list to which its values decode.
func TestCopiesCountWhatTheyHold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	s, bare := openCopies(t, path, 0), openCopies(t, path, -1)
	r := sample(1)
	r.Values = nil
	for i := range 1000 {
		r.Values = append(r.Values, driver.Value{Name: fmt.Sprintf("%03d", i), JSON: json.RawMessage("1")})
	}
	r = mustCreate(t, bare, r)
	got, err := s.Get(t.Context(), r.ID)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.writer.copies.all.Bytes(); n < got.Size() {
		t.Errorf("the copy counts %d bytes, and its record alone has %d", n, got.Size())
	}
}

// TestCopiesKeepNothingElse: a principal may be a part of a form's text, which isn't counted.
func TestCopiesKeepNothingElse(t *testing.T) {
	s := openCopies(t, filepath.Join(t.TempDir(), "sessions.db"), 0)
	form := func() weak.Pointer[byte] {
		form := strings.Repeat("bob", 1<<16)
		r := sample(1)
		r.Principal, r.Client = form[:3], driver.Client{Address: form[3:6], UserAgent: form[6:9]}
		if id := mustCreate(t, s, r).ID; !s.held(id) {
			t.Error("there is no copy")
		}
		return weak.Make(unsafe.StringData(form))
	}()
	runtime.GC()
	runtime.GC()
	if form.Value() != nil {
		t.Error("a copy holds the text of which the principal is a part")
	}
	runtime.KeepAlive(s)
}

// TestTransactionThatEndsByItself: SQLite may end a transaction because of an error. From
// when the statement has returned, another's write is seen.
func TestTransactionThatEndsByItself(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	s, other := openCopies(t, path, 0), openCopies(t, path, 0)
	r := mustCreate(t, s, sample(1))
	var v driver.Version
	_, err := s.save(t.Context(), item{tells: true, op: func(w *writer) (outcome, error) {
		if err := execute(w.conn, "ROLLBACK"); err != nil { // stands for SQLite's own
			t.Error(err)
		}
		_, failed := w.change(w.stmts.commit) // an error without a transaction
		if failed == nil {
			t.Error("there still is a transaction")
		}
		u := *r
		u.Principal = "else"
		var err error
		if v, err = other.Update(t.Context(), &u); err != nil {
			t.Error(err)
		}
		if got, err := s.Get(t.Context(), r.ID); err != nil || got.Version != v {
			t.Errorf("a read gives %v, %v; %v was acknowledged", got, err, v)
		}
		return outcome{}, failed
	}})
	if err == nil {
		t.Error("the op is said to have been done")
	}
	if got, err := s.Get(t.Context(), r.ID); err != nil || got.Version != v {
		t.Errorf("a later read gives %v, %v; %v was acknowledged", got, err, v)
	}
}

// TestCopiesBesideAnOpaqueOp: an op that doesn't tell what it writes may have written what
// another item of its transaction did.
func TestCopiesBesideAnOpaqueOp(t *testing.T) {
	s := openCopies(t, filepath.Join(t.TempDir(), "sessions.db"), 0)
	r := mustCreate(t, s, sample(1))
	u := *r
	u.Principal = "new"
	w, err := newRow(&u)
	if err != nil {
		t.Fatal(err)
	}
	for _, result := range s.writer.flush(t.Context(), []item{
		{op: update(w, r.Version), id: r.ID, copy: copyOfWrite(w)},
		{op: func(w *writer) (outcome, error) {
			return outcome{}, execute(w.conn, "UPDATE records SET principal = 'other' WHERE id = '"+r.ID.String()+"'")
		}},
	}) {
		if result.Err != nil {
			t.Fatal(result.Err)
		}
	}
	if got, err := s.Get(t.Context(), r.ID); err != nil || got.Principal != "other" {
		t.Errorf("a read gives %v, %v", got, err)
	}
}

// TestCopiesHistory: two stores write and read a few records; each read has at least
// what was acknowledged, or read, before it began.
func TestCopiesHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sessions.db")
	stores := []*Store{openCopies(t, path, 0), openCopies(t, path, 0)}
	const records, times = 4, 300
	var ids [records]driver.ID
	var mu sync.Mutex
	var known [records]uint64 // the least that a new read may have
	learn := func(i int, n uint64) {
		mu.Lock()
		defer mu.Unlock()
		known[i] = max(known[i], n)
	}
	least := func(i int) uint64 {
		mu.Lock()
		defer mu.Unlock()
		return known[i]
	}
	for i := range ids {
		ids[i] = mustCreate(t, stores[0], sample(i)).ID
	}
	share(t, 12, 12*times, func(caller, n int) error {
		s, i := stores[caller%2], rand.IntN(records)
		from := least(i)
		r, err := s.Get(context.Background(), ids[i])
		if err != nil {
			return err
		}
		if r.Version.Seq < from {
			t.Errorf("a read had version %d, after %d was known", r.Version.Seq, from)
		}
		learn(i, r.Version.Seq)
		if n%8 == 0 {
			u := *r
			save(&u)
			v, err := s.Update(context.Background(), &u)
			if errors.Is(err, driver.ErrConflict) {
				return nil
			}
			if err != nil {
				return err
			}
			learn(i, v.Seq)
		}
		return nil
	})
}
