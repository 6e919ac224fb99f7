package testengine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file starts an engine's process and waits until it is ready.

const (
	defaultHeap  = "512m"
	startLimit   = 3 * time.Minute // a start takes 7 s on two idle cores; shared runners are slower and busier
	portAttempts = 5
)

// spec describes an engine to start: which, where its files are, and for how long.
type spec struct {
	dist     distribution
	cluster  string            // random, so that it identifies the engine
	extra    map[string]string // the caller's settings
	heap     string
	dir      string // everything it writes except data: lease, log, home, tmp
	data     string
	scratch  bool          // the engine deletes dir at its end
	grace    time.Duration // the time that it goes on without users
	bound    bool          // the engine dies with this process
	security *security     // nil: none
	member   bool          // a node of a cluster: it is ready when it has joined, whatever the indices' health
}

func (s *spec) leaseFile() string { return filepath.Join(s.dir, "lease") }
func (s *spec) logFile() string   { return filepath.Join(s.dir, "engine.log") }

// running is an engine that answered.
type running struct {
	proc                    *process
	httpPort, transportPort int
	url                     string
	info                    info
	took                    time.Duration
}

// String names the engine, its address and its process.
func (r running) String() string {
	return fmt.Sprintf("%v at %s (pid %d, ready in %.1fs)", r.info, r.url, r.proc.pid, r.took.Seconds())
}

// samePorts picks the ports that the engine had.
func (r running) samePorts() (httpPort, transportPort int, err error) {
	return r.httpPort, r.transportPort, nil
}

var errPortTaken = errors.New("a port was taken meanwhile")

// boot starts the engine and waits until it is ready. The caller holds its lease. pick
// chooses both ports; it is asked again if another process takes one before the engine
// does.
func boot(ctx context.Context, tools toolchain, s *spec, pick func() (httpPort, transportPort int, err error)) (running, error) {
	for _, dir := range []string{s.data, filepath.Join(s.dir, "tmp"), filepath.Join(s.dir, "home", "config")} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return running{}, err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, startLimit)
	defer cancel()
	var r running
	attempt := 0
	err := every(ctx, 200*time.Millisecond, func() (bool, error) {
		attempt++
		httpPort, transportPort, err := pick()
		if err != nil {
			return false, err
		}
		r, err = bootOnce(ctx, tools, s, httpPort, transportPort)
		if errors.Is(err, errPortTaken) && attempt < portAttempts {
			return false, nil
		}
		return err == nil, err
	})
	return r, err
}

func bootOnce(ctx context.Context, tools toolchain, s *spec, httpPort, transportPort int) (running, error) {
	begin := time.Now()
	log, err := os.OpenFile(s.logFile(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return running{}, err
	}
	defer log.Close()
	logStart, err := log.Seek(0, io.SeekEnd)
	if err != nil {
		return running{}, err
	}
	cmd := exec.Command(tools.jdk.java(), s.arguments(tools, httpPort, transportPort)...)
	cmd.Dir = s.dir
	cmd.Stdout, cmd.Stderr = log, log // never our own: go test waits until every holder closes them
	proc, err := launch(cmd, s.bound)
	if err != nil {
		return running{}, fmt.Errorf("starting %s: %w", s.dist.name, err)
	}
	r := running{proc: proc, httpPort: httpPort, transportPort: transportPort}
	if err := awaitReady(ctx, proc, s, &r); err != nil {
		how := proc.how()
		if kerr := proc.kill(); kerr != nil {
			err = errors.Join(err, kerr)
		}
		out := readLog(s.logFile(), logStart)
		if errors.Is(err, errDied) && portClash(out) {
			return running{}, fmt.Errorf("%s on ports %d and %d: %w", s.dist.name, httpPort, transportPort, errPortTaken)
		}
		return running{}, fmt.Errorf("%s %s did not start: %w (%s after %.1f s)\nThe end of its log:\n%s",
			s.dist.name, s.dist.version, err, how, time.Since(begin).Seconds(), lastLines(out, 40))
	}
	r.took = time.Since(begin)
	return r, nil
}

var errDied = errors.New("its process ended")

// awaitReady asks for the engine's health until it is yellow. It watches the process as
// well, since a question may hang, as when a stranger has got the port and doesn't
// answer.
func awaitReady(ctx context.Context, proc *process, s *spec, r *running) error {
	asking, stop := context.WithCancel(ctx)
	answered := make(chan error, 1)
	var last error
	go func() {
		r.url = s.address(r.httpPort)
		answered <- every(asking, 50*time.Millisecond, func() (bool, error) {
			if last = healthy(asking, r.url, s); last != nil {
				return false, nil //nolint:nilerr // not yet: ask again
			}
			r.info, last = ask(asking, s.security, r.url)
			return last == nil, nil
		})
	}()

	var result error
	done := false
	watch := every(ctx, 10*time.Millisecond, func() (bool, error) {
		select {
		case result = <-answered:
			done = true
			return true, nil
		default:
		}
		if proc.ended() {
			return false, errDied
		}
		return false, nil
	})
	stop()
	if !done {
		<-answered
		result = watch
	}
	if result != nil && !errors.Is(result, errDied) {
		return fmt.Errorf("%w; the last answer: %w", result, last)
	}
	return result
}

// clusterName returns the engine's cluster name.
func (s *spec) clusterName() string {
	if name := s.extra["cluster.name"]; name != "" {
		return name
	}
	return s.cluster
}

func (s *spec) address(port int) string {
	scheme := "http"
	if s.security != nil {
		scheme = "https"
	}
	return scheme + "://127.0.0.1:" + strconv.Itoa(port)
}

// Ports are picked below the range that systems use for outgoing connections. In that
// range, clients that keep dialing an engine that is down could get its port, and even
// connect to themselves.
const firstPort, lastPort = 20000, 29999

// freePorts finds two loopback ports on which nobody listens.
func freePorts() (httpPort, transportPort int, err error) {
	found, err := findPorts(2)
	if err != nil {
		return 0, 0, err
	}
	return found[0], found[1], nil
}

func findPorts(n int) ([]int, error) {
	var found []int
	var last error
	for range 200 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if slices.Contains(found, port) {
			continue
		}
		l, err := net.Listen("tcp", "127.0.0.1:"+strconv.Itoa(port))
		if err != nil {
			last = err
			continue
		}
		l.Close()
		if found = append(found, port); len(found) == n {
			return found, nil
		}
	}
	return nil, fmt.Errorf("no free loopback port: %w", last)
}

func portClash(log []byte) bool {
	for _, sign := range []string{"BindHttpException", "BindTransportException", "Address already in use"} {
		if bytes.Contains(log, []byte(sign)) {
			return true
		}
	}
	return false
}

// readLog reads a log from an offset on, but at most its last megabyte.
func readLog(path string, from int64) []byte {
	f, err := os.Open(path)
	if err != nil {
		return []byte(err.Error())
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil {
		from = max(from, info.Size()-1<<20)
	}
	b, err := io.ReadAll(io.NewSectionReader(f, from, 1<<20))
	if err != nil {
		b = append(b, err.Error()...)
	}
	return b
}

// lastLines returns the last n lines, each cut to a readable length.
func lastLines(b []byte, n int) string {
	lines := strings.Split(strings.TrimRight(string(b), "\n"), "\n")
	lines = lines[max(0, len(lines)-n):]
	for i, l := range lines {
		if len(l) > 400 {
			lines[i] = l[:400] + "…"
		}
	}
	return strings.Join(lines, "\n")
}
