package elasticstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests aliases in the place of indices, as operators make them to move, shrink
// or upgrade an index.

// move copies an index into another, with our mapping, and puts an alias in its place, as
// docs/operations.md says.
type move struct {
	l        *lab
	from, to string
}

// prepare forbids writes at the source, and makes the target.
func (m move) prepare(t testing.TB) {
	t.Helper()
	m.l.call(t, http.MethodPut, "/"+m.from+"/_settings", `{"index.blocks.write":true}`)
	var source map[string]struct {
		Mappings json.RawMessage `json:"mappings"`
	}
	if err := json.Unmarshal(m.l.call(t, http.MethodGet, "/"+m.from+"/_mapping", ""), &source); err != nil {
		t.Fatal(err)
	}
	m.l.call(t, http.MethodPut, "/"+m.to, fmt.Sprintf(`{"mappings":%s,"settings":{"auto_expand_replicas":"0-1","refresh_interval":"5s"}}`, source[m.from].Mappings))
}

// copy copies the documents. A reindex sees what a search sees, so the source is refreshed
// first.
func (m move) copy(t testing.TB) {
	t.Helper()
	m.l.call(t, http.MethodPost, "/"+m.from+"/_refresh", "")
	m.l.call(t, http.MethodPost, "/_reindex?refresh=true", fmt.Sprintf(`{"source":{"index":%q},"dest":{"index":%q}}`, m.from, m.to))
}

// swap puts the alias name in the source's place. It takes no writes, so that nobody
// writes by it before having looked.
func (m move) swap(t testing.TB, name string) {
	t.Helper()
	remove := fmt.Sprintf(`{"remove_index":{"index":%q}}`, m.from)
	if m.from != name {
		remove = fmt.Sprintf(`{"remove":{"index":%q,"alias":%q}}`, m.from, name)
	}
	m.l.call(t, http.MethodPost, "/_aliases",
		fmt.Sprintf(`{"actions":[%s,{"add":{"index":%q,"alias":%q,"is_write_index":false}}]}`, remove, m.to, name))
}

// TestAliasInAnIndexsPlace moves a period's index, that of ledgers, and that of imports,
// twice each, under processes that have used them and one that comes later. Nothing is
// lost, and nobody is signed out.
func TestAliasInAnIndexsPlace(t *testing.T) {
	t.Parallel()
	for _, layout := range []driver.Layout{driver.LayoutDay, driver.LayoutLedger, driver.LayoutImport} {
		t.Run(fmt.Sprint("layout ", layout), func(t *testing.T) {
			t.Parallel()
			l, s := newStore(t)
			warm(t, s)
			used := l.open(t, nil, nil) // has copies, and doesn't see the moves
			var records []*driver.Record
			for range 4 {
				r := mustCreate(t, s, session(layout, time.Now()))
				if _, err := used.Get(testContext(t), r.ID); err != nil {
					t.Fatal(err)
				}
				records = append(records, r)
			}
			name := s.names.of(records[0].ID)
			from := name
			for round, to := range []string{name + "-v2", name + "-v3"} {
				m := move{l, from, to}
				m.prepare(t)
				m.copy(t)
				_, err := s.Update(testContext(t), update(records[0], `"blocked"`))
				wantError(t, err, driver.ErrUnavailable)
				if !strings.Contains(err.Error(), "block") {
					t.Errorf("the error doesn't tell of the block: %v", err)
				}
				m.swap(t, name)
				for i, r := range records[:3] {
					by := s
					if i == 1 {
						by = used
					}
					// What was read before the move is at no version of the new index.
					eventually(t, func() error { // a block is looked into ten times a second
						_, err := by.Update(testContext(t), update(r, `"late"`))
						if !errors.Is(err, driver.ErrConflict) {
							return fmt.Errorf("a save at a version of before: %w", err)
						}
						return nil
					})
					got, err := by.Get(testContext(t), r.ID)
					if err != nil {
						t.Fatal(err)
					}
					next := update(got, fmt.Sprintf(`"round %d"`, round))
					if next.Version, err = by.Update(testContext(t), next); err != nil {
						t.Fatal(err)
					}
					records[i] = next
				}
				var r *driver.Record
				eventually(t, func() error {
					r = session(layout, time.Now())
					_, err := used.Create(testContext(t), r)
					return err
				})
				mustBury(t, used, r)
				if _, err := s.Get(testContext(t), r.ID); !errors.Is(err, driver.ErrGone) {
					t.Errorf("a session that was ended after the move: %v", err)
				}
				from = to
			}
			later := l.open(t, nil, nil)
			for _, by := range []*Store{s, used, later} {
				for i, r := range records {
					got, err := by.Get(testContext(t), r.ID)
					if err != nil || by == s && i < 3 && string(got.Values.Get("v")) != `"round 1"` {
						t.Errorf("record %d: %+v, %v", i, got, err)
					}
				}
				if err := by.Refresh(testContext(t)); err != nil {
					t.Fatal(err)
				}
				found := 0
				for got, err := range by.Search(testContext(t), driver.Query{Kind: records[0].Kind}) {
					if err != nil {
						t.Fatal(err)
					}
					found++
					if _, err := by.Update(testContext(t), update(got, `"found"`)); err != nil {
						t.Errorf("a record that was found can't be updated: %v", err)
					}
				}
				if found != len(records) {
					t.Errorf("%d found, want %d", found, len(records))
				}
				if codes := codesOf(t, by); !slices.Equal(codes, []string{"index-alias"}) {
					t.Errorf("Report: %v", codes)
				}
				for i, r := range records {
					got, err := by.Get(testContext(t), r.ID)
					if err != nil {
						t.Fatal(err)
					}
					records[i] = got
				}
			}
			if _, err := later.Sweep(testContext(t), time.Now().AddDate(0, 0, 60)); err != nil {
				t.Fatal(err)
			}
			if l.exists(t, from) == s.names.periodic(records[0].ID) {
				t.Errorf("after a sweep, the index behind the alias is there: %v", l.exists(t, from))
			}
		})
	}
}

