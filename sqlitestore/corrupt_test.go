package sqlitestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file tests rows that an operator edited by hand.

// TestCorrupt: an operator edits rows so that they can't be understood. Each fails
// alone, by name; the others are not affected.
func TestCorrupt(t *testing.T) {
	edits := map[string]string{
		"values no JSON":     `data = 'hello'`,
		"values cut":         `data = substr(data, 1, 5)`,
		"values empty":       `data = ''`,
		"values an array":    `data = '[1]'`,
		"values a null":      `data = 'null'`,
		"extra no JSON":      `extra = 'hello'`,
		"extra empty":        `extra = ''`,
		"extra an array":     `extra = '[1]'`,
		"extra no format":    `extra = '{"format":"hello"}'`,
		"a write id short":   `revs = 'AAAA'`,
		"write ids no text":  `revs = '!!!!!!!!!!!'`,
		"too many write ids": `revs = replace(hex(zeroblob(6)), '00', 'AAAAAAAAAAA ') || replace(hex(zeroblob(6)), '00', 'AAAAAAAAAAA ')`,
	}
	var log bytes.Buffer
	path := filepath.Join(t.TempDir(), "sessions.db")
	s := open(t, path, &sqlitestore.Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	good := session()
	if _, err := s.Create(t.Context(), good); err != nil {
		t.Fatal(err)
	}
	for name, edit := range edits {
		r := session()
		v, err := s.Create(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		query(t, path, fmt.Sprintf("UPDATE records SET %s WHERE id = '%s'", edit, r.ID))
		got, err := s.Get(t.Context(), r.ID)
		if !errors.Is(err, driver.ErrCorrupt) || got != nil || !strings.Contains(err.Error(), r.ID.String()) {
			t.Errorf("%s: Get: %v, %v", name, got, err)
		}
		log.Reset()
		want(t, s, good.ID)
		if !strings.Contains(log.String(), r.ID.String()) || strings.Contains(log.String(), "hello") {
			t.Errorf("%s: Search logged %q", name, log.String())
		}
		// It can be overwritten, and ended.
		u := *r
		u.Version = v
		if v, err = s.Update(t.Context(), &u); err != nil {
			t.Errorf("%s: Update: %v", name, err)
		}
		query(t, path, fmt.Sprintf("UPDATE records SET %s WHERE id = '%s'", edit, r.ID))
		if err := s.Bury(t.Context(), r.ID, driver.Grave{Until: r.Deadline}, v); err != nil {
			t.Errorf("%s: Bury: %v", name, err)
		}
	}

	// Texts that are no ids: nobody can ask for them, but the sweep ends them. The same
	// with graves.
	for i, id := range []string{"x", "", strings.Repeat("é", 11), "AAAAAAAAAAAAAAAAAAAAAA"} {
		r := session()
		if _, err := s.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		query(t, path, fmt.Sprintf("UPDATE records SET id = '%s', data = 'x', revs = 'y' WHERE id = '%s'", id, r.ID))
		if i%2 == 0 {
			query(t, path, fmt.Sprintf("UPDATE records SET grave = 'z' WHERE id = '%s'", id))
		}
	}
	want(t, s, good.ID)
	// The good session and the two records are buried. The others are graves, but still
	// due when their sessions would have expired.
	report, err := s.Sweep(t.Context(), good.Expires.Add(time.Second))
	if want := (driver.SweepReport{Buried: 3, Removed: 2}); err != nil || report != want {
		t.Errorf("Sweep: %+v, %v; want %+v", report, err, want)
	}
	if _, err := s.Sweep(t.Context(), good.Deadline.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if n := query(t, path, "SELECT count(*) FROM records"); n != "0" {
		t.Errorf("%s records are left", n)
	}

	// For all writers, a grave that can't be understood is still a grave.
	r := session()
	v, err := s.Create(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Bury(t.Context(), r.ID, driver.Grave{Until: r.Deadline}, v); err != nil {
		t.Fatal(err)
	}
	query(t, path, "UPDATE records SET grave = 'x'")
	if _, err := s.Get(t.Context(), r.ID); !errors.Is(err, driver.ErrCorrupt) {
		t.Errorf("Get of a corrupt grave: %v", err)
	}
	r.Version = v
	if _, err := s.Update(t.Context(), r); !errors.Is(err, driver.ErrGone) {
		t.Errorf("Update of a corrupt grave: %v", err)
	}
	if _, err := s.Create(t.Context(), r); !errors.Is(err, driver.ErrExists) {
		t.Errorf("Create on a corrupt grave: %v", err)
	}
}

// want checks that a search finds exactly these sessions.
func want(t *testing.T, s *sqlitestore.Store, ids ...driver.ID) {
	t.Helper()
	var got []driver.ID
	for r, err := range s.Search(t.Context(), driver.Query{}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, r.ID)
	}
	if fmt.Sprint(got) != fmt.Sprint(ids) {
		t.Errorf("Search found %v, want %v", got, ids)
	}
}
