package keyfile

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

var begun = time.Date(2026, 11, 22, 9, 30, 0, 0, time.UTC)

// made makes a file in a folder of its own.
func made(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "session.keys")
	if _, err := New(path, begun); err != nil {
		t.Fatal(err)
	}
	return path
}

// step reads the file, changes it and saves it.
func step(t *testing.T, path string, change func(*File) error) *File {
	t.Helper()
	f, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := change(f); err != nil {
		t.Fatal(err)
	}
	if err := f.Save(); err != nil {
		t.Fatal(err)
	}
	if _, err := cloakroom.KeyringFile(path); err != nil {
		t.Fatal(err)
	}
	again, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	return again
}

// ring returns the ring that a file has.
func ring(t *testing.T, path string) *token.Ring {
	t.Helper()
	f, err := Read(path)
	if err != nil {
		t.Fatal(err)
	}
	var secrets [][]byte
	for _, k := range f.Keys {
		secrets = append(secrets, k.secret())
	}
	r, err := token.NewRing(secrets)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestRotation goes through all steps. After each, a process that has the file as it was
// before and one that has it as it is now take each other's tokens.
func TestRotation(t *testing.T) {
	path := made(t)
	scope := token.NewScope("session", "cookie")
	before := ring(t, path)
	understand := func(what string) {
		t.Helper()
		now := ring(t, path)
		for name, p := range map[string][2]*token.Ring{"old to new": {before, now}, "new to old": {now, before}} {
			if _, ok := p[1].Parse(scope, p[0].Sign(scope, [16]byte{1}, [16]byte{2})); !ok {
				t.Errorf("%s: %s is refused", what, name)
			}
		}
		before = now
	}
	first := ring(t, path).Hints()[0]
	f := step(t, path, func(f *File) error { return f.Add(begun.Add(time.Hour)) })
	if len(f.Keys) != 2 || f.Keys[0].Hint != first || !f.Keys[1].Waits() || f.Keys[0].Waits() {
		t.Errorf("added: %+v", f.Keys)
	}
	understand("added")
	if err := f.Add(begun); err == nil || !strings.Contains(err.Error(), "of 2026-11-22 10:30 UTC, doesn't sign yet") {
		t.Errorf("a second is added: %v", err)
	}
	signed := begun.Add(2 * time.Hour)
	f = step(t, path, func(f *File) error { return f.Sign(signed) })
	if f.Keys[1].Hint != first || !f.Keys[1].SignedUntil.Equal(signed) || !f.Keys[0].SignsSince.Equal(signed) || f.Keys[0].Waits() {
		t.Errorf("signed: %+v", f.Keys)
	}
	understand("signs")
	if err := f.Sign(signed); err == nil || !strings.Contains(err.Error(), "no key waits") {
		t.Errorf("it signs twice: %v", err)
	}
	over := signed.Add(day30 + 24*time.Hour + 2*time.Minute)
	if _, err := f.Drop(over.Add(-time.Second), day30); err == nil || !strings.Contains(err.Error(), "its tokens last until 2026-12-23 11:32 UTC") {
		t.Errorf("dropped too early: %v", err)
	}
	f = step(t, path, func(f *File) error {
		dropped, err := f.Drop(over, day30)
		if len(dropped) != 1 || dropped[0].Hint != first {
			t.Errorf("dropped: %+v", dropped)
		}
		return err
	})
	if _, err := f.Drop(over, day30); len(f.Keys) != 1 || err == nil {
		t.Errorf("%+v %v", f.Keys, err)
	}
}

const day30 = 30 * 24 * time.Hour

// TestByHand: lines and comments that others wrote stay, and nothing is dropped of which
// the file doesn't say when it signed.
func TestByHand(t *testing.T) {
	path := filepath.Join(t.TempDir(), "keys")
	a, b, c := NewSecret(), NewSecret(), NewSecret()
	write := func(text string) {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("# ours\r\n\n# key zz: nonsense\n" + a + "\n\n# of Ann\n" + b + "\n#" + c + "\n# the end")
	f := step(t, path, func(f *File) error { return f.Add(begun) })
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("# ours\n\n# key zz: nonsense\n%s\n# of Ann\n%s\n# key %s: made 2026-11-22T09:30:00Z\n", a, b, f.Keys[2].Name())
	if got := string(text); !strings.HasPrefix(got, want) || !strings.HasSuffix(got, "\n#"+c+"\n# the end\n") {
		t.Errorf("%s", got)
	}
	step(t, path, func(f *File) error { return f.Sign(begun.Add(time.Hour)) })
	f, err = Read(path)
	if err != nil {
		t.Fatal(err)
	}
	dropped, err := f.Drop(begun.Add(400*24*time.Hour), day30)
	if err != nil || len(dropped) != 1 || len(f.Keys) != 2 {
		t.Errorf("%v %v", dropped, err)
	}
	if _, err := f.Drop(begun.Add(400*24*time.Hour), day30); err == nil || !strings.Contains(err.Error(), "doesn't say when it last signed") {
		t.Errorf("a key of which nothing is known: %v", err)
	}
	for text, want := range map[string]string{"": "no secret", "hunter2\n": "line 1: not base64", a + "\n" + a + "\n": "the same"} {
		write(text)
		if _, err := Read(path); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

// TestSafe: a file is made and replaced at once, is its owner's alone, and nothing is
// written over.
func TestSafe(t *testing.T) {
	path := made(t)
	if _, err := New(path, begun); err == nil || !strings.Contains(err.Error(), "is there already") {
		t.Errorf("made again: %v", err)
	}
	if _, err := Read(path + "-none"); err == nil {
		t.Error("a file that isn't there is read")
	}
	link := path + "-link"
	if err := os.Symlink("session.keys", link); err != nil {
		t.Skip(err)
	}
	f, err := Read(link)
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Add(begun); err != nil {
		t.Fatal(err)
	}
	step(t, path, func(f *File) error { return f.Add(begun) }) // somebody else
	if err := f.Save(); err == nil || !strings.Contains(err.Error(), "changed meanwhile") {
		t.Errorf("what somebody else wrote is written over: %v", err)
	}
	step(t, link, func(f *File) error { return f.Sign(begun) })
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link is replaced: %v %v", info, err)
	}
	if info, err := os.Stat(path); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info, err)
	}
	left, err := os.ReadDir(filepath.Dir(path))
	if err != nil || len(left) != 2 {
		t.Errorf("left: %v %v", left, err)
	}
	if printed := fmt.Sprintf("%+v %#v", f.Keys[0], f.Keys); strings.Contains(printed, "secret:[") {
		t.Errorf("a secret is printed: %s", printed)
	}
}
