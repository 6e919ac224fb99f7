package elasticstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file tests logins, rights and TLS on engines with security.

// secured is an engine with security.
type secured struct {
	name, url string
	ca        []byte
	admin     Login
	engine    *testengine.Engine
	users     map[testengine.Login]testengine.Role // of Elasticsearch
}

// TestSecured runs the tests that need an engine with security, on one engine at a time.
func TestSecured(t *testing.T) {
	if testing.Short() {
		t.Skip("starts two engines")
	}
	for name, settings := range map[string]map[string]string{
		"opensearch2": {"plugins.security.restapi.roles_enabled": "all_access"},
		"es8":         {"resource.reload.interval.high": "100ms"},
	} {
		t.Run(name, func(t *testing.T) {
			settings["http.max_content_length"] = "1mb"
			e := testengine.Start(t, testengine.Options{Name: name, Security: &testengine.Role{}, Settings: settings})
			admin := e.Admin()
			(&secured{name, e.URL(), e.CA(), Login{User: admin.User, Password: admin.Password}, e, map[testengine.Login]testengine.Role{}}).all(t)
		})
	}
}

func (e *secured) all(t *testing.T) {
	t.Run("scheme", func(t *testing.T) { wrongScheme(t, e.name, strings.Replace(e.url, "https:", "http:", 1)) })
	t.Run("password", e.testPassword)
	t.Run("too_large", e.testTooLarge)
	t.Run("read_only", e.testReadOnly)
	t.Run("moving", e.testMoving)
	t.Run("reported_of_rights", e.testReportedOfRights)
	t.Run("reported_of_cluster", e.testReportedOfCluster)
}

// client returns the configuration of a client with a login.
func (e *secured) client(l Login) ClientConfig {
	return ClientConfig{URLs: []string{e.url}, CA: e.ca, User: l.User, Password: l.Password, APIKey: l.APIKey}
}

// call makes a request as the administrator, and returns the answer.
func (e *secured) call(t testing.TB, method, path string, body any) []byte {
	t.Helper()
	cl, err := newClient(e.client(e.admin))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.close()
	var text []byte
	if body != nil {
		if text, err = json.Marshal(body); err != nil {
			t.Fatal(err)
		}
	}
	s := &Store{client: cl}
	path, query, _ := strings.Cut(path, "?")
	a, err := s.send(testContext(t), request{method: method, path: path, query: query, body: text}, http.StatusNotFound)
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Clone(a.body)
}

// rights are a role's, in the engine's terms.
type rights struct{ cluster, indices []string }

// user makes a user who has a role with these rights on an index's names, or changes it.
func (e *secured) user(t testing.TB, name, password, index string, r rights) Login {
	t.Helper()
	names := []string{index, index + "-*"}
	if e.name == "es8" {
		maps.DeleteFunc(e.users, func(l testengine.Login, _ testengine.Role) bool { return l.User == name })
		e.users[testengine.Login{User: name, Password: password}] = testengine.Role{Cluster: r.cluster, Indices: names, IndicesRights: r.indices}
		if err := e.engine.SetUsers(e.users); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() error { return e.has(Login{User: name, Password: password}, index, r) })
	} else {
		const api = "/_plugins/_security/api/"
		e.call(t, http.MethodPut, api+"roles/"+name, object{"cluster_permissions": r.cluster, "index_permissions": []any{object{"index_patterns": names, "allowed_actions": r.indices}}})
		e.call(t, http.MethodPut, api+"internalusers/"+name, object{"password": password})
		e.call(t, http.MethodPut, api+"rolesmapping/"+name, object{"users": []string{name}})
	}
	return Login{User: name, Password: password}
}

// has returns nil once Elasticsearch gives a login these rights, and no others that
// matter here.
func (e *secured) has(l Login, index string, r rights) error {
	cl, err := newClient(e.client(l))
	if err != nil {
		return err
	}
	defer cl.close()
	some := append(e.allRights().indices, "monitor")
	ask, err := json.Marshal(object{"index": []any{object{"names": []string{index}, "privileges": some}}})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patient)
	defer cancel()
	a, err := (&Store{client: cl}).send(ctx, request{method: http.MethodPost, path: "/_security/user/_has_privileges", body: ask})
	if err != nil {
		return err
	}
	defer a.release()
	var answer struct {
		Index map[string]map[string]bool `json:"index"`
	}
	if err := json.Unmarshal(a.body, &answer); err != nil {
		return err
	}
	for right, given := range answer.Index[index] {
		if given != slices.Contains(r.indices, right) {
			return fmt.Errorf("the right %s is given: %v", right, given)
		}
	}
	return nil
}

// allRights are the rights that the package documentation lists.
func (e *secured) allRights() rights {
	if e.name == "es8" {
		return rights{[]string{"monitor", "manage_index_templates"},
			[]string{"create_index", "view_index_metadata", "read", "write", "maintenance", "delete_index"}}
	}
	return rights{[]string{"cluster_composite_ops", "cluster:monitor/main", "indices:admin/index_template/get", "indices:admin/index_template/put"},
		[]string{"crud", "create_index", "indices:admin/get", "indices:admin/refresh*", "indices:admin/delete"}}
}

// readRights are those of a login that only reads.
func (e *secured) readRights() rights {
	if e.name == "es8" {
		return rights{nil, []string{"read"}}
	}
	return rights{[]string{"cluster_composite_ops_ro"}, []string{"read"}}
}

