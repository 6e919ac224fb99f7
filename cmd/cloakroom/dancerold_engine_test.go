package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/dancer"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file tests "cloakroom dancer status" and "cloakroom dancer purge" on a real engine.

// moving is an application that moves here, with old sessions in an index of its own.
type moving struct {
	*testing.T
	engine, index, path string
	made                int // old sessions
}

func newMoving(t *testing.T) *moving {
	t.Helper()
	noDancerVariables(t)
	m := &moving{T: t, engine: testengine.Shared(t), index: fmt.Sprintf("my_index%d", time.Now().UnixNano()), path: filepath.Join(t.TempDir(), "config.yml")}
	text := fmt.Sprintf("session: ElasticSearch\nsession_options:\n  connection:\n    servers: %q\n  index: %q\n  signing:\n    secret: %q\n", m.engine, m.index, secretText)
	if err := os.WriteFile(m.path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		removeIndices(t, m.engine, m.index)
		for _, name := range []string{m.index + "_a", m.index} { // the first with its alias
			if there(t, m.engine+"/"+name) {
				engineCall(t, "DELETE", m.engine+"/"+name, "")
			}
		}
	})
	return m
}

// there reports whether the engine has something at an address.
func there(t *testing.T, address string) bool {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), http.MethodGet, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Close = true
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode == http.StatusOK
}

// old makes an old session, and returns its cookie's value.
func (m *moving) old() string {
	m.Helper()
	signer, err := dancer.NewSigner(secretText, 0)
	if err != nil {
		m.Fatal(err)
	}
	m.made++
	id := fmt.Sprintf("document%012d", m.made)
	value, err := signer.Sign(id)
	if err != nil {
		m.Fatal(err)
	}
	engineCall(m.T, "PUT", m.engine+"/"+m.index+"/_doc/"+id+"?refresh=true", fmt.Sprintf(`{"id":%q,"user":"ann"}`, value))
	return value
}

// imports has a visitor's old session come along, at a time.
func (m *moving) imports(value string, now, until time.Time) {
	m.Helper()
	sessions, err := dancer.Open(m.Context(), m.path, &dancer.OpenOptions{
		Import: &dancer.ImportOptions{Until: until},
		Adjust: func(c *cloakroom.Config) { c.Now, c.SweepEvery = func() time.Time { return now }, -1 },
		Logger: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		m.Fatal(err)
	}
	defer sessions.Close()
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(&http.Cookie{Name: "dancer.session", Value: value})
	w := httptest.NewRecorder()
	sessions.Handler(sessions.With(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if user := cloakroom.NewKey[string]("user").Get(s); user != "ann" {
			m.Errorf("the session has the user %q", user)
		}
		return nil
	})).ServeHTTP(w, r)
	if w.Code != 200 {
		m.Errorf("status %d: %s", w.Code, w.Body)
	}
	engineCall(m.T, "POST", m.engine+"/"+m.index+"/_refresh", "")
}

// want runs a command, and compares what it says. * stands for anything, INDEX and ENGINE
// for the application's.
func (m *moving) want(args string, exit int, out, err string) {
	m.Helper()
	known := strings.NewReplacer("INDEX", m.index, "ENGINE", m.engine, "CONFIG", m.path)
	got, stdout, stderr := command(m.T, "", strings.Fields(known.Replace(args))...)
	if got != exit {
		m.Errorf("%s: exit %d, want %d", args, got, exit)
	}
	lines := func(text string) (all []string) {
		if text != "" {
			all = strings.Split(known.Replace(strings.TrimSuffix(text, "\n")), "\n")
		}
		return all
	}
	compare(m.T, args+": out", stdout, lines(out))
	compare(m.T, args+": err", stderr, lines(err))
	if strings.Contains(stdout+stderr, secretText) {
		m.Errorf("%s: the secret is shown:\n%s\n%s", args, stdout, stderr)
	}
}

// ended is an application whose imports have ended, with documents left.
func ended(t *testing.T, left int) *moving {
	t.Helper()
	m := newMoving(t)
	m.imports(m.old(), time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour))
	for range left {
		m.old()
	}
	return m
}

