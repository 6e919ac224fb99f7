package cloakroom_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

// This file is the check that each invariant of docs/design.md has tests, by the
// numbers in their names.

// notEverywhere are the tests of invariants that don't run on each store. They
// say why where they skip.
var notEverywhere = []string{
	"TestI10_RevokeAllOfAProcessThatIsKilled", // not in memory
	"TestI1I3_IncrementsOfFourProcesses",      // not in memory
	"TestI8_OutageOfAnEngine",                 // only on an engine
}

// invariants is how many docs/design.md has.
const invariants = 15

// Each invariant of docs/design.md has a test that carries its number, and such
// tests run on the store that -store names.
func TestInvariantsHaveTests(t *testing.T) {
	tests := map[int][]string{}
	var skipping []string
	for name, f := range testFunctions(t) {
		for _, n := range numbersOf(name) {
			tests[n] = append(tests[n], name)
		}
		if !invariantTest.MatchString(name) {
			continue
		}
		calls := callsIn(f)
		if slices.Contains(calls, "memstore.New") {
			t.Errorf("%s runs in memory alone: have it use newRig or openStore", name)
		}
		if slices.Contains(calls, "t.Skip") || slices.Contains(calls, "newSharedPlace") {
			skipping = append(skipping, name)
		}
	}
	for n := 1; n <= invariants; n++ {
		if len(tests[n]) == 0 {
			t.Errorf("invariant %d has no test: name one TestI%d_...", n, n)
		}
		t.Logf("invariant %d: %d tests", n, len(tests[n]))
	}
	if slices.Sort(skipping); !slices.Equal(skipping, notEverywhere) {
		t.Errorf("tests that don't run on each store: %q, but listed are %q", skipping, notEverywhere)
	}
}

// A test of an invariant carries its number in the same way in all packages of all
// modules, so that -run '^TestI8_' finds all of it.
func TestInvariantNumbers(t *testing.T) {
	numbered := 0
	for _, name := range testNames(t) {
		if !regexp.MustCompile(`^TestI\d`).MatchString(name) {
			continue
		}
		if !invariantTest.MatchString(name) {
			t.Errorf("%s: numbers of invariants end with an underscore, as in TestI1I8_Name", name)
			continue
		}
		numbered++
		for _, n := range numbersOf(name) {
			if n < 1 || n > invariants {
				t.Errorf("%s: there is no invariant %d, only 1 to %d", name, n, invariants)
			}
		}
	}
	if numbered < 100 {
		t.Errorf("%d tests have numbers: aren't they found?", numbered)
	}
}

var invariantTest = regexp.MustCompile(`^Test(I\d+)+_`)

// numbersOf returns the invariants whose numbers the name of a test carries.
func numbersOf(test string) (numbers []int) {
	for _, number := range regexp.MustCompile(`I(\d+)`).FindAllStringSubmatch(invariantTest.FindString(test), -1) {
		n, err := strconv.Atoi(number[1])
		if err != nil {
			n = -1 // which no invariant has
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// testFunctions returns the test functions of this folder by name.
func testFunctions(t *testing.T) map[string]*ast.FuncDecl {
	t.Helper()
	files, err := filepath.Glob("*_test.go")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	tests := map[string]*ast.FuncDecl{}
	for _, name := range files {
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			if f, ok := d.(*ast.FuncDecl); ok && f.Recv == nil && regexp.MustCompile(`^Test`).MatchString(f.Name.Name) {
				tests[f.Name.Name] = f
			}
		}
	}
	return tests
}

// callsIn returns the calls in a function, as they are written there.
func callsIn(f *ast.FuncDecl) (calls []string) {
	ast.Inspect(f, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		switch fun := call.Fun.(type) {
		case *ast.Ident:
			calls = append(calls, fun.Name)
		case *ast.SelectorExpr:
			if x, ok := fun.X.(*ast.Ident); ok {
				calls = append(calls, x.Name+"."+fun.Sel.Name)
			}
		}
		return true
	})
	return calls
}
