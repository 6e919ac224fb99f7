package elasticstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests indices and documents that an earlier version made.

// mappingOfFormat1 is the mapping of the first version's template and indices.
const mappingOfFormat1 = `{"_meta":{"cloakroom":{"format":1}},"dynamic":false,"properties":{` +
	`"id":{"type":"keyword","index":false},"kind":{"type":"keyword","doc_values":false},` +
	`"app":{"type":"keyword","doc_values":false},"principal":{"type":"keyword","doc_values":false},` +
	`"created":{"type":"date","format":"epoch_millis"},"expires":{"type":"date","format":"epoch_millis","doc_values":false},` +
	`"deadline":{"type":"date","format":"epoch_millis","doc_values":false},"values":{"type":"object","enabled":false}}}`

// mappingOfFormat2 is the mapping before searches went by the last activity.
const mappingOfFormat2 = `{"_meta":{"cloakroom":{"format":2,"lifetime":5}},"dynamic":false,"properties":{` +
	`"app":{"doc_values":false,"type":"keyword"},"authenticated":{"enabled":false,"type":"object"},"client":{"enabled":false,"type":"object"},` +
	`"created":{"type":"long"},"deadline":{"doc_values":false,"type":"long"},"expires":{"doc_values":false,"type":"long"},` +
	`"id":{"index":false,"type":"keyword"},"kind":{"doc_values":false,"type":"keyword"},"persistent":{"enabled":false,"type":"object"},` +
	`"previous":{"enabled":false,"type":"object"},"previousEnds":{"enabled":false,"type":"object"},"principal":{"doc_values":false,"type":"keyword"},` +
	`"raw":{"enabled":false,"type":"object"},"revs":{"enabled":false,"type":"object"},"seen":{"enabled":false,"type":"object"},` +
	`"values":{"enabled":false,"type":"object"},"verifier":{"enabled":false,"type":"object"},"writes":{"enabled":false,"type":"object"}}}`

// oldIndex makes an index as the first version did.
func (l *lab) oldIndex(t testing.TB, index string) {
	t.Helper()
	l.indexWith(t, index, mappingOfFormat1)
}

// indexWith makes an index with a mapping.
func (l *lab) indexWith(t testing.TB, index, mapping string) {
	t.Helper()
	l.call(t, http.MethodPut, "/"+index, fmt.Sprintf(
		`{"settings":{"index":{"number_of_shards":1,"auto_expand_replicas":"0-1"}},"mappings":%s}`, mapping))
}

// oldDocument returns the first version's document of a record; it had no Extra.
func oldDocument(t testing.TB, r *driver.Record) string {
	t.Helper()
	document, err := encodeRecord(r, false)
	if err != nil {
		t.Fatal(err)
	}
	return string(document)
}

// TestMappingsOfReleasesSideBySide: where a release before format 3 has made the template, a
// login that may not replace it makes indices; and where this one has, an earlier release
// does. An engine merges the mapping of an index into that of its template.
func TestMappingsOfReleasesSideBySide(t *testing.T) {
	t.Parallel()
	for _, dashboards := range []bool{false, true} {
		for name, old := range map[string]string{"1": mappingOfFormat1, "2": mappingOfFormat2} {
			t.Run(fmt.Sprintf("format %s, dashboards %v", name, dashboards), func(t *testing.T) {
				t.Parallel()
				l := newLab(t)
				now := time.Now()
				l.call(t, http.MethodPut, "/_index_template/"+l.index+"-periods", fmt.Sprintf(
					`{"index_patterns":["%s-*"],"priority":500,"template":{"mappings":%s}}`, l.index, old))
				s := l.open(t, nil, func(c *Config) { c.NoTemplate, c.Dashboards = true, dashboards })
				r := mustCreate(t, s, session(driver.LayoutDay, now))
				l.refresh(t)
				if found := foundBy(t, s, driver.Query{SeenFrom: r.Seen, Order: driver.OrderSeen}); len(found) != 1 {
					t.Errorf("found by its last activity: %v", found)
				}
				s = l.open(t, nil, func(c *Config) { c.Dashboards = dashboards })
				mustCreate(t, s, session(driver.LayoutDay, now.AddDate(0, 0, -1)))
				l.indexWith(t, s.names.of(driver.NewID(driver.LayoutDay, now.AddDate(0, 0, 1))), old)
				l.indexWith(t, l.index+"-imports", old)
				if codes := codesOf(t, s); len(codes) != 0 {
					t.Errorf("Report: %v", codes)
				}
			})
		}
	}
}

