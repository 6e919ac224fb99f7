package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file tests the roles of the document, each on an engine with security.

// role is one in the form of either family.
type role struct {
	Cluster []string `json:"cluster"`
	Indices []struct {
		Names      []string `json:"names"`
		Privileges []string `json:"privileges"`
	} `json:"indices"`
	ClusterPermissions []string `json:"cluster_permissions"`
	IndexPermissions   []struct {
		Patterns []string `json:"index_patterns"`
		Actions  []string `json:"allowed_actions"`
	} `json:"index_permissions"`
}

// roles returns the roles of a recipe by the last word of their names.
func roles(t *testing.T, recipe string) map[string]testengine.Role {
	t.Helper()
	blocks, err := recipes()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]testengine.Role{}
	for _, q := range requests(blocks[recipe]) {
		var r role
		if err := json.Unmarshal([]byte(q.body), &r); err != nil {
			t.Fatal(err)
		}
		name := q.path[strings.LastIndexByte(q.path, '-')+1:]
		if len(r.Indices) > 0 {
			all[name] = testengine.Role{Cluster: r.Cluster, Indices: r.Indices[0].Names, IndicesRights: r.Indices[0].Privileges}
		} else {
			all[name] = testengine.Role{Cluster: r.ClusterPermissions, Indices: r.IndexPermissions[0].Patterns, IndicesRights: r.IndexPermissions[0].Actions}
		}
	}
	if len(all) != 3 {
		t.Fatalf("the recipe %s has the roles %v", recipe, all)
	}
	return all
}

// TestRecipeRights has each role do what it is for, and the read-only one no more.
func TestRecipeRights(t *testing.T) {
	if !*ownEngines {
		t.Skip("needs engines of its own: -operations.engines")
	}
	for engine, recipe := range map[string]string{"opensearch2": "roles-opensearch", "es8": "roles-elasticsearch"} {
		for name, r := range roles(t, recipe) {
			t.Run(engine+" "+name, func(t *testing.T) {
				e := testengine.Start(t, testengine.Options{Name: engine, Security: &r})
				open := func(l testengine.Login, readOnly bool) *elasticstore.Store {
					c, err := elasticstore.NewClient(elasticstore.ClientConfig{URLs: []string{e.URL()}, CA: e.CA(), User: l.User, Password: l.Password})
					if err != nil {
						t.Fatal(err)
					}
					s, err := elasticstore.New(c, &elasticstore.Config{ReadOnly: readOnly, Logger: slog.New(slog.DiscardHandler)})
					if err != nil {
						t.Fatal(err)
					}
					t.Cleanup(func() { s.Close() })
					return s
				}
				mayDo[name](t, open(e.User(), name == "console"), open(e.Admin(), false))
			})
		}
	}
}

// mayDo are what roles are for. The administrator prepares, and looks.
var mayDo = map[string]func(t *testing.T, s, admin *elasticstore.Store){
	"application": func(t *testing.T, s, admin *elasticstore.Store) {
		ctx := within(t)
		if err := admin.Setup(ctx); err != nil {
			t.Fatal(err)
		}
		m := managerOn(t, s)
		saved, err := m.Create(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Admin().Revoke(ctx, saved.ID()); err != nil {
			t.Error(err)
		}
		if _, err := s.Sweep(ctx, time.Now()); err != nil {
			t.Error(err)
		}
		if _, err := m.Admin().Report(ctx); err != nil {
			t.Error(err)
		}
	},
	"setup": func(t *testing.T, s, admin *elasticstore.Store) {
		if err := s.Setup(within(t)); err != nil {
			t.Error(err)
		}
		if _, err := managerOn(t, admin).Create(within(t)); err != nil {
			t.Error(err)
		}
	},
	"console": func(t *testing.T, s, admin *elasticstore.Store) {
		ctx := within(t)
		made := managerOn(t, admin)
		for { // an engine that has just started is slow
			_, err := made.Create(ctx)
			if err == nil {
				break
			}
			if !errors.Is(err, cloakroom.ErrUnavailable) || ctx.Err() != nil {
				t.Fatal(err)
			}
		}
		if err := admin.Refresh(ctx); err != nil {
			t.Fatal(err)
		}
		console := cloakroom.NewAdmin(s, "")
		found := 0
		for _, err := range console.Search(ctx, driver.Query{}) {
			if err != nil {
				t.Fatal(err)
			}
			found++
		}
		if found != 1 {
			t.Errorf("the console finds %d sessions", found)
		}
		if _, err := console.Report(ctx); err != nil {
			t.Error(err)
		}
		if _, err := managerOn(t, s).Create(ctx); err == nil {
			t.Error("the console can write")
		}
	},
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patient)
	t.Cleanup(cancel)
	return ctx
}

// managerOn makes a Manager on a store.
func managerOn(t *testing.T, s driver.Store) *cloakroom.Manager {
	t.Helper()
	keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := cloakroom.New(s, keyring, &cloakroom.Config{SweepEvery: -1, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	return m
}
