package console_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestFilesOfOthers: each file of others is the one that the README tells of, with its
// licence beside it.
func TestFilesOfOthers(t *testing.T) {
	readme, err := os.ReadFile("assets/README.md")
	if err != nil {
		t.Fatal(err)
	}
	told := map[string]bool{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([^`]+)` .*, `([^`]+)` \\| `([0-9a-f]{64})` \\|$").FindAllStringSubmatch(string(readme), -1) {
		content, err := os.ReadFile("assets/" + m[1])
		if sum := sha256.Sum256(content); err != nil || hex.EncodeToString(sum[:]) != m[3] {
			t.Errorf("%s has another sum (%v)", m[1], err)
		}
		if licence, err := os.ReadFile("assets/" + m[2]); err != nil || len(licence) < 300 {
			t.Errorf("%s: %v", m[2], err)
		}
		told[m[1]] = true
	}
	files, err := os.ReadDir("assets")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if strings.Contains(f.Name(), ".min.") && !told[f.Name()] {
			t.Errorf("the README doesn't tell of %s", f.Name())
		}
	}
}
