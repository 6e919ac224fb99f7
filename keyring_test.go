package cloakroom_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/token"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the tests of keyrings: rotation, and secrets in a file.

var (
	oldSecret = []byte("the old secret: 32 bytes, no more")[:32]
	newSecret = []byte("the new secret, which is longer: 48 bytes of text")[:48]
)

func keysOf(t testing.TB, secrets ...[]byte) *cloakroom.Keyring {
	t.Helper()
	k, err := cloakroom.NewKeyring(secrets...)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// issue makes a token with a keyring; accepts tells whether one takes it, which is
// seen from the store being asked.
func issue(t testing.TB, k *cloakroom.Keyring) string {
	t.Helper()
	mem := memstore.New(nil)
	defer mem.Close()
	d := newDeskOn(t, mem, k, &cloakroom.Config{Now: time.Now})
	s, err := d.m.Create(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	return s.Token()
}

func accepts(t testing.TB, k *cloakroom.Keyring, tok string) bool {
	t.Helper()
	mem := memstore.New(nil)
	defer mem.Close()
	d := newDeskOn(t, mem, k, &cloakroom.Config{Now: time.Now})
	if _, err := d.m.Retrieve(context.Background(), tok); !errors.Is(err, cloakroom.ErrNotFound) {
		t.Errorf("Retrieve from an empty store: %v", err)
	}
	return d.store.since() == "1 reads, 0 writes"
}

func TestNewKeysErrors(t *testing.T) {
	hidden := []byte("hunter2-hunter2-hunter2-hunter2-hunter2")
	for _, tt := range []struct {
		name    string
		secrets [][]byte
		want    string
	}{
		{"none", nil, "no secret"},
		{"short", [][]byte{hidden[:31]}, "at least 32 random bytes"},
		{"the second is short", [][]byte{hidden, hidden[:16]}, "secret 2 of 2 has 16 bytes"},
		{"twice", [][]byte{hidden, hidden}, "secrets 1 and 2 of 2 are the same"},
		{"never drawn", [][]byte{make([]byte, 32)}, "secret 1 of 1 is one byte over and over"},
		{"the second is one letter", [][]byte{hidden, bytes.Repeat([]byte("h"), 64)}, "secret 2 of 2 is one byte over and over"},
	} {
		k, err := cloakroom.NewKeyring(tt.secrets...)
		if k != nil || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "cloakroom: ") {
			t.Errorf("%s: NewKeys returned %v, %v", tt.name, k, err)
		}
		if err != nil && strings.Contains(fmt.Sprintf("%v %+v %#v", err, err, err), "hunter2") {
			t.Errorf("%s: the error shows the secret: %v", tt.name, err)
		}
	}
	mem := memstore.New(nil)
	defer mem.Close()
	var none *memstore.Store // as beside an error that nobody looked at
	for name, store := range map[string]cloakroom.Store{"no": nil, "a nil": none} {
		if _, err := cloakroom.New(store, keysOf(t, oldSecret), nil); err == nil || !strings.Contains(err.Error(), "no store given") {
			t.Errorf("New with %s store: %v", name, err)
		}
	}
	for name, k := range map[string]*cloakroom.Keyring{"nil": nil, "zero": {}} {
		if _, err := cloakroom.New(mem, k, nil); err == nil || !strings.Contains(err.Error(), "NewKeyring or KeyringFile") {
			t.Errorf("New with %s keys: %v", name, err)
		}
	}
}

// TestReplaceFails: a ring that can't be made leaves the one there is.
func TestReplaceFails(t *testing.T) {
	k := keysOf(t, oldSecret)
	tok := issue(t, k)
	for _, secrets := range [][][]byte{nil, {newSecret, {1}}, {newSecret, newSecret}} {
		if err := k.Replace(secrets...); err == nil {
			t.Errorf("Replace with %d secrets succeeded", len(secrets))
		}
		if !accepts(t, k, tok) || !accepts(t, keysOf(t, oldSecret), issue(t, k)) {
			t.Error("a Replace that failed changed the ring")
		}
	}
}

// TestReplaceWhileInUse exchanges the ring under requests. The token is good at
// every moment, since no ring lacks a key that it, or its record's verifier, was
// made with.
func TestReplaceWhileInUse(t *testing.T) {
	mem := memstore.New(nil)
	defer mem.Close()
	k := keysOf(t, oldSecret)
	d := newDeskOn(t, mem, k, &cloakroom.Config{Transport: cloakroom.Bearer{}})
	s, err := d.m.Create(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	tok := s.Token()
	stop := make(chan struct{})
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				r, err := d.m.Retrieve(context.Background(), tok)
				if err != nil {
					t.Error(err)
					return
				}
				if !strings.HasPrefix(r.Token(), "A") {
					t.Errorf("token %q", r.Token())
				}
			}
		})
	}
	for i := range 200 {
		rings := [][][]byte{{newSecret, oldSecret}, {oldSecret, newSecret}}
		if err := k.Replace(rings[i%2]...); err != nil {
			t.Error(err)
		}
	}
	close(stop)
	all.Wait()
}

