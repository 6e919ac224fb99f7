package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file compares commands and their output with transcripts.

// TestTranscripts runs the commands in testdata/*.txt. Each begins with "$ ", perhaps
// with settings of the environment. Then come its input ("in:"), its output line by
// line, in which * stands for anything and ? for a character, and its exit code. Standard output ("out:") and
// errors ("err:") are compared separately. A demo is stopped once it is open. The folder
// $DANCER is a copy of testdata/dancer. $TOKEN is a token that the file $KEYS signed.
// $STORE is a store with the sessions of shop_test.go, $ANN1 and the like are their ids, and
// in $SPOILED ledgers are spoiled; a transcript uses one of them.
func TestTranscripts(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("paths and messages of the system are those of Unix")
	}
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			home := t.TempDir()
			busy, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			defer busy.Close()
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.CopyFS(home+"/dancer", os.DirFS("testdata/dancer")); err != nil {
				t.Fatal(err)
			}
			keys, signed := signedToken(t, home)
			known := map[string]string{"KEYS": keys, "TOKEN": signed, "HOME": home, "DATA": home + "/data", "BUSY": busy.Addr().String(), "ESC": "\x1b", "DANCER": home + "/dancer"}
			for name, spoiled := range map[string]bool{"STORE": false, "SPOILED": true} {
				if path := filepath.Join(home, strings.ToLower(name)+".db"); strings.Contains(string(text), "$"+name) {
					for visitor, id := range fileShop(t, path, spoiled) {
						known[visitor] = id.String()
					}
					known[name] = "sqlite:" + path
				}
			}
			filled := regexp.MustCompile(`\$[A-Z]+[0-9]?\b`).ReplaceAllStringFunc(string(text), func(s string) string {
				if value, ok := known[s[1:]]; ok {
					return value
				}
				return s
			})
			for _, step := range readTranscript(t, filled) {
				t.Run(step.command, func(t *testing.T) { step.run(t, home, signed) })
			}
		})
	}
}

// signedToken makes a file of keys, and a token that it signs for the app "session".
func signedToken(t *testing.T, home string) (path, text string) {
	t.Helper()
	path = filepath.Join(home, "session.keys")
	secret := []byte("a secret for tests, known to all")
	if err := os.WriteFile(path, []byte(base64.StdEncoding.EncodeToString(secret)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	ring, err := token.NewRing([][]byte{secret})
	if err != nil {
		t.Fatal(err)
	}
	return path, ring.Sign(token.NewScope("session", "cookie"), driver.NewID(driver.LayoutDay, time.Now()), [16]byte{7})
}

// step is one command of a transcript.
type step struct {
	command      string
	in, out, err []string
	exit         string
}

func readTranscript(t *testing.T, text string) []step {
	t.Helper()
	var steps []step
	for n, line := range strings.Split(text, "\n") {
		if command, ok := strings.CutPrefix(line, "$ "); ok {
			steps = append(steps, step{command: command})
			continue
		}
		if line == "" || line[0] == '#' {
			continue
		}
		if len(steps) == 0 {
			t.Fatalf("line %d stands before the first command", n+1)
		}
		s := &steps[len(steps)-1]
		kind, rest, _ := strings.Cut(line, " ")
		switch kind {
		case "in:":
			s.in = append(s.in, rest+"\n")
		case "out:":
			s.out = append(s.out, rest)
		case "err:":
			s.err = append(s.err, rest)
		case "exit":
			s.exit = rest
		default:
			t.Fatalf("line %d: %q", n+1, line)
		}
	}
	return steps
}

func (s *step) run(t *testing.T, home, signed string) {
	noVariables(t)
	t.Setenv("HOME", home)
	t.Setenv("XDG_DATA_HOME", home+"/data")
	t.Setenv("COLUMNS", "80")
	words := strings.Fields(s.command)
	for words[0] != "cloakroom" {
		name, value, ok := strings.Cut(words[0], "=")
		if !ok {
			t.Fatalf("%q is no command", s.command)
		}
		t.Setenv(name, value)
		words = words[1:]
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	stdout := &watcher{word: "Ctrl-C stops it.", found: cancel}
	if slices.Contains(words, "--json") {
		stdout.word = `"type":"open"`
	}
	stderr := &watcher{}
	exit := run(ctx, words[1:], strings.NewReader(strings.Join(s.in, "")), stdout, stderr)
	if got := fmt.Sprint(exit); got != s.exit {
		t.Errorf("exit %s, want %s", got, s.exit)
	}
	compare(t, "out", stdout.String(), s.out)
	compare(t, "err", stderr.String(), s.err)
	if all := stdout.String() + stderr.String(); strings.Contains(all, "hunter2") || strings.Contains(all, signed) || strings.Contains(all, "\x1b") || strings.Contains(all, "ldjaldjaklsdanm.m") {
		t.Errorf("a password, token or control character is in\n%s", all)
	}
}

// noVariables removes the variables that commands read from the environment.
func noVariables(t *testing.T) {
	t.Helper()
	for _, setting := range os.Environ() {
		name, _, _ := strings.Cut(setting, "=")
		ofTests := strings.HasPrefix(name, "CLOAKROOM_TEST_") || strings.HasPrefix(name, "CLOAKROOM_REQUIRE_") || strings.HasPrefix(name, "CLOAKROOM_JAVA")
		if strings.HasPrefix(name, "CLOAKROOM_") && !ofTests ||
			strings.HasPrefix(name, "DANCER_") || name == "PLACK_ENV" {
			t.Setenv(name, "")
			os.Unsetenv(name)
		}
	}
}

// compare matches lines with patterns.
func compare(t *testing.T, name, got string, want []string) {
	t.Helper()
	var lines []string
	if got = strings.TrimSuffix(got, "\n"); got != "" {
		lines = strings.Split(got, "\n")
	}
	same := len(lines) == len(want)
	for i := 0; same && i < len(lines); i++ {
		pattern := strings.NewReplacer(`\*`, `.*`, `\?`, `.`).Replace(regexp.QuoteMeta(want[i]))
		same = regexp.MustCompile("^" + pattern + "$").MatchString(lines[i])
	}
	if !same {
		t.Errorf("%s:\n%s\nwant\n%s", name, got, strings.Join(want, "\n"))
	}
}

// watcher keeps the written bytes, and signals once it finds a word in them.
type watcher struct {
	mu    sync.Mutex
	b     bytes.Buffer
	word  string
	found func()
}

func (w *watcher) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.b.Write(p)
	if w.found != nil && strings.Contains(w.b.String(), w.word) {
		w.found()
	}
	return len(p), nil
}

func (w *watcher) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.b.String()
}

// TestStoppedEarly: a signal before the demo is open is no failure either.
func TestStoppedEarly(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var stdout, stderr watcher
	for _, store := range []string{"memory:", "http://127.0.0.1:1"} {
		t.Setenv("HOME", t.TempDir())
		t.Setenv("XDG_DATA_HOME", "")
		t.Setenv("LocalAppData", t.TempDir())
		if exit := run(ctx, []string{"demo", "--addr", "127.0.0.1:0", "--store", store}, strings.NewReader(""), &stdout, &stderr); exit != exitOK {
			t.Errorf("%s: exit %d\n%s", store, exit, stderr.String())
		}
	}
}
