// Package modules tests that users can get each module of the repository.
package modules

import (
	"bytes"
	"cmp"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/modfile"
	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"
)

// repository is the path of the root module, with which those of the others begin.
const repository = "github.com/cloakroom-go/cloakroom"

// source is a module of the working tree.
type source struct {
	dir  string // relative to the root
	mod  *modfile.File
	text []byte // of go.mod
}

// hasCode reports whether there is Go in the module's folder.
func (m source) hasCode(files []string) bool {
	return slices.ContainsFunc(files, func(file string) bool {
		in, err := filepath.Rel(m.dir, file)
		return err == nil && !strings.HasPrefix(in, "..") && strings.HasSuffix(in, ".go")
	})
}

// TestGet publishes the modules of the working tree to a proxy in a folder, and gets and
// builds each as a user does: in a module of the user's own, without the workspace that
// joins them here.
func TestGet(t *testing.T) {
	root := strings.TrimSpace(command(t, ".", nil, "git", "rev-parse", "--show-toplevel"))
	files := tracked(t, root)
	modules := sources(t, root, files)
	version := required(t, modules)
	proxy := t.TempDir()
	for _, m := range modules {
		publish(t, proxy, root, m, version, files)
	}

	const list = "{{if .GoFiles}}{{.ImportPath}} {{.Module.Path}}{{end}}" // some packages have only tests
	sums := knownSums(t, root, files)
	for _, m := range modules {
		if !m.hasCode(files) {
			continue // it only pins a tool, and nobody gets it
		}
		path := m.mod.Module.Mod.Path
		t.Run(path, func(t *testing.T) {
			dir, env := t.TempDir(), userEnv(t, proxy)
			write(t, filepath.Join(dir, "go.mod"), []byte("module example.com/user\n\ngo "+m.mod.Go.Version+"\n"))
			write(t, filepath.Join(dir, "go.sum"), sums)
			command(t, dir, env, "go", "get", path+"@"+version)
			got := command(t, dir, env, "go", "list", "-m", "-f", "{{.Version}}", path)
			if strings.TrimSpace(got) != version {
				t.Fatalf("go get chose %s, not %s", got, version)
			}
			var packages []string
			for line := range strings.Lines(command(t, dir, env, "go", "list", "-f", list, path+"/...")) {
				if name, of, _ := strings.Cut(strings.TrimSpace(line), " "); of == path {
					packages = append(packages, name)
				}
			}
			if len(packages) == 0 {
				t.Fatal("no packages")
			}
			// With -trimpath the folder isn't part of the build, so the next run finds
			// it in the cache.
			command(t, dir, env, "go", append([]string{"build", "-trimpath", "-o", os.DevNull}, packages...)...)
		})
	}
}

// tracked returns the files that a commit of everything would have.
func tracked(t *testing.T, root string) []string {
	t.Helper()
	var files []string
	out := command(t, root, nil, "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate")
	for file := range strings.SplitSeq(strings.TrimSuffix(out, "\x00"), "\x00") {
		if _, err := os.Lstat(filepath.Join(root, file)); err == nil { // otherwise it is deleted, but not yet in a commit
			files = append(files, file)
		}
	}
	return files
}

