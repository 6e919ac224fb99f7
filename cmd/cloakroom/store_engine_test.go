package main

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file tests the commands of operators on a real engine.

// engineStore is a place on the shared engine.
type engineStore struct {
	*testing.T
	engine, index string
}

func newEngineStore(t *testing.T) *engineStore {
	t.Helper()
	noVariables(t)
	e := &engineStore{T: t, engine: testengine.Shared(t), index: fmt.Sprintf("clitest%d", time.Now().UnixNano())}
	t.Cleanup(func() {
		removeIndices(t, e.engine, e.index)
		for _, path := range []string{"/" + e.index, "/_index_template/" + e.index} { // with one index
			if there(t, e.engine+path) {
				engineCall(t, "DELETE", e.engine+path, "")
			}
		}
	})
	t.Setenv("CLOAKROOM_STORE", e.engine+"/"+e.index)
	return e
}

// open opens the application's store.
func (e *engineStore) open(config elasticstore.Config) *elasticstore.Store {
	e.Helper()
	config.Index, config.Logger, config.RefreshInterval = e.index, slog.New(slog.DiscardHandler), time.Second
	s, err := elasticstore.Open(e.Context(), elasticstore.ClientConfig{URLs: []string{e.engine}}, &config)
	if err != nil {
		e.Fatal(err)
	}
	e.Cleanup(func() { s.Close() })
	return s
}

// refresh has searches see all that was saved.
func (e *engineStore) refresh(s *elasticstore.Store) {
	e.Helper()
	if err := s.Refresh(e.Context()); err != nil {
		e.Fatal(err)
	}
}

// want runs a command, and compares what it says. INDEX and ENGINE stand for the store's, *
// for anything.
func (e *engineStore) want(args string, exit int, out, err string) {
	e.Helper()
	known := strings.NewReplacer("INDEX", e.index, "ENGINE", e.engine)
	got, stdout, stderr := command(e.T, "", strings.Fields(known.Replace(args))...)
	if got != exit {
		e.Errorf("%s: exit %d, want %d", args, got, exit)
	}
	lines := func(text string) (all []string) {
		if text != "" {
			all = strings.Split(known.Replace(strings.Trim(text, "\n")), "\n")
		}
		return all
	}
	compare(e.T, args+": out", stdout, lines(out))
	compare(e.T, args+": err", stderr, lines(err))
}

// TestSetupOnEngine: --dry-run tells what setup then does, and a second time there is
// nothing to do.
func TestSetupOnEngine(t *testing.T) {
	e := newEngineStore(t)
	e.want("doctor", exitFindings, `
fail  store: the engine at "ENGINE", index "INDEX": there is no store of cloakroom with the index "INDEX". "cloakroom setup" makes one.
skip  all else: the store can't be asked.
`, "")
	e.want("sweep", exitFailed, "", `cloakroom: the engine at "ENGINE", index "INDEX": there is no store of cloakroom with the index "INDEX". "cloakroom setup" makes one`)
	e.want("setup --dry-run --shards 2 --setting index.codec=best_compression", exitOK, `
It would be done: the index template "INDEX-periods" is made.
It would be done: the index "INDEX-principals" is made.
Nothing was changed: the engine at "ENGINE", index "INDEX".
`, "")
	if there(t, e.engine+"/"+e.index+"-principals") || there(t, e.engine+"/_index_template/"+e.index+"-periods") {
		t.Error("--dry-run makes something")
	}
	e.want("setup --shards 2 --setting index.codec=best_compression --json", exitOK, `
{"type":"change","text":"the index template \"INDEX-periods\" is made","method":"PUT","path":"/_index_template/INDEX-periods","body":{*best_compression*}}
{"type":"change","text":"the index \"INDEX-principals\" is made","method":"PUT","path":"/INDEX-principals","body":{*}}
{"type":"result","ok":true,"exit":0,"changes":2,"dryRun":false}
`, "")
	e.want("setup", exitOK, `Nothing has to be done: the engine at "ENGINE", index "INDEX".`, "")
	e.want("setup --dry-run --replicas 2", exitOK, `
It would be done: the index template "INDEX-periods" is brought up to date.
Nothing was changed: the engine at "ENGINE", index "INDEX".
`, "")
}

