package sqlitestore

import (
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"zombiezen.com/go/sqlite"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests the fence beyond the contract: processes of earlier versions, and what
// is told.

// TestFenceEarlierVersion: a process of the first version, which knows nothing of fences,
// writes nothing while there is one, with statements that it prepared long before.
func TestFenceEarlierVersion(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := openAt(t, path, nil)
	kept, made := sample(1), sample(2)
	v, err := s.Create(t.Context(), kept)
	if err != nil {
		t.Fatal(err)
	}
	kept.Version = v
	early := openFirstVersion(t, path)
	if err := s.Fence(t.Context(), time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	early.bind(early.insert, made)
	early.bind(early.save, kept)
	for _, stmt := range []*sqlite.Stmt{early.bury, early.expire, early.spare, early.remove} {
		stmt.BindInt64(1, int64(v.Term))
		stmt.BindInt64(2, int64(v.Seq))
	}
	early.dig.BindInt64(3, 1)
	early.dig.BindText(4, `{}`)
	early.dig.BindText(5, made.ID.String())
	early.bury.BindText(5, kept.ID.String())
	all := []*sqlite.Stmt{early.insert, early.save, early.bury, early.dig, early.expire, early.spare, early.remove}
	for i, stmt := range all {
		if err := run(stmt); err == nil || !strings.Contains(err.Error(), "writes are refused since 2026-12-01T10:00:00Z") {
			t.Errorf("statement %d: %v", i, err)
		}
	}
	if r, err := s.Get(t.Context(), kept.ID); err != nil || r.Version != v {
		t.Errorf("%v %v", r, err)
	}
	if err := s.Unfence(t.Context()); err != nil {
		t.Fatal(err)
	}
	early.write(t, early.insert)
	early.write(t, early.save)
}

// TestFenceIsTold: the error of a write, and Report, say since when and what to do. A file
// that is fenced opens as any other.
func TestFenceIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := openAt(t, path, nil)
	if err := s.Fence(t.Context(), time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)); err != nil {
		t.Fatal(err)
	}
	again := openAt(t, path, nil)
	_, err := again.Create(t.Context(), sample(1))
	if !errors.Is(err, driver.ErrUnavailable) || errors.Is(err, driver.ErrOverloaded) {
		t.Error(err)
	}
	for _, text := range []string{"2026-12-01T10:00:00Z", path, "cloakroom copy --unfence"} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("no %q in %v", text, err)
		}
	}
	isTold := func(s *Store) bool {
		r, err := s.Report(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(r.Problems, func(p driver.Problem) bool {
			return p.Code == "writes-fenced" && p.Severity == driver.SeverityFail && strings.Contains(p.Meaning, "2026-12-01T10:00:00Z")
		})
	}
	if !isTold(again) {
		t.Error("Report doesn't tell of the fence")
	}
	if err := again.Unfence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if isTold(s) {
		t.Error("Report tells of a fence that was ended")
	}
}

// TestFenceWithAHole: a fence of which somebody has removed a part doesn't go unnoticed.
func TestFenceWithAHole(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := openAt(t, path, nil)
	since := time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)
	if err := s.Fence(t.Context(), since); err != nil {
		t.Fatal(err)
	}
	c, err := openConn(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := execute(c, "DROP TRIGGER "+fenceTriggers["INSERT"]); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Fenced(t.Context()); !errors.Is(err, driver.ErrUnavailable) || !strings.Contains(err.Error(), "1 of the 3") {
		t.Error(err)
	}
	report, err := s.Report(t.Context())
	if err != nil || !slices.ContainsFunc(report.Problems, func(p driver.Problem) bool { return p.Code == "writes-fenced" }) {
		t.Errorf("Report tells nothing of it: %+v %v", report.Problems, err)
	}
	if err := s.Fence(t.Context(), since); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Fenced(t.Context()); err != nil || !got.Equal(since) {
		t.Errorf("%v %v", got, err)
	}
}

// TestFenceEdited: a fence whose triggers somebody has edited is one, and can be ended.
func TestFenceEdited(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := openAt(t, path, nil)
	if err := s.Fence(t.Context(), time.Now()); err != nil {
		t.Fatal(err)
	}
	c, err := openConn(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for verb, name := range fenceTriggers {
		for _, sql := range []string{
			"DROP TRIGGER " + name,
			"CREATE TRIGGER " + name + " BEFORE " + verb + " ON records BEGIN SELECT RAISE(ABORT, 'not now'); END",
		} {
			if err := execute(c, sql); err != nil {
				t.Fatal(err)
			}
		}
	}
	if since, err := s.Fenced(t.Context()); err != nil || since.IsZero() {
		t.Errorf("%v %v", since, err)
	}
	if err := s.Unfence(t.Context()); err != nil {
		t.Fatal(err)
	}
	if since, err := s.Fenced(t.Context()); err != nil || !since.IsZero() {
		t.Errorf("%v %v", since, err)
	}
}
