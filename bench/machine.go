package main

import (
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"zombiezen.com/go/sqlite"
)

// This file describes the machine and the versions of a run.

// fact is a line about the machine and the software of a run. key is its name in the raw
// results.
type fact struct{ key, name, value string }

func machine(s *services) []fact {
	all := []fact{
		{"cpu", "machine", fmt.Sprintf("%s, %d processors%s", cpu(), runtime.NumCPU(), memory())},
		{"disk", "disk", disk()},
		{"system", "system", system() + runtime.GOOS + "/" + runtime.GOARCH + kernel()},
		{"go", "Go", runtime.Version()},
	}
	if r := revision(); r != "" {
		all = append(all, fact{"commit", "commit", r})
	}
	if v := s.versions(); len(v) > 0 {
		all = append(all, fact{"services", "services", strings.Join(v, ", ")})
	}
	all = append(all, fact{"sqlite", "SQLite", fmt.Sprintf("ours %s (zombiezen.com/go/sqlite), scs's %s (mattn/go-sqlite3)", sqlite.Version, cSQLite())})
	if info, ok := debug.ReadBuildInfo(); ok {
		var peers []string
		for _, d := range info.Deps {
			if compared[d.Path] {
				peers = append(peers, d.Path+" "+d.Version)
			}
		}
		if len(peers) > 0 {
			all = append(all, fact{"libraries", "libraries", strings.Join(peers, ", ")})
		}
	}
	return all
}

// cSQLite returns the version of SQLite that go-sqlite3 holds. It is asked rather than
// the package, whose Version isn't there where cgo is off.
func cSQLite() string {
	db, err := sql.Open("sqlite3", ":memory:")
	if err != nil {
		return err.Error()
	}
	defer db.Close()
	var v string
	if err := db.QueryRow("SELECT sqlite_version()").Scan(&v); err != nil {
		return err.Error()
	}
	return v
}

// compared are the peers' modules, and those on which peers stand.
var compared = map[string]bool{
	"github.com/alexedwards/scs/v2": true, "github.com/gorilla/sessions": true, "github.com/gofiber/fiber/v3": true,
	"github.com/alexedwards/scs/sqlite3store": true, "github.com/alexedwards/scs/redisstore": true, "github.com/alexedwards/scs/postgresstore": true,
	"github.com/mattn/go-sqlite3": true, "github.com/gomodule/redigo": true, "github.com/lib/pq": true,
	"github.com/gorilla/securecookie": true, "github.com/valyala/fasthttp": true,
	"zombiezen.com/go/sqlite": true, "modernc.org/sqlite": true,
}

func cpu() string {
	if v := proc("/proc/cpuinfo", "model name"); v != "" {
		return v
	}
	return "unknown processor"
}

func memory() string {
	var kib int
	if _, err := fmt.Sscanf(proc("/proc/meminfo", "MemTotal"), "%d kB", &kib); err != nil {
		return ""
	}
	return fmt.Sprintf(", %d GiB", (kib+1<<19)>>20)
}

// disk measures a sync to the disk, which bounds all durable saves.
func disk() string {
	f, err := os.CreateTemp("", "cloakroom-bench-")
	if err != nil {
		return err.Error()
	}
	defer func() { _, _ = f.Close(), os.Remove(f.Name()) }()
	var took []time.Duration
	for i := range 200 {
		begin := time.Now()
		if _, err := f.WriteAt(make([]byte, 4096), int64(i)*4096); err != nil {
			return err.Error()
		}
		if err := f.Sync(); err != nil {
			return err.Error()
		}
		took = append(took, time.Since(begin))
	}
	slices.Sort(took)
	return fmt.Sprintf("4 KiB appended and fsynced in %v at the median, %v at 99 %%", rounded(quantile(took, 0.5)), rounded(quantile(took, 0.99)))
}

// proc returns the value of a name's first line, "" if there is none.
func proc(path, name string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return ""
}

// system returns the distribution's name.
func system() string {
	b, err := os.ReadFile("/etc/os-release")
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(b)) {
		if v, ok := strings.CutPrefix(strings.TrimSpace(line), "PRETTY_NAME="); ok {
			return strings.Trim(v, `"`) + ", "
		}
	}
	return ""
}

func kernel() string {
	b, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		return ""
	}
	return ", kernel " + strings.TrimSpace(string(b))
}

// revision returns the commit of the working tree; go run doesn't stamp it.
func revision() string {
	b, err := exec.Command("git", "describe", "--always", "--dirty", "--abbrev=12").Output() //nolint:noctx // a local question
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(b))
}
