package elasticstore

import (
	"bytes"
	"errors"
	"net/http"
	"reflect"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// asked counts a store's reads, and those of them that asked for the version alone.
type asked struct{ reads, versions atomic.Int64 }

func (a *asked) watch(f *faulty) {
	f.set(onKind("_mget", func(req *http.Request, body []byte, send func() (*http.Response, error)) (*http.Response, error) {
		a.reads.Add(1)
		if strings.Contains(req.URL.RawQuery, "_source=false") || bytes.Contains(body, []byte(`"_source":false`)) {
			a.versions.Add(1)
		}
		return send()
	}))
}

// take returns the counts since the last call.
func (a *asked) take() (reads, versions int64) { return a.reads.Swap(0), a.versions.Swap(0) }

// wantAsked reads a record through a store, and checks the requests that this made, and
// that the store's figures tell of them.
func wantAsked(t *testing.T, a *asked, s *Store, want *driver.Record, reads, versions int64) {
	t.Helper()
	a.take()
	before := s.Figures()
	got, err := s.Get(testContext(t), want.ID)
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("Get: %+v, %v\nwant %+v", got, err, want)
	}
	if r, v := a.take(); r != reads || v != versions {
		t.Fatalf("asked %d times, %d of them for the version alone; want %d and %d", r, v, reads, versions)
	}
	now, hits := s.Figures(), versions
	if reads > 1 {
		hits = 0 // the copy was stale
	}
	if n, h := now.Retries-before.Retries, now.CopyHits-before.CopyHits; n != reads-1 || h != hits {
		t.Errorf("the figures have %d retries and %d hits of copies, want %d and %d", n, h, reads-1, hits)
	}
}

// saved updates a record, and returns it with its new version.
func saved(t *testing.T, s *Store, r *driver.Record, value string) *driver.Record {
	t.Helper()
	u := update(r, value)
	v, err := s.Update(testContext(t), u)
	if err != nil {
		t.Fatal(err)
	}
	u.Version = v
	return u
}

// TestReadsOfCopies: a store asks for the version alone of records that it has read or
// written, and always returns the newest.
func TestReadsOfCopies(t *testing.T) {
	t.Parallel()
	l, f, s, r := faultyStore(t)
	other := l.open(t, nil, nil)
	var a asked
	a.watch(f)
	wantAsked(t, &a, s, r, 1, 1) // created
	r = saved(t, s, r, "1")
	wantAsked(t, &a, s, r, 1, 1) // saved
	wantAsked(t, &a, s, r, 1, 1)

	r = saved(t, other, r, "2")
	wantAsked(t, &a, s, r, 2, 1) // the copy is stale
	r = saved(t, other, r, "3")
	wantAsked(t, &a, s, r, 1, 0) // a stale copy isn't asked about again
	r = saved(t, s, r, "4")
	r = saved(t, other, r, "5")
	wantAsked(t, &a, s, r, 1, 0)
	wantAsked(t, &a, s, r, 1, 0) // that would have been right
	wantAsked(t, &a, s, r, 1, 1)
}

// TestI2_CopiesOfTheEnded: a copy never answers for a session that was ended elsewhere,
// or that isn't there any more.
func TestI2_CopiesOfTheEnded(t *testing.T) {
	t.Parallel()
	l, _, s, r := faultyStore(t)
	other := l.open(t, nil, nil)
	mustBury(t, other, r)
	_, err := s.Get(testContext(t), r.ID)
	wantError(t, err, driver.ErrGone)

	r = mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	mustBury(t, s, r)
	for range 2 {
		got, err := s.Get(testContext(t), r.ID)
		wantError(t, err, driver.ErrGone)
		if got.Grave == nil || got.Grave.Reason != driver.EndDestroyed || got.Values != nil {
			t.Fatalf("Get: %+v", got)
		}
	}

	r = mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	l.call(t, http.MethodDelete, "/"+s.names.of(r.ID)+"/_doc/"+r.ID.String(), "")
	_, err = s.Get(testContext(t), r.ID)
	wantError(t, err, driver.ErrNotFound)
}

func mustBury(t *testing.T, s *Store, r *driver.Record) {
	t.Helper()
	now := time.Now().UTC()
	err := s.Bury(testContext(t), r.ID, driver.Grave{Reason: driver.EndDestroyed, At: now, Until: now.Add(time.Hour)}, driver.Version{})
	if err != nil {
		t.Fatal(err)
	}
}

