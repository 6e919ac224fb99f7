package testengine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// This file is the engine that the packages of a run share.

const (
	sharedGrace = time.Minute      // between two packages of a run another may be compiled
	askLimit    = 20 * time.Second // for an engine that runs already
	dirPrefix   = "cloakroom-engine-"
)

// Shared returns the base URL ("http://127.0.0.1:9200", without a slash at its end) of
// an engine that all packages of one go test run use at the same time. The first caller
// starts it, and it ends a minute after its last user. So tests choose index names that
// nobody else has, delete their indices, and never touch cluster-wide settings.
//
// The package comment names the engine, and tells when the test is skipped instead.
func Shared(t TB) string {
	t.Helper()
	url, first, err := ours.get(t.Context(), os.Getenv)
	if err != nil {
		giveUp(t, err, os.Getenv)
	}
	if first != "" {
		t.Log(first)
		fmt.Fprintln(os.Stderr, first)
	}
	return url
}

// ours is this process's use of the shared engine. The lease is held until the process ends.
var ours sharedUse

type sharedUse struct {
	mu    sync.Mutex
	tried bool
	url   string
	log   string
	err   error
	lease *lease
}

// get returns the engine's address, and to the first caller a line about it. It doesn't
// try again after a failure.
func (u *sharedUse) get(ctx context.Context, env lookup) (address, first string, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if !u.tried {
		u.tried = true
		first, u.err = u.find(ctx, env)
		return u.url, first, u.err
	}
	if u.err != nil {
		return "", "", u.err
	}
	if _, err := ask(ctx, nil, u.url); refused(err) { // a slow answer is for the test to judge
		err = fmt.Errorf("the shared engine answers no more: %w", err)
		if u.log != "" {
			err = fmt.Errorf("%w\nThe end of its log:\n%s", err, lastLines(readLog(u.log, 0), 40))
		}
		return "", "", err
	}
	return u.url, "", nil
}

func (u *sharedUse) find(ctx context.Context, env lookup) (line string, err error) {
	if env(envEngine) == noEngine {
		return "", errUnwanted
	}
	given, name := choice(env)
	if given != "" {
		parsed, err := url.Parse(given)
		if err != nil {
			return "", fmt.Errorf("%s is no address", envEngine) // it may hold a password
		}
		i, err := ask(ctx, nil, given)
		if err != nil {
			return "", fmt.Errorf("the engine that %s names does not answer: %w", envEngine, err)
		}
		u.url = given
		return fmt.Sprintf("testengine: %v at %s (given by %s)", i, parsed.Redacted(), envEngine), nil
	}
	d, err := lookUp(name)
	if err != nil {
		return "", fmt.Errorf("%s: %w (an address begins with http://)", envEngine, err)
	}
	return u.join(ctx, d, env, sharedGrace)
}

// state is the note of the process that starts the shared engine, for the other
// processes.
type state struct {
	URL     string `json:"url"`
	Name    string `json:"name"` // and version
	PID     int    `json:"pid"`  // for people; nobody sends signals to it
	Cluster string `json:"cluster"`
	Dir     string `json:"dir"`
}

// join takes a share in the running shared engine, or starts one. It does so under the
// lock, so that there is one.
func (u *sharedUse) join(ctx context.Context, d distribution, env lookup, grace time.Duration) (line string, err error) {
	if !supported {
		return "", errSystem
	}
	cache, err := cacheDir(env)
	if err != nil {
		return "", err
	}
	file := filepath.Join(cache, d.sharedKey(grace))
	unlock, err := lockFile(ctx, file+".lock")
	if err != nil {
		return "", err
	}
	defer unlock()

	old, err := readState(file + ".json")
	if err != nil {
		return "", err
	}
	if old.Dir != "" {
		l, err := old.join(ctx)
		if err == nil {
			u.use(old, l)
			return fmt.Sprintf("testengine: %s at %s (pid %d, already running)", old.Name, old.URL, old.PID), nil
		}
		if !errors.Is(err, errGone) {
			return "", err
		}
	}

	tools, err := prepare(ctx, d, env)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", dirPrefix+d.name+"-")
	if err != nil {
		return "", err
	}
	s := &spec{
		dist: d, cluster: newCluster(d), heap: defaultHeap, dir: dir, data: filepath.Join(dir, "data"), scratch: true, grace: grace,
	}
	l, err := takeLease(ctx, s.leaseFile(), true)
	if err != nil {
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	r, err := boot(ctx, tools, s, freePorts)
	if err != nil {
		l.release()
		return "", errors.Join(err, os.RemoveAll(dir))
	}
	next := state{URL: s.address(r.httpPort), Name: r.info.String(), PID: r.proc.pid, Cluster: s.cluster, Dir: dir}
	u.use(next, l)
	if err := next.write(file + ".json"); err != nil {
		return "", err
	}
	return fmt.Sprintf("testengine: %s at %s (pid %d, ready in %.1fs)", next.Name, next.URL, next.PID, r.took.Seconds()), nil
}

func (u *sharedUse) use(s state, l *lease) {
	u.url, u.lease, u.log = s.URL, l, (&spec{dir: s.Dir}).logFile()
}

// sharedKey returns the name of the files of a shared engine. It changes with this code,
// so an engine of an older version is not joined.
func (d distribution) sharedKey(grace time.Duration) string {
	s := &spec{dist: d, heap: defaultHeap, grace: grace}
	return "shared-" + d.name + "-" + fingerprint(source(nodeSource), source(logConfig), source(pomFile),
		fmt.Append(nil, d, s.arguments(toolchain{}, 0, 0)))
}

var errGone = errors.New("the engine is gone")

// join takes a share in the engine of s if it still runs and still is itself; otherwise
// it removes its remains.
func (s state) join(ctx context.Context) (*lease, error) {
	ctx, cancel := context.WithTimeout(ctx, askLimit)
	defer cancel()
	l, err := takeLease(ctx, (&spec{dir: s.Dir}).leaseFile(), false)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, context.DeadlineExceeded) {
		return nil, errGone // the latter: stuck in its end
	}
	if err != nil {
		return nil, err
	}
	// We hold the lease now, so an engine that runs goes on running.
	err = every(ctx, 100*time.Millisecond, func() (bool, error) {
		i, err := ask(ctx, nil, s.URL)
		if refused(err) || err == nil && i.Cluster != s.Cluster {
			return false, errGone
		}
		return err == nil, nil
	})
	if err == nil {
		return l, nil
	}
	defer l.release()
	if !errors.Is(err, errGone) {
		return nil, errGone // it hangs: leave its files alone
	}
	if strings.HasPrefix(filepath.Base(s.Dir), dirPrefix) && l.alone() {
		if err := os.RemoveAll(s.Dir); err != nil {
			return nil, err
		}
	}
	return nil, errGone
}

func readState(path string) (state, error) {
	var s state
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	if json.Unmarshal(b, &s) != nil {
		return state{}, nil //nolint:nilerr // not ours, or left by a crash: treat it as none
	}
	return s, nil
}

func (s state) write(path string) error {
	b, err := json.Marshal(s)
	if err != nil {
		return err
	}
	temp, err := os.CreateTemp(filepath.Dir(path), "state-")
	if err != nil {
		return err
	}
	defer os.Remove(temp.Name())
	_, err = temp.Write(append(b, '\n'))
	if err := errors.Join(err, temp.Close()); err != nil {
		return err
	}
	return os.Rename(temp.Name(), path)
}