// TestI1_AliasOfSeveral: an operator's alias is of two indices. That is an outage, and is
// told. Nothing is written into one of the two, which might not be the one that stays.
func TestI1_AliasOfSeveral(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"a sweep comes first", "a save comes first"} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			l := newLab(t)
			s := l.open(t, nil, func(c *Config) { c.patience = 100 * time.Millisecond })
			now := time.Now()
			r := mustCreate(t, s, session(driver.LayoutDay, now))
			name := s.names.of(r.ID)
			m, other := move{l, name, name + "-v2"}, move{l, name, name + "-v3"}
			m.prepare(t)
			m.copy(t)
			other.prepare(t)
			l.call(t, http.MethodPost, "/_aliases", fmt.Sprintf(`{"actions":[{"remove_index":{"index":%q}},
				{"add":{"index":%q,"alias":%q}},{"add":{"index":%q,"alias":%q}}]}`, name, m.to, name, other.to, name))
			if what == "a sweep comes first" {
				if _, err := s.Sweep(testContext(t), now); err != nil {
					t.Fatal(err)
				}
			}
			_, err := s.Create(testContext(t), session(driver.LayoutDay, now))
			wantError(t, err, driver.ErrUnavailable)
			_, err = s.Get(testContext(t), r.ID)
			wantError(t, err, driver.ErrUnavailable)
			if codes := codesOf(t, s); !slices.Equal(codes, []string{"alias-of-several"}) {
				t.Errorf("Report: %v", codes)
			}
			l.call(t, http.MethodPost, "/_aliases", fmt.Sprintf(`{"actions":[{"remove":{"index":%q,"alias":%q}}]}`, other.to, name))
			if _, err := s.Get(testContext(t), r.ID); err != nil {
				t.Errorf("afterwards: %v", err)
			}
			mustCreate(t, s, session(driver.LayoutDay, now))
			if codes := codesOf(t, s); !slices.Equal(codes, []string{"index-alias"}) {
				t.Errorf("Report afterwards: %v", codes)
			}
		})
	}
}

