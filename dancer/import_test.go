package dancer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/dancer"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file tests that the old module's sessions come along with their visitors, on a
// real engine: the documents that were recorded are in its old index, below a mapping
// type where the engine still has those.

// recordedSession is a session as the module kept it.
type recordedSession struct {
	Dancer, Name string
	Length       int
	Value        string // the cookie's
	ID           string
	Source       string `json:"source_raw"` // the document
}

// unsaved is the document of a session whose values the module failed to save.
const unsaved = "{}"

// recordedSessions returns those of a signing length that were saved.
func recordedSessions(t testing.TB, length int) (all []recordedSession) {
	t.Helper()
	text, err := os.ReadFile("testdata/vectors.json")
	if err != nil {
		t.Fatal(err)
	}
	var r struct{ Sessions []recordedSession }
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	for _, s := range r.Sessions {
		if s.Length == length && s.Source != unsaved {
			all = append(all, s)
		}
	}
	if len(all) < 2 {
		t.Fatalf("%d sessions of length %d were recorded", len(all), length)
	}
	return all
}

// values returns the values that the visitor has to keep.
func (s recordedSession) values(t testing.TB) map[string]string { return valuesOf(t, s.Source) }

func valuesOf(t testing.TB, document string) map[string]string {
	t.Helper()
	var raw map[string]json.RawMessage
	if err := json.Unmarshal([]byte(document), &raw); err != nil {
		t.Fatal(err)
	}
	values := map[string]string{}
	for name, v := range raw {
		if name != "id" {
			values[name] = compact(t, v)
		}
	}
	return values
}

func compact(t testing.TB, raw json.RawMessage) string {
	t.Helper()
	var b bytes.Buffer
	if err := json.Compact(&b, raw); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// makeOldIndex makes the old index, whose mapping fixes no types of values, and returns
// the path below which its documents are: of a mapping type, if the engine has them.
func (l *lab) makeOldIndex() string {
	l.Helper()
	status, answer := l.try(http.MethodPut, "/"+l.index+"?include_type_name=true", `{"mappings":{"my_session":{"dynamic":false}}}`)
	if status == http.StatusOK {
		l.Log("the old index has the mapping type my_session")
		return "/" + l.index + "/my_session"
	}
	if status != http.StatusBadRequest {
		l.Fatalf("status %d: %s", status, answer)
	}
	l.call(http.MethodPut, "/"+l.index, `{"mappings":{"dynamic":false}}`)
	return "/" + l.index + "/_doc"
}

// left reports whether the old index has a document.
func (l *lab) left(id string) bool {
	l.Helper()
	status, answer := l.try(http.MethodGet, "/"+l.index+"/_doc/"+id, "")
	if status != http.StatusOK && status != http.StatusNotFound {
		l.Fatalf("status %d: %s", status, answer)
	}
	return status == http.StatusOK
}

// importing are the options of an application that takes the old sessions over.
func importing() *dancer.OpenOptions {
	return &dancer.OpenOptions{Import: &dancer.ImportOptions{
		Until: time.Now().Add(90 * 24 * time.Hour), Principal: dancer.PrincipalIn("user"), AllowShort: true,
	}}
}

// seen is what a request finds.
type seen struct {
	principal string
	values    map[string]string
}

func (a *app) see(b *browser) (found seen) {
	a.Helper()
	a.visit(b, 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		found = seen{s.Principal(), map[string]string{}}
		for name := range s.Names() {
			raw, _ := s.Raw(name)
			found.values[name] = string(raw)
		}
		return s.Err()
	})
	return found
}

func (a *app) wantSeen(what string, b *browser, principal string, values map[string]string) {
	a.Helper()
	if got := a.see(b); got.principal != principal || !maps.Equal(got.values, values) {
		a.Errorf("%s: the request finds %q with\n%q, want %q with\n%q", what, got.principal, got.values, principal, values)
	}
}

// withOld returns a browser that has the old cookie, as Dancer encoded it.
func withOld(value string) *browser {
	return &browser{cookies: map[string]string{"dancer.session": url.QueryEscape(value)}}
}

