package sqlitestore

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests List beyond the contract: what it lists again, and what it needn't.

// listAll lists up to the end. It returns how often each id was listed.
func listAll(t *testing.T, s *Store, after string) (n map[driver.ID]int, next string) {
	t.Helper()
	n = map[driver.ID]int{}
	for {
		p, err := s.List(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range p.Items {
			if l.Err != nil {
				t.Error(l.Err)
			}
			n[l.ID]++
		}
		if after = p.Next; p.End {
			return n, after
		}
	}
}

func TestListSince(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.db")
	s := openAt(t, path, nil)
	var all []*driver.Record
	for _, r := range samples(2*pageRows + 7) {
		v, err := s.Create(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		c := *r
		c.Version = v
		all = append(all, &c)
	}
	first, next := listAll(t, s, "")
	if len(first) != len(all) {
		t.Fatalf("listed %d of %d", len(first), len(all))
	}
	changed := map[driver.ID]bool{}
	for round := range 3 {
		clear(changed)
		for i := round; i < len(all); i += 97 {
			v, err := s.Update(t.Context(), all[i])
			if err != nil {
				t.Fatal(err)
			}
			c := *all[i]
			c.Version = v
			all[i], changed[c.ID] = &c, true
		}
		gone := all[len(all)-1]
		all = all[:len(all)-1]
		if err := s.Bury(t.Context(), gone.ID, gone.ExpiredGrave(time.Now()), gone.Version); err != nil {
			t.Fatal(err)
		}
		changed[gone.ID] = true
		var found map[driver.ID]int
		if found, next = listAll(t, s, next); len(found) != len(changed) {
			t.Errorf("round %d: listed %d, and %d were written", round, len(found), len(changed))
		}
		for id := range changed {
			if found[id] != 1 {
				t.Errorf("round %d: %v is listed %d times", round, id, found[id])
			}
		}
	}
	if found, _ := listAll(t, s, next); len(found) != 0 {
		t.Errorf("listed %d, and nothing was written", len(found))
	}
	// Another process doesn't know the versions, and lists everything.
	if found, _ := listAll(t, openAt(t, path, nil), next); len(found) != len(first) {
		t.Errorf("another store lists %d of %d", len(found), len(first))
	}
	// So does this one when it has forgotten them.
	for range mostListings {
		listAll(t, s, "")
	}
	if found, _ := listAll(t, s, next); len(found) != len(first) {
		t.Errorf("after other listings it lists %d of %d", len(found), len(first))
	}
}

// TestListAgain: a part that is asked for again is what it was, and nothing is lost by it.
func TestListAgain(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "a.db"), nil)
	for _, r := range samples(3 * pageRows) {
		if _, err := s.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
	}
	part := func(after string) driver.Part {
		p, err := s.List(t.Context(), after)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	first := part("")
	second := part(first.Next)
	again := part(first.Next)
	if len(again.Items) != pageRows || again.Items[0].ID != second.Items[0].ID || again.Next != second.Next {
		t.Error("the part isn't what it was")
	}
	_, next := listAll(t, s, first.Next)
	if found, _ := listAll(t, s, next); len(found) != 0 {
		t.Errorf("listed %d, and nothing was written", len(found))
	}
}

// TestListMuch: nothing is left out where a part is full, by bytes or by rows: at first,
// and when all was written since.
func TestListMuch(t *testing.T) {
	for name, tt := range map[string]struct{ rows, bytes int }{"rows": {2*pageRows + 7, 10}, "bytes": {40, pageBytes / 12}} {
		t.Run(name, func(t *testing.T) {
			s := openAt(t, filepath.Join(t.TempDir(), "a.db"), nil)
			all := samples(tt.rows)
			for _, r := range all {
				r.Values = r.Values.With("long", json.RawMessage(`"`+strings.Repeat("x", tt.bytes)+`"`))
				v, err := s.Create(t.Context(), r)
				if err != nil {
					t.Fatal(err)
				}
				r.Version = v
			}
			first, err := s.List(t.Context(), "")
			if err != nil || first.End {
				t.Fatalf("the first part has all: %d, %v", len(first.Items), err)
			}
			found, next := listAll(t, s, "")
			if len(found) != tt.rows {
				t.Errorf("listed %d of %d", len(found), tt.rows)
			}
			for _, r := range all {
				if _, err := s.Update(t.Context(), r); err != nil {
					t.Fatal(err)
				}
			}
			if found, _ = listAll(t, s, next); len(found) != tt.rows {
				t.Errorf("listed %d of %d that were written", len(found), tt.rows)
			}
		})
	}
}
