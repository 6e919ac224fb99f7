package testengine

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// This file prepares the parts that an engine needs: JDK, class path and compiled node.

// The Java side, compiled and resolved on the machine that runs the tests.
//
//go:embed node
var node embed.FS

const (
	nodeClass  = "EngineNode"
	nodeSource = nodeClass + ".java"
	rootSource = "RootPlugin.java"
	logConfig  = "log4j2.properties"
	pomFile    = "pom.xml"

	prepareLimit = 8 * time.Minute // a first download over a slow line; below go test's own limit
)

// toolchain is the parts that start an engine.
type toolchain struct {
	jdk       jdk
	node      string // directory with the compiled node and the logging configuration
	classPath string // the engine's jars
	whole     string // otherwise the directory of an engine that is published as a whole
	security  string // directory of the plugin for security, if wanted
	added     string // the directory with the plugins added to it
}

func cacheDir(env lookup) (string, error) {
	dir := env(envCache)
	if dir == "" {
		base, err := os.UserCacheDir()
		if err != nil {
			return "", fmt.Errorf("no place for the engines' cache: %w; set %s", err, envCache)
		}
		dir = filepath.Join(base, "cloakroom", "engines")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return dir, os.MkdirAll(dir, 0o700)
}

// prepare prepares the parts that d needs: from the cache, or resolved and compiled into
// it by one process while others wait.
func prepare(ctx context.Context, d distribution, env lookup) (toolchain, error) {
	if env(envEngine) == noEngine {
		return toolchain{}, errUnwanted
	}
	if !supported {
		return toolchain{}, errSystem
	}
	ctx, cancel := context.WithTimeout(ctx, prepareLimit)
	defer cancel()
	j, err := findJDK(ctx, d, env, systemJDKs)
	if err != nil {
		return toolchain{}, err
	}
	cache, err := cacheDir(env)
	if err != nil {
		return toolchain{}, err
	}
	tools := toolchain{jdk: j}
	if tools.load(cache, d) {
		return tools, nil
	}
	unlock, err := lockFile(ctx, filepath.Join(cache, "prepare.lock"))
	if err != nil {
		return toolchain{}, err
	}
	defer unlock()
	if tools.load(cache, d) { // another process prepared them meanwhile
		return tools, nil
	}
	if err := compileNode(ctx, j, cache); err != nil {
		return toolchain{}, err
	}
	if d.whole != "" {
		err = tools.fetchWhole(ctx, d, cache, env)
	} else {
		err = resolve(ctx, d, j, cache, env)
	}
	if err != nil {
		return toolchain{}, err
	}
	if !tools.load(cache, d) {
		return toolchain{}, fmt.Errorf("what was just made is not in %s", cache)
	}
	return tools, nil
}

// load takes the parts from the cache; false means that some must be made.
func (c *toolchain) load(cache string, d distribution) bool {
	c.node = nodeDir(cache)
	for _, name := range []string{nodeClass + ".class", logConfig} {
		if !exists(filepath.Join(c.node, name)) {
			return false
		}
	}
	if d.whole != "" {
		c.whole, c.added = unpackedDir(cache, d.whole), addedDir(cache, d)
		return exists(c.whole) && exists(c.added) // both are renamed to these names when complete
	}
	list, err := os.ReadFile(classPathFile(cache, d))
	if err != nil {
		return false
	}
	c.classPath = strings.TrimSpace(string(list))
	for _, jar := range filepath.SplitList(c.classPath) { // the jars are in Maven's cache, which may have been cleared
		if !exists(jar) {
			return false
		}
	}
	return c.classPath != ""
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func nodeDir(cache string) string {
	return filepath.Join(cache, "node-"+fingerprint(source(nodeSource), source(logConfig)))
}

func classPathFile(cache string, d distribution) string {
	return filepath.Join(cache, d.name+"-"+fingerprint(source(pomFile), []byte(strings.Join(d.mavenProperties(), " ")))+".classpath")
}

func (d distribution) mavenProperties() []string {
	return []string{
		"-Dengine.group=" + d.group, "-Dengine.artifact=" + d.artifact,
		"-Dengine.version=" + d.version, "-Dengine.log4j=" + d.log4j,
	}
}

func compileNode(ctx context.Context, j jdk, cache string) error {
	return makeDir(nodeDir(cache), func(temp string) error {
		if err := os.WriteFile(filepath.Join(temp, logConfig), source(logConfig), 0o600); err != nil {
			return err
		}
		return j.compile(ctx, nodeSource, temp, "")
	})
}

// compile compiles an embedded source into a directory, against the jars of a class path.
func (j jdk) compile(ctx context.Context, name, into, classPath string) error {
	file := filepath.Join(into, name)
	if err := os.WriteFile(file, source(name), 0o600); err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, j.javac(), "--release", "17", "-encoding", "UTF-8", "-proc:none", "-cp", classPath, "-d", into, file)
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling %s: %w\n%s", name, err, lastLines(out, 30))
	}
	return nil
}

// makeDir lets fill fill a directory, which gets its name only when it is complete. It
// leaves an existing one as it is.
func makeDir(dir string, fill func(temp string) error) error {
	if exists(dir) {
		return nil
	}
	temp, err := os.MkdirTemp(filepath.Dir(dir), "make-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := fill(temp); err != nil {
		return err
	}
	return os.Rename(temp, dir)
}

// source returns an embedded file. All names are constants, so a failure is a bug that
// this package's tests find.
func source(name string) []byte {
	b, err := node.ReadFile("node/" + name)
	if err != nil {
		return nil
	}
	return b
}

func fingerprint(parts ...[]byte) string {
	h := sha256.New()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:", len(p))
		h.Write(p)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}
