package cloakroom_test

import (
	"bytes"
	"flag"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// This file is the check of the API's names and doc comments against
// testdata/api.golden, and of the API's size.

// apiPackages are the packages whose API is held, by their folders, with the most
// exported names that each may have.
var apiPackages = []struct {
	dir   string
	names int
}{
	{".", 75}, {"./driver", 110}, {"./storetest", 10}, {"./memstore", 10}, {"./sqlitestore", 10}, {"./elasticstore", 20}, {"./console", 20}, {"./figures", 10}, {"./devices", 20},
}

var updateGolden = flag.Bool("update", false, "write the golden files anew; who reviews the change sees what becomes of the API")

// TestAPI compares the exported names and their comments with testdata/api.golden, so
// that no change of the API goes unseen.
func TestAPI(t *testing.T) {
	const path = "testdata/api.golden"
	var api bytes.Buffer
	for _, p := range apiPackages {
		fmt.Fprintf(&api, "== go doc -all %s\n\n", p.dir)
		c := exec.CommandContext(t.Context(), "go", "doc", "-all", p.dir)
		var problems bytes.Buffer
		c.Stdout, c.Stderr = &api, &problems
		if err := c.Run(); err != nil {
			t.Fatalf("go doc -all %s: %v\n%s", p.dir, err, problems.Bytes())
		}
	}
	if *updateGolden {
		if err := os.WriteFile(path, api.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if line, got, want := firstDifference(api.String(), string(want)); line > 0 {
		t.Errorf("the API is not what %s says, from line %d on:\ngot  %s\nwant %s\nIf that is meant: go test -run TestAPI . -update, and git diff shows all of it.",
			path, line, got, want)
	}
}

// firstDifference is the first line, from 1 on, in which two texts differ, or 0.
func firstDifference(got, want string) (line int, gotLine, wantLine string) {
	a, b := strings.Split(got, "\n"), strings.Split(want, "\n")
	for i := range max(len(a), len(b)) {
		gotLine, wantLine = "(end)", "(end)"
		if i < len(a) {
			gotLine = a[i]
		}
		if i < len(b) {
			wantLine = b[i]
		}
		if gotLine != wantLine {
			return i + 1, gotLine, wantLine
		}
	}
	return 0, "", ""
}

// TestAPISize holds how many exported names a package has, methods and fields left
// aside: somebody has to find the one that is needed among them.
func TestAPISize(t *testing.T) {
	for _, p := range apiPackages {
		names, err := exportedNames(p.dir)
		if err != nil {
			t.Fatal(err)
		}
		if len(names) == 0 || len(names) > p.names {
			t.Errorf("%s exports %d names, want 1 to %d: %s", p.dir, len(names), p.names, strings.Join(names, " "))
		}
	}
}

// exportedNames are the functions, types, constants and variables that the files of
// a folder export, tests left aside. A name that several systems declare is one.
func exportedNames(dir string) ([]string, error) {
	files, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return nil, err
	}
	var names []string
	seen := map[string]bool{}
	add := func(id *ast.Ident) {
		if id.IsExported() && !seen[id.Name] {
			seen[id.Name] = true
			names = append(names, id.Name)
		}
	}
	for _, path := range files {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			return nil, err
		}
		for _, d := range file.Decls {
			switch d := d.(type) {
			case *ast.FuncDecl:
				if d.Recv == nil {
					add(d.Name)
				}
			case *ast.GenDecl:
				for _, s := range d.Specs {
					switch s := s.(type) {
					case *ast.TypeSpec:
						add(s.Name)
					case *ast.ValueSpec:
						for _, id := range s.Names {
							add(id)
						}
					}
				}
			}
		}
	}
	return names, nil
}
