package torture

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// workerVariable makes a process that ServeWorker is called in a worker.
const workerVariable = "CLOAKROOM_TORTURE_WORKER"

// WorkerSpec says what a worker process works on: OpenSearch, or an SQLite
// file.
type WorkerSpec struct {
	Name   string
	Secret []byte // of the tokens; the same for all workers of a run

	URLs     []string
	Replicas int // as elasticstore.Config has it

	SQLite string // path of the file

	Ahead time.Duration // how far the worker's clock is ahead of this machine's
}

// closableStore is a store that has to be closed.
type closableStore interface {
	cloakroom.Store
	io.Closer
}

// open opens the worker's store.
func (s *WorkerSpec) open(ctx context.Context) (closableStore, error) {
	quiet := slog.New(slog.DiscardHandler) // what is told of outages is no news here
	if s.SQLite != "" {
		return sqlitestore.Open(ctx, s.SQLite, nil)
	}
	return elasticstore.Open(ctx, elasticstore.ClientConfig{URLs: s.URLs},
		&elasticstore.Config{Replicas: s.Replicas, Logger: quiet})
}

// Serve makes the process a worker until in ends, or has it check a file, if
// its environment says so.
// Programs that run scenarios call it first of all.
func Serve(ctx context.Context, env func(string) string, in io.Reader, out io.Writer) (worked bool, err error) {
	if path := env(checkVariable); path != "" {
		return true, checkFile(path)
	}
	text := env(workerVariable)
	if text == "" {
		return false, nil
	}
	var spec WorkerSpec
	if err := json.Unmarshal([]byte(text), &spec); err != nil {
		return true, fmt.Errorf("torture: %s: %w", workerVariable, err)
	}
	store, err := spec.open(ctx)
	if err != nil {
		return true, err
	}
	defer func() { err = errors.Join(err, store.Close()) }()
	keyring, err := cloakroom.NewKeyring(spec.Secret)
	if err != nil {
		return true, err
	}
	config := workload.Config()
	config.Now = func() time.Time { return time.Now().Add(spec.Ahead) }
	local, err := workload.NewLocal(spec.Name, store, keyring, config)
	if err != nil {
		return true, err
	}
	defer func() { err = errors.Join(err, local.Close()) }()
	return true, workload.Serve(in, out, local)
}

// Worker is an executor in a process of its own, which can be killed and
// followed by another one.
type Worker struct {
	*workload.Restartable
	run  *Run
	spec WorkerSpec

	mu    sync.Mutex
	child *workload.Child // nil: killed
}

// StartWorker starts a worker process, this program once more. It ends with
// the run; if it ends before, unasked, that is an error of the run.
func (r *Run) StartWorker(spec WorkerSpec) *Worker {
	r.Helper()
	w := &Worker{Restartable: workload.NewRestartable(spec.Name), run: r, spec: spec}
	w.start()
	r.Cleanup(func() {
		w.Replace(nil)
		if c := w.take(); c != nil {
			if err := c.Close(); err != nil {
				r.Errorf("worker %s: %v", spec.Name, err)
			}
		}
	})
	return w
}

func (w *Worker) start() {
	w.run.Helper()
	self, err := os.Executable()
	if err != nil {
		w.run.Fatal(err)
	}
	spec, err := json.Marshal(w.spec)
	if err != nil {
		w.run.Fatal(err)
	}
	cmd := exec.Command(self) //nolint:noctx // it ends when its input does
	cmd.Env = append(os.Environ(), workerVariable+"="+string(spec))
	cmd.Stderr = os.Stderr
	c, err := workload.Spawn(w.spec.Name, cmd)
	if err != nil {
		w.run.Fatal(err)
	}
	w.mu.Lock()
	w.child = c
	w.mu.Unlock()
	w.Replace(c)
}

// take returns the process, for the caller to end, and reports one that has
// ended already.
func (w *Worker) take() *workload.Child {
	w.mu.Lock()
	defer w.mu.Unlock()
	c := w.child
	w.child = nil
	if c == nil {
		return nil
	}
	select {
	case <-c.Done():
		w.run.Errorf("worker %s had ended by itself: %v", w.spec.Name, c.Close())
		return nil
	default:
	}
	return c
}

// Kill ends the process at once. Restart starts another one.
func (w *Worker) Kill() {
	w.run.Helper()
	if c := w.take(); c != nil {
		c.Kill()
		w.run.Killed()
	}
}

// Restart starts another process in the place of one that was killed.
func (w *Worker) Restart() {
	w.run.Helper()
	w.start()
	w.run.Restarted()
}

// SetAhead sets the clock of the process that is started next.
func (w *Worker) SetAhead(d time.Duration) { w.spec.Ahead = d }

// Memory returns how many bytes of memory the process has in use, and the most
// that it ever had.
func (w *Worker) Memory() (now, most int, err error) {
	w.mu.Lock()
	c := w.child
	w.mu.Unlock()
	if c == nil {
		return 0, 0, nil
	}
	b, err := os.ReadFile("/proc/" + strconv.Itoa(c.Pid()) + "/status")
	if err != nil {
		return 0, 0, fmt.Errorf("memory of worker %s: %w", w.spec.Name, err)
	}
	for line := range strings.Lines(string(b)) {
		var n int
		if _, err := fmt.Sscanf(line, "VmRSS: %d kB", &n); err == nil {
			now = n << 10
		}
		if _, err := fmt.Sscanf(line, "VmHWM: %d kB", &n); err == nil {
			most = n << 10
		}
	}
	return now, most, nil
}
