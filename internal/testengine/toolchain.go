package testengine

import (
	"bytes"
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

// The Java side, compiled and resolved on the machine that runs the tests.
//
//go:embed node
var node embed.FS

const (
	nodeClass  = "EngineNode"
	nodeSource = nodeClass + ".java"
	logConfig  = "log4j2.properties"
	pomFile    = "pom.xml"

	// The goal is named in full, so that a run does not depend on what a Maven release thinks is the default.
	mavenGoal    = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:build-classpath"
	prepareLimit = 8 * time.Minute // a first download over a slow line; below go test's own limit
)

// toolchain is what it takes to start an engine.
type toolchain struct {
	jdk       jdk
	classPath string // the engine's jars
	node      string // directory with the compiled node and the logging configuration
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

// prepare makes ready what d needs: found in the cache, or resolved and compiled into it by one process while others wait.
func prepare(ctx context.Context, d distribution, env lookup) (toolchain, error) {
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
	if tools.load(cache, d) { // another process did it meanwhile
		return tools, nil
	}
	if err := compileNode(ctx, j, cache); err != nil {
		return toolchain{}, err
	}
	if err := resolve(ctx, d, j, cache, env); err != nil {
		return toolchain{}, err
	}
	if !tools.load(cache, d) {
		return toolchain{}, fmt.Errorf("what was just made is not in %s", cache)
	}
	return tools, nil
}

// load takes what is in the cache; false means that something has to be made.
func (c *toolchain) load(cache string, d distribution) bool {
	c.node = nodeDir(cache)
	for _, name := range []string{nodeClass + ".class", logConfig} {
		if _, err := os.Stat(filepath.Join(c.node, name)); err != nil {
			return false
		}
	}
	list, err := os.ReadFile(classPathFile(cache, d))
	if err != nil {
		return false
	}
	c.classPath = strings.TrimSpace(string(list))
	for _, jar := range filepath.SplitList(c.classPath) { // the jars are Maven's, who may have been told to forget them
		if _, err := os.Stat(jar); err != nil {
			return false
		}
	}
	return c.classPath != ""
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
	dir := nodeDir(cache)
	if _, err := os.Stat(dir); err == nil {
		return nil // renamed to this name when complete
	}
	temp, err := os.MkdirTemp(cache, "compile-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	for _, name := range []string{nodeSource, logConfig} {
		if err := os.WriteFile(filepath.Join(temp, name), source(name), 0o600); err != nil {
			return err
		}
	}
	cmd := exec.CommandContext(ctx, j.javac(), "--release", "17", "-encoding", "UTF-8", "-d", temp, filepath.Join(temp, nodeSource))
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("compiling %s: %w\n%s", nodeSource, err, lastLines(out, 30))
	}
	return os.Rename(temp, dir)
}

// resolve lets Maven fetch the engine's jars and say where they are.
func resolve(ctx context.Context, d distribution, j jdk, cache string, env lookup) error {
	maven := inPath("mvn", env)
	if maven == "" {
		return missingError{"no Maven (mvn) was found in PATH"}
	}
	temp, err := os.MkdirTemp(cache, "resolve-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	pom, list := filepath.Join(temp, pomFile), filepath.Join(temp, "classpath")
	if err := os.WriteFile(pom, source(pomFile), 0o600); err != nil {
		return err
	}
	args := append([]string{
		"--batch-mode", "--quiet", "--no-transfer-progress", "--file", pom,
		mavenGoal, "-DincludeScope=runtime", "-Dmdep.outputFile=" + list,
	}, d.mavenProperties()...)
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, maven, args...)
	cmd.Dir = temp
	cmd.Env = append(os.Environ(), "JAVA_HOME="+j.home)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("maven could not resolve %s:%s:%s: %w\n%s", d.group, d.artifact, d.version, err, lastLines(out.Bytes(), 30))
	}
	if err := os.Rename(list, classPathFile(cache, d)); err != nil {
		return fmt.Errorf("maven left no class path: %w\n%s", err, lastLines(out.Bytes(), 30))
	}
	return nil
}

// source returns an embedded file. All names are constants, so a failure is a defect of this package that its tests find.
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