// TestCopiesOfAnIndexThatWasLost: an index that is made anew counts its versions from
// the start, and may reach a copy's version with another document.
func TestCopiesOfAnIndexThatWasLost(t *testing.T) {
	t.Parallel()
	l, _, s, r := faultyStore(t)
	l.remove(t, s.names.of(r.ID))
	if _, err := s.Get(testContext(t), r.ID); err == nil {
		t.Fatal("read from an index that isn't there")
	}
	other := update(r, `"other"`)
	document, err := encodeRecord(other, false)
	if err != nil {
		t.Fatal(err)
	}
	l.put(t, s, r.ID, string(document))
	got, err := s.Get(testContext(t), r.ID)
	if err != nil || bare(got.Version) != r.Version || got.Version == r.Version {
		t.Fatalf("Get: %+v, %v, want the numbers of %v, told apart from it", got, err, r.Version)
	}
	other.Version = got.Version
	if !reflect.DeepEqual(got, other) {
		t.Errorf("Get: %+v\nwant %+v", got, other)
	}
}

// TestCopiesAmongOthers: one request may ask for whole documents and for versions alone,
// in one index and in several.
func TestCopiesAmongOthers(t *testing.T) {
	t.Parallel()
	l, _, s, r := faultyStore(t)
	other := l.open(t, nil, nil)
	known := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	unknown := mustCreate(t, other, session(driver.LayoutDay, time.Now()))
	elsewhere := mustCreate(t, other, session(driver.LayoutImport, time.Now()))
	stale := saved(t, other, r, "1")
	at := func(r *driver.Record) target {
		return target{index: s.names.of(r.ID), id: r.ID, known: s.copies.of(r.ID)}
	}
	for name, records := range map[string][]*driver.Record{
		"one index":       {known, unknown, stale, known},
		"several indices": {elsewhere, known, unknown, stale},
	} {
		var targets []target
		for _, r := range records {
			targets = append(targets, at(r))
		}
		for i, got := range s.readAll(testContext(t), targets) {
			switch want := records[i]; {
			case want == stale:
				if !errors.Is(got.Err, errStale) {
					t.Errorf("%s: %d: %v, want that it is stale", name, i, got.Err)
				}
			case got.Err != nil || !reflect.DeepEqual(got.Value, want):
				t.Errorf("%s: %d: %+v, %v\nwant %+v", name, i, got.Value, got.Err, want)
			}
		}
	}
	// A reader without a copy gets the document, and so does one with a copy in the same
	// request.
	with, without := at(known), at(known)
	without.known = nil
	for _, both := range [][]target{{with, without}, {without, with}} {
		for i, got := range s.readAll(testContext(t), both) {
			if got.Err != nil || !reflect.DeepEqual(got.Value, known) {
				t.Errorf("%d: %+v, %v", i, got.Value, got.Err)
			}
		}
	}
}

// TestNoCopies: a negative CopyBytes keeps none.
func TestNoCopies(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	f := newFaulty(l.client)
	s := l.open(t, f, func(c *Config) { c.CopyBytes = -1 })
	var a asked
	a.watch(f)
	r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	wantAsked(t, &a, s, r, 1, 0)
	wantAsked(t, &a, s, r, 1, 0)
}

// TestCopiesAreBounded: the copies' bytes are bounded, in documents and in records.
func TestCopiesAreBounded(t *testing.T) {
	t.Parallel()
	c := newCopies(64 << 10)
	for range 200 {
		c.wrote(&write{id: driver.NewID(driver.LayoutDay, time.Now()), document: make([]byte, 1000)}, driver.Version{Term: 1, Seq: 1}, nil)
		c.found(session(driver.LayoutDay, time.Now()))
	}
	if n := c.all.Bytes(); n > 64<<10 || n < 60<<10 || c.all.Len() > 50 {
		t.Errorf("%d copies count %d bytes", c.all.Len(), n)
	}
	c.forgetAll()
	if n := c.all.Len(); n != 0 {
		t.Errorf("%d copies are left of all that were dropped", n)
	}
}

// TestCopiesOvertaken: an answer that comes late doesn't replace a newer copy.
func TestCopiesOvertaken(t *testing.T) {
	t.Parallel()
	c := newCopies(64 << 10)
	r := session(driver.LayoutDay, time.Now())
	r.Version = driver.Version{Term: 1, Seq: 7}
	c.found(r)
	older := *r
	older.Version.Seq = 6
	c.found(&older)
	if k := c.of(r.ID); k == nil || k.version != r.Version {
		t.Errorf("the copy is %+v", k)
	}
}
