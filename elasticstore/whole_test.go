package elasticstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file tests troubles of a whole engine, on an engine of its own.

// TestI8_WholeEngine has the troubles that only an engine of our own may have: red
// shards, blocks on the whole cluster, requests that are too large for it.
func TestI8_WholeEngine(t *testing.T) {
	t.Parallel()
	data, repository := filepath.Join(t.TempDir(), "data"), t.TempDir()
	e := testengine.Start(t, testengine.Options{DataDir: data, Settings: map[string]string{"http.max_content_length": "200kb", "path.repo": repository}})
	red := func(t testing.TB, l *lab, index string) func() { return turnRed(t, l, data, index) }
	redIndex := trouble{
		name:  "red",
		begin: func(t testing.TB, e *troubled) func() { return red(t, e.lab, e.index) },
		get:   down, update: unsure, create: unsure, bury: unsure, search: down, sweep: down, hangs: true,
		reported: explain,
	}
	l := newLabAt(t, e.URL())
	t.Run("store", func(t *testing.T) { meet(t, l, []trouble{redIndex, clusterBlock()}) })
	t.Run("visitors", func(t *testing.T) { meetVisitors(t, l, []trouble{redIndex, clusterBlock()}) })
	t.Run("I10 period red", func(t *testing.T) { newRevokeInTrouble(t, newLabAt(t, e.URL())).periodRed(t, red) })
	t.Run("I10 principals red", func(t *testing.T) { newRevokeInTrouble(t, newLabAt(t, e.URL())).principalsRed(t, red) })
	t.Run("too large", func(t *testing.T) { tooLarge(t, l) })
	t.Run("open", func(t *testing.T) { openBlocked(t, newLabAt(t, e.URL())) })
	t.Run("restored", func(t *testing.T) { restoredOver(t, newLabAt(t, e.URL()), repository) })
}

// restoredOver: a snapshot is restored over closed indices, as docs/operations.md says. They
// keep their uuids. It is told, also by a process that starts later.
func restoredOver(t *testing.T, l *lab, repository string) {
	s := l.open(t, nil, nil)
	index := s.names.of(mustCreate(t, s, session(driver.LayoutDay, time.Now())).ID)
	l.call(t, http.MethodPut, "/_snapshot/backup", fmt.Sprintf(`{"type":"fs","settings":{"location":%q}}`, repository))
	l.call(t, http.MethodPut, "/_snapshot/backup/one?wait_for_completion=true", `{"indices":"`+l.index+`-*","include_global_state":false}`)
	l.call(t, http.MethodPost, "/"+index+"/_close", "")
	l.call(t, http.MethodPost, "/_snapshot/backup/one/_restore?wait_for_completion=true", `{"indices":"`+index+`","include_global_state":false}`)
	if codes := codesOf(t, s); !slices.Equal(codes, []string{"index-restored"}) {
		t.Errorf("Report: %v", codes)
	}
	var heard listener
	later := l.open(t, nil, func(c *Config) { c.Logger = heard.logger() })
	warm(t, later)
	if !heard.has("WARN", index, "restored") {
		t.Errorf("not told: %q", heard.all())
	}
	for _, s := range []*Store{s, later} {
		if _, err := s.Acknowledge(testContext(t)); err != nil {
			t.Error(err)
		}
		if codes := codesOf(t, s); len(codes) != 0 {
			t.Errorf("Report after it was acknowledged: %v", codes)
		}
	}
}

// turnRed makes an index red, with everything in it: its shard can't be opened until
// heal puts back the files that were taken from the engine's data.
func turnRed(t testing.TB, l *lab, data, index string) (heal func()) {
	t.Helper()
	var uuid string
	for _, i := range l.getJSON(t, "/"+index+"/_settings") {
		uuid = i.(map[string]any)["settings"].(map[string]any)["index"].(map[string]any)["uuid"].(string)
	}
	log := ""
	err := filepath.WalkDir(data, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() && d.Name() == "translog" && strings.Contains(path, uuid) {
			log = path
		}
		return err
	})
	if err != nil || log == "" {
		t.Fatalf("no shard of %s in the engine's data: %v", index, err)
	}
	l.settings(t, index, `{"index.allocation.max_retries":1}`)
	l.call(t, http.MethodPost, "/"+index+"/_close", "")
	if err := os.Rename(log, log+".away"); err != nil {
		t.Fatal(err)
	}
	l.call(t, http.MethodPost, "/"+index+"/_open?wait_for_active_shards=0", "")
	eventually(t, func() error {
		list := string(l.call(t, http.MethodGet, "/_cat/shards/"+index+"?h=prirep,state,unassigned.reason", ""))
		if strings.Contains(list, "ALLOCATION_FAILED") {
			return nil
		}
		return errors.New("not red yet: " + list)
	})
	return func() {
		t.Helper()
		if err := errors.Join(os.RemoveAll(log), os.Rename(log+".away", log)); err != nil {
			t.Fatal(err)
		}
		l.call(t, http.MethodPost, "/_cluster/reroute?retry_failed=true", "")
		l.call(t, http.MethodGet, "/_cluster/health/"+index+"?wait_for_status=yellow", "")
	}
}

