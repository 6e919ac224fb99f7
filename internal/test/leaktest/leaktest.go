// Package leaktest fails tests that leave goroutines of this module behind.
//
// It looks at stacks: a goroutine counts if one of the watched import paths is
// in its stack or in the line that says who started it. Goroutines of the
// standard library that merely serve this module, such as the idle connections
// of an HTTP client, don't count.
package leaktest

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"
)

// Module is the import path that is always watched.
const Module = "github.com/cloakroom-go/cloakroom"

// patience is how long goroutines get to end. A leak is only reported after
// it; a sound test never waits for it.
var patience = 5 * time.Second

// Check makes t fail if, when it ends, goroutines of the module run that did
// not run when Check was called. More import paths to watch can be given.
//
// Call it first in a test, so that it looks after the other clean-ups are
// done. Tests that run in parallel, with their goroutines, would count as well:
// don't use it beside them. The goroutines of tests themselves don't count.
func Check(t testing.TB, paths ...string) {
	t.Helper()
	CheckFunc(t, func() []string { return paths })
}

// CheckFunc is Check for those who know the further import paths only at the
// test's end.
func CheckFunc(t testing.TB, paths func() []string) {
	t.Helper()
	before := map[string]bool{}
	for _, g := range goroutines() {
		before[g.id] = true
	}
	t.Cleanup(func() {
		t.Helper()
		if left := wait(before, append([]string{Module}, paths()...)); len(left) > 0 {
			t.Errorf("%d goroutines were left behind:\n\n%s", len(left), strings.Join(left, "\n\n"))
		}
	})
}

// Main runs a package's tests and fails if goroutines of the module are left
// when they are done. It does not return:
//
//	func TestMain(m *testing.M) { leaktest.Main(m) }
//
// ends are called after the last test. Their errors fail the package.
func Main(m *testing.M, ends ...func() error) {
	code := m.Run()
	for _, end := range ends {
		if err := end(); err != nil {
			fmt.Fprintln(os.Stderr, "after the tests:", err)
			code = 1
		}
	}
	if code == 0 {
		if left := wait(nil, []string{Module}); len(left) > 0 {
			fmt.Fprintf(os.Stderr, "%d goroutines were left behind by this package's tests:\n\n%s\n",
				len(left), strings.Join(left, "\n\n"))
			code = 1
		}
	}
	os.Exit(code)
}

// wait polls until no goroutine counts any more and returns the stacks of those
// that still do at the end of patience.
func wait(before map[string]bool, paths []string) []string {
	ticker := time.NewTicker(5 * time.Millisecond)
	defer ticker.Stop()
	for end := time.Now().Add(patience); ; <-ticker.C {
		var left []string
		for _, g := range goroutines() {
			if !before[g.id] && !g.test && g.mentions(paths) {
				left = append(left, g.stack)
			}
		}
		if len(left) == 0 || time.Now().After(end) {
			return left
		}
	}
}

type goroutine struct {
	id    string
	stack string
	test  bool // runs a test, or is the one that asks
}

func (g goroutine) mentions(paths []string) bool {
	for _, p := range paths {
		if strings.Contains(g.stack, p) {
			return true
		}
	}
	return false
}

// goroutines returns all goroutines, the calling one first.
func goroutines() []goroutine {
	buf := make([]byte, 1<<20)
	for {
		n := runtime.Stack(buf, true)
		if n < len(buf) {
			buf = buf[:n]
			break
		}
		buf = make([]byte, 2*len(buf))
	}
	var all []goroutine
	for i, stack := range strings.Split(string(buf), "\n\n") {
		head, _, _ := strings.Cut(stack, " [")
		all = append(all, goroutine{
			id:    head,
			stack: stack,
			test: i == 0 ||
				strings.Contains(stack, "created by testing.(*T).Run") ||
				strings.Contains(stack, "created by testing.(*B).") ||
				strings.Contains(stack, "created by testing.(*F).") ||
				strings.Contains(stack, "testing.(*M).Run("),
		})
	}
	return all
}