// TestRotation is the whole life of a rotation: the old tokens work, are signed
// anew, the record's verifier is made anew, and then the old key can go.
func TestRotation(t *testing.T) {
	for name, transport := range map[string]cloakroom.Transport{"cookie": cloakroom.Cookie{}, "bearer": cloakroom.Bearer{}} {
		t.Run(name, func(t *testing.T) {
			inBubble(t, func(t *testing.T) { testRotation(t, transport) })
		})
	}
}

func testRotation(t *testing.T, transport cloakroom.Transport) {
	mem := memstore.New(nil)
	k := keysOf(t, oldSecret)
	d := newDeskOn(t, mem, k, &cloakroom.Config{Now: time.Now, Transport: transport})
	handed := tokenIn
	carry := bring
	if _, ok := transport.(cloakroom.Bearer); ok {
		handed = func(r *http.Response) string { return r.Header.Get("Session-Token") }
		carry = func(tok string) func(*http.Request) { return header("Authorization", "Bearer "+tok) }
	}
	visit := func(page deskPage, tok string) *http.Response {
		t.Helper()
		resp := d.ask(page, carry(tok))
		synctest.Wait() // for the write behind the response
		return resp
	}
	replace := func(secrets ...[]byte) {
		t.Helper()
		if err := k.Replace(secrets...); err != nil {
			t.Fatal(err)
		}
	}

	first := handed(d.ask(putPage("bowler")))
	idle := handed(d.ask(putPage("fez"))) // its visitor doesn't come during the rotation
	if first == "" || idle == "" {
		t.Fatal("no tokens")
	}
	d.store.since()

	replace(newSecret, oldSecret)
	resp := visit(lookPage, first)
	second := handed(resp)
	d.wantOps("1 reads, 1 writes") // the write is the verifier's
	if second == "" || second == first {
		t.Fatalf("the old token was not signed anew: %q", second)
	}
	if got := resp.Header.Values("Cache-Control"); len(got) != 1 || got[0] != "private, no-store" {
		t.Errorf("Cache-Control %q beside a token", got)
	}
	ring := func(secret []byte) *token.Ring {
		r, err := token.NewRing([][]byte{secret})
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	scope := token.NewScope("session", map[bool]string{true: "bearer", false: "cookie"}[transport == cloakroom.Transport(cloakroom.Bearer{})])
	a, okA := ring(oldSecret).Parse(scope, first)
	b, okB := ring(newSecret).Parse(scope, second)
	if !okA || !okB || a.ID != b.ID || a.Secret != b.Secret {
		t.Errorf("signed anew means: same id and secret, new key; %v %v", okA, okB)
	}

	if resp := visit(lookPage, second); handed(resp) != "" || resp.Header.Get("Cache-Control") != "" {
		t.Error("a token of the first key is handed out again")
	}
	d.wantOps("1 reads, 0 writes")
	if resp := visit(lookPage, first); handed(resp) != second {
		t.Error("the old token, once more, is not signed anew")
	}
	d.wantOps("1 reads, 0 writes")

	replace(newSecret)
	d.events.take()
	visit(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		if hat.Get(s) != "bowler" {
			t.Errorf("after the old key is gone the session has %q", hat.Get(s))
		}
		return nil
	}, second)
	d.wantOps("1 reads, 0 writes")
	d.wantEvents("")
	for what, tok := range map[string]string{"the old token": first, "a session that wasn't used": idle} {
		if resp := visit(lookPage, tok); handed(resp) != "" {
			t.Errorf("%s: handed out %q", what, handed(resp))
		}
		d.wantOps("0 reads, 0 writes")
		d.wantEvents("refused forged")
	}
	mem.Close()
}

// TestRotationBySave: a request that writes anyway takes the new verifier along,
// in the same write.
func TestRotationBySave(t *testing.T) {
	inBubble(t, func(t *testing.T) {
		mem := memstore.New(nil)
		k := keysOf(t, oldSecret)
		d := newDeskOn(t, mem, k, &cloakroom.Config{Now: time.Now})
		first := tokenIn(d.ask(putPage("bowler")))
		d.store.since()
		if err := k.Replace(newSecret, oldSecret); err != nil {
			t.Fatal(err)
		}
		second := tokenIn(d.ask(putPage("cap"), bring(first)))
		synctest.Wait()
		d.wantOps("1 reads, 1 writes")
		if err := k.Replace(newSecret); err != nil {
			t.Fatal(err)
		}
		if got := d.hatOf(second); got != "cap" {
			t.Errorf("the session has %q", got)
		}
	})
}