// sources returns the modules among files, the root first. It fails for anything that
// would be read differently here and by users.
func sources(t *testing.T, root string, files []string) []source {
	t.Helper()
	var found []source
	for _, file := range files {
		if filepath.Base(file) != "go.mod" || strings.Contains(file, "testdata/") {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		mod, err := modfile.Parse(file, text, nil)
		if err != nil {
			t.Fatal(err)
		}
		dir := filepath.Dir(file)
		if want := strings.TrimSuffix(repository+"/"+filepath.ToSlash(dir), "/."); mod.Module.Mod.Path != want {
			t.Errorf("%s: the module is %s, and is looked for as %s", file, mod.Module.Mod.Path, want)
		}
		if len(mod.Replace)+len(mod.Exclude) > 0 {
			t.Errorf("%s replaces or excludes modules: that is ignored at users', and go install refuses it", file)
		}
		found = append(found, source{dir: dir, mod: mod, text: text})
	}
	slices.SortFunc(found, func(a, b source) int { return cmp.Compare(a.mod.Module.Mod.Path, b.mod.Module.Mod.Path) })
	if len(found) == 0 || found[0].dir != "." {
		t.Fatalf("no module in %s", root)
	}
	return found
}

// required returns the version in which the modules require each other. There must be
// only one, since they are released together.
func required(t *testing.T, modules []source) string {
	t.Helper()
	var version, first string
	for _, m := range modules {
		for _, r := range m.mod.Require {
			if r.Mod.Path != repository && !strings.HasPrefix(r.Mod.Path, repository+"/") {
				continue
			}
			if version == "" {
				version, first = r.Mod.Version, m.mod.Module.Mod.Path
			}
			if r.Mod.Version != version || module.IsPseudoVersion(version) {
				t.Fatalf("%s requires %s, and %s requires another module in %s: want one version, that of the next release",
					m.mod.Module.Mod.Path, r.Mod, first, version)
			}
		}
	}
	if version == "" {
		t.Fatal("no module requires another")
	}
	return version
}

// publish puts a module into the proxy: its go.mod, its zip and its version's
// information.
func publish(t *testing.T, proxy, root string, m source, version string, files []string) {
	t.Helper()
	escaped, err := module.EscapePath(m.mod.Module.Mod.Path)
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(proxy, escaped, "@v")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	var own []zip.File
	for _, file := range files {
		if rel, err := filepath.Rel(m.dir, file); err == nil && filepath.IsLocal(rel) {
			own = append(own, zipFile{rel: filepath.ToSlash(rel), path: filepath.Join(root, file)})
		}
	}
	var b bytes.Buffer
	if err := zip.Create(&b, module.Version{Path: m.mod.Module.Mod.Path, Version: version}, own); err != nil { // Create leaves out nested modules
		t.Fatal(err)
	}
	info, err := json.Marshal(map[string]any{"Version": version, "Time": time.Now().UTC().Truncate(time.Second)})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "list"), []byte(version+"\n"))
	write(t, filepath.Join(dir, version+".info"), info)
	write(t, filepath.Join(dir, version+".mod"), m.text)
	write(t, filepath.Join(dir, version+".zip"), b.Bytes())
}

// zipFile is a file of the working tree, for zip.Create.
type zipFile struct{ rel, path string }

func (f zipFile) Path() string                 { return f.rel }
func (f zipFile) Lstat() (os.FileInfo, error)  { return os.Lstat(f.path) }
func (f zipFile) Open() (io.ReadCloser, error) { return os.Open(f.path) }

// userEnv returns the environment of a user's go command, on a machine that never had
// the modules. The module cache is new, so the test leaves nothing in the developer's.
// Other modules come from the developer's cache, and failing that from the go command's
// usual source.
func userEnv(t *testing.T, proxy string) []string {
	t.Helper()
	var here struct{ GOPROXY, GOMODCACHE, GONOSUMDB string }
	if err := json.Unmarshal([]byte(command(t, ".", nil, "go", "env", "-json", "GOPROXY", "GOMODCACHE", "GONOSUMDB")), &here); err != nil {
		t.Fatal(err)
	}
	proxies := fileURL(proxy) + "," + fileURL(filepath.Join(here.GOMODCACHE, "cache", "download")) + "," + here.GOPROXY
	return []string{
		"GOWORK=off",
		// A cache that isn't writable couldn't be removed with the test's folder.
		"GOFLAGS=-mod=mod -modcacherw",
		"GOMODCACHE=" + t.TempDir(),
		"GOPROXY=" + proxies,
		// Otherwise GOPRIVATE may make these modules come from their origin.
		"GONOPROXY=none",
		// No checksum database has unreleased modules.
		"GONOSUMDB=" + repository + "," + here.GONOSUMDB,
		// The build is never run, so the C compiler may be quick about the SQLite that
		// bench compares with.
		"CGO_CFLAGS=-O0",
	}
}

// fileURL returns the URL of a folder.
func fileURL(path string) string { return "file://" + filepath.ToSlash(path) }

// knownSums returns the repository's checksums of other modules. With them in go.sum the
// user asks no checksum database.
func knownSums(t *testing.T, root string, files []string) []byte {
	t.Helper()
	var lines []string
	for _, file := range files {
		if base := filepath.Base(file); base != "go.sum" && base != "go.work.sum" {
			continue
		}
		text, err := os.ReadFile(filepath.Join(root, file))
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			if !strings.HasPrefix(line, repository) { // not an older tree's own modules
				lines = append(lines, line)
			}
		}
	}
	slices.Sort(lines)
	return []byte(strings.Join(slices.Compact(lines), ""))
}

// command runs a command, which must succeed, and returns its output.
func command(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	c := exec.CommandContext(t.Context(), name, args...)
	c.Dir, c.Env = dir, append(os.Environ(), env...)
	var out, problems bytes.Buffer
	c.Stdout, c.Stderr = &out, &problems
	if err := c.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, out.Bytes(), problems.Bytes())
	}
	return out.String()
}

func write(t *testing.T, path string, text []byte) {
	t.Helper()
	if err := os.WriteFile(path, text, 0o644); err != nil {
		t.Fatal(err)
	}
}
