package memstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// full returns a record with each of its fields set, except Grave.
func full(t *testing.T) *driver.Record {
	t.Helper()
	now := time.Date(2026, 3, 4, 5, 6, 7, 89e6, time.UTC)
	r := &driver.Record{
		ID: driver.NewID(driver.LayoutDay, now), Kind: driver.KindSession,
		App: "shop", Principal: "Łukasz", Created: now, Authenticated: now.Add(time.Second),
		Seen: now.Add(time.Hour), Expires: now.Add(2 * time.Hour), Deadline: now.Add(400 * 24 * time.Hour),
		Verifier: []byte("verifier"), Previous: []byte("previous"), PreviousEnds: now.Add(-time.Millisecond),
		Persistent: true, Client: driver.Client{Address: "2001:db8::1", UserAgent: "curl/8"},
		Writes: 1<<63 + 1, WriteIDs: []driver.WriteID{{1}, {2, 3}},
		Values:  driver.ValueList{{Name: "", JSON: json.RawMessage(`0`)}, {Name: "größe", JSON: json.RawMessage(`{"a":[1,2]}`)}},
		Extra:   driver.ValueList{{Name: "labels", JSON: json.RawMessage(`{"a":"b"}`)}},
		Version: version(1<<40 + 5),
	}
	for i := range reflect.TypeFor[driver.Record]().NumField() {
		if f := reflect.TypeFor[driver.Record]().Field(i); f.Name != "Grave" && reflect.ValueOf(*r).Field(i).IsZero() {
			t.Fatalf("the record has no %s: a field that is new has to be packed as well", f.Name)
		}
	}
	return r
}

// TestPacked packs records with all of their fields, with some, and with none.
func TestPacked(t *testing.T) {
	whole := full(t)
	same := func(name string, r *driver.Record) {
		t.Helper()
		p := pack(r)
		got := p.unpack(r.ID)
		if r.Grave == nil && r.Values == nil {
			got.Values = nil // an empty list is as good
		}
		if !reflect.DeepEqual(got, r) {
			t.Errorf("%s: got\n%+v, want\n%+v", name, got, r)
		}
		if s := p.state(); s != (state{r.Version, r.Grave != nil}) {
			t.Errorf("%s: state %+v", name, s)
		}
		for name, v := range got.Values.All() {
			if cap(v) != len(v) {
				t.Errorf("value %q can be appended to in place", name)
			}
		}
	}
	same("full", whole)
	same("empty", &driver.Record{ID: whole.ID, Version: version(1)})
	for i := range reflect.TypeFor[driver.Record]().NumField() {
		f := reflect.TypeFor[driver.Record]().Field(i)
		if f.Name == "ID" || f.Name == "Version" {
			continue
		}
		without := *whole
		reflect.ValueOf(&without).Elem().Field(i).SetZero()
		same("without "+f.Name, &without)
	}
	large := *whole
	large.Values = nil
	for i := range 100 {
		large.Values = large.Values.With(fmt.Sprint(i), json.RawMessage(`"`+strings.Repeat("x", 300)+`"`))
	}
	same("large", &large)

	g := driver.Grave{
		Reason: driver.EndReplaced, At: whole.Seen, Until: whole.Deadline, Successor: whole.ID,
		App: whole.App, Principal: whole.Principal, Writes: 7, WriteIDs: whole.WriteIDs, Extra: whole.Extra,
	}
	for i := range reflect.TypeFor[driver.Grave]().NumField() {
		if reflect.ValueOf(g).Field(i).IsZero() {
			t.Fatalf("the grave has no %s: a field that is new has to be packed as well", reflect.TypeFor[driver.Grave]().Field(i).Name)
		}
	}
	same("grave", &driver.Record{ID: whole.ID, Version: whole.Version, Grave: &g})
	same("empty grave", &driver.Record{ID: whole.ID, Version: whole.Version, Grave: &driver.Grave{}})
}

// TestFresh: the records that were written last are not packed, and all others are,
// whichever way they were written.
func TestFresh(t *testing.T) {
	s := New(nil)
	defer func() { _ = s.Close() }()
	var all []*driver.Record
	for i := range 3 * freshCount {
		r := full(t)
		r.ID[len(r.ID)-1] = 0 // of one shard
		r.Values = driver.NewValueList(map[string]json.RawMessage{"n": json.RawMessage(fmt.Sprint(i))})
		v, err := s.Create(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		r.Version = v
		all = append(all, r)
	}
	sh := &s.shards[0]
	places := func(fresh int) {
		t.Helper()
		if len(sh.fresh) != fresh || len(sh.fresh)+len(sh.packed) != len(all) {
			t.Fatalf("%d records are fresh and %d packed, of %d", len(sh.fresh), len(sh.packed), len(all))
		}
		for i, r := range all {
			got, err := s.Get(t.Context(), r.ID)
			if err != nil || !reflect.DeepEqual(got, r) {
				t.Fatalf("record %d: %v\n%+v, want\n%+v", i, err, got, r)
			}
		}
	}
	places(freshCount)
	for _, i := range []int{0, 1, 0, 3*freshCount - 1} { // packed, packed, fresh, fresh
		next := *all[i]
		next.Writes++
		v, err := s.Update(t.Context(), &next)
		if err != nil {
			t.Fatal(err)
		}
		next.Version = v
		all[i] = &next
		if sh.fresh[next.ID] == nil {
			t.Errorf("record %d was written and isn't fresh", i)
		}
		places(freshCount)
	}
	for _, i := range []int{0, freshCount} { // fresh, packed
		if err := s.Bury(t.Context(), all[i].ID, all[i].ExpiredGrave(all[i].Expires), all[i].Version); err != nil {
			t.Fatal(err)
		}
		if sh.fresh[all[i].ID] != nil {
			t.Errorf("grave %d is fresh", i)
		}
	}
	all = append(all[1:freshCount], all[freshCount+1:]...)
	if len(sh.fresh)+len(sh.packed) != len(all)+2 {
		t.Errorf("%d fresh, %d packed, and 2 of them graves, of %d records", len(sh.fresh), len(sh.packed), len(all))
	}
}

// TestPackedNewer: a packed record of a newer format is still recognized as such.
func TestPackedNewer(t *testing.T) {
	s := New(nil)
	defer func() { _ = s.Close() }()
	var all []*driver.Record
	for range 2 * freshCount {
		r := full(t)
		r.ID[len(r.ID)-1] = 0 // of one shard
		r.Extra = driver.ValueList{{Name: driver.ExtraFormat, JSON: json.RawMessage("2")}}
		if _, err := s.Create(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	if _, err := s.Sweep(t.Context(), all[0].Deadline); err != nil {
		t.Fatal(err)
	}
	for i, r := range all {
		if got, err := s.Get(t.Context(), r.ID); got != nil || !errors.Is(err, driver.ErrNewer) {
			t.Errorf("record %d: %+v, %v", i, got, err)
		}
	}
	for r := range s.Search(t.Context(), driver.Query{}) {
		t.Errorf("Search yields %+v", r)
	}
}
