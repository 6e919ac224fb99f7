package testengine

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestSharedIsOneForAllProcesses(t *testing.T) {
	goroutines := runtime.NumGoroutine()
	url := Shared(t)
	waitFor(t, 10*time.Second, "no goroutine is left behind", func() bool { return runtime.NumGoroutine() <= goroutines })
	i, err := ask(t.Context(), nil, url)
	if err != nil {
		t.Fatal(err)
	}
	if given, _ := choice(os.Getenv); given == "" && i.Version.Number != chosen(t).version {
		t.Errorf("it is %v", i)
	}
	if again := Shared(t); again != url {
		t.Errorf("the second call got %s, the first %s", again, url)
	}
	if c := startChild(t, "shared"); c.url != url {
		t.Errorf("another process got %s, this one %s", c.url, url)
	}
}

func TestSharedEndsAfterItsLastUser(t *testing.T) {
	c := startChild(t, "short")
	u, pid := joinShort(t)
	if u.url != c.url || pid != c.pid {
		t.Fatalf("got %s (pid %d), the child %s (pid %d)", u.url, pid, c.url, c.pid)
	}
	c.kill()

	// The process that started it is dead, but this process still uses it.
	ctx, cancel := context.WithTimeout(t.Context(), 2*shortGrace)
	defer cancel()
	err := every(ctx, 100*time.Millisecond, func() (bool, error) {
		_, err := ask(t.Context(), nil, u.url)
		return false, err
	})
	if ctx.Err() == nil {
		t.Fatalf("it ended although it was in use: %v", err)
	}

	dir := filepath.Dir(u.log)
	u.lease.release()
	waitFor(t, time.Minute, "the unused engine ends", func() bool { return gone(t, pid) })
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("it left %s: %v", dir, err)
	}
}

func TestEngineEndsWithItsOwner(t *testing.T) {
	for _, role := range []string{"own", "frozen"} {
		t.Run(role, func(t *testing.T) {
			if role == "frozen" && runtime.GOOS != "linux" {
				t.Skip("only Linux promises this")
			}
			c := startChild(t, role)
			if gone(t, c.pid) {
				t.Fatal("there is no engine")
			}
			c.kill()
			waitFor(t, 20*time.Second, "the engine ends", func() bool { return gone(t, c.pid) })
		})
	}
}

func TestAcknowledgedDocumentOutlivesTheProcess(t *testing.T) {
	data := t.TempDir()
	e := Start(t, Options{DataDir: data})
	if want := chosen(t).version; e.Version() != want {
		t.Errorf("version %q instead of %q", e.Version(), want)
	}
	doc, url, pid := e.URL()+"/coats/_doc/1", e.URL(), e.PID()
	mustSend(t, "PUT", doc, `{"colour":"green"}`, 201)

	e.Kill()
	e.Kill() // an ended engine stays so
	if _, _, err := send(t, "GET", doc, ""); !refused(err) {
		t.Fatalf("after Kill: %v", err)
	}
	e.Restart(t)
	if e.URL() != url || e.PID() == pid {
		t.Errorf("restarted at %s as pid %d, before %s as pid %d", e.URL(), e.PID(), url, pid)
	}
	if got := mustSend(t, "GET", doc, "", 200); !strings.Contains(got, "green") {
		t.Errorf("after Kill and Restart: %s", got)
	}

	e.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	if _, err := ask(ctx, nil, url); err == nil || ctx.Err() == nil {
		t.Errorf("while paused: %v", err)
	}
	e.Resume()
	mustSend(t, "GET", doc, "", 200)

	e.Pause()
	e.Stop() // a paused engine stops too
	if !gone(t, e.PID()) {
		t.Error("runs after Stop")
	}
	next := Start(t, Options{DataDir: data, Settings: map[string]string{"node.name": "next"}})
	if got := mustSend(t, "GET", next.URL()+"/coats/_doc/1", "", 200); !strings.Contains(got, "green") {
		t.Errorf("another engine on the same data: %s", got)
	}
	if got := mustSend(t, "GET", next.URL()+"/", "", 200); !strings.Contains(got, `"next"`) {
		t.Errorf("the node's name is not the one that was set: %s", got)
	}
}

func TestPortClash(t *testing.T) {
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	picks := 0
	e, err := start(t, Options{}, os.Getenv, func() (int, int, error) {
		picks++
		httpPort, transportPort, err := freePorts()
		switch picks {
		case 1:
			httpPort = taken.Addr().(*net.TCPAddr).Port
		case 2:
			transportPort = taken.Addr().(*net.TCPAddr).Port
		}
		return httpPort, transportPort, err
	})
	if err != nil {
		giveUp(t, err, os.Getenv)
	}
	if picks != 3 {
		t.Errorf("ports were picked %d times", picks)
	}
	mustSend(t, "GET", e.URL()+"/", "", 200)
}

func TestSettingsThatAreNotTheCallers(t *testing.T) {
	_, err := start(t, Options{Settings: map[string]string{"http.port": "9200"}}, os.Getenv, freePorts)
	if err == nil || !strings.Contains(err.Error(), "http.port") {
		t.Errorf("%v", err)
	}
}

func TestEarlyDeathIsReported(t *testing.T) {
	begin := time.Now()
	_, err := start(t, Options{Settings: map[string]string{"no.such.setting": "1"}}, os.Getenv, freePorts)
	if err == nil {
		t.Fatal("it started")
	}
	message, skip := verdict(err, os.Getenv)
	if skip {
		t.Skip(message)
	}
	for _, want := range []string{"did not start", "exit status 1", "unknown setting [no.such.setting]"} {
		if !strings.Contains(message, want) {
			t.Errorf("%q is not in: %s", want, message)
		}
	}
	if took := time.Since(begin); took > startLimit {
		t.Errorf("noticed after %v", took)
	}
}
