//go:build unix

package cloakroom_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the tests of a key file's owner and of links to it, on Unix systems.

// A key file is judged by the file that is opened, whichever link leads to it.
func TestKeyFileLinks(t *testing.T) {
	folder := t.TempDir()
	private, shared, fifo := filepath.Join(folder, "private"), filepath.Join(folder, "shared"), filepath.Join(folder, "fifo")
	writeKeys(t, private, base64Of(newSecret))
	writeKeys(t, shared, base64Of(newSecret))
	if err := os.Chmod(shared, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for target, want := range map[string]string{private: "", shared: "can be read by others", fifo: "not a regular file", folder: "not a regular file"} {
		link := filepath.Join(t.TempDir(), "keys")
		if err := os.Symlink(target, link); err != nil {
			t.Fatal(err)
		}
		for _, path := range []string{target, link} {
			_, err := cloakroom.KeyringFile(path)
			if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, want %q", path, err, want)
			}
		}
	}
}

// One that belongs to another user is refused, also by root.
func TestKeyFileOfAnother(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	path := keyPath(t)
	writeKeys(t, path, base64Of(newSecret))
	if err := os.Chown(path, 12345, -1); err != nil {
		t.Fatal(err)
	}
	if _, err := cloakroom.KeyringFile(path); err == nil || !strings.Contains(err.Error(), "belongs to another user") {
		t.Errorf("a key file of another user: %v", err)
	}
}
