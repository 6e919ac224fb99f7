package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/tools/txtar"
)

// runOn runs the command on files, which txtar separates.
func runOn(t *testing.T, files string, args ...string) (code int, report, problems string) {
	t.Helper()
	dir := t.TempDir()
	for _, f := range append(txtar.Parse([]byte(files)).Files, txtar.File{Name: "go.mod", Data: []byte("module example.com/m\n\ngo 1.26.0\n")}) {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, f.Data, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("GOWORK", "off") // as if no workspace were around the folder
	var out, err strings.Builder
	code = run(dir, args, &out, &err)
	return code, out.String(), err.String()
}

// TestCircles finds circles by each kind of reference, and nothing else.
func TestCircles(t *testing.T) {
	tests := []struct{ name, files, want string }{
		{"no circle", `
-- a.go --
package m
func A() { B(); C() }
-- b.go --
package m
func B() { C() }
-- c.go --
package m
func C() {}
`, "3 files, no circle\n"},
		{"functions", `
-- a.go --
package m
func A() { B() }
-- b.go --
package m
func B() { A() }
`, "2 files, largest circle 2\n  2: a.go b.go\n    a.go -> b.go (without: 1)\n      B, 1× from line 2 on\n    b.go -> a.go (without: 1)\n      A, 1× from line 2 on\n"},
		{"a method, and the type that it belongs to", `
-- a.go --
package m
type T struct{}
func A(t *T) { t.F(); t.F() }
-- b.go --
package m
func (t *T) F() {}
`, "2 files, largest circle 2\n  2: a.go b.go\n    a.go -> b.go (without: 1)\n      T.F, 2× from line 3 on\n    b.go -> a.go (without: 1)\n      T, 1× from line 2 on\n"},
		{"a field", `
-- a.go --
package m
const Size = 1
func A() { made().n[0]++ }
-- b.go --
package m
type T struct { n [Size]int }
-- c.go --
package m
func made() *T { return nil }
`, "3 files, largest circle 3\n  3: a.go b.go c.go\n" +
			"    b.go -> a.go (without: 1)\n      Size, 1× from line 2 on\n" +
			"    a.go -> c.go (without: 2)\n      made, 1× from line 3 on\n" +
			"    c.go -> b.go (without: 2)\n      T, 1× from line 2 on\n" +
			"    a.go -> b.go (without: 3)\n      T.n, 1× from line 3 on\n"},
		{"a field of a type with parameters", `
-- a.go --
package m
const Size = 1
func A() { made().n[0]++ }
-- b.go --
package m
type T[E any] struct { n [Size]E }
-- c.go --
package m
func made() *T[int] { return nil }
`, "3 files, largest circle 3\n  3: a.go b.go c.go\n" +
			"    b.go -> a.go (without: 1)\n      Size, 1× from line 2 on\n" +
			"    a.go -> c.go (without: 2)\n      made, 1× from line 3 on\n" +
			"    c.go -> b.go (without: 2)\n      T, 1× from line 2 on\n" +
			"    a.go -> b.go (without: 3)\n      T.n, 1× from line 3 on\n"},
		{"an embedded field that isn't named", `
-- a.go --
package m
const Size = 1
func A() { made().n++ }
-- b.go --
package m
type T struct { *inner; x [Size]int }
-- c.go --
package m
type inner struct { n int }
func made() *T { return nil }
`, "3 files, largest circle 3\n  3: a.go b.go c.go\n" +
			"    b.go -> a.go (without: 2)\n      Size, 1× from line 2 on\n" +
			"    c.go -> b.go (without: 2)\n      T, 1× from line 3 on\n" +
			"    a.go -> b.go (without: 3)\n      T.inner, 1× from line 3 on\n" +
			"    b.go -> c.go (without: 3)\n      inner, 1× from line 2 on\n" +
			"    a.go -> c.go (without: 3)\n      inner.n, 1× from line 3 on\n      made, 1× from line 3 on\n"},
		{"a constant and a variable", `
-- a.go --
package m
const A = 1
var use = B
-- b.go --
package m
var B = A
`, "2 files, largest circle 2\n  2: a.go b.go\n    a.go -> b.go (without: 1)\n      B, 1× from line 3 on\n    b.go -> a.go (without: 1)\n      A, 1× from line 2 on\n"},
		{"tests don't count", `
-- a.go --
package m
func A() { B() }
-- b.go --
package m
func B() {}
-- b_test.go --
package m
func t() { A() }
-- a_test.go --
package m
func u() { t() }
`, "2 files, no circle\n"},
		{"other packages don't count", `
-- a.go --
package m
import "strings"
func A() { B(strings.ToUpper("a")) }
-- b.go --
package m
func B(string) error { return nil }
`, "2 files, no circle\n"},
		{"two circles, and what breaks the larger one best", `
-- a.go --
package m
func A() { B() }
-- b.go --
package m
func B() { A(); C() }
-- c.go --
package m
func C() { A() }
-- d.go --
package m
func D() { E() }
-- e.go --
package m
func E() { D() }
`, "5 files, largest circle 3\n" +
			"  3: a.go b.go c.go\n" +
			"    a.go -> b.go (without: 1)\n      B, 1× from line 2 on\n" +
			"    b.go -> c.go (without: 2)\n      C, 1× from line 2 on\n" +
			"    c.go -> a.go (without: 2)\n      A, 1× from line 2 on\n" +
			"    b.go -> a.go (without: 3)\n      A, 1× from line 2 on\n" +
			"  2: d.go e.go\n" +
			"    d.go -> e.go (without: 1)\n      E, 1× from line 2 on\n" +
			"    e.go -> d.go (without: 1)\n      D, 1× from line 2 on\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, err := runOn(t, tt.files, "-v", ".")
			if want := "example.com/m: " + tt.want; code != 0 || out != want {
				t.Errorf("exit code %d, %s\ngot\n%s\nwant\n%s", code, err, out, want)
			}
		})
	}
}