// TestImportOfRecordedSessions: each visitor with a recorded session keeps all of its
// values, and is signed in if it was; the old document and cookie are gone. A document
// that is put back brings nobody back, and makes no second session.
func TestImportOfRecordedSessions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	documents := l.makeOldIndex()
	sessions, graves := 0, 0
	for _, length := range []int{5, 10, 16, 40} {
		a := l.open(l.config(fmt.Sprint("  length: ", length), ""), importing())
		for n, s := range recordedSessions(t, length) {
			put := func() { l.call(http.MethodPut, documents+"/"+s.ID, s.Source) }
			put()
			what := fmt.Sprintf("%s, %s, length %d", s.Dancer, s.Name, length)
			values, principal := s.values(t), strings.Trim(s.values(t)["user"], `"`)
			b := withOld(s.Value)
			a.wantSeen(what, b, principal, values)
			if l.left(s.ID) {
				t.Errorf("%s: the old document is left", what)
			}
			if _, there := b.cookies["dancer.session"]; there || b.cookies["session"] == "" {
				t.Errorf("%s: the browser has %q", what, slices.Sorted(maps.Keys(b.cookies)))
			}
			put() // from a backup, or by an old process
			a.wantSeen(what+", again", b, principal, values)
			if sessions++; n%2 > 0 {
				continue
			}
			a.visit(b, 200, func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
				return s.Destroy(r.Context())
			})
			late := withOld(s.Value)
			a.wantSeen(what+", after the sign-out", late, "", nil)
			if late.cookies["session"] != "" {
				t.Errorf("%s: the old cookie of one who signed out got a token", what)
			}
			sessions, graves = sessions-1, graves+1
		}
	}
	kinds := map[string]int{}
	for _, d := range l.documents(l.index + "-imports") {
		kinds[string(d.members(l)["kind"])]++
	}
	if kinds[`"session"`] != sessions || kinds[`"grave"`] != graves {
		t.Errorf("there are %v, want %d sessions and %d graves", kinds, sessions, graves)
	}
}

// TestImportInParallel: the first requests of a visitor, in two processes, get one token,
// and lose nothing.
func TestImportInParallel(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	documents := l.makeOldIndex()
	path := l.config("", "")
	apps := []*app{l.open(path, importing()), l.open(path, importing())}
	for _, s := range recordedSessions(t, 10) {
		l.call(http.MethodPut, documents+"/"+s.ID, s.Source)
		browsers := make([]*browser, 4)
		var all sync.WaitGroup
		for n := range browsers {
			browsers[n] = withOld(s.Value)
			all.Go(func() {
				apps[n%2].visit(browsers[n], 200, func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
					count.Update(s, func(n int) int { return n + 1 })
					return nil
				})
			})
		}
		all.Wait()
		for _, b := range browsers {
			if b.cookies["session"] == "" || b.cookies["session"] != browsers[0].cookies["session"] {
				t.Errorf("%s: the requests got the tokens %.8q… and %.8q…", s.Name, b.cookies["session"], browsers[0].cookies["session"])
			}
		}
		values := s.values(t)
		values["count"] = fmt.Sprint(len(browsers))
		apps[0].wantSeen(s.Name, browsers[1], strings.Trim(values["user"], `"`), values)
		if l.left(s.ID) {
			t.Errorf("%s: the old document is left", s.Name)
		}
	}
}

// TestImportRefuses: a cookie that isn't right gets a stranger's session, and its document
// stays. One that is right and opens nothing isn't taken for a guess.
func TestImportRefuses(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	documents := l.makeOldIndex()
	refused := 0
	options := importing()
	options.Adjust = func(c *cloakroom.Config) {
		c.Events = &cloakroom.Events{Refused: func(_ context.Context, _ cloakroom.ID, why cloakroom.Refusal) {
			if why == cloakroom.RefusedForeign {
				refused++
			}
		}}
	}
	a := l.open(l.config("", ""), options)
	s := recordedSessions(t, 10)[1]
	l.call(http.MethodPut, documents+"/"+s.ID, s.Source)
	signer := a.Config.Signer()
	salted := signer.Hash(s.ID, "another.sa") + "another.sa" + s.ID
	if id, err := signer.Verify(salted); err != nil || id != s.ID {
		t.Fatalf("%q, %v", id, err)
	}
	l.call(http.MethodPut, documents+"/unsaved", unsaved)
	sign := func(id string) string { return signer.Hash(id, "0123456789") + "0123456789" + id }
	for value, wrong := range map[string]int{
		salted: 1, "0" + s.Value[1:]: 1, s.ID: 1, sign("absent"): 0, sign("../_search"): 0, sign("unsaved"): 0,
	} {
		b := withOld(value)
		refused = 0
		a.wantSeen(value, b, "", nil)
		if b.cookies["session"] != "" || refused != wrong {
			t.Errorf("%q got the token %q, and %d refusals", value, b.cookies["session"], refused)
		}
	}
	if !l.left(s.ID) {
		t.Error("the document is gone")
	}
	a.wantSeen("the right cookie", withOld(s.Value), "alice", s.values(t))
}

// TestImportWithoutAnIndex: a missing old index may be a wrong name, so visitors with an
// old cookie aren't taken for strangers.
func TestImportWithoutAnIndex(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.open(l.config("", ""), importing())
	s := recordedSessions(t, 10)[1]
	b := withOld(s.Value)
	look := func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error { return s.Err() }
	a.visit(b, 503, look)
	a.visit(new(browser), 200, look)
	if b.cookies["dancer.session"] == "" {
		t.Error("the outage cost the visitor the cookie")
	}
	l.call(http.MethodPut, l.makeOldIndex()+"/"+s.ID, s.Source)
	a.wantSeen("the index is there", b, "alice", s.values(t))
}