// TestRotationAndCaches: a response that the handler made public gets no token only
// because a signature could be fresher.
func TestRotationAndCaches(t *testing.T) {
	for _, tt := range []struct {
		cacheControl string
		reissue      bool
	}{
		{"", true}, {"private", true}, {"no-cache", true}, {"max-age=60", true},
		{"public, max-age=60", false}, {"PUBLIC", false}, {"max-age=0, s-maxage=60", false}, {"max-age=60, immutable", false},
	} {
		t.Run(tt.cacheControl, func(t *testing.T) {
			inBubble(t, func(t *testing.T) {
				mem := memstore.New(nil)
				k := keysOf(t, oldSecret)
				d := newDeskOn(t, mem, k, &cloakroom.Config{Now: time.Now})
				first := tokenIn(d.ask(putPage("bowler")))
				if err := k.Replace(newSecret, oldSecret); err != nil {
					t.Fatal(err)
				}
				d.store.since()
				resp := d.ask(func(w http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
					hat.Get(s)
					if tt.cacheControl != "" {
						w.Header().Set("Cache-Control", tt.cacheControl)
					}
					_, err := io.WriteString(w, "page")
					return err
				}, bring(first))
				synctest.Wait()
				d.wantOps("1 reads, 1 writes") // the verifier is made anew all the same
				want := tt.cacheControl
				if tt.reissue {
					want = "private, no-store"
				}
				if got := strings.Join(resp.Header.Values("Cache-Control"), "|"); got != want {
					t.Errorf("Cache-Control %q, want %q", got, want)
				}
				if got := len(setCookies(resp)) == 1 && tokenIn(resp) != ""; got != tt.reissue {
					t.Errorf("Set-Cookie %q", setCookies(resp))
				}
				if resp.Header.Get("Vary") != "Cookie" {
					t.Errorf("Vary %q", resp.Header.Get("Vary"))
				}
			})
		})
	}
}

// keyPath is a place for a key file in a folder of its own.
func keyPath(t *testing.T) string { return filepath.Join(t.TempDir(), "session.keys") }

// writeKeys writes a key file for the owner alone.
func writeKeys(t *testing.T, path string, lines ...string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
}

func base64Of(secret []byte) string { return base64.StdEncoding.EncodeToString(secret) }

