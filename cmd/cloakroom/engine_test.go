package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file tests the demo on an engine that comes and goes.

// door is an address in front of an engine that can be shut.
type door struct {
	net.Listener
	engine string
	mu     sync.Mutex
	open   bool
	conns  []net.Conn
	all    sync.WaitGroup
}

func newDoor(t *testing.T, engine string) *door {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	d := &door{Listener: l, engine: strings.TrimPrefix(engine, "http://")}
	d.all.Go(d.serve)
	t.Cleanup(func() {
		l.Close()
		d.set(false)
		d.all.Wait()
	})
	return d
}

func (d *door) serve() {
	for {
		in, err := d.Accept()
		if err != nil {
			return
		}
		d.let(in)
	}
}

// let lets a connection through, or closes it.
func (d *door) let(in net.Conn) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.open {
		in.Close()
		return
	}
	out, err := net.Dial("tcp", d.engine)
	if err != nil {
		in.Close()
		return
	}
	d.conns = append(d.conns, in, out)
	for from, to := range map[net.Conn]net.Conn{in: out, out: in} {
		d.all.Go(func() {
			io.Copy(to, from)
			to.Close()
			from.Close()
		})
	}
}

// set opens or shuts the door.
func (d *door) set(open bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.open = open
	if !open {
		for _, c := range d.conns {
			c.Close()
		}
		d.conns = nil
	}
}

// removeIndices removes a test's indices from an engine.
func removeIndices(t *testing.T, engine, index string) {
	t.Helper()
	call := func(method, path string) []byte {
		r, err := http.NewRequestWithContext(context.Background(), method, engine+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusNotFound {
			t.Errorf("%s %s: %d %s %v", method, path, resp.StatusCode, body, err)
		}
		return body
	}
	defer http.DefaultClient.CloseIdleConnections()
	var made map[string]json.RawMessage
	if err := json.Unmarshal(call("GET", "/"+index+"-*"), &made); err != nil {
		t.Error(err)
	}
	for name := range made {
		call("DELETE", "/"+name)
	}
	var list struct {
		Templates []struct{ Name string } `json:"index_templates"`
	}
	if err := json.Unmarshal(call("GET", "/_index_template/"+index+"-*"), &list); err != nil {
		t.Error(err)
	}
	for _, l := range list.Templates {
		call("DELETE", "/_index_template/"+l.Name)
	}
}

// TestEngine: the demo starts while its engine is out of reach, answers 503, and goes on
// by itself once the engine is there. An outage signs nobody out.
func TestEngine(t *testing.T) {
	engine := testengine.Shared(t)
	index := fmt.Sprintf("demotest%d", time.Now().UnixNano())
	t.Cleanup(func() { removeIndices(t, engine, index) })
	d := newDoor(t, engine)
	store := "http://" + d.Addr().String() + "/" + index

	home := t.TempDir()
	c := start(t, home, "--store", store)
	v := visitor(t)
	if status, answer := ask(t, v, "POST", c.url+"/api/incr?key=n"); status != 503 || answer["error"] == "" {
		t.Errorf("without an engine: %d %v", status, answer)
	}
	if s := c.stderr.String(); !strings.Contains(s, "out of reach") {
		t.Errorf("the log doesn't tell:\n%s", s)
	}
	d.set(true)
	n := waitForCount(t, v, c.url)
	if status, answer := ask(t, v, "POST", c.url+"/api/login?user=ann"); status != 200 {
		t.Errorf("login: %d %v", status, answer)
	}
	count(t, v, c.url, n+1)

	d.set(false)
	if status, _ := ask(t, v, "GET", c.url+"/api/session"); status != 503 {
		t.Errorf("during an outage: %d", status)
	}
	if status, _ := ask(t, v, "GET", c.url+"/api/static"); status != 200 {
		t.Errorf("static during an outage: %d", status)
	}
	d.set(true)
	if n = waitForCount(t, v, c.url) - 2; n < 1 {
		t.Errorf("the outage took %d increments", 1-n)
	}
	c.signal(syscall.SIGTERM)
	if got := c.wait().ExitCode(); got != 0 {
		t.Errorf("exit %d\n%s", got, c.stderr)
	}

	second := start(t, home, "--store", store)
	move(t, v, c.url, second.url)
	count(t, v, second.url, n+3)
	if _, state := ask(t, v, "GET", second.url+"/api/session"); state["principal"] != "ann" {
		t.Errorf("after a restart: %v", state)
	}
	second.signal(syscall.SIGTERM)
	if got := second.wait().ExitCode(); got != 0 {
		t.Errorf("exit %d\n%s", got, second.stderr)
	}
}

// waitForCount repeats an increment while it is answered with 503, and returns the
// count.
func waitForCount(t *testing.T, v *http.Client, base string) int {
	t.Helper()
	late := time.Now().Add(time.Minute)
	for {
		status, answer := ask(t, v, "POST", base+"/api/incr?key=n")
		if n, ok := answer["value"].(float64); ok && status == 200 {
			return int(n)
		}
		if status != 503 || time.Now().After(late) {
			t.Fatalf("%d %v", status, answer)
		}
	}
}