// TestApplicationsSettings: no command changes the template or the settings that the
// application has chosen, whatever it writes.
func TestApplicationsSettings(t *testing.T) {
	for _, config := range []elasticstore.Config{
		{Shards: 2, Replicas: -1, Settings: map[string]any{"index.codec": "best_compression", "index.search.slowlog.threshold.query.warn": "10s"}, TemplatePriority: 501},
		{Dashboards: true},
		{OneIndex: true, Settings: map[string]any{"index.auto_expand_replicas": "0-2"}},
		{NoTemplate: true},
	} {
		e := newEngineStore(t)
		s := newShop(t, e.open(config), "")
		s.fill()
		name := e.index + "-periods"
		if config.OneIndex {
			name = e.index
		}
		template := func() string { return engineCallOr(t, e.engine+"/_index_template/"+name) }
		before := template()
		for _, args := range []string{"setup", "sweep", "ledger rebuild --all", "doctor --fix --yes"} {
			if config.NoTemplate && args == "setup" {
				args += " --no-template"
			}
			exit, stdout, stderr := command(t, "", strings.Fields(args)...)
			if exit != exitOK && exit != exitFindings || strings.Contains(stdout, "is made") || strings.Contains(stdout, "brought up") || strings.Contains(stdout, "settings:") && strings.Contains(stdout, "fixed") {
				t.Errorf("%s: exit %d\n%s%s", args, exit, stdout, stderr)
			}
		}
		if after := template(); before != after {
			t.Errorf("the template was\n%s\nand is\n%s", before, after)
		}
	}
}

// TestSettingsAreKnown: each field of the store's configuration that is kept in an index
// template is one that commands take from there.
func TestSettingsAreKnown(t *testing.T) {
	taken := []string{"Shards", "Replicas", "RefreshInterval", "Settings", "TemplatePriority", "Dashboards"}
	others := []string{"Index", "OneIndex", "NoTemplate", "ReadOnly", "Logger", // which are found or chosen
		"InFlight", "MaxItems", "MaxBytes", "QueueItems", "QueueBytes", "CopyBytes", "RequestTimeout"} // which aren't kept
	config := reflect.TypeFor[elasticstore.Config]()
	for f := range config.Fields() {
		if f.IsExported() && !slices.Contains(taken, f.Name) && !slices.Contains(others, f.Name) {
			t.Errorf("is Config.%s kept in the template? Then internal/place has to take it from there, and setup needs a flag", f.Name)
		}
	}
}

// engineCallOr returns an answer of the engine; "" if there is nothing.
func engineCallOr(t *testing.T, address string) string {
	t.Helper()
	if !there(t, address) {
		return ""
	}
	return string(engineCall(t, "GET", address, ""))
}