func (e *secured) open(t testing.TB, c ClientConfig, index string, change func(*Config)) *Store {
	t.Helper()
	s, err := Open(testContext(t), c, (&lab{index: index}).config(change))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func securedIndex() string { return fmt.Sprintf("es-%08x", rand.Uint32()) }

// testPassword rotates a password in the engine, and then in its file.
func (e *secured) testPassword(t *testing.T) {
	index := securedIndex()
	one, two := "One-password-of-many-1", "Two-passwords-are-more-2"
	login := e.user(t, "rotating", one, index, e.allRights())
	path := filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		if err := os.WriteFile(path, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(one)
	var log bytes.Buffer
	c := e.client(Login{User: login.User})
	c.PasswordFile = path
	s := e.open(t, c, index, func(c *Config) { c.Logger = slog.New(slog.NewTextHandler(&log, nil)) })
	s.client.(*client).watch.next.Store(1 << 62) // nobody looks: the refusals tell
	r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	e.user(t, "rotating", two, index, e.allRights())
	if _, err := s.Update(testContext(t), update(r, "1")); err == nil || !strings.Contains(err.Error(), `the user "rotating"`) {
		t.Errorf("the engine's password is known to nobody: %v", err)
	}
	write(two)
	r.Version = mustVersion(t, s, r.ID) // its first request was refused
	write(one)                          // ahead of the engine, or half-written
	if _, err := s.Update(testContext(t), update(r, "2")); err != nil {
		t.Errorf("the file has a password that the engine doesn't accept (any more): %v", err)
	}
	if strings.Contains(log.String(), one) || strings.Contains(log.String(), two) {
		t.Errorf("a password is logged: %s", log.String())
	}
}

func mustVersion(t testing.TB, s *Store, id driver.ID) driver.Version {
	t.Helper()
	r, err := s.Get(testContext(t), id)
	if err != nil {
		t.Fatal(err)
	}
	return r.Version
}

// testTooLarge saves what the engine doesn't take.
func (e *secured) testTooLarge(t *testing.T) {
	s := e.open(t, e.client(e.admin), securedIndex(), nil)
	r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	u := update(r, fmt.Sprintf("%q", strings.Repeat("x", 3<<20)))
	_, err := s.Update(testContext(t), u)
	wantError(t, err, driver.ErrTooLarge)
	u = update(r, fmt.Sprintf("%q", strings.Repeat("x", 1<<19)))
	if _, err := s.Update(testContext(t), u); err != nil {
		t.Errorf("a record that the engine takes: %v", err)
	}
}

// testReadOnly: a login that only reads can do all that reads.
func (e *secured) testReadOnly(t *testing.T) {
	index := securedIndex()
	writer := e.open(t, e.client(e.user(t, "writing", "One-password-of-many-1", index, e.allRights())), index, nil)
	day := mustCreate(t, writer, session(driver.LayoutDay, time.Now()))
	ledger := mustCreate(t, writer, session(driver.LayoutLedger, time.Now()))
	if err := writer.Refresh(testContext(t)); err != nil {
		t.Fatal(err)
	}
	reader := e.user(t, "reading", "One-password-of-many-1", index, e.readRights())
	if _, err := Open(testContext(t), e.client(reader), (&lab{index: index}).config(nil)); err == nil || !strings.Contains(err.Error(), "privilege") {
		t.Errorf("Open for writing: %v", err)
	}
	cl, err := newClient(e.client(reader))
	if err != nil {
		t.Fatal(err)
	}
	defer cl.close()
	unset, err := New(cl, (&lab{index: index}).config(nil)) // which isn't told that it only reads
	if err != nil {
		t.Fatal(err)
	}
	defer unset.Close()
	only := e.open(t, e.client(reader), index, func(c *Config) { c.ReadOnly = true })
	for name, s := range map[string]*Store{"ReadOnly": only, "not told": unset} {
		for _, r := range []*driver.Record{day, ledger} {
			if _, err := s.Get(testContext(t), r.ID); err != nil {
				t.Errorf("%s: Get: %v", name, err)
			}
		}
		n := 0
		for _, err := range s.Search(testContext(t), driver.Query{App: "app"}) {
			if err != nil {
				t.Errorf("%s: Search: %v", name, err)
			}
			n++
		}
		sum, err := s.Summarize(testContext(t), driver.Query{App: "app"})
		if err != nil || n != 1 || sum.Records != 1 {
			t.Errorf("%s: found %d, counted %d: %v", name, n, sum.Records, err)
		}
		if _, err := s.Report(testContext(t)); err != nil {
			t.Errorf("%s: Report: %v", name, err)
		}
	}
	for what, f := range map[string]func(context.Context) error{
		"Create": func(ctx context.Context) error {
			_, err := only.Create(ctx, session(driver.LayoutDay, time.Now()))
			return err
		},
		"Update": func(ctx context.Context) error { _, err := only.Update(ctx, update(day, "1")); return err },
		"Bury":   func(ctx context.Context) error { return only.Bury(ctx, day.ID, driver.Grave{}, driver.Version{}) },
		"Sweep":  func(ctx context.Context) error { _, err := only.Sweep(ctx, time.Now()); return err },
		"Setup":  only.Setup,
	} {
		if err := f(testContext(t)); !errors.Is(err, driver.ErrInvalid) {
			t.Errorf("%s of a store that only reads: %v", what, err)
		}
	}
	_, err = unset.Update(testContext(t), update(day, "1"))
	wantError(t, err, driver.ErrUnavailable)
	if _, err := Open(testContext(t), e.client(reader), (&lab{index: index + "x"}).config(func(c *Config) { c.ReadOnly = true })); err == nil || !strings.Contains(err.Error(), "privilege") {
		t.Errorf("Open of what may not be read: %v", err)
	}
}
