package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file tests that commands which look write nothing.

// looking are the commands that look.
func looking(ids map[string]driver.ID) []string {
	return []string{
		"ls", "ls --state all", "show " + ids["EVE"].String(), "show " + ids["ANN1"].String(), "top", "stats --exact", "doctor --manager",
		"ledger check", "ledger rebuild --all --dry-run", "revoke --all --dry-run", "revoke --principal ann --dry-run", "sweep --dry-run", "setup --dry-run",
	}
}

// comparing are the commands that look at two stores.
func comparing(store, other string) []string {
	return []string{
		"compare --from " + store + " --to " + other, "compare --from " + other + " --to " + store,
		"copy --from " + store + " --to " + other + " --dry-run", "copy --from " + other + " --to " + store + " --cut --dry-run",
		"copy --from " + store + " --unfence --dry-run",
	}
}

func TestLookingOnSQLite(t *testing.T) {
	noVariables(t)
	path := filepath.Join(t.TempDir(), "shop.db")
	ids := fileShop(t, path, true)
	t.Setenv("CLOAKROOM_STORE", "sqlite:"+path)
	before, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(t.TempDir(), "other.db")
	fileShop(t, other, false)
	for _, args := range append(looking(ids), comparing("sqlite:"+path, "sqlite:"+other)...) {
		if exit, stdout, stderr := command(t, "", strings.Fields(args)...); exit != exitOK && exit != exitFindings {
			t.Errorf("%s: exit %d\n%s%s", args, exit, stdout, stderr)
		}
		if after, err := os.ReadFile(path); err != nil || !bytes.Equal(before, after) {
			t.Fatalf("%s changes the file: %v", args, err)
		}
	}
}

func TestLookingOnEngine(t *testing.T) {
	e := newEngineStore(t)
	store := e.open(elasticstore.Config{})
	s := newShop(t, store, "")
	s.fill()
	s.spoil()
	e.refresh(store)
	writes := func() (n int64) {
		var all map[string]json.RawMessage
		var answer struct {
			All struct {
				Total struct {
					Indexing struct {
						Index  int64 `json:"index_total"`
						Delete int64 `json:"delete_total"`
					} `json:"indexing"`
				} `json:"total"`
			} `json:"_all"`
		}
		if err := json.Unmarshal(engineCall(t, "GET", e.engine+"/"+e.index+"-*/_stats/indexing", ""), &answer); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(engineCall(t, "GET", e.engine+"/"+e.index+"-*", ""), &all); err != nil {
			t.Fatal(err)
		}
		return answer.All.Total.Indexing.Index + answer.All.Total.Indexing.Delete + int64(len(all))<<32
	}
	before := writes()
	other := filepath.Join(t.TempDir(), "other.db")
	fileShop(t, other, false)
	for _, args := range append(looking(s.ids), comparing(e.engine+"/"+e.index, "sqlite:"+other)...) {
		if exit, stdout, stderr := command(t, "", strings.Fields(args)...); exit != exitOK && exit != exitFindings {
			t.Errorf("%s: exit %d\n%s%s", args, exit, stdout, stderr)
		}
		if after := writes(); after != before {
			t.Fatalf("%s writes to the engine, or makes an index: %x and %x", args, before, after)
		}
	}
}
