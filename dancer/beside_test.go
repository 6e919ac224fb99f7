package dancer_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/dancer"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file tests that new sessions and the old index can exist at once: the old index
// never changes, and none of its documents is taken for a new session.

// life makes sessions do everything that they can.
func (a *app) life() {
	a.Helper()
	t, ctx := a.TB, a.Context()
	check := func(what string, err error) {
		t.Helper()
		if err != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	check("Setup", a.Store.Setup(ctx))
	b := new(browser)
	for i := range 3 {
		a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			count.Set(s, i)
			color.Set(s, "blue")
			return nil
		})
	}
	a.visit(b, 200, func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
		return s.Login(r.Context(), "ann", nil)
	})
	a.visit(b, 200, func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error { return s.Renew(r.Context()) })
	other := a.stored(1)
	check("Login", other.Login(ctx, "ann", nil))
	check("RevokeAll", a.Admin().RevokeAll(ctx, "ann"))
	check("Destroy", a.stored(2).Destroy(ctx))
	left := a.stored(3)

	a.call(http.MethodPost, "/"+a.index+"-*/_refresh", "")
	found := 0
	for rec, err := range a.Admin().Search(ctx, driver.Query{}) {
		check("Search", err)
		if err == nil && rec.ID == left.ID() {
			found++
		}
	}
	if found != 1 {
		t.Errorf("a search finds the session %d times", found)
	}
	if n, err := a.Store.Summarize(ctx, driver.Query{}); err != nil || n.Records != 1 || n.SignedIn != 0 {
		t.Errorf("the summary is %+v, %v, want one record", n, err)
	}
	report, err := a.Store.Report(ctx)
	check("Report", err)
	for _, p := range report.Problems {
		t.Errorf("a problem is reported: %+v", p)
	}
	for _, later := range []time.Duration{0, time.Hour, 1000 * 24 * time.Hour} {
		_, err := a.Store.Sweep(ctx, time.Now().Add(later))
		check("Sweep", err)
		a.call(http.MethodPost, "/"+a.index+"-*/_refresh", "")
	}
}

// decoys are members of a new document, by which an old one might be taken for one.
const decoys = `,"kind":"session","app":"my_session","deadline":1,"expires":1,"principal":"ann"`

// oldIndex makes the old module's index before sessions are opened: with its documents,
// and the mapping that the engine derives from them.
func (l *lab) oldIndex() {
	l.Helper()
	signer, err := dancer.NewSigner(oldSecret, 0)
	if err != nil {
		l.Fatal(err)
	}
	for i := range 5 {
		l.old(signer, fmt.Sprintf(`"count":%d,"color":"blue","cart":{"coat":{"n":%d}},"seen":"2026-11-22T22:02:34Z"%s`, i, i, decoys))
	}
	l.call(http.MethodPost, "/"+l.index+"/_refresh", "")
}

// state returns everything that can be seen of an index: a line for settings, one for
// the mapping, one for the number of writes, and one for each document with its
// versions.
func (l *lab) state(index string) string {
	l.Helper()
	var b strings.Builder
	for _, path := range []string{
		"/" + index,
		"/" + index + "/_stats?level=shards&filter_path=_all.primaries.docs.count,_all.primaries.indexing.*_total,indices.*.shards.*.seq_no.max_seq_no",
	} {
		b.Write(l.call(http.MethodGet, path, ""))
		b.WriteByte('\n')
	}
	for _, d := range l.documents(index) {
		fmt.Fprintln(&b, d.Index, d.ID, d.Number, d.Seq, d.Term, string(d.Source))
	}
	return b.String()
}

// wantState checks that an index hasn't changed.
func (l *lab) wantState(index, before string) {
	l.Helper()
	was, is := strings.Split(before, "\n"), strings.Split(l.state(index), "\n")
	if len(was) < 5+2 || len(was) != len(is) {
		l.Errorf("%s had %d lines and has %d", index, len(was), len(is))
		return
	}
	for i := range was {
		if was[i] != is[i] {
			l.Errorf("%s was\n%s\nand is\n%s", index, was[i], is[i])
		}
	}
}

// TestOldIndexIsLeftAlone: after a whole life of sessions, and the sweep, the old index
// is byte for byte the same: documents, versions, mapping, settings, and the number of
// writes.
func TestOldIndexIsLeftAlone(t *testing.T) {
	t.Parallel()
	for _, lazy := range []string{"0", "1"} {
		l := newLab(t)
		l.oldIndex()
		before := l.state(l.index)
		l.open(l.config("is_lazy: "+lazy, ""), nil).life()
		l.wantState(l.index, before)
	}
}