// TestDoctorOnEngine: what is wrong with an engine's store is told, and what can be mended
// is mended only if that is asked for.
func TestDoctorOnEngine(t *testing.T) {
	e := newEngineStore(t)
	store := e.open(elasticstore.Config{})
	s := newShop(t, store, "")
	s.fill()
	e.refresh(store)
	e.want("sweep", exitOK, "Sessions that were over, and are ended now: 0. *", "") // they go with their period
	calm := regexp.MustCompile(`(?m)^(warn|info|skip)  (cluster|login|clock).*\n`)  // an engine for tests has one node, and no security
	check := func(want string, exit int, args ...string) {
		t.Helper()
		got, stdout, stderr := command(t, "", append([]string{"doctor", "--manager"}, args...)...)
		stdout = calm.ReplaceAllString(strings.ReplaceAll(stdout, "ok    ", ""), "")
		if want = strings.NewReplacer("INDEX", e.index).Replace(want); !strings.Contains(stdout, want) || stderr != "" {
			t.Errorf("%q: exit %d, want %q in\n%s%s", args, got, want, stdout, stderr)
		}
		if exit >= 0 && got != exit {
			t.Errorf("%q: exit %d\n%s", args, got, stdout)
		}
	}
	check("template: the index template is as it has to be.\nindices: all are there, open and the store's own.\nsettings: the indices have those of the configuration.\n", -1)
	check("sweeps: no period should have been dropped.\nledgers: the newest 5 sessions are in them.\n", -1)

	engineCall(t, "PUT", e.engine+"/"+e.index+"-principals/_settings", `{"index":{"refresh_interval":"77s"}}`)
	check("warn  settings (settings-drift): Indices have other settings", exitFindings)
	check("cloakroom doctor --fix applies them.\n", exitFindings)
	check("fixed settings: 1 setting applied.\n", -1, "--fix", "--yes")
	check("settings: the indices have those of the configuration.\n", -1)

	engineCall(t, "DELETE", e.engine+"/_index_template/"+e.index+"-periods", "")
	check("warn  template (template-missing): The index template \"INDEX-periods\" is missing. Run setup. cloakroom setup makes it.\n", exitFindings)
	engineCall(t, "DELETE", e.engine+"/"+e.index+"-principals", "")
	check("there is no store of cloakroom with the index", exitFindings)
	e.want("setup", exitOK, "Done: the index template *\nDone: the index \"INDEX-principals\" is made.\nIt is set up: *.", "level=ERROR*INDEX-principals*was deleted*")
	check("fail  indices (index-remade): The index \"INDEX-principals\" was deleted, and made anew", exitFindings)
	check("some of 2 principals are not in their ledgers", exitFindings)
	check("fixed ledgers: 3 sessions entered into 2 ledgers.\n", exitFindings, "--fix", "--yes")
	check("fixed losses: acknowledged: INDEX-principals.\n", -1, "--acknowledge", "--yes")
	check("indices: all are there, open and the store's own.\n", -1)
}

// TestDancersConfig: --config names the store and the app, and is judged.
func TestDancersConfig(t *testing.T) {
	e := newEngineStore(t)
	t.Setenv("CLOAKROOM_STORE", "")
	os.Unsetenv("CLOAKROOM_STORE")
	store := e.open(elasticstore.Config{})
	newShop(t, store, "shop").fill()
	e.refresh(store)
	path := filepath.Join(t.TempDir(), "config.yml")
	text := fmt.Sprintf("session: ElasticSearch\nsession_options:\n  connection:\n    servers: %q\n  index: %q\n  type: shop\n  signing:\n    secret: %q\n", e.engine, e.index, secretText)
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	exit, stdout, stderr := command(t, "", "ls", "--config", path, "--json")
	if exit != exitOK || len(objects(t, stdout)) != 5 {
		t.Errorf("exit %d\n%s%s", exit, stdout, stderr)
	}
	exit, stdout, stderr = command(t, "", "doctor", "--config", path)
	if exit != exitFindings || !strings.Contains(stdout, "warn  configuration (cookie-insecure)") || !strings.Contains(stdout, `app "shop".`) || strings.Contains(stdout+stderr, secretText) {
		t.Errorf("exit %d\n%s%s", exit, stdout, stderr)
	}
	exit, stdout, stderr = command(t, "", "stats", "--config", path, "--app", "other", "--json")
	if exit != exitOK || !strings.Contains(stdout, `"app":"other"`) || !strings.Contains(stdout, `"sessions":0`) {
		t.Errorf("exit %d\n%s%s", exit, stdout, stderr)
	}
}

// TestSecretsInFiles: a login comes from files and the environment, and isn't shown.
func TestSecretsInFiles(t *testing.T) {
	e := newEngineStore(t)
	e.open(elasticstore.Config{})
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("hunter2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range []string{"--user ann --password-file " + file, "--api-key-file " + file} {
		exit, stdout, stderr := command(t, "", strings.Fields("sweep --dry-run "+args)...)
		if exit != exitOK || strings.Contains(stdout+stderr, "hunter2") {
			t.Errorf("%s: exit %d\n%s%s", args, exit, stdout, stderr)
		}
	}
	t.Setenv("CLOAKROOM_PASSWORD", "hunter2")
	if exit, stdout, stderr := command(t, "", "sweep", "--dry-run", "--user", "ann"); exit != exitOK || strings.Contains(stdout+stderr, "hunter2") {
		t.Errorf("exit %d\n%s%s", exit, stdout, stderr)
	}
}
