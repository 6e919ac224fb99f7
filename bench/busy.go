package main

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// This file is the processor time of the engine, of its compiler and of the whole
// machine, as Linux tells it. Other systems aren't asked: there these metrics lack.

// The units of what an engine's operation costs beside its time.
const (
	engineCPU   = "engine-cpu-ns/op" // of all its threads but the compiler's
	compilerCPU = "jit-cpu-ns/op"
	idleShare   = "idle-%" // of all processors
)

// process is a process whose time is watched. A JVM compiles in threads of its own.
type process struct {
	dir string // in /proc
}

// watchEngine finds the engine's process, which is on this machine.
func (b *Bench) watchEngine() error {
	svc, err := b.get(b, needEngine)
	if err != nil {
		return err
	}
	pid, err := (&raw{svc.address, http.DefaultClient}).pid(b)
	if err != nil {
		return err
	}
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	if _, err := os.Stat(filepath.Join(dir, "stat")); err == nil {
		b.watched = &process{dir}
	}
	return nil
}

// pid returns the process of the engine's one node.
func (e *raw) pid(ctx context.Context) (int, error) {
	var answer struct {
		Nodes map[string]struct {
			Process struct {
				ID int `json:"id"`
			} `json:"process"`
		} `json:"nodes"`
	}
	if err := e.json(ctx, http.MethodGet, "/_nodes/process", nil, &answer); err != nil {
		return 0, err
	}
	for _, n := range answer.Nodes {
		return n.Process.ID, nil
	}
	return 0, fmt.Errorf("%s names no node", e.url)
}

// busy is how long processors have worked up to a time. A zero at means that it isn't
// known.
type busy struct {
	at          time.Time
	all         time.Duration // the process's threads, the compiler's too
	compiler    time.Duration
	idle, total int64 // the machine's, in ticks
}

// busy looks at the engine, in cases that need it.
func (b *Bench) busy() busy {
	if b.watched == nil {
		return busy{}
	}
	now := busy{at: time.Now()}
	var ok bool
	if now.all, ok = ticksOf(filepath.Join(b.watched.dir, "stat")); !ok {
		return busy{}
	}
	tasks, _ := filepath.Glob(filepath.Join(b.watched.dir, "task", "*"))
	for _, task := range tasks {
		name, _ := os.ReadFile(filepath.Join(task, "comm"))
		if !isCompiler(name) {
			continue
		}
		d, _ := ticksOf(filepath.Join(task, "stat")) // a thread may have ended meanwhile
		now.compiler += d
	}
	line, err := os.ReadFile("/proc/stat")
	if err != nil {
		return busy{}
	}
	now.idle, now.total = machineTicks(line)
	return now
}

// isCompiler reports whether a thread is one of HotSpot's compilers.
func isCompiler(name []byte) bool {
	return bytes.HasPrefix(name, []byte("C1 Compiler")) || bytes.HasPrefix(name, []byte("C2 Compiler"))
}

// tick is the unit of /proc on all of Linux's usual platforms.
const tick = 10 * time.Millisecond

func ticksOf(path string) (time.Duration, bool) {
	b, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	return processTicks(b)
}

// processTicks reads a process's or a thread's stat. Its name, in brackets, may have
// spaces and brackets.
func processTicks(stat []byte) (time.Duration, bool) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const user, system = 11, 12
	if len(fields) <= system {
		return 0, false
	}
	u, uerr := strconv.ParseInt(fields[user], 10, 64)
	s, serr := strconv.ParseInt(fields[system], 10, 64)
	return time.Duration(u+s) * tick, uerr == nil && serr == nil
}

// machineTicks reads the first line of /proc/stat. Waiting for a disk is idle. What
// guests take is in the user's time already.
func machineTicks(stat []byte) (idle, total int64) {
	line, _, _ := bytes.Cut(stat, []byte("\n"))
	for i, f := range strings.Fields(string(line)) {
		const first, waiting, steal = 4, 5, 8 // after the name: idle, iowait; the last before the guests'
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil || i > steal {
			continue // the name, or guests
		}
		total += n
		if i == first || i == waiting {
			idle += n
		}
	}
	return idle, total
}

// add adds what happened between two looks to the result of a round.
func (r *Result) add(before, after busy) {
	if before.at.IsZero() || after.at.IsZero() || r.N < 1 || r.Metrics == nil {
		return
	}
	n := float64(r.N)
	compiler := max(0, after.compiler-before.compiler) // less if the JVM has ended a thread
	r.Metrics[engineCPU] = float64(max(0, after.all-before.all-compiler)) / n
	r.Metrics[compilerCPU] = float64(compiler) / n
	if total := after.total - before.total; total > 0 {
		r.Metrics[idleShare] = 100 * float64(after.idle-before.idle) / float64(total)
	}
}

// compiles reports whether the compiler's time still moves: by more than a fiftieth of
// the time that went by.
func compiles(before, after busy) bool {
	return !before.at.IsZero() && !after.at.IsZero() && after.compiler-before.compiler > after.at.Sub(before.at)/50
}