func mustKeyFile(t *testing.T, path string) *cloakroom.Keyring {
	t.Helper()
	k, err := cloakroom.KeyringFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// wantMade checks a file that KeyFile made.
func wantMade(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if mode := info.Mode(); runtime.GOOS != "windows" && mode != 0o600 {
		t.Errorf("mode %v, want -rw-------", mode)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(lines) != 2 || lines[0][0] != '#' {
		t.Fatalf("the file has %d lines", len(lines))
	}
	if secret, err := base64.StdEncoding.DecodeString(lines[1]); err != nil || len(secret) != 32 {
		t.Errorf("the secret has %d bytes: %v", len(secret), err)
	}
	if files, err := os.ReadDir(filepath.Dir(path)); err != nil || len(files) != 1 {
		t.Errorf("beside the key file there are others: %v %v", files, err)
	}
}

func TestKeyFileMade(t *testing.T) {
	path := keyPath(t)
	k := mustKeyFile(t, path)
	wantMade(t, path)
	again := mustKeyFile(t, path)
	if !accepts(t, again, issue(t, k)) || !accepts(t, k, issue(t, again)) {
		t.Error("read again, the file gives other keys")
	}
	other := mustKeyFile(t, keyPath(t))
	if accepts(t, other, issue(t, k)) {
		t.Error("two files were made with the same secret")
	}
}

// TestKeyFileRotation adds a line in front.
func TestKeyFileRotation(t *testing.T) {
	path := keyPath(t)
	old := mustKeyFile(t, path)
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	writeKeys(t, path, base64Of(newSecret), string(text))
	rotated := mustKeyFile(t, path)
	if !accepts(t, rotated, issue(t, old)) {
		t.Error("the old key doesn't verify")
	}
	if !accepts(t, keysOf(t, newSecret), issue(t, rotated)) {
		t.Error("the first line doesn't sign")
	}
}

func TestKeyFileRead(t *testing.T) {
	for name, text := range map[string]string{
		"plain":         base64Of(newSecret) + "\n" + base64Of(oldSecret) + "\n",
		"no line end":   base64Of(newSecret) + "\n" + base64Of(oldSecret),
		"comments":      "# the first\n" + base64Of(newSecret) + "\n#" + base64Of([]byte("short")) + "\n  # not one\n" + base64Of(oldSecret) + "\n# end",
		"empty lines":   "\n\n" + base64Of(newSecret) + "\n \t \n" + base64Of(oldSecret) + "\n\n",
		"spaces":        "  " + base64Of(newSecret) + "\t\n" + base64Of(oldSecret) + "  \n",
		"from Windows":  "# x\r\n" + base64Of(newSecret) + "\r\n" + base64Of(oldSecret) + "\r\n",
		"a long secret": base64Of(newSecret) + "\n" + base64Of(oldSecret) + "\n" + base64Of(bytes.Repeat([]byte("xy"), 15_000)),
	} {
		t.Run(name, func(t *testing.T) {
			path := keyPath(t)
			writeKeys(t, path, text)
			k := mustKeyFile(t, path)
			if !accepts(t, keysOf(t, newSecret), issue(t, k)) {
				t.Error("the first secret doesn't sign")
			}
			if !accepts(t, k, issue(t, keysOf(t, oldSecret))) {
				t.Error("the second secret doesn't verify")
			}
		})
	}
}

// TestKeyFileErrors: each says which file, which line and what to do, and none shows
// the file's content.
func TestKeyFileErrors(t *testing.T) {
	good := base64Of(newSecret)
	const hidden = "hunter2"
	for _, tt := range []struct {
		name, text string
		want       string
	}{
		{"empty", "", "no secret"},
		{"comments only", "# " + hidden + "\n\n", "no secret"},
		{"not base64", "# x\n" + good + "\n\n" + hidden + "!\n", "line 4: not base64"},
		{"not base64, first", hidden + "-" + hidden + "\n", "line 1: not base64"},
		{"base64 for addresses", strings.Repeat("__--", 11) + "\n", "line 1: not base64"},
		{"no padding", strings.TrimRight(base64Of(oldSecret), "=") + "\n", "line 1: not base64"},
		{"two on a line", good + " " + good + "\n", "line 1: not base64"},
		{"a comment behind", good + "# x\n", "line 1: not base64"},
		{"byte order mark", "\ufeff" + good + "\n", "line 1: not base64"},
		{"short", base64Of([]byte(hidden)) + "\n", "secret 1 of 1 has 7 bytes: at least 32 random bytes are needed"},
		{"the second is short", good + "\n" + base64Of([]byte(hidden)) + "\n", "secret 2 of 2 has 7 bytes"},
		{"twice", good + "\n# again\n" + good + "\n", "secrets 1 and 2 of 2 are the same"},
		{"nothing but zeros", base64Of(make([]byte, 32)) + "\n", "secret 1 of 1 is one byte over and over"},
		{"a very long line", strings.Repeat(hidden, 20_000), "too long"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			path := keyPath(t)
			writeKeys(t, path, tt.text)
			k, err := cloakroom.KeyringFile(path)
			if err == nil || k != nil {
				t.Fatalf("KeyFile: %v, %v", k, err)
			}
			if !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %q, want %q and the path", err, tt.want)
			}
			for _, line := range append(strings.Fields(tt.text), hidden, base64Of([]byte(hidden))) {
				if len(line) > 6 && strings.Contains(err.Error(), line) {
					t.Errorf("the error shows what is in the file: %v", err)
				}
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != tt.text {
				t.Error("the file was changed")
			}
		})
	}
}

// TestKeyFileModes: a file that others can read is refused, with the remedy.
func TestKeyFileModes(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no such modes")
	}
	for mode := range os.FileMode(0o1000) {
		if mode&0o400 == 0 {
			continue // nobody could read it
		}
		path := filepath.Join(t.TempDir(), "keys")
		writeKeys(t, path, base64Of(newSecret))
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		_, err := cloakroom.KeyringFile(path)
		if private := mode&0o077 == 0; private != (err == nil) {
			t.Errorf("mode %04o: %v", mode, err)
		}
		if err == nil {
			continue
		}
		for _, want := range []string{path, fmt.Sprintf("%04o", mode), "chmod 600", "replace its secrets"} {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("mode %04o: %q lacks %q", mode, err, want)
			}
		}
	}
}

