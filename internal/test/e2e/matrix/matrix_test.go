package main

import (
	"bytes"
	"errors"
	"log"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

// TestEveryEngine checks that no engine is left out.
func TestEveryEngine(t *testing.T) {
	var names []string
	for _, e := range entries() {
		names = append(names, e.name)
	}
	for _, name := range testengine.Names() {
		if !slices.Contains(names, name) {
			t.Errorf("%s is not in the matrix", name)
		}
	}
}

// TestDocumentedPrivileges checks that the roles have none that is not documented.
func TestDocumentedPrivileges(t *testing.T) {
	text, err := os.ReadFile("../../../../elasticstore/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	_, section, found := strings.Cut(string(text), "# Privileges")
	section, _, _ = strings.Cut(section, "// # ")
	if !found {
		t.Fatal("there is no such section")
	}
	elastic, open, found := strings.Cut(section, "OpenSearch, indices:")
	if !found {
		t.Fatal("OpenSearch is not in it")
	}
	for documented, role := range map[string]testengine.Role{elastic: elasticsearchRole(), open: openSearchRole()} {
		words := strings.FieldsFunc(documented, func(r rune) bool { return strings.ContainsRune(" \n,;.", r) })
		for _, right := range slices.Concat(role.Cluster, role.IndicesRights) {
			word := right
			if strings.HasSuffix(right, "template/put") {
				word = "put" // "…template/get and put"
			}
			if !slices.Contains(words, word) {
				t.Errorf("%s is not documented", right)
			}
		}
	}
}

func TestChoose(t *testing.T) {
	if all, err := choose(""); err != nil || len(all) != len(entries()) {
		t.Errorf("all: %d, %v", len(all), err)
	}
	if two, err := choose("es8+security,opensearch2"); err != nil || len(two) != 2 || two[0].role == nil || two[1].name != "opensearch2" {
		t.Errorf("two: %v, %v", two, err)
	}
	if _, err := choose("es9"); err == nil || !strings.Contains(err.Error(), "es8+security") {
		t.Errorf("an unknown one: %v", err)
	}
	if err := run(t.Context(), []string{"-engines", "es8", "-o", "x"}, &bytes.Buffer{}); err == nil {
		t.Error("a document about some engines only")
	}
}

func TestTally(t *testing.T) {
	var said bytes.Buffer
	c, err := tally(strings.NewReader(`{"Action":"run","Test":"TestA"}
no JSON
{"Action":"output","Test":"TestA/x/1","Output":"why\n"}
{"Action":"fail","Test":"TestA/x/1"}
{"Action":"output","Test":"TestA/x/2","Output":"fine\n"}
{"Action":"pass","Test":"TestA/x/2"}
{"Action":"fail","Test":"TestA/x"}
{"Action":"fail","Test":"TestA"}
{"Action":"pass","Test":"TestB/y"}
{"Action":"fail","Test":"TestB"}
{"Action":"skip","Test":"TestC"}
{"Action":"pass","Test":"TestD"}
{"Action":"fail"}
`), log.New(&said, "", 0))
	if err != nil {
		t.Fatal(err)
	}
	if c.passed != 3 || !slices.Equal(c.failed, []string{"TestA/x/1", "TestB"}) || !slices.Equal(c.skipped, []string{"TestC"}) {
		t.Errorf("%+v", c)
	}
	if c.String() != "3 passed, 2 failed, 1 skipped" || c.err() == nil {
		t.Errorf("%v: %v", c, c.err())
	}
	if said.String() != "no JSON\nwhy\n" {
		t.Errorf("logged %q", said.String())
	}
	if err := (&count{passed: 1}).err(); err != nil {
		t.Errorf("all passed: %v", err)
	}
	if (&count{}).err() == nil || (&count{passed: 1, skipped: []string{"TestC"}}).err() == nil {
		t.Error("nothing, or not all of it, is a success")
	}
}

func TestDocument(t *testing.T) {
	got := string(document([]result{
		{entry: entry{name: "opensearch2"}, engine: "OpenSearch 2.19.1", suite: &count{passed: 70}, imports: &count{passed: 12},
			history: &history.Report{Ops: 1234, Failed: 2}, took: 90 * time.Second, err: errors.New("2 families\nbreak a promise")},
		{entry: entry{name: "es8", role: &testengine.Role{}}, err: errors.New("no Java")},
	}, time.Now(), 7, 2))
	for _, want := range []string{
		"| OpenSearch 2.19.1 | off | 70 passed | 12 passed | 1234 | 0 | 2 | 90 | **failed** |\n",
		"| es8, which did not start | TLS, least rights | not run | — | not run | — | — | 0 | **failed** |\n| Elasticsearch 9 |",
		"**OpenSearch 2.19.1, security off:** 2 families break a promise\n",
		"seed 7",
		"2 engines at a time",
	} {
		if !strings.Contains(got, want) {
			t.Errorf("%q is not in\n%s", want, got)
		}
	}
}