// TestImportFromAnAlias: the old name may be an alias of an index.
func TestImportFromAnAlias(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	l.call(http.MethodPut, "/"+l.index+"_old", fmt.Sprintf(`{"aliases":{%q:{}},"mappings":{"dynamic":false}}`, l.index))
	a := l.open(l.config("", ""), importing())
	s := recordedSessions(t, 10)[1]
	l.call(http.MethodPut, "/"+l.index+"/_doc/"+s.ID, s.Source)
	a.wantSeen("by an alias", withOld(s.Value), "alice", s.values(t))
	if l.left(s.ID) {
		t.Error("the document is left")
	}
	old := a.Config.OldIndex(a.Store.Client())
	if state, err := old.State(t.Context()); err != nil || !state.Exists || !slices.Equal(state.Behind, []string{l.index + "_old"}) {
		t.Errorf("the state is %+v, %v", state, err)
	}
	if err := old.Delete(t.Context()); err == nil || !strings.Contains(err.Error(), "is an alias") {
		t.Errorf("the alias was deleted: %v", err)
	}
}

// TestImportAsksTheAdjustedEngine: what AdjustStore changes is true of the old index as
// well, and of a store that is wrapped. With is_lazy: 1 nobody has to flush.
func TestImportAsksTheAdjustedEngine(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	options := importing()
	options.AdjustStore = func(c *elasticstore.ClientConfig, s *elasticstore.Config) {
		c.URLs, s.Index = []string{l.url}, l.index+"-new"
	}
	a := l.open(l.configOf("127.0.0.1:1", "is_lazy: 1", ""), options)
	s := recordedSessions(t, 10)[1]
	l.call(http.MethodPut, l.makeOldIndex()+"/"+s.ID, s.Source)
	b := withOld(s.Value)
	a.wantSeen("the first request", b, "alice", s.values(t))
	a.wantSeen("the second", b, "alice", s.values(t))
	if l.left(s.ID) {
		t.Error("the old document is left")
	}
	l.try(http.MethodDelete, "/_index_template/"+l.index+"-new-periods", "")
}

// TestImportOldIndex: how much is left, and the deletion of the old index, which leaves
// the new ones alone.
func TestImportOldIndex(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	a := l.open(l.config("", ""), importing())
	old := a.Config.OldIndex(a.Store.Client())
	if state, err := old.State(t.Context()); err != nil || state.Exists {
		t.Errorf("before: %+v, %v", state, err)
	}
	documents := l.makeOldIndex()
	for _, s := range recordedSessions(t, 10) {
		l.call(http.MethodPut, documents+"/"+s.ID, s.Source)
	}
	end, err := a.Admin().ImportEnd(t.Context(), old.Importer())
	if err != nil || !end.IsZero() {
		t.Errorf("before any import the end is %v, %v", end, err)
	}
	s := recordedSessions(t, 10)[1]
	b := withOld(s.Value)
	a.wantSeen("before", b, "alice", s.values(t))
	l.call(http.MethodPost, "/"+l.index+"/_refresh", "")
	all := int64(len(recordedSessions(t, 10)))
	if state, err := old.State(t.Context()); err != nil || state.Documents != all-1 || state.Behind != nil {
		t.Errorf("%+v, %v, want %d documents", state, err, all-1)
	}
	end, err = a.Admin().ImportEnd(t.Context(), old.Importer())
	if days := time.Until(end) / (24 * time.Hour); err != nil || days != 89 {
		t.Errorf("the end of imports is %v, %v", end, err)
	}
	if err := old.Delete(t.Context()); err != nil {
		t.Error(err)
	}
	if state, err := old.State(t.Context()); err != nil || state.Exists {
		t.Errorf("afterwards: %+v, %v", state, err)
	}
	a.wantSeen("afterwards", b, "alice", s.values(t))
}

// TestImportOptions: Adjust gets the import, and a wrong one is an error of Open.
func TestImportOptions(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	end := time.Now().Add(time.Hour)
	l.open(l.config("", ""), &dancer.OpenOptions{
		Import: &dancer.ImportOptions{Until: end},
		Adjust: func(c *cloakroom.Config) {
			if c.Import == nil || c.Import.From.Name() != "dancer "+l.index || !c.Import.Until.Equal(end) || c.Import.Principal != nil {
				t.Errorf("Adjust was given %+v", c.Import)
			}
		},
	})
	for _, test := range []struct {
		options, want string
		im            dancer.ImportOptions
	}{
		{"", "with OpenOptions: cloakroom: Config.Import.Until isn't set", dancer.ImportOptions{}},
		{"", "400 days", dancer.ImportOptions{Until: time.Now().Add(500 * 24 * time.Hour)}},
		{"  length: 7", "signing.length is 7, so an old signature has 28 bits", dancer.ImportOptions{Until: end}},
	} {
		s, err := dancer.Open(t.Context(), l.config(test.options, ""), &dancer.OpenOptions{Import: &test.im, Logger: slog.New(slog.DiscardHandler)})
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.HasPrefix(err.Error(), "dancer: ") || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), oldSecret) {
			t.Errorf("got error %v, want one with %q", err, test.want)
		}
	}
}
