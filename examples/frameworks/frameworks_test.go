// Package frameworks_test holds what all examples keep to.
package frameworks_test

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each example is short, is tested by the one story, and stands in the README.
func TestExamples(t *testing.T) {
	programs, err := filepath.Glob("*/main.go")
	if err != nil || len(programs) != 9 {
		t.Fatalf("found the programs %v, %v", programs, err)
	}
	readme, err := os.ReadFile("README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, program := range programs {
		dir := filepath.Dir(program)
		test, err := os.ReadFile(filepath.Join(dir, "main_test.go"))
		if err != nil || !bytes.Contains(test, []byte("story.Run(t, ")) {
			t.Errorf("%s doesn't tell the story: %v", dir, err)
		}
		if !bytes.Contains(readme, []byte("["+dir+"]("+filepath.ToSlash(program)+")")) {
			t.Errorf("%s isn't in README.md", dir)
		}
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if text, err := os.ReadFile(file); err != nil || !strings.HasSuffix(file, "_test.go") && bytes.Count(text, []byte("\n")) > 100 {
				t.Errorf("%s is longer than 100 lines: %v", file, err)
			}
		}
	}
}
