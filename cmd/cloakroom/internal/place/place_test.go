package place

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"memory:":                            "the memory of this process",
		"MEMORY:":                            "the memory of this process",
		"sqlite:demo.db":                     `SQLite, "demo.db"`,
		"sqlite:/tmp/a b\x1b[31m.db":         `SQLite, "/tmp/a b\x1b[31m.db"`,
		`sqlite:C:\data\demo.db`:             `SQLite, "C:\\data\\demo.db"`,
		"http://127.0.0.1:9200":              `the engine at "http://127.0.0.1:9200"`,
		"http://[::1]:9200/":                 `the engine at "http://[::1]:9200"`,
		"https://ann:hunter2@host:9200/coat": `the engine at "https://host:9200", index "coat"`,
		"https://ann:hunt%40r2@host":         `the engine at "https://host"`,
	} {
		p, err := Parse(text)
		if err != nil || p.String() != want {
			t.Errorf("%q: %v %v, want %s", text, p, err, want)
		}
	}
}

// TestParseErrors: no message repeats any part of the input, which may hold a password.
func TestParseErrors(t *testing.T) {
	for _, text := range []string{
		"", "hunter2", "hunter2@host:9200", "ann:hunter2@host", "postgres://ann:hunter2@host", "demohunter2.db",
		"memory:hunter2", "sqlite:", "http:", "http://", "http:///hunter2", "http://ann:hunter2@", "http://ann:hunter2@/x",
		"http://ann:hunter2%zz@host", "http://ann:hunter2@host:port", "http://ann:hunter2@host/a/b", "http://ann:hunter2@host/?x=y",
		"http://ann:hunter2@host/#x", "http://ann:hunter2#@host", "http://ann:hunter2?@host", "http://ann:hunter2/@host", "http://hunter2@host",
		"http://:hunter2@host", "http://ann:@host", "http://ann:hunter2 @host", "http://ann:hunter2\n@host", "http://ann:hunter2@host:9200?",
	} {
		_, err := Parse(text)
		if err == nil {
			t.Errorf("%q is accepted", text)
			continue
		}
		if s := err.Error(); !strings.Contains(s, Usage) || strings.Contains(s, "hunter2") || strings.ContainsAny(s, "\n\x1b") {
			t.Errorf("%q: %s", text, s)
		}
		var p Place
		if got := p.UnmarshalText([]byte(text)); got == nil || got.Error() != err.Error() {
			t.Errorf("%q: UnmarshalText says %v", text, got)
		}
	}
}

func TestDataFolder(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("the paths are those of Unix")
	}
	for _, c := range []struct {
		system, home string
		env          map[string]string
		want         string
	}{
		{"linux", "/home/ann", nil, "/home/ann/.local/share/cloakroom"},
		{"linux", "/home/ann", map[string]string{"XDG_DATA_HOME": "/data"}, "/data/cloakroom"},
		{"linux", "", map[string]string{"XDG_DATA_HOME": "/data"}, "/data/cloakroom"},
		{"linux", "/home/ann", map[string]string{"XDG_DATA_HOME": "data"}, "/home/ann/.local/share/cloakroom"},
		{"freebsd", "/home/ann", nil, "/home/ann/.local/share/cloakroom"},
		{"darwin", "/Users/ann", map[string]string{"XDG_DATA_HOME": "/data"}, "/Users/ann/Library/Application Support/cloakroom"},
		{"windows", "", map[string]string{"LocalAppData": "/c/local"}, "/c/local/cloakroom"},
		{"linux", "", nil, ""},
		{"darwin", "", nil, ""},
		{"windows", "/home/ann", nil, ""},
	} {
		got, err := dataPathOf(c.system, c.home, func(name string) string { return c.env[name] })
		if got != c.want || (err == nil) != (c.want != "") {
			t.Errorf("%+v: %q %v", c, got, err)
		}
		if err != nil && !strings.Contains(err.Error(), "--store") {
			t.Errorf("%+v: %v", c, err)
		}
	}
}

func TestOpen(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("LocalAppData", home)
	t.Setenv("XDG_DATA_HOME", filepath.Join(home, "data"))
	folder, err := dataPath()
	if err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(home, "own.db")
	for text, keyFile := range map[string]string{
		"":                    filepath.Join(folder, "demo.keys"),
		"memory:":             "",
		"sqlite:" + own:       filepath.Join(home, "own.keys"),
		"http://127.0.0.1:1/": filepath.Join(folder, "demo.keys"),
	} {
		t.Run(text, func(t *testing.T) {
			var p Place
			if text != "" {
				if p, err = Parse(text); err != nil {
					t.Fatal(err)
				}
			}
			store, err := p.Open(t.Context(), Access{}, nil)
			if err != nil {
				t.Fatal(err)
			}
			if err := store.Close(); err != nil {
				t.Error(err)
			}
			keyring, path, err := p.Keyring()
			if err != nil || keyring == nil || path != keyFile {
				t.Errorf("keyring in %q, want %q; %v", path, keyFile, err)
			}
			if p.Lasting() != (text != "memory:") {
				t.Errorf("lasting: %v", p.Lasting())
			}
		})
	}
	if runtime.GOOS != "windows" {
		for path, mode := range map[string]os.FileMode{folder: 0o700, filepath.Join(folder, "demo.db"): 0o600, filepath.Join(folder, "demo.keys"): 0o600} {
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
				t.Errorf("%s: %v %v, want %o", path, info.Mode(), err, mode)
			}
		}
	}
}

// TestOpenFails: with an error the store is nil, and not an interface with a nil
// pointer.
func TestOpenFails(t *testing.T) {
	for _, text := range []string{"sqlite:" + filepath.Join(t.TempDir(), "no", "folder", "x.db"), "http://ann:hunter2@127.0.0.1:1/UPPER"} {
		p, err := Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		store, err := p.Open(context.Background(), Access{}, nil)
		if err == nil || store != nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v %v", text, fmt.Sprint(store), err)
		}
	}
}
