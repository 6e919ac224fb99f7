package cloakroom_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// This file is the check that documents name tests, functions and files that exist, and
// that recipes are code that is built.

// testNames returns the names of all test functions of the repository.
func testNames(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		for _, f := range regexp.MustCompile(`(?m)^func (Test\w+)\(`).FindAllSubmatch(text, -1) {
			names = append(names, string(f[1]))
		}
		return err
	})
	if err != nil || len(names) == 0 {
		t.Fatalf("%d tests: %v", len(names), err)
	}
	return names
}

// Each test that docs/design.md names for an invariant exists, and carries its number.
func TestDesignNamesTestsThatExist(t *testing.T) {
	text, err := os.ReadFile("docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	named, rows := 0, map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| (\\d+) \\| (`.*) \\|$").FindAllSubmatch(text, -1) {
		number := string(row[1])
		rows[number] = true
		for _, name := range regexp.MustCompile("`(\\w+)`").FindAllSubmatch(row[2], -1) {
			named++
			is := regexp.MustCompile(`^Test(I\d+)*I` + number + `(I\d+)*_` + string(name[1]) + `$`)
			if !slices.ContainsFunc(tests, is.MatchString) {
				t.Errorf("invariant %s: there is no test TestI%s_%s", number, number, name[1])
			}
		}
	}
	for n := range invariants {
		if !rows[strconv.Itoa(n+1)] {
			t.Errorf("invariant %d has no row in the table of docs/design.md", n+1)
		}
	}
	if len(rows) > invariants {
		t.Errorf("the table of docs/design.md has %d rows for %d invariants", len(rows), invariants)
	}
	if named < 15 {
		t.Errorf("%d tests are named: the table isn't found", named)
	}
}

// Each test that SECURITY.md names for a claim exists.
func TestSecurityNamesTestsThatExist(t *testing.T) {
	text, err := os.ReadFile("SECURITY.md")
	if err != nil {
		t.Fatal(err)
	}
	tests := testNames(t)
	named := regexp.MustCompile("`(Test\\w+)`").FindAllSubmatch(text, -1)
	for _, name := range named {
		if !slices.Contains(tests, string(name[1])) {
			t.Errorf("there is no test %s", name[1])
		}
	}
	if len(named) < 40 {
		t.Errorf("%d tests are named: are they still written as they were?", len(named))
	}
}

// readAll returns the files that match a pattern, one after the other.
func readAll(t *testing.T, pattern string) (all []byte) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
	for _, path := range files {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, b...)
	}
	return all
}

// The Go of docs/recipes.md stands word for word in the package that tests it.
func TestRecipesAreCode(t *testing.T) {
	text, err := os.ReadFile("docs/recipes.md")
	if err != nil {
		t.Fatal(err)
	}
	code := readAll(t, "internal/test/recipes/*.go")
	blocks := regexp.MustCompile("(?ms)^```go\n(.*?)^```$").FindAllSubmatch(text, -1)
	if len(blocks) < 10 || len(blocks) != bytes.Count(text, []byte("```go")) {
		t.Errorf("%d blocks of Go are found", len(blocks))
	}
	for _, b := range blocks {
		// A block may be of several places: whole declarations, with an empty line between.
		for _, part := range declarations(string(b[1])) {
			if !bytes.Contains(code, []byte(part+"\n")) {
				t.Errorf("no file of internal/test/recipes has\n%s", part)
			}
		}
	}
}

// declarations cuts Go where a declaration of the file begins, or its comment, behind an
// empty line.
func declarations(code string) (parts []string) {
	begins := regexp.MustCompile(`\n\n(//|func|var|type|const)`)
	for {
		at := begins.FindStringIndex(code)
		if at == nil {
			return append(parts, strings.TrimSpace(code))
		}
		parts = append(parts, strings.TrimSpace(code[:at[0]]))
		code = code[at[0]+2:]
	}
}

// A function or type at which the map of docs/design.md says to begin is in the file that
// stands before it.
func TestDesignNamesWhereToBegin(t *testing.T) {
	text, err := os.ReadFile("docs/design.md")
	if err != nil {
		t.Fatal(err)
	}
	names := 0
	for _, place := range regexp.MustCompile("`([\\w/]+\\.go)`(?:\\]\\([^)]*\\))? \\((`[^)]*)\\)").FindAllSubmatch(text, -1) {
		code, err := os.ReadFile(string(place[1]))
		if err != nil {
			t.Error(err)
			continue
		}
		for _, name := range regexp.MustCompile("`(?:(\\w+)\\.)?(\\w+)`").FindAllSubmatch(place[2], -1) {
			names++
			receiver, method := string(name[1]), string(name[2])
			is := `(?m)^(func (\([^)]*\) )?|type )` + method + `\b`
			if receiver != "" {
				is = `(?m)^func \(\w+ \*?` + receiver + `\) ` + method + `\b`
			}
			if !regexp.MustCompile(is).Match(code) {
				t.Errorf("%s has no %s", place[1], name[0])
			}
		}
	}
	if names < 15 {
		t.Errorf("%d names are found: is the map still read as it is written?", names)
	}
}

// Each file of the repository that a document names or links to exists.
func TestDocumentsNameFilesThatExist(t *testing.T) {
	documents, err := filepath.Glob("docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, document := range append(documents, "README.md", "CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md") {
		text, err := os.ReadFile(document)
		if err != nil {
			t.Fatal(err)
		}
		if document == filepath.Join("docs", "design.md") && !bytes.Contains(text, []byte(".go`")) {
			t.Error("docs/design.md names no file: is it still read as it is written?")
		}
		for _, name := range regexp.MustCompile("`([\\w/]+\\.go|internal/[\\w/]+)`").FindAllSubmatch(text, -1) {
			if _, err := os.Stat(string(name[1])); err != nil {
				t.Errorf("%s names %s: %v", document, name[1], err)
			}
		}
		for _, link := range regexp.MustCompile(`\]\(([\w./-]+)(#[\w-]*)?\)`).FindAllSubmatch(text, -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(document), string(link[1]))); err != nil {
				t.Errorf("%s links to %s: %v", document, link[1], err)
			}
		}
	}
}