// pair is a circle of two files, and a file outside of it.
const pair = `
-- a.go --
package m
func A() { B() }
-- b.go --
package m

func B() { A() }
-- c.go --
package m
-- c_test.go --
package m





-- other/other.go --
package other
-- onlytests/o_test.go --
package onlytests
-- broken/broken.go --
package broken
var x = nothing
-- none/README --
`

// TestLimits guards the exit codes: 1 for an exceeded limit, 2 for anything that can't
// be measured, whatever else can.
func TestLimits(t *testing.T) {
	tests := []struct {
		args string
		code int
		err  string
	}{
		{"-max-circle 2 -max-lines 3 -apart c .", 0, ""},
		{"-max-circle 2 -max-lines 3 -apart c,other . ./other", 0, ""},
		{"-max-circle 1 .", 1, "a circle has 2 files, more than 1"},
		{"-max-circle 1 ./other .", 1, "example.com/m: a circle has 2 files"},
		{"-max-lines 2 .", 1, "b.go has 3 lines, more than 2"},
		{"-apart c,b .", 1, "b.go is to stay out of circles"},
		{"-apart c,d .", 2, "no package has a file d.go"},
		{"", 2, "usage:"},
		{"-max-circle -1 .", 2, "usage:"},
		{"-unknown .", 2, "usage:"},
		{". ./nowhere", 2, "nowhere"},
		{". ./none/...", 2, "no package matches ./none/..."},
		{"./onlytests", 2, "onlytests has no Go files but tests"},
		{". ./broken", 2, "undefined: nothing"},
	}
	for _, tt := range tests {
		t.Run(tt.args, func(t *testing.T) {
			code, out, err := runOn(t, pair, strings.Fields(tt.args)...)
			if code != tt.code || !strings.Contains(err, tt.err) || tt.err == "" && err != "" {
				t.Errorf("exit code %d, want %d and %q; got\n%s%s", code, tt.code, tt.err, out, err)
			}
		})
	}
}

// TestLinesOfOtherSystems counts a file that no system builds.
func TestLinesOfOtherSystems(t *testing.T) {
	code, _, err := runOn(t, `
-- a.go --
package m
-- b.go --
//go:build never

package m
`, "-max-lines", "2", ".")
	if code != 1 || !strings.Contains(err, "b.go has 3 lines") {
		t.Errorf("exit code %d: %s", code, err)
	}
}

// TestLinesOfGeneratedFiles: they don't count, since nobody reads them.
func TestLinesOfGeneratedFiles(t *testing.T) {
	const files = `
-- a.go --
package m
-- b.go --
// Code generated by a test; DO NOT EDIT.

package m

type b int
`
	if code, _, err := runOn(t, files, "-max-lines", "2", "."); code != 0 {
		t.Errorf("exit code %d: %s", code, err)
	}
	if code, _, err := runOn(t, strings.Replace(files, "DO NOT", "do not", 1), "-max-lines", "2", "."); code != 1 {
		t.Errorf("without the words that say generated: exit code %d: %s", code, err)
	}
}