// TestI1_EqualVersionsOfTwoIndices: a document has the same sequence number and primary
// term before and after a move, and isn't the same. A process that hasn't seen the move
// writes nothing at the version that it read before, and takes no copy for current.
func TestI1_EqualVersionsOfTwoIndices(t *testing.T) {
	t.Parallel()
	for name, see := range map[string]func(*testing.T, *Store, *driver.Record){
		"it writes first": func(t *testing.T, s *Store, r *driver.Record) {
			_, err := s.Update(testContext(t), update(r, `"at a version of the other index"`))
			wantError(t, err, driver.ErrConflict)
		},
		"it buries first": func(t *testing.T, s *Store, r *driver.Record) {
			err := s.Bury(testContext(t), r.ID, driver.Grave{Reason: driver.EndDestroyed, At: r.Created, Until: r.Deadline}, r.Version)
			wantError(t, err, driver.ErrConflict)
		},
		"it reads first": func(t *testing.T, s *Store, r *driver.Record) {
			got, err := s.Get(testContext(t), r.ID)
			if err != nil || string(got.Values.Get("v")) != `"moved"` {
				t.Errorf("Get: %+v, %v", got, err)
			}
			_, err = s.Update(testContext(t), update(r, `"at a version of the other index"`))
			wantError(t, err, driver.ErrConflict)
		},
		"it searches first": func(t *testing.T, s *Store, r *driver.Record) {
			for got, err := range s.Search(testContext(t), driver.Query{}) {
				if err != nil || string(got.Values.Get("v")) != `"moved"` || got.Version == r.Version {
					t.Errorf("Search: %+v, %v", got, err)
				}
			}
			_, err := s.Update(testContext(t), update(r, `"at a version of the other index"`))
			wantError(t, err, driver.ErrConflict)
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, s := newStore(t)
			r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
			index := s.names.of(r.ID)
			m := move{l, index, index + "-v2"}
			m.prepare(t)
			document, err := encodeRecord(update(r, `"moved"`), false)
			if err != nil {
				t.Fatal(err)
			}
			var v struct {
				Seq  uint64 `json:"_seq_no"`
				Term uint64 `json:"_primary_term"`
			}
			if err := json.Unmarshal(l.call(t, http.MethodPut, "/"+m.to+"/_doc/"+r.ID.String()+"?refresh=true", string(document)), &v); err != nil {
				t.Fatal(err)
			}
			if r.Version != (driver.Version{Term: v.Term, Seq: v.Seq}) {
				t.Fatalf("the versions are not equal: %v and %v", r.Version, v)
			}
			m.swap(t, index)
			see(t, s, r)
			got, err := l.open(t, nil, nil).Get(testContext(t), r.ID)
			if err != nil || string(got.Values.Get("v")) != `"moved"` {
				t.Errorf("afterwards: %+v, %v", got, err)
			}
		})
	}
}

// TestAliasThatTakesWrites: by such an alias a process that hasn't looked compares its
// version with one of the other index. Report warns of it until that is mended.
func TestAliasThatTakesWrites(t *testing.T) {
	t.Parallel()
	l, s, index := healthyStore(t)
	m := move{l, index, index + "-v2"}
	m.prepare(t)
	m.copy(t)
	alias := func(takesWrites string) func() {
		return func() {
			l.call(t, http.MethodPost, "/_aliases", fmt.Sprintf(`{"actions":[{"add":{"index":%q,"alias":%q%s}}]}`, m.to, index, takesWrites))
		}
	}
	m.swap(t, index)
	if p := problemsOf(t, s)["index-alias"]; p.Severity != driver.SeverityInfo {
		t.Errorf("an alias that takes no writes: %+v", p)
	}
	for _, takesWrites := range []string{`,"is_write_index":true`, ""} {
		l.call(t, http.MethodPost, "/_aliases", fmt.Sprintf(`{"actions":[{"remove":{"index":%q,"alias":%q}}]}`, m.to, index))
		alias(takesWrites)()
		if p := problemsOf(t, s)["index-alias"]; p.Severity != driver.SeverityWarn || !strings.Contains(p.Remedy, "is_write_index") {
			t.Errorf("an alias that takes writes: %+v", p)
		}
	}
	alias(`,"is_write_index":false`)()
	if p := problemsOf(t, s)["index-alias"]; p.Severity != driver.SeverityInfo {
		t.Errorf("once it was mended: %+v", p)
	}
}

// TestIndexMadeAnewUnnoticed shows what is not promised: an index is deleted and made anew
// by another process, and a session's grave in it has the version that its record had
// before. A process that hasn't looked since can save over the grave. Once it has looked,
// it can't.
func TestIndexMadeAnewUnnoticed(t *testing.T) {
	t.Parallel()
	for name, looks := range map[string]bool{"not noticed": false, "noticed": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l, s := newStore(t)
			r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
			l.call(t, http.MethodDelete, "/"+s.names.of(r.ID), "")
			other := l.open(t, nil, nil)
			mustBury(t, other, r)
			got, err := other.Get(testContext(t), r.ID)
			if !errors.Is(err, driver.ErrGone) || bare(got.Version) != r.Version {
				t.Fatalf("the grave: %+v, %v, want it at %v", got, err, r.Version)
			}
			if looks {
				if _, err := s.Sweep(testContext(t), time.Now()); err != nil {
					t.Fatal(err)
				}
			}
			_, err = s.Update(testContext(t), update(r, `"late"`))
			if looks {
				wantError(t, err, driver.ErrGone)
			} else if err != nil {
				t.Errorf("the late save: %v: now SECURITY.md and the package's documentation can promise more", err)
			}
		})
	}
}
