package testengine

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// This file is Engine, which belongs to one test.

// Options choose an engine for Start. The zero value is a fresh default engine.
type Options struct {
	// Name is the engine, one of Names. Defaults to the name in CLOAKROOM_TEST_ENGINE,
	// or else opensearch2.
	Name string

	// Settings are added to the node's settings (as in opensearch.yml) and override this
	// package's. An empty value removes one of those. Lists are separated by commas.
	// Addresses, ports and paths can't be set here.
	Settings map[string]string

	// Heap is the JVM's heap, as in -Xmx. Defaults to 512m.
	Heap string

	// DataDir is the folder of the engine's data; it is made if absent, and stays
	// afterwards. Defaults to a directory that ends with the test.
	DataDir string

	// Security, if not nil, turns on TLS and logins, with an administrator and a user of
	// this role. Only opensearch2 and es8 have it, and not with DataDir. Defaults to
	// neither.
	Security *Role
}

// Engine is an engine process that belongs to one test. Its methods are safe for concurrent use.
type Engine struct {
	t     TB
	spec  spec
	tools toolchain
	lease *lease

	mu       sync.Mutex
	now      running
	expected bool // the engine does not run, as was asked for
	paused   bool
}

// Start starts an engine for this test and waits until it serves. The engine ends with
// the test; if it ends before, unasked, that is an error of the test.
func Start(t TB, o Options) *Engine {
	t.Helper()
	e, err := start(t, o, os.Getenv, freePorts)
	if err != nil {
		giveUp(t, err, os.Getenv)
	}
	t.Logf("testengine: %v", e.running())
	return e
}

func start(t TB, o Options, env lookup, pick func() (int, int, error)) (*Engine, error) {
	t.Helper()
	d, err := o.distribution(env)
	if err != nil {
		return nil, err
	}
	tools, err := prepare(t.Context(), d, env)
	if err != nil {
		return nil, err
	}
	if o.Security != nil {
		if err := tools.addSecurity(t.Context(), d, env); err != nil {
			return nil, err
		}
	}
	e, err := newEngine(t, tools, d, newCluster(d), o)
	if err != nil {
		return nil, err
	}
	return e, e.boot(t.Context(), pick)
}

// distribution returns the engine that the options choose. It fails for settings that
// are this package's.
func (o *Options) distribution(env lookup) (distribution, error) {
	for _, k := range []string{"http.port", "transport.port", "network.host", "path.home", "path.data"} {
		if _, has := o.Settings[k]; has {
			return distribution{}, fmt.Errorf("Options.Settings can't have %s: this package chooses it", k)
		}
	}
	name := o.Name
	if name == "" {
		_, name = choice(env)
	}
	d, err := lookUp(name)
	switch {
	case err != nil || o.Security == nil:
	case !d.securable():
		err = fmt.Errorf("%s can't have security; there are %s", name, strings.Join(namesOf(distribution.securable), ", "))
	case o.DataDir != "":
		err = errors.New("Options.Security goes with data of its own: OpenSearch keeps its users there, whose passwords are new each time")
	}
	return d, err
}

// newEngine makes an engine that does not run yet and ends with the test.
func newEngine(t TB, tools toolchain, d distribution, cluster string, o Options) (*Engine, error) {
	t.Helper()
	dir := t.TempDir() // made before our clean-up, so removed after it
	e := &Engine{t: t, tools: tools, expected: true, spec: spec{
		dist: d, cluster: cluster, extra: maps.Clone(o.Settings), heap: o.Heap, dir: dir, data: o.DataDir, bound: true,
	}}
	if e.spec.heap == "" {
		e.spec.heap = defaultHeap
	}
	if e.spec.data == "" {
		e.spec.data = filepath.Join(dir, "data")
		e.spec.scratch = true
	}
	var err error
	if e.lease, err = takeLease(t.Context(), e.spec.leaseFile(), true); err != nil {
		return nil, err
	}
	t.Cleanup(e.cleanUp)
	if o.Security != nil {
		err = e.spec.secure(*o.Security, tools)
	}
	return e, err
}

// boot starts the engine if it does not run.
func (e *Engine) boot(ctx context.Context, pick func() (int, int, error)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.bootLocked(ctx, pick)
}

