package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
)

// This file tests the demo as a process that is killed and stopped.

// TestMain lets the test's own program be the command, for tests that need a process to
// kill.
func TestMain(m *testing.M) {
	if os.Getenv("CLOAKROOM_TEST_MAIN") == "1" {
		main()
		return
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // as main does
	leaktest.Main(m)
}

// child is the command in a process of its own.
type child struct {
	t      *testing.T
	cmd    *exec.Cmd
	url    string
	stderr *watcher
	lines  chan string // lines of its standard output; closed at the end
}

// start starts "cloakroom demo" and waits until it is open.
func start(t *testing.T, home string, args ...string) *child {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("signals are those of Unix")
	}
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{t: t, stderr: &watcher{}, lines: make(chan string, 100)}
	c.cmd = exec.CommandContext(t.Context(), program, append([]string{"demo", "--addr", "127.0.0.1:0"}, args...)...)
	c.cmd.Env = append(os.Environ(), "CLOAKROOM_TEST_MAIN=1", "HOME="+home, "XDG_DATA_HOME="+home)
	c.cmd.Stderr = c.stderr
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.cmd.Process.Kill(); c.cmd.Wait() })
	go func() {
		defer close(c.lines)
		for s := bufio.NewScanner(stdout); s.Scan(); {
			c.lines <- s.Text()
		}
	}()
	_, c.url, _ = strings.Cut(c.waitFor("The shop is open:"), ":")
	c.url = strings.TrimSpace(c.url)
	c.waitFor("Ctrl-C stops it.")
	return c
}

// waitFor returns the next line that begins with beginning.
func (c *child) waitFor(beginning string) string {
	c.t.Helper()
	late := time.NewTimer(30 * time.Second)
	defer late.Stop()
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				c.t.Fatalf("it ended without saying %q:\n%s", beginning, c.stderr)
			}
			if strings.HasPrefix(line, beginning) {
				return line
			}
		case <-late.C:
			c.t.Fatalf("it doesn't say %q:\n%s", beginning, c.stderr)
		}
	}
}

func (c *child) signal(s os.Signal) {
	c.t.Helper()
	if err := c.cmd.Process.Signal(s); err != nil {
		c.t.Fatal(err)
	}
}

// wait waits for the process's end, and returns its state.
func (c *child) wait() *os.ProcessState {
	c.t.Helper()
	for range c.lines { // before Wait, which closes the pipe
	}
	c.cmd.Wait()
	return c.cmd.ProcessState
}

// visitor is a client with cookies.
func visitor(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{Jar: jar, Transport: &http.Transport{DisableKeepAlives: true}}
}

// ask returns the status and object of an answer.
func ask(t *testing.T, c *http.Client, method, address string) (int, map[string]any) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, address, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := c.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%s %s: %d %s", method, address, resp.StatusCode, body)
	}
	return resp.StatusCode, v
}

func count(t *testing.T, c *http.Client, base string, want int) {
	t.Helper()
	if status, v := ask(t, c, "POST", base+"/api/incr?key=n"); status != 200 || v["value"] != float64(want) {
		t.Errorf("the count is %v (%d), want %d", v, status, want)
	}
}

// move gives a visitor's cookies to another port of the same host. Cookies don't tell
// ports apart, but the test shouldn't rely on that.
func move(t *testing.T, c *http.Client, from, to string) {
	t.Helper()
	a, err1 := url.Parse(from)
	b, err2 := url.Parse(to)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	c.Jar.SetCookies(b, c.Jar.Cookies(a))
}