// clusterBlock is the trouble of an engine whose disks are all full, or that
// somebody has made read-only.
func clusterBlock() trouble {
	const name = "cluster.blocks.read_only_allow_delete"
	return turnedDown(trouble{
		name: name, all: true,
		begin: func(t testing.TB, e *troubled) func() {
			e.cluster(t, `{"persistent":{"`+name+`":true}}`)
			return func() { e.cluster(t, `{"persistent":{"`+name+`":null}}`) }
		},
		sweep: down, // it has something to bury
		says:  []string{"cluster read-only", "free disk space", name},
	})
}

func (l *lab) cluster(t testing.TB, settings string) {
	t.Helper()
	l.call(t, http.MethodPut, "/_cluster/settings", settings)
}

// tooLarge: the engine itself refuses requests for their size, some for now and some for
// good.
func tooLarge(t *testing.T, l *lab) {
	s := l.open(t, nil, nil)
	of := func(kb int) *driver.Record {
		r := session(driver.LayoutDay, time.Now())
		r.Values = r.Values.With("v", json.RawMessage(fmt.Sprintf("%q", strings.Repeat("x", kb<<10))))
		return r
	}
	mustCreate(t, s, of(1))
	_, err := s.Create(testContext(t), of(300))
	wantError(t, err, driver.ErrTooLarge)
	if !strings.Contains(err.Error(), "http.max_content_length") {
		t.Errorf("the error doesn't name the setting: %v", err)
	}
	var wg sync.WaitGroup
	for range 40 { // they don't fit into one request
		wg.Go(func() { mustCreate(t, s, of(50)) })
	}
	wg.Wait()

	// Memory is short for a while.
	l.cluster(t, `{"transient":{"network.breaker.inflight_requests.limit":"20kb"}}`)
	poor := of(50)
	fails(t, func(ctx context.Context) error { _, err := s.Create(ctx, poor); return err }, driver.ErrUnavailable)
	mustCreate(t, s, of(1))
	l.cluster(t, `{"transient":{"network.breaker.inflight_requests.limit":null}}`)
	mustCreate(t, s, poor)
}

// openBlocked: a deployment while the disks are full starts, and works when there
// is room.
func openBlocked(t *testing.T, l *lab) {
	for name, text := range map[string]string{
		"cluster.blocks.read_only_allow_delete": "free disk space",
		"cluster.blocks.create_index":           "blocked", // which engines without it pass over
	} {
		if name == "cluster.blocks.create_index" {
			if !strings.Contains(string(l.call(t, http.MethodGet, "/_cluster/settings?include_defaults=true&flat_settings=true", "")), name) {
				t.Logf("the engine has no %s", name)
				continue
			}
		}
		l.cluster(t, `{"persistent":{"`+name+`":true}}`)
		s, err := Open(testContext(t), ClientConfig{URLs: []string{l.url}}, l.config(nil))
		if err != nil {
			t.Errorf("Open with %s: %v", name, err)
		} else {
			_, err = s.Create(testContext(t), session(driver.LayoutDay, time.Now()))
			wantError(t, err, driver.ErrUnavailable)
			if !strings.Contains(err.Error(), text) || strings.Contains(err.Error(), "privilege") {
				t.Errorf("the error with %s doesn't tell what to do: %v", name, err)
			}
		}
		l.cluster(t, `{"persistent":{"`+name+`":null}}`)
		if s == nil {
			continue
		}
		eventually(t, func() error {
			_, err := s.Create(testContext(t), session(driver.LayoutDay, time.Now()))
			return err
		})
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		for index := range l.getJSON(t, "/"+l.index+"*?filter_path=*.settings.index.uuid") { // the next one begins anew
			l.call(t, http.MethodDelete, "/"+index, "")
		}
	}
}