// TestMixedMappings has indices of format 1, with documents of the first version, beside
// indices of this version. A search finds everything, in order, page by page, from both.
func TestMixedMappings(t *testing.T) {
	t.Parallel()
	for _, oldFirst := range []bool{true, false} {
		t.Run(fmt.Sprintf("old index first %t", oldFirst), func(t *testing.T) {
			l, s := newStore(t)
			now := time.Now().UTC().Truncate(time.Millisecond)
			older, newer := now.AddDate(0, 0, -1), now
			old := older
			if !oldFirst {
				old = newer
			}
			l.oldIndex(t, s.names.of(driver.NewID(driver.LayoutDay, old)))
			l.oldIndex(t, s.names.of(driver.NewID(driver.LayoutImport, old)))
			warm(t, s)

			var all []*driver.Record
			for i := range 60 {
				r := session(driver.LayoutDay, []time.Time{older, newer}[i%2])
				if i%10 == 9 {
					r.ID = driver.NewID(driver.LayoutImport, now)
					r.ID[0] = byte(i)
				}
				// Many records have the same time, in both indices, and some an early
				// one.
				r.Created = now.Add(-time.Duration(i%4) * time.Second)
				switch i {
				case 7, 8:
					r.Created = time.UnixMilli(int64(i)).UTC()
				}
				r.Expires, r.Deadline = now.Add(time.Duration(i%7)*time.Minute), now.Add(24*time.Hour)
				r.Principal = []string{"alice", "bob", ""}[i%3]
				if made := r.ID.Time(); !made.IsZero() && made.Day() == old.Day() && i%4 < 2 {
					l.put(t, s, r.ID, oldDocument(t, r)) // as the first version wrote it
					got, err := s.Get(testContext(t), r.ID)
					if err != nil {
						t.Fatal(err)
					}
					r.Version = got.Version
				} else {
					r.Extra = driver.ValueList{{Name: driver.ExtraLevel, JSON: json.RawMessage("1")}}
					r = mustCreate(t, s, r)
				}
				all = append(all, r)
			}
			l.refresh(t)
			check := func(q driver.Query) {
				t.Helper()
				var want []*driver.Record
				for _, r := range all {
					if q.Matches(r) {
						want = append(want, r)
					}
				}
				slices.SortFunc(want, func(a, b *driver.Record) int { return a.Cursor().Compare(b.Cursor()) })
				if q.Limit > 0 {
					want = want[:min(len(want), q.Limit)]
				}
				var got []*driver.Record
				for r, err := range s.Search(testContext(t), q) {
					if err != nil {
						t.Fatalf("%+v: %v", q, err)
					}
					got = append(got, r)
				}
				if !reflect.DeepEqual(got, want) {
					t.Fatalf("%+v: found %d records, want %d, or in another order\n%v\n%v", q, len(got), len(want), cursors(got), cursors(want))
				}
				if q.After == (driver.Cursor{}) && q.Limit == 0 {
					if sum, err := s.Summarize(testContext(t), q); err != nil || sum.Records != int64(len(want)) {
						t.Errorf("%+v: a summary of %+v, %v; want %d", q, sum, err, len(want))
					}
				}
			}
			check(driver.Query{})
			ms := time.Millisecond
			for _, at := range []time.Time{now, now.Add(-ms), now.Add(time.Minute), now.Add(time.Minute + ms), time.UnixMilli(8)} {
				for _, q := range []driver.Query{{CreatedFrom: at}, {CreatedTo: at}, {ExpiresFrom: at}, {ExpiresTo: at}, {Principal: "alice", ExpiresFrom: at}} {
					check(q)
				}
			}
			for _, limit := range []int{1, 7, 59} {
				q := driver.Query{Limit: limit}
				found := 0
				for range len(all)/limit + 1 {
					check(q)
					var last *driver.Record
					for r, err := range s.Search(testContext(t), q) {
						if err != nil {
							t.Fatal(err)
						}
						last = r
						found++
					}
					if last == nil {
						break
					}
					q.After = last.Cursor()
				}
				if found != len(all) {
					t.Errorf("pages of %d have %d records, want %d", limit, found, len(all))
				}
			}

			// Each record is saved, buried and swept in its own index.
			for _, r := range all[:10] {
				u := update(r, `"saved"`)
				v, err := s.Update(testContext(t), u)
				if err != nil {
					t.Fatal(err)
				}
				u.Version = v
				if got, err := s.Get(testContext(t), r.ID); err != nil || !reflect.DeepEqual(got, u) {
					t.Errorf("%+v, %v\nwant %+v", got, err, u)
				}
				if err := s.Bury(testContext(t), u.ID, u.ExpiredGrave(now), v); err != nil {
					t.Fatal(err)
				}
			}
			l.refresh(t)
			all = all[10:]
			check(driver.Query{})
			if report := l.sweep(t, s, now.Add(30*time.Minute)); report != (driver.SweepReport{Buried: 5}) {
				t.Errorf("a sweep reports %+v, want 5 buried", report)
			}
			l.refresh(t)
			// The next period may be among the dropped, since the first sweep makes it.
			if report := l.sweep(t, s, now.AddDate(0, 1, 0)); report.Removed != 6 || report.Dropped < 2 {
				t.Errorf("a sweep reports %+v, want 6 removed and 2 periods dropped", report)
			}
		})
	}
}

