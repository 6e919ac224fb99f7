package testengine

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// This file finds a JDK.

// jdk is an installed Java development kit.
type jdk struct {
	home  string
	major int
}

func (j jdk) java() string  { return filepath.Join(j.home, "bin", "java") }
func (j jdk) javac() string { return filepath.Join(j.home, "bin", "javac") }

// systemJDKs are patterns of the folders where systems keep their JDKs.
var systemJDKs = []string{"/usr/lib/jvm/*", "/Library/Java/JavaVirtualMachines/*/Contents/Home"}

// findJDK finds a JDK that can run d. The JDK that d's variable names must fit, or it is
// an error. Elsewhere JDKs that don't fit are passed over.
func findJDK(ctx context.Context, d distribution, env lookup, patterns []string) (jdk, error) {
	if home := env(d.javaEnv); home != "" {
		j, err := probe(ctx, filepath.Join(home, "bin", "java"))
		if err != nil {
			return jdk{}, fmt.Errorf("%s=%s is no JDK: %w", d.javaEnv, home, err)
		}
		if !d.runsOn(j) {
			return jdk{}, fmt.Errorf("%s=%s is JDK %d, but %s needs %s", d.javaEnv, home, j.major, d.name, d.javaRange())
		}
		return j, nil
	}

	var launchers []string
	for _, v := range []string{envJava17, "JAVA_HOME"} {
		if home := env(v); home != "" {
			launchers = append(launchers, filepath.Join(home, "bin", "java"))
		}
	}
	if p := inPath("java", env); p != "" {
		launchers = append(launchers, p)
	}
	for _, pattern := range patterns {
		homes, _ := filepath.Glob(pattern) // the only error is a bad pattern
		for _, home := range homes {
			launchers = append(launchers, filepath.Join(home, "bin", "java"))
		}
	}

	seen := map[string]bool{}
	var misfits []string
	for _, launcher := range launchers {
		target, err := filepath.EvalSymlinks(launcher)
		if err != nil || seen[target] {
			continue
		}
		seen[target] = true
		j, err := probe(ctx, target)
		switch {
		case err != nil:
			misfits = append(misfits, err.Error())
		case !d.runsOn(j):
			misfits = append(misfits, fmt.Sprintf("%s is JDK %d", j.home, j.major))
		default:
			return j, nil
		}
	}
	what := fmt.Sprintf("no %s for %s was found", d.javaRange(), d.name)
	if len(misfits) > 0 {
		what += " (" + strings.Join(misfits, "; ") + ")"
	}
	return jdk{}, missingError{what}
}

func (d distribution) runsOn(j jdk) bool {
	return j.major >= d.minJava && (d.maxJava == 0 || j.major <= d.maxJava)
}

func (d distribution) javaRange() string {
	if d.maxJava == 0 {
		return fmt.Sprintf("JDK %d or newer", d.minJava)
	}
	return fmt.Sprintf("JDK %d to %d", d.minJava, d.maxJava)
}

var (
	javaHome    = regexp.MustCompile(`(?m)^\s*java\.home = (.+?)\s*$`)
	javaRelease = regexp.MustCompile(`(?m)^\s*java\.specification\.version = (?:1\.)?(\d+)`)
)

// probe asks a java for its home and its release, and checks that it has a compiler.
func probe(ctx context.Context, launcher string) (jdk, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, launcher, "-XshowSettings:properties", "-version")
	out, err := cmd.CombinedOutput()
	if err != nil {
		return jdk{}, fmt.Errorf("%s: %w", launcher, err)
	}
	home, release := javaHome.FindSubmatch(out), javaRelease.FindSubmatch(out)
	if home == nil || release == nil {
		return jdk{}, fmt.Errorf("%s does not say its home and version, but %q", launcher, firstLine(out))
	}
	major, err := strconv.Atoi(string(release[1]))
	if err != nil {
		return jdk{}, fmt.Errorf("%s: %w", launcher, err)
	}
	j := jdk{home: string(home[1]), major: major}
	if !executable(j.javac()) {
		return jdk{}, fmt.Errorf("%s is a Java %d without a compiler", j.home, j.major)
	}
	return j, nil
}

// inPath is exec.LookPath for the PATH of env.
func inPath(name string, env lookup) string {
	for _, dir := range filepath.SplitList(env("PATH")) {
		if p := filepath.Join(dir, name); filepath.IsAbs(p) && executable(p) {
			return p
		}
	}
	return ""
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

func firstLine(b []byte) string {
	line, _, _ := bytes.Cut(bytes.TrimSpace(b), []byte("\n"))
	return string(line)
}