func (e *Engine) bootLocked(ctx context.Context, pick func() (int, int, error)) error {
	next, err := boot(ctx, e.tools, &e.spec, pick)
	if err != nil {
		return err
	}
	e.now, e.expected, e.paused = next, false, false
	return nil
}

// newCluster returns a cluster name that no other engine has.
func newCluster(d distribution) string { return "cloakroom-" + d.name + "-" + rand.Text() }

// URL returns the engine's base address, without a slash at its end. It stays the same
// over Restart.
func (e *Engine) URL() string { return e.running().url }

// Version returns the version that the engine states, such as "2.19.1".
func (e *Engine) Version() string { return e.running().info.Version.Number }

// String returns the name and version that the engine states, such as "OpenSearch
// 2.19.1".
func (e *Engine) String() string { return e.running().info.String() }

// PID returns the engine's process id. Restart changes it.
func (e *Engine) PID() int { return e.running().proc.pid }

// User returns the login that has the role of Options.Security; empty without security.
func (e *Engine) User() Login {
	if e.spec.security == nil {
		return Login{}
	}
	return e.spec.security.user
}

// Admin returns the login that may do everything; empty without security.
func (e *Engine) Admin() Login {
	if e.spec.security == nil {
		return Login{}
	}
	return e.spec.security.admin
}

// CA returns the certificate, in PEM, of the authority that signed the engine's; nil
// without security.
func (e *Engine) CA() []byte {
	if e.spec.security == nil {
		return nil
	}
	return slices.Clone(e.spec.security.ca)
}

func (e *Engine) running() running {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.now
}

// Kill ends the engine with SIGKILL, as a crash of the process would, and waits for its end.
func (e *Engine) Kill() {
	e.t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.endLocked((*process).kill)
}

// Stop asks the engine to shut down (SIGTERM) and waits for its end. If that takes more
// than half a minute it kills the engine, and that is an error of the test. It first
// resumes a paused engine.
func (e *Engine) Stop() {
	e.t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.endLocked(stop)
}

func stop(p *process) error {
	if err := errors.Join(p.terminate(), p.resume()); err != nil {
		return err
	}
	err := p.waitEnd(30 * time.Second)
	if err != nil {
		err = errors.Join(err, p.kill())
	}
	return err
}

// endLocked ends the process by the given means, once; it reports an engine that had
// ended by itself.
func (e *Engine) endLocked(by func(*process) error) {
	e.t.Helper()
	if e.expected {
		return
	}
	if e.now.proc.ended() {
		e.t.Errorf("testengine: %v had ended by itself (%s). The end of its log:\n%s",
			e.now.info, e.now.proc.how(), lastLines(readLog(e.spec.logFile(), 0), 40))
	} else if err := by(e.now.proc); err != nil {
		e.t.Errorf("testengine: ending %v: %v", e.now.info, err)
	}
	e.expected = true
}

// Pause freezes the engine (SIGSTOP). The kernel still accepts its connections, but it
// answers nothing.
func (e *Engine) Pause() {
	e.t.Helper()
	e.send("pausing", (*process).pause, true)
}

// Resume lets a paused engine continue (SIGCONT).
func (e *Engine) Resume() {
	e.t.Helper()
	e.send("resuming", (*process).resume, false)
}

func (e *Engine) send(what string, signal func(*process) error, paused bool) {
	e.t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.now.proc.ended() {
		e.t.Errorf("testengine: %s %v, which does not run (%s)", what, e.now.info, e.now.proc.how())
	} else if err := signal(e.now.proc); err != nil {
		e.t.Errorf("testengine: %s %v: %v", what, e.now.info, err)
	} else {
		e.paused = paused
	}
}

// serves reports whether the engine should answer: it was neither ended nor paused.
func (e *Engine) serves() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return !e.expected && !e.paused
}

// Restart stops the engine if it still runs, starts it again on the same data and ports,
// and waits until it serves.
func (e *Engine) Restart(t TB) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	e.endLocked(stop)
	if err := e.bootLocked(t.Context(), e.now.samePorts); err != nil {
		t.Fatalf("testengine: restart: %v", err)
	}
	t.Logf("testengine: %v again", e.now)
}

func (e *Engine) cleanUp() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.endLocked((*process).kill)
	e.lease.release()
}