func cursors(records []*driver.Record) (list []string) {
	for _, r := range records {
		list = append(list, fmt.Sprintf("%d %v", r.Created.UnixMilli(), r.ID))
	}
	return list
}

// TestTemplateOfFormat1: the template is upgraded. The first version leaves the new one
// alone, since its own number is lower, and works with the indices that come from it.
func TestTemplateOfFormat1(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	name := s.names.template()
	text, err := json.Marshal(s.indexSettings())
	if err != nil {
		t.Fatal(err)
	}
	old := strings.Replace(mappingOfFormat1, `{"format":1}`, fmt.Sprintf(`{"format":1,"settings":%q}`, text), 1)
	put := fmt.Sprintf(`{"index_patterns":[%q],"priority":500,"template":{"settings":%s,"mappings":%s}}`, s.names.pattern(), text, old)
	l.call(t, http.MethodPut, "/_index_template/"+name, put)
	there, err := s.getTemplate(testContext(t))
	if err != nil || there.mark == nil || there.mark.Format != 1 {
		t.Fatalf("%+v, %v", there, err)
	}
	report, err := s.Report(testContext(t))
	if err != nil || !slices.ContainsFunc(report.Problems, func(p driver.Problem) bool { return p.Code == "template-old" }) {
		t.Errorf("a report says %v, %v", report.Problems, err)
	}
	if err := s.Setup(testContext(t)); err != nil {
		t.Fatal(err)
	}
	there, err = s.getTemplate(testContext(t))
	// The first version asks this before it leaves a template alone, and before it uses
	// an index.
	if err != nil || there.mark == nil || there.mark.Format <= 1 {
		t.Errorf("%+v, %v", there, err)
	}
	list, err := s.listIndices(testContext(t), s.names.pattern())
	if err != nil || len(list) != 1 {
		t.Fatalf("%+v, %v", list, err)
	}
	for _, i := range list {
		if i.mark == nil || i.mark.Format <= 0 {
			t.Errorf("%+v", i)
		}
	}
}

// TestMembersOfOthers: members that an operator adds to a document stay, also beside
// values that engines refuse, and in graves.
func TestMembersOfOthers(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	other := l.open(t, nil, nil)
	for name, value := range map[string]string{"plain": `["coat"]`, "refused as JSON": `{"x":1,"x":2}`} {
		t.Run(name, func(t *testing.T) {
			r := session(driver.LayoutDay, time.Now())
			r.Values = driver.ValueList{{Name: "cart", JSON: json.RawMessage(value)}}
			r = mustCreate(t, s, r)
			add := func() {
				t.Helper()
				l.call(t, http.MethodPost, "/"+s.names.of(r.ID)+"/_update/"+r.ID.String(),
					`{"doc":{"note":{"by":["hand","é\""]},"a.b":1.50,"labels":{"a":"b"}}}`)
			}
			add()
			for _, store := range []*Store{s, other, s} {
				got, err := store.Get(testContext(t), r.ID)
				if err != nil || len(got.Extra) != 3 || string(got.Extra.Get("note")) != `{"by":["hand","é\""]}` || string(got.Values.Get("cart")) != value {
					t.Fatalf("%+v, %v", got, err)
				}
				next := *got
				next.Writes++
				if _, err := store.Update(testContext(t), &next); err != nil {
					t.Fatal(err)
				}
			}
			if err := s.Bury(testContext(t), r.ID, r.ExpiredGrave(r.Seen), driver.Version{}); err != nil {
				t.Fatal(err)
			}
			add()
			for range 2 {
				got, err := other.Get(testContext(t), r.ID)
				if !errors.Is(err, driver.ErrGone) || len(got.Grave.Extra) != 3 || got.Grave.Principal != r.Principal || got.Grave.App != r.App {
					t.Fatalf("%+v, %v", got, err)
				}
				if err := other.Bury(testContext(t), r.ID, *got.Grave, got.Version); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}
