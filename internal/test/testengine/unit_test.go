package testengine

import (
	"archive/zip"
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

// This file tests everything that needs no engine.

func environment(pairs ...string) lookup {
	return func(name string) string {
		for i := 0; i < len(pairs); i += 2 {
			if pairs[i] == name {
				return pairs[i+1]
			}
		}
		return ""
	}
}

func TestVerdict(t *testing.T) {
	missing := fmt.Errorf("wrapped: %w", missingError{"no Maven"})
	for _, c := range []struct {
		name string
		err  error
		env  lookup
		skip bool
		says []string
	}{
		{"missing", missing, environment(), true, []string{"SKIPPED", "no Maven", "install a JDK", envEngine}},
		{"missing, not required", missing, environment(envRequire, "0"), true, nil},
		{"missing, required", missing, environment(envRequire, "1"), false, []string{"no Maven", envRequire}},
		{"failed", errors.New("boom"), environment(), false, []string{"boom"}},
		{"failed, required", errors.New("boom"), environment(envRequire, "1"), false, []string{"boom"}},
	} {
		message, skip := verdict(c.err, c.env)
		if skip != c.skip {
			t.Errorf("%s: skip is %v", c.name, skip)
		}
		for _, s := range c.says {
			if !strings.Contains(message, s) {
				t.Errorf("%s: %q is not in %q", c.name, s, message)
			}
		}
	}
}

func TestChoice(t *testing.T) {
	for value, want := range map[string][2]string{
		"":                       {"", defaultEngine},
		"http://127.0.0.1:9200/": {"http://127.0.0.1:9200", defaultEngine},
		"es717":                  {"", "es717"},
		"none":                   {"", defaultEngine},
	} {
		address, name := choice(environment(envEngine, value))
		if got := [2]string{address, name}; got != want {
			t.Errorf("%q: %q", value, got)
		}
	}
}

// TestGivenEngine: an address in the environment is used, and nothing is started then.
func TestGivenEngine(t *testing.T) {
	fake := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"cluster_name":"c","version":{"number":"9.9.9","distribution":"opensearch"}}`)
	}))
	defer fake.Close()
	withPassword := strings.Replace(fake.URL, "http://", "http://me:hush@", 1)
	var u sharedUse
	url, line, err := u.get(t.Context(), environment(envEngine, withPassword+"/"))
	if err != nil || url != withPassword {
		t.Fatalf("%q, %v", url, err)
	}
	if !strings.Contains(line, "OpenSearch 9.9.9") || strings.Contains(line, "hush") {
		t.Errorf("it says %q", line)
	}
	if _, line, err = u.get(t.Context(), environment()); line != "" || err != nil {
		t.Errorf("the second time: %q, %v", line, err)
	}
	fake.Close()
	if _, _, err = u.get(t.Context(), environment()); err == nil || !strings.Contains(err.Error(), "answers no more") {
		t.Errorf("after its end: %v", err)
	}

	for _, value := range []string{withPassword, "http://me:hush@127.0.0.1:port", "nosuchengine"} {
		_, _, err := new(sharedUse).get(t.Context(), environment(envEngine, value))
		if err == nil || strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v", value, err)
			continue
		}
		if _, skip := verdict(err, environment()); skip {
			t.Errorf("%s: a skip", value)
		}
	}
}

// Where no engine is wanted, none is started: not even one that the test names.
func TestNoEngine(t *testing.T) {
	env := environment(envEngine, noEngine)
	_, _, shared := new(sharedUse).get(t.Context(), env)
	_, own := start(t, Options{}, env, freePorts)
	_, named := start(t, Options{Name: "es717"}, env, freePorts)
	for what, err := range map[string]error{"Shared": shared, "Start": own, "Start of es717": named} {
		if message, skip := verdict(err, env); !skip || !strings.Contains(message, "CLOAKROOM_TEST_ENGINE=none wants none") {
			t.Errorf("%s: skip is %t: %s", what, skip, message)
		}
		if _, skip := verdict(err, environment(envRequire, "1")); skip {
			t.Errorf("%s: a skip although engines are required", what)
		}
	}
}

func script(t *testing.T, path, text string) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("there are no scripts of sh")
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
}

func fakeJDK(t *testing.T, release string) string {
	t.Helper()
	home, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	script(t, filepath.Join(home, "bin", "java"),
		fmt.Sprintf("echo '    java.home = %s' >&2\necho '    java.specification.version = %s' >&2\n", home, release))
	script(t, filepath.Join(home, "bin", "javac"), "exit 0\n")
	return home
}

func TestFindJDK(t *testing.T) {
	if !supported {
		t.Skip("no engines here")
	}
	d := distribution{name: "x", minJava: 17, maxJava: 21, javaEnv: envJava17}
	jdk8, jdk17, jdk25 := fakeJDK(t, "1.8"), fakeJDK(t, "17"), fakeJDK(t, "25")
	noCompiler := fakeJDK(t, "17")
	if err := os.Remove(filepath.Join(noCompiler, "bin", "javac")); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name    string
		env     lookup
		system  []string
		want    string
		missing bool
	}{
		{"nothing", environment(), nil, "", true},
		{"its own variable", environment(envJava17, jdk17, "JAVA_HOME", jdk25), nil, jdk17, false},
		{"its own variable, unfit", environment(envJava17, jdk8, "JAVA_HOME", jdk17), nil, "", false},
		{"its own variable, empty folder", environment(envJava17, t.TempDir()), nil, "", false},
		{"JAVA_HOME", environment("JAVA_HOME", jdk17), []string{jdk25}, jdk17, false},
		{"JAVA_HOME too old, then PATH", environment("JAVA_HOME", jdk8, "PATH", filepath.Join(jdk17, "bin")), nil, jdk17, false},
		{"too new, then the system", environment("JAVA_HOME", jdk25), []string{jdk8, noCompiler, jdk17}, jdk17, false},
		{"only unfit ones", environment("JAVA_HOME", jdk25), []string{jdk8, noCompiler}, "", true},
	} {
		j, err := findJDK(t.Context(), d, c.env, c.system)
		var missing missingError
		if j.home != c.want || (err == nil) != (c.want != "") || errors.As(err, &missing) != c.missing {
			t.Errorf("%s: %+v, %v", c.name, j, err)
		}
	}
}

func TestResolve(t *testing.T) {
	if !supported {
		t.Skip("no engines here")
	}
	d, cache, bin := distributions[0], t.TempDir(), t.TempDir()
	var missing missingError
	if err := resolve(t.Context(), d, jdk{}, cache, environment()); !errors.As(err, &missing) {
		t.Errorf("without Maven: %v", err)
	}
	env := environment("PATH", bin)
	script(t, filepath.Join(bin, "mvn"), "echo 'no route to host'; exit 1\n")
	err := resolve(t.Context(), d, jdk{}, cache, env)
	if err == nil || errors.As(err, &missing) || !strings.Contains(err.Error(), "no route to host") {
		t.Errorf("with a Maven that fails: %v", err)
	}

	jar := filepath.Join(t.TempDir(), "a.jar")
	script(t, jar, "")
	script(t, filepath.Join(bin, "mvn"),
		`for a; do case $a in -Dmdep.outputFile=*) echo '`+jar+`' >"${a#*=}";; esac; done`+"\n")
	if err := resolve(t.Context(), d, jdk{}, cache, env); err != nil {
		t.Fatal(err)
	}
	if err := compileNode(t.Context(), jdk{home: fakeJDK(t, "17")}, cache); err != nil {
		t.Fatal(err)
	}
	script(t, filepath.Join(nodeDir(cache), nodeClass+".class"), "") // the fake compiler makes no class
	var c toolchain
	if !c.load(cache, d) || c.classPath != jar {
		t.Errorf("loaded %+v", c)
	}
	if err := os.Remove(jar); err != nil {
		t.Fatal(err)
	}
	if c.load(cache, d) {
		t.Error("a jar that is gone was not missed")
	}
	for _, temporary := range []string{"make-*", "resolve-*"} {
		if left, _ := filepath.Glob(filepath.Join(cache, temporary)); len(left) > 0 {
			t.Errorf("left over: %v", left)
		}
	}
}

// TestStaleState: the address of an engine that is gone is not taken for an engine.
func TestStaleState(t *testing.T) {
	if !supported {
		t.Skip("no engines here")
	}
	other := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprint(w, `{"cluster_name":"somebody else's","version":{"number":"2.19.1"}}`)
	}))
	defer other.Close()
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + silent.Addr().String()
	silent.Close()

	for _, c := range []struct {
		name, url, dir string
		removed        bool
	}{
		{"nobody listens", closed, dirPrefix + "x", true},
		{"somebody else listens", other.URL, dirPrefix + "x", true},
		{"not a directory of ours", closed, "precious", false},
	} {
		dir := filepath.Join(t.TempDir(), c.dir)
		script(t, filepath.Join(dir, "lease"), "")
		if _, err := (state{URL: c.url, Dir: dir, Cluster: "c"}).join(t.Context()); !errors.Is(err, errGone) {
			t.Errorf("%s: %v", c.name, err)
		}
		if _, err := os.Stat(dir); os.IsNotExist(err) != c.removed {
			t.Errorf("%s: its directory: %v", c.name, err)
		}
	}
	if _, err := (state{URL: other.URL, Dir: t.TempDir(), Cluster: "c"}).join(t.Context()); !errors.Is(err, errGone) {
		t.Errorf("without a lease: %v", err)
	}

	path := filepath.Join(t.TempDir(), "state.json")
	if s, err := readState(path); s != (state{}) || err != nil {
		t.Errorf("no file: %+v, %v", s, err)
	}
	want := state{URL: "u", Name: "n", PID: 7, Cluster: "c", Dir: "d"}
	if err := want.write(path); err != nil {
		t.Fatal(err)
	}
	if s, err := readState(path); s != want || err != nil {
		t.Errorf("read %+v, %v", s, err)
	}
	script(t, path, "half a sta")
	if s, err := readState(path); s != (state{}) || err != nil {
		t.Errorf("a damaged file: %+v, %v", s, err)
	}
}

func TestFreePorts(t *testing.T) {
	for range 50 {
		a, b, err := freePorts()
		if err != nil {
			t.Fatal(err)
		}
		if a == b || min(a, b) < firstPort || max(a, b) > lastPort {
			t.Fatalf("ports %d and %d", a, b)
		}
	}
}

func TestEvery(t *testing.T) {
	n := 0
	if err := every(t.Context(), time.Microsecond, func() (bool, error) { n++; return n == 3, nil }); err != nil || n != 3 {
		t.Errorf("%d tries, %v", n, err)
	}
	boom := errors.New("boom")
	if err := every(t.Context(), time.Hour, func() (bool, error) { return false, boom }); !errors.Is(err, boom) {
		t.Errorf("a failure: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := every(ctx, time.Hour, func() (bool, error) { return false, nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end: %v", err)
	}
}

func TestSettings(t *testing.T) {
	s := spec{dist: distributions[0], cluster: "c", extra: map[string]string{"node.name": "mine", "discovery.type": ""}, dir: "d", data: "e"}
	m := s.settings(1, 2)
	if m["node.name"] != "mine" || m["http.port"] != "1" || m["transport.port"] != "2" || m["path.data"] != "e" {
		t.Errorf("%v", m)
	}
	if _, has := m["discovery.type"]; has {
		t.Error("an empty value does not take the setting away")
	}
	if last := strings.Join(s.arguments(toolchain{}, 1, 2), " "); !strings.Contains(last, nodeClass+" cluster.max_shards_per_node=5000") {
		t.Error(last)
	}
}

func TestTable(t *testing.T) {
	if names := Names(); names[0] != defaultEngine {
		t.Errorf("%v", names)
	}
	for _, name := range []string{nodeSource, rootSource, logConfig, pomFile} {
		if len(source(name)) == 0 {
			t.Errorf("%s is not embedded", name)
		}
	}
	if _, err := lookUp("nosuchengine"); err == nil || !strings.Contains(err.Error(), defaultEngine) {
		t.Errorf("%v", err)
	}
}

func TestUnzip(t *testing.T) {
	for name, files := range map[string][]string{
		"one directory around all": {"engine-1/lib/a.jar", "engine-1/config/b.yml"},
		"none":                     {"lib/a.jar", "config/b.yml"},
	} {
		file := filepath.Join(t.TempDir(), "a.zip")
		var content bytes.Buffer
		w := zip.NewWriter(&content)
		for _, f := range files {
			if _, err := w.Create(f); err != nil {
				t.Fatal(err)
			}
		}
		if err := errors.Join(w.Close(), os.WriteFile(file, content.Bytes(), 0o600)); err != nil {
			t.Fatal(err)
		}
		into := t.TempDir()
		if err := unzip(file, into); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, f := range []string{"lib/a.jar", "config/b.yml"} {
			if !exists(filepath.Join(into, f)) {
				t.Errorf("%s: there is no %s", name, f)
			}
		}
	}
}