// TestKeyFilePlaces where no key file can be.
func TestKeyFilePlaces(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "file")
	writeKeys(t, file, base64Of(newSecret))
	private := filepath.Join(folder, "private")
	if err := os.Mkdir(private, 0o700); err != nil {
		t.Fatal(err)
	}
	for name, path := range map[string]string{
		"a folder that isn't there": filepath.Join(folder, "none", "keys"),
		"a folder that is a file":   filepath.Join(file, "keys"),
		"a folder itself":           private,
		"an empty path":             "",
		"a device":                  os.DevNull,
	} {
		if k, err := cloakroom.KeyringFile(path); err == nil || k != nil || !strings.HasPrefix(err.Error(), "cloakroom: ") {
			t.Errorf("%s: %v, %v", name, k, err)
		}
	}
	t.Run("a folder without rights", func(t *testing.T) {
		if err := os.Chmod(private, 0); err != nil {
			t.Fatal(err)
		}
		defer os.Chmod(private, 0o700)
		if _, err := os.ReadDir(private); err == nil {
			t.Skip("this user may enter every folder")
		}
		if _, err := cloakroom.KeyringFile(filepath.Join(private, "keys")); !errors.Is(err, os.ErrPermission) {
			t.Errorf("KeyFile: %v", err)
		}
	})
}

// TestKeyFileAtOnce: goroutines that make the same file end with the same keys.
func TestKeyFileAtOnce(t *testing.T) {
	for range 20 {
		path := keyPath(t)
		const n = 16
		rings := make([]*cloakroom.Keyring, n)
		var all sync.WaitGroup
		for i := range n {
			all.Go(func() {
				var err error
				if rings[i], err = cloakroom.KeyringFile(path); err != nil {
					t.Error(err)
				}
			})
		}
		all.Wait()
		if t.Failed() {
			return
		}
		wantMade(t, path)
		tok := issue(t, rings[0])
		for _, k := range rings {
			if !accepts(t, k, tok) {
				t.Fatal("two of them have other keys")
			}
		}
	}
}

const keyChildPath = "CLOAKROOM_TEST_KEY_FILE"

// TestKeyFileChild is run by the processes of the next tests: it waits for a line of
// input, makes or reads the key file, and prints a token.
func TestKeyFileChild(t *testing.T) {
	path := os.Getenv(keyChildPath)
	if path == "" {
		t.Skip("it is started by the tests that follow")
	}
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	fmt.Printf("token %s\n", issue(t, mustKeyFile(t, path)))
}

// keyChild prepares a process that runs TestKeyFileChild, by way of a command.
func keyChild(t *testing.T, path string, by ...string) (*exec.Cmd, *bytes.Buffer) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	args := append(by, self, "-test.run=^TestKeyFileChild$", "-test.v")
	var out bytes.Buffer
	c := exec.CommandContext(t.Context(), args[0], args[1:]...)
	c.Env = append(os.Environ(), keyChildPath+"="+path, "GORACE=atexit_sleep_ms=0")
	c.Stdout, c.Stderr = &out, &out
	return c, &out
}

func childToken(t *testing.T, out string) string {
	t.Helper()
	_, rest, ok := strings.Cut(out, "token ")
	if !ok || len(rest) < token.TextLen {
		t.Fatalf("a process said %q", out)
	}
	return rest[:token.TextLen]
}

// TestKeyFileProcesses is TestKeyFileAtOnce with processes.
func TestKeyFileProcesses(t *testing.T) {
	path := keyPath(t)
	const n = 6
	outputs := make([]*bytes.Buffer, n)
	commands := make([]*exec.Cmd, n)
	starts := make([]io.Closer, n)
	for i := range n {
		commands[i], outputs[i] = keyChild(t, path)
		in, err := commands[i].StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		starts[i] = in
		if err := commands[i].Start(); err != nil {
			t.Fatal(err)
		}
	}
	for _, s := range starts {
		s.Close() // now, all of you
	}
	for i, c := range commands {
		if err := c.Wait(); err != nil {
			t.Errorf("%v: %s", err, outputs[i])
		}
	}
	if t.Failed() {
		return
	}
	wantMade(t, path)
	k := mustKeyFile(t, path)
	for _, out := range outputs {
		if !accepts(t, k, childToken(t, out.String())) {
			t.Error("a process ended with other keys than are in the file")
		}
	}
}

// TestKeyFileUmask: the mode isn't left to the process's mask.
func TestKeyFileUmask(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("Windows has no umask")
	}
	for _, umask := range []string{"000", "022", "077"} {
		path := keyPath(t)
		c, out := keyChild(t, path, "/bin/sh", "-c", "umask "+umask+`; exec "$0" "$@"`)
		if err := c.Run(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		wantMade(t, path)
	}
}
