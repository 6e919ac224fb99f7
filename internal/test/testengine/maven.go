package testengine

import (
	"archive/zip"
	"bytes"
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// This file gets the engines' artifacts by Maven.

// Maven's plugin is named in full, so that a run doesn't depend on a Maven release's
// default.
const mavenPlugin = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:"

// maven runs a goal of Maven's plugin in dir.
func maven(ctx context.Context, j jdk, env lookup, dir, goal string, args ...string) error {
	mvn := inPath("mvn", env)
	if mvn == "" {
		return missingError{"no Maven (mvn) was found in PATH"}
	}
	var out bytes.Buffer
	cmd := exec.CommandContext(ctx, mvn, append([]string{"--batch-mode", "--quiet", "--no-transfer-progress", mavenPlugin + goal}, args...)...)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "JAVA_HOME="+j.home)
	cmd.Stdout, cmd.Stderr = &out, &out
	cmd.WaitDelay = 10 * time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("maven failed: %w\n%s", err, lastLines(out.Bytes(), 30))
	}
	return nil
}

// resolve lets Maven fetch the engine's jars and write their paths.
func resolve(ctx context.Context, d distribution, j jdk, cache string, env lookup) error {
	temp, err := os.MkdirTemp(cache, "resolve-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	list := filepath.Join(temp, "classpath")
	if err := os.WriteFile(filepath.Join(temp, pomFile), source(pomFile), 0o600); err != nil {
		return err
	}
	args := append([]string{"-DincludeScope=runtime", "-Dmdep.outputFile=" + list}, d.mavenProperties()...)
	if err := maven(ctx, j, env, temp, "build-classpath", args...); err != nil {
		return fmt.Errorf("resolving %s:%s:%s: %w", d.group, d.artifact, d.version, err)
	}
	return os.Rename(list, classPathFile(cache, d))
}

// unpackedDir returns the directory of the unpacked zip with these Maven coordinates
// (group:artifact:version:zip).
func unpackedDir(cache, coordinates string) string {
	part := strings.Split(coordinates, ":")
	return filepath.Join(cache, part[1]+"-"+part[2]+"-"+fingerprint([]byte(coordinates)))
}

// unpack lets Maven fetch a zip, and unpacks it into its directory in the cache.
func unpack(ctx context.Context, coordinates string, j jdk, cache string, env lookup) error {
	return makeDir(unpackedDir(cache, coordinates), func(temp string) error {
		down, err := os.MkdirTemp(cache, "zip-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(down)
		if err := maven(ctx, j, env, down, "copy", "-Dartifact="+coordinates, "-DoutputDirectory="+down); err != nil {
			return fmt.Errorf("fetching %s: %w", coordinates, err)
		}
		zips, err := filepath.Glob(filepath.Join(down, "*.zip"))
		if err != nil || len(zips) != 1 {
			return fmt.Errorf("maven left %d zips of %s", len(zips), coordinates)
		}
		return unzip(zips[0], temp)
	})
}

// unzip unpacks a zip into a directory. It leaves out a directory that holds everything.
func unzip(file, into string) error {
	r, err := zip.OpenReader(file)
	if err != nil {
		return err
	}
	defer r.Close()
	if err := os.CopyFS(into, below(r)); err != nil {
		return fmt.Errorf("unpacking %s: %w", filepath.Base(file), err)
	}
	return nil
}

// below returns the file system of the one directory that holds everything, or else of
// everything.
func below(r *zip.ReadCloser) fs.FS {
	top, err := fs.ReadDir(r, ".")
	if err == nil && len(top) == 1 && top[0].IsDir() {
		if sub, err := fs.Sub(r, top[0].Name()); err == nil {
			return sub
		}
	}
	return r
}

// addedDir returns the directory of the plugins for an engine that is published as a
// whole.
func addedDir(cache string, d distribution) string {
	return filepath.Join(cache, d.name+"-added-"+fingerprint(source(rootSource), []byte(d.whole)))
}

// fetchWhole fetches the engine that is published as a whole, and makes the plugin that answers GET /, which it lacks.
func (c *toolchain) fetchWhole(ctx context.Context, d distribution, cache string, env lookup) error {
	if err := unpack(ctx, d.whole, c.jdk, cache, env); err != nil {
		return err
	}
	return makeDir(addedDir(cache, d), func(temp string) error {
		classes, err := os.MkdirTemp(cache, "compile-")
		if err != nil {
			return err
		}
		defer os.RemoveAll(classes)
		if err := c.jdk.compile(ctx, rootSource, classes, filepath.Join(unpackedDir(cache, d.whole), "lib", "*")); err != nil {
			return err
		}
		plugin := filepath.Join(temp, "root")
		if err := os.Mkdir(plugin, 0o700); err != nil {
			return err
		}
		descriptor := "name=root\ndescription=answers GET /\nversion=1\nclassname=RootPlugin\njava.version=17\nelasticsearch.version=" + d.version + "\n"
		if err := os.WriteFile(filepath.Join(plugin, "plugin-descriptor.properties"), []byte(descriptor), 0o600); err != nil {
			return err
		}
		return writeJar(filepath.Join(plugin, "root.jar"), classes)
	})
}

func writeJar(file, classes string) (err error) {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := f.Close(); err == nil {
			err = cerr
		}
	}()
	jar := zip.NewWriter(f)
	if err := jar.AddFS(os.DirFS(classes)); err != nil {
		return err
	}
	return jar.Close()
}
