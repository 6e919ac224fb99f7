package transfer_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file moves to a real engine and back.

// ask makes a request to an engine.
func ask(t *testing.T, method, url string) []byte {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, url, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 && res.StatusCode != http.StatusNotFound {
		t.Fatalf("%s %s: %s %s %v", method, url, res.Status, body, err)
	}
	return body
}

// newIndices returns a place on the shared engine that is cleared afterwards.
func newIndices(t *testing.T) (url, index string) {
	t.Helper()
	url, index = testengine.Shared(t), fmt.Sprintf("moving-%08x", rand.Uint32())
	t.Cleanup(func() {
		var there map[string]any
		if err := json.Unmarshal(ask(t, http.MethodGet, url+"/"+index+"*?filter_path=*.settings.index.uuid"), &there); err != nil {
			t.Fatal(err)
		}
		for name := range there {
			ask(t, http.MethodDelete, url+"/"+name)
		}
		for _, name := range []string{"-periods", "-fence"} {
			ask(t, http.MethodDelete, url+"/_index_template/"+index+name)
		}
	})
	return url, index
}

// openIndices opens a store on an engine.
func openIndices(t *testing.T, url, index string) *elasticstore.Store {
	t.Helper()
	client, err := elasticstore.NewClient(elasticstore.ClientConfig{URLs: []string{url}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := elasticstore.New(client, &elasticstore.Config{Index: index, RequestTimeout: 30 * time.Second, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		s.Close()
		http.DefaultClient.CloseIdleConnections()
	})
	return s
}

// TestEngine moves an application with visitors from a file to an engine, and later back
// into the same file. Who was signed out meanwhile stays out.
func TestEngine(t *testing.T) {
	from := newFile(t)
	url, index := newIndices(t)
	to := openIndices(t, url, index)
	m, found := mover(t, from, to, func(c *transfer.Config) { c.Patience = time.Minute })
	walk(t, from, to, 30, passes(t, m, found))
	if s := found.String(); s != "" {
		t.Error(s)
	}
	if _, err := transfer.Unfence(t.Context(), from); err != nil {
		t.Fatal(err)
	}
	m, found = mover(t, to, from, func(c *transfer.Config) { c.Patience = time.Minute })
	walk(t, to, from, 30, passes(t, m, found))
	if s := found.String(); s != "" {
		t.Error(s)
	}
}

// TestEverything moves records and graves of all layouts, with all that they can have,
// through all kinds of stores, and finds them as they were.
func TestEverything(t *testing.T) {
	url, index := newIndices(t)
	var first driver.Store = memstore.New(nil)
	ids := fillWithAll(t, first)
	from := first
	for _, to := range []driver.Store{newFile(t), openIndices(t, url, index), newFile(t), memstore.New(nil)} {
		m, found := mover(t, from, to, nil)
		cut := mustCut(t, m, found)
		if cut.Copied != int64(len(ids)) || found.String() != "" {
			t.Fatalf("%T to %T: %+v\n%s", from, to, cut, found)
		}
		from = to
	}
	for _, id := range ids {
		got, want := at(t, from, id), at(t, first, id)
		if g := got.Grave; g != nil {
			g.Extra = g.Extra.Without(driver.ExtraCopied)
		} else {
			got.Extra = got.Extra.Without(driver.ExtraCopied)
		}
		got.Version = want.Version
		if g, w := plain(got), plain(want); g != w {
			t.Errorf("%v is\n%s\nand was\n%s", id, g, w)
		}
	}
}

// plain spells a record or a grave.
func plain(r *driver.Record) string {
	var b strings.Builder
	list := func(l driver.ValueList) {
		for name, raw := range l.All() {
			fmt.Fprintf(&b, " %q=%s", name, raw)
		}
	}
	if g := r.Grave; g != nil {
		fmt.Fprint(&b, g.Reason, g.At, g.Until, g.Successor, g.App, g.Principal, g.Writes, g.WriteIDs)
		list(g.Extra)
		return b.String()
	}
	fmt.Fprint(&b, r.Kind, r.App, r.Principal, r.Created, r.Authenticated, r.Seen, r.Expires, r.Deadline, string(r.Verifier), string(r.Previous), r.PreviousEnds, r.Persistent, r.Client, r.Writes, r.WriteIDs)
	list(r.Values)
	b.WriteString(" /")
	list(r.Extra)
	return b.String()
}

// fillWithAll fills a store with records and graves that have everything in all ways.
func fillWithAll(t *testing.T, s driver.Store) (ids []driver.ID) {
	t.Helper()
	now := time.Now().UTC().Truncate(time.Millisecond)
	pick := func(n int) bool { return rand.IntN(n) == 0 }
	for i := range 400 {
		l := []driver.Layout{driver.LayoutHour, driver.LayoutDay, driver.LayoutWeek, driver.LayoutMonth, driver.LayoutLedger, driver.LayoutImport}[i%6]
		r := session(l)
		if l == driver.LayoutLedger || l == driver.LayoutImport {
			r.ID = driver.DerivedID(l, fmt.Sprint(rand.Uint64()))
		}
		if pick(3) {
			r.Kind = driver.KindLedger // entries of imports have an id of a session's layout
		}
		r.App = []string{"shop", "büro", ""}[i%3]
		r.Principal = []string{"", "ann", "Ä\u2028\"\\"}[rand.IntN(3)]
		r.Writes = rand.Uint64N(1 << 40)
		r.WriteIDs = nil
		for range rand.IntN(driver.MaxWriteIDs + 1) {
			r.WriteIDs = append(r.WriteIDs, driver.NewWriteID())
		}
		for _, at := range []*time.Time{&r.Authenticated, &r.PreviousEnds, &r.Seen, &r.Expires, &r.Deadline} {
			switch {
			case pick(5):
				*at = time.Time{}
			case pick(2):
				*at = now.Add(time.Duration(1+rand.IntN(3600_000)) * time.Millisecond)
			}
		}
		r.Verifier, r.Previous, r.Persistent = make([]byte, rand.IntN(3)*33), make([]byte, rand.IntN(2)*52), pick(2)
		r.Client = driver.Client{Address: []string{"", "2001:db8::1"}[rand.IntN(2)], UserAgent: strings.Repeat("ü", rand.IntN(20))}
		r.Values = driver.NewValueList(map[string]json.RawMessage{
			"n": json.RawMessage(`1.50`), "a.b": json.RawMessage(`{"x":[1,{"y":null}],"x2":"\ud83d\ude00"}`), "": json.RawMessage(`""`), "dup": json.RawMessage(`{"z":1,"z":2}`),
			"deep": json.RawMessage(strings.Repeat("[", 60) + strings.Repeat("]", 60)), "long": json.RawMessage(`"` + strings.Repeat("x", rand.IntN(5000)) + `"`),
		})
		r.Extra = driver.NewValueList(map[string]json.RawMessage{"idle": json.RawMessage("0"), "later": json.RawMessage(`{"a":[1,2]}`)})
		create(t, s, r)
		ids = append(ids, r.ID)
		if pick(4) {
			g := r.GraveFor(driver.EndReplaced, now, driver.NewWriteID())
			g.Successor, g.Extra = driver.NewID(driver.LayoutDay, now), driver.ValueList{{Name: driver.ExtraReplaced, JSON: json.RawMessage(`{"unused":true}`)}}
			if g.Until = now.Add(time.Hour); pick(4) {
				g = driver.Grave{Reason: driver.EndRevoked, Until: g.Until}
			}
			if err := s.Bury(t.Context(), r.ID, g, driver.Version{}); err != nil {
				t.Fatal(err)
			}
		}
	}
	slices.SortFunc(ids, func(a, b driver.ID) int { return strings.Compare(a.String(), b.String()) })
	return ids
}
