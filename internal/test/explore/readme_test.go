package explore

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// This file is the check that the README lists the scenarios, broken stores and mutants
// that there are.

// Each scenario has a row in the README, and each broken store and mutant one with its
// scenario and with what it breaks. No row is of something else.
func TestReadmeListsAll(t *testing.T) {
	text, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	section := func(begin, end string) string {
		_, s, found := strings.Cut(string(text), begin)
		if !found {
			t.Fatalf("README.md has no %q", begin)
		}
		s, _, _ = strings.Cut(s, end)
		return s
	}
	compare := func(what string, want map[string]bool, rows []string) {
		t.Helper()
		for _, row := range rows {
			if !want[row] {
				t.Errorf("README.md has a row of no %s, or one twice: %s", what, row)
			}
			delete(want, row)
		}
		for row := range want {
			t.Errorf("README.md lacks the row of a %s, which begins: %s", what, row)
		}
	}

	names := map[string]bool{}
	for _, sc := range bounded() {
		names["| `"+sc.name+"` |"] = true
	}
	compare("scenario", names, regexp.MustCompile("(?m)^\\| `[^`]*` \\|").FindAllString(section("\n## Scenarios\n", "\n## "), -1))

	stores := map[string]bool{}
	for _, m := range mutants() {
		name := "`" + m.name() + "`"
		if m.store == "" {
			name += " (a step of the world's)"
		}
		stores["| "+name+" | `"+m.scenario+"` | "+m.fails+" |"] = true
	}
	compare("broken store", stores, regexp.MustCompile("(?m)^\\| .*`.*\\|$").FindAllString(section("\n`TestBrokenStores` ", "\n`"), -1))

	changes := map[string]bool{}
	for _, m := range codeMutants() {
		breaks := m.fails
		if breaks == "" {
			breaks = "nothing"
		}
		changes["| "+m.name+" | `"+m.scenario+"` | "+breaks+" |"] = true
	}
	compare("mutant", changes, regexp.MustCompile("(?m)^\\| .*`.*\\|$").FindAllString(section("\n`TestMutants` ", "\n## "), -1))
}