// TestSweepAndTheOldIndex: the sweep removes new sessions that are over, which the old
// document left to the engine's ttl. It removes none of the old ones, however long they
// are over.
func TestSweepAndTheOldIndex(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.oldIndex()
	before := l.state(l.index)
	a := l.open(l.config("", ""), nil)
	id := a.stored(1).ID()
	sweep := func(later time.Duration) {
		t.Helper()
		if _, err := a.Store.Sweep(t.Context(), time.Now().Add(later)); err != nil {
			t.Fatal(err)
		}
	}
	there := func() bool {
		return slices.ContainsFunc(l.news(), func(d document) bool { return d.ID == id.String() })
	}
	if sweep(time.Hour); !there() {
		t.Error("a sweep removed a live session")
	}
	if sweep(100 * 24 * time.Hour); there() {
		t.Error("a sweep left a session that was over for months")
	}
	l.wantState(l.index, before)
}

// TestRequestsNameNewIndicesOnly: no request names the old index, or a pattern that
// matches it. Each index is made, with our mapping, before it is written to.
func TestRequestsNameNewIndicesOnly(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var mu sync.Mutex
	made := map[string]bool{}
	back := &http.Transport{}
	proxy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		mu.Lock()
		name, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
		where := []string{}
		if name != "" && !strings.HasPrefix(name, "_") {
			where = strings.Split(name, ",")
		}
		if r.Method == http.MethodPut && len(where) == 1 && r.URL.Path == "/"+name {
			made[name] = true
		}
		for line := range strings.Lines(string(body)) {
			var action map[string]struct {
				Index string `json:"_index"`
			}
			if strings.HasSuffix(r.URL.Path, "/_bulk") && json.Unmarshal([]byte(line), &action) == nil {
				for verb, a := range action {
					if a.Index == "" {
						continue
					}
					where = append(where, a.Index)
					if !made[a.Index] {
						t.Errorf("%s into %s, which wasn't made", verb, a.Index)
					}
				}
			}
		}
		if strings.HasSuffix(r.URL.Path, "/_mget") {
			var asked struct {
				Docs []struct {
					Index string `json:"_index"`
				}
			}
			if err := json.Unmarshal(body, &asked); err != nil {
				t.Error(err)
			}
			for _, d := range asked.Docs {
				if d.Index != "" {
					where = append(where, d.Index)
				}
			}
		}
		mu.Unlock()
		for _, index := range where {
			if !strings.HasPrefix(index, l.index+"-") {
				t.Errorf("%s %s names %q", r.Method, r.URL, index)
			}
		}
		out, err := http.NewRequestWithContext(r.Context(), r.Method, l.url+r.URL.RequestURI(), bytes.NewReader(body))
		if err != nil {
			t.Error(err)
			return
		}
		out.Header = r.Header.Clone()
		res, err := back.RoundTrip(out)
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			return
		}
		defer res.Body.Close()
		w.Header().Set("Content-Type", res.Header.Get("Content-Type"))
		w.WriteHeader(res.StatusCode)
		io.Copy(w, res.Body)
	}))
	t.Cleanup(func() { proxy.Close(); back.CloseIdleConnections() })
	l.oldIndex()
	l.open(l.configOf(proxy.URL, "", ""), nil).life()
	if len(made) < 3 {
		t.Errorf("the indices %v were made", made)
	}
}

// TestOldIndexAsAnAliasOrAbsent: the old name may be an alias, even of an index whose
// name is like the new ones'. It may also not exist.
func TestOldIndexAsAnAliasOrAbsent(t *testing.T) {
	t.Parallel()
	for _, behind := range []string{"_old", "-old", "-1"} {
		l := newLab(t)
		l.call(http.MethodPut, "/"+l.index+behind, fmt.Sprintf(`{"aliases":{%q:{}}}`, l.index))
		l.oldIndex()
		before := l.state(l.index + behind)
		l.open(l.config("", ""), nil).life()
		l.wantState(l.index+behind, before)
	}
	l := newLab(t)
	l.open(l.config("", ""), nil).life()
	if status, _ := l.try(http.MethodHead, "/"+l.index, ""); status != http.StatusNotFound {
		t.Errorf("there is something of the old name: status %d", status)
	}
}

// TestWithoutAutoCreateIndex: an engine that makes no index by itself is as good.
func TestWithoutAutoCreateIndex(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts an engine of its own")
	}
	e := testengine.Start(t, testengine.Options{Settings: map[string]string{"action.auto_create_index": "false"}})
	l := newLabAt(t, e.URL())
	l.call(http.MethodPut, "/"+l.index, "")
	l.oldIndex()
	before := l.state(l.index)
	l.open(l.config("", ""), nil).life()
	l.wantState(l.index, before)
}