// TestRestart: every answered change is kept, however the process ends.
func TestRestart(t *testing.T) {
	for _, c := range []struct {
		name string
		end  os.Signal
		exit string
	}{
		{"SIGTERM", syscall.SIGTERM, "exit status 0"},
		{"SIGINT", os.Interrupt, "exit status 0"},
		{"SIGKILL", os.Kill, "signal: killed"},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, store := range []string{"", "sqlite:" + filepath.Join(t.TempDir(), "own.db")} {
				home := t.TempDir()
				var args []string
				if store != "" {
					args = []string{"--store", store}
				}
				first := start(t, home, args...)
				v := visitor(t)
				for n := range 5 {
					count(t, v, first.url, n+1)
				}
				first.signal(c.end)
				if got := first.wait().String(); got != c.exit {
					t.Errorf("%s, want %s\n%s", got, c.exit, first.stderr)
				}
				second := start(t, home, args...)
				move(t, v, first.url, second.url)
				count(t, v, second.url, 6)
				second.signal(syscall.SIGTERM)
				if got := second.wait().ExitCode(); got != 0 {
					t.Errorf("exit %d\n%s", got, second.stderr)
				}
				if s := second.stderr.String(); s != "" {
					t.Errorf("it complains:\n%s", s)
				}
			}
		})
	}
}

// TestKillDuringIncrements: a kill in the middle of many changes loses none that was
// answered.
func TestKillDuringIncrements(t *testing.T) {
	home := t.TempDir()
	first := start(t, home)
	v := visitor(t)
	count(t, v, first.url, 1)
	var mu sync.Mutex
	answered := 1
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for {
				r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, first.url+"/api/incr?key=n", nil)
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := v.Do(r)
				if err != nil {
					return // killed
				}
				_, err = io.Copy(io.Discard, resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusOK {
					return
				}
				mu.Lock()
				answered++
				enough := answered == 100
				mu.Unlock()
				if enough {
					first.signal(os.Kill)
				}
			}
		})
	}
	all.Wait()
	first.wait()
	second := start(t, home)
	move(t, v, first.url, second.url)
	_, state := ask(t, v, "GET", second.url+"/api/session")
	n, _ := state["values"].(map[string]any)["n"].(float64)
	if int(n) < answered || int(n) > answered+8 {
		t.Errorf("%d increments were answered, %v are there", answered, n)
	}
}

// TestSignals: a request under way when the signal comes is finished. A second signal
// doesn't wait for it.
func TestSignals(t *testing.T) {
	for _, second := range []bool{false, true} {
		t.Run(fmt.Sprint("second signal ", second), func(t *testing.T) {
			c := start(t, t.TempDir(), "--store", "memory:")
			conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			const body = "key=n"
			fmt.Fprintf(conn, "POST /api/incr HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\nContent-Length: %d\r\n"+
				"Content-Type: application/x-www-form-urlencoded\r\n\r\n", len(body))
			answer := bufio.NewReader(conn)
			if line, err := answer.ReadString('\n'); !strings.Contains(line, "100 Continue") {
				t.Fatalf("%q %v", line, err)
			}
			// The handler waits for the body.
			c.signal(syscall.SIGTERM)
			c.waitFor("Stopping.")
			if second {
				c.signal(syscall.SIGTERM)
				if got := c.wait().String(); got != "signal: terminated" {
					t.Errorf("it ended with %s", got)
				}
				return
			}
			fmt.Fprint(conn, body)
			rest, err := io.ReadAll(answer)
			if err != nil || !strings.Contains(string(rest), "200 OK") || !strings.Contains(string(rest), `"value":1`) {
				t.Errorf("the request was answered with %s %v", rest, err)
			}
			if got := c.wait().ExitCode(); got != 0 {
				t.Errorf("exit %d\n%s", got, c.stderr)
			}
		})
	}
}

// TestUnusedConnections: connections that a browser opens ahead of need don't delay the
// end.
func TestUnusedConnections(t *testing.T) {
	c := start(t, t.TempDir(), "--store", "memory:")
	conn, err := net.Dial("tcp", strings.TrimPrefix(c.url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	ask(t, visitor(t), "GET", c.url+"/api/static") // by now the server knows the unused one
	c.signal(os.Interrupt)
	begun := time.Now()
	if got := c.wait().ExitCode(); got != 0 {
		t.Errorf("exit %d\n%s", got, c.stderr)
	}
	if took := time.Since(begun); took > 4*time.Second {
		t.Errorf("the end took %v", took)
	}
}