func TestDancerStatus(t *testing.T) {
	m := newMoving(t)
	m.want("dancer status --config CONFIG", exitOK, `
Old index:    INDEX isn't there: it was purged, or config.yml has another name
Imports:      none yet
Purge:        not now: there is no such index
`[1:], "")
	m.want("dancer status --config CONFIG --json", exitOK, `
{"type":"oldIndex","index":"INDEX","exists":false,"documents":0,"importer":"dancer INDEX","mayPurge":false,"reason":"there is no such index"}
{"type":"result","ok":true,"exit":0}
`[1:], "")
	first, second := m.old(), m.old()
	m.old()
	m.want("dancer status --config CONFIG", exitOK, `
Old index:    INDEX; left: 3 documents, of sessions that nobody has come with yet
Imports:      none yet
Purge:        not now: nothing has been imported, so it isn't known when imports end
`[1:], "")
	if there(t, m.engine+"/"+m.index+"-principals") || there(t, m.engine+"/_index_template/"+m.index+"-periods") {
		t.Error("status made indices, or a template")
	}
	m.imports(first, time.Now(), time.Now().Add(time.Hour))
	m.want("dancer status --config CONFIG", exitOK, `
Old index:    INDEX; left: 2 documents, of sessions that nobody has come with yet
Imports:      go on until 20*-*-* *:*:* UTC
Purge:        not now: imports go on until 20* UTC
`[1:], "")
	m.imports(second, time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour)) // the earliest end counts
	m.want("dancer status --config CONFIG", exitOK, `
Old index:    INDEX; left: 1 document, of sessions that nobody has come with yet
Imports:      ended at 20*-*-* *:*:* UTC
Purge:        can delete the old index: cloakroom dancer purge --config CONFIG
`[1:], "")
	m.want("dancer status --config CONFIG --json", exitOK, `
{"type":"oldIndex","index":"INDEX","exists":true,"documents":1,"importer":"dancer INDEX","importsEnd":"20*Z","mayPurge":true}
{"type":"result","ok":true,"exit":0}
`[1:], "")
	m.want("dancer status --config CONFIG --index other", exitOK, `
Old index:    INDEX; left: 1 document, *
Imports:      none yet
Purge:        not now: nothing has been imported, *
`[1:], "")
}

func TestDancerPurge(t *testing.T) {
	m := ended(t, 2)
	const what = `the index "INDEX" with 2 documents, at ENGINE`
	m.want("dancer purge --config CONFIG --dry-run", exitOK, "It would delete "+what+". Nothing was deleted.\n", "")
	m.want("dancer purge --config CONFIG --dry-run --yes --json", exitOK, `
{"type":"oldIndex","index":"INDEX","exists":true,"documents":2,"importer":"dancer INDEX","importsEnd":"20*Z","mayPurge":true}
{"type":"result","ok":true,"exit":0,"deleted":false,"documents":2,"dryRun":true}
`[1:], "")
	m.want("dancer purge --config CONFIG", exitUsage, "", "cloakroom: there is no terminal to ask at: *\n")
	m.want("dancer purge --config CONFIG --json", exitUsage, `
{"type":"error","text":"there is no terminal to ask at: *"}
{"type":"result","ok":false,"exit":2}
`[1:], "")
	if !there(t, m.engine+"/"+m.index) {
		t.Fatal("the index was deleted")
	}
	m.want("dancer purge --config CONFIG --yes", exitOK, "Deleted "+what+".\n", "")
	if there(t, m.engine+"/"+m.index) {
		t.Error("the index is still there")
	}
	if !there(t, m.engine+"/"+m.index+"-imports") {
		t.Error("the new sessions are gone")
	}
	m.want("dancer purge --config CONFIG --yes", exitOK, "There is no index \"INDEX\": nothing is left to delete.\n", "")
	m.want("dancer purge --config CONFIG --yes --json", exitOK, `
{"type":"oldIndex","index":"INDEX","exists":false,"documents":0,"importer":"dancer INDEX","importsEnd":"20*Z","mayPurge":false,"reason":"there is no such index"}
{"type":"result","ok":true,"exit":0,"deleted":false,"documents":0,"dryRun":false}
`[1:], "")
	m = ended(t, 1)
	m.want("dancer purge --config CONFIG --yes --json", exitOK, `
{"type":"oldIndex",*"documents":1,*"mayPurge":true}
{"type":"result","ok":true,"exit":0,"deleted":true,"documents":1,"dryRun":false}
`[1:], "")
}

// TestDancerPurgeRefuses: before the end, without an import, and of an alias nothing is
// deleted, whatever the flags.
func TestDancerPurgeRefuses(t *testing.T) {
	m := newMoving(t)
	value := m.old()
	for _, flags := range []string{"--yes", "--dry-run", "--yes --dry-run"} {
		m.want("dancer purge --config CONFIG "+flags, exitFailed, "",
			"cloakroom: the index \"INDEX\" is not deleted: nothing has been imported, so it isn't known when imports end\n")
	}
	m.imports(value, time.Now(), time.Now().Add(time.Hour))
	m.want("dancer purge --config CONFIG --yes", exitFailed, "", "cloakroom: the index \"INDEX\" is not deleted: imports go on until *\n")
	m.want("dancer purge --config CONFIG --yes --json", exitFailed, `
{"type":"oldIndex",*"mayPurge":false,"reason":"imports go on until * UTC"}
{"type":"error","text":"the index \"INDEX\" is not deleted: imports go on until * UTC"}
{"type":"result","ok":false,"exit":1,"deleted":false,"documents":0,"dryRun":false}
`[1:], "")
	if !there(t, m.engine+"/"+m.index) {
		t.Error("the index was deleted")
	}

	m = newMoving(t)
	engineCall(t, "PUT", m.engine+"/"+m.index+"_a", fmt.Sprintf(`{"aliases":{%q:{}}}`, m.index))
	m.imports(m.old(), time.Now().Add(-48*time.Hour), time.Now().Add(-24*time.Hour))
	m.want("dancer purge --config CONFIG --yes", exitFailed, "",
		"cloakroom: the index \"INDEX\" is not deleted: it is an alias of INDEX_a, and only an index is deleted here\n")
	if !there(t, m.engine+"/"+m.index+"_a") {
		t.Error("the index behind the alias was deleted")
	}
}
