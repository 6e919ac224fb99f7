package main

import (
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// This file moves the demo's file to a real engine while the demo runs, and back.

// demoVisit is what a visitor of the demo has.
func demoVisit(t *testing.T, c *http.Client, base string) (id, principal string, values map[string]any) {
	t.Helper()
	status, v := ask(t, c, "GET", base+"/api/session")
	if status != http.StatusOK {
		t.Fatalf("%d %v", status, v)
	}
	id, _ = v["id"].(string)
	principal, _ = v["principal"].(string)
	values, _ = v["values"].(map[string]any)
	return id, principal, values
}

// TestCopyOfADemo: while visitors go on, the demo's sessions are copied to an engine, and
// then the demo goes on there: with the same cookies and carts. Who was signed out during
// the first pass stays out.
func TestCopyOfADemo(t *testing.T) {
	e := newEngineStore(t)
	folder, home := t.TempDir(), t.TempDir()
	source, target := "sqlite:"+filepath.Join(folder, "shop.db"), e.engine+"/"+e.index
	old := start(t, folder, "--store", source)
	ann, bob, carol := visitor(t), visitor(t), visitor(t)
	for _, v := range []*http.Client{ann, bob, carol} {
		shopPage(t, v, old.url+"/cart", url.Values{"item": {"scarf"}, "do": {"add"}})
	}
	for v, name := range map[*http.Client]string{ann: "ann", carol: "carol"} {
		shopPage(t, v, old.url+"/signin", url.Values{"name": {name}})
	}
	count(t, bob, old.url, 1)
	annID, _, _ := demoVisit(t, ann, old.url)

	e.want("copy --from "+source+" --to "+target, exitOK, `
Copied * records of *.*
Nothing is promised until you cut over: what is written from now on is missing at the target. Say it again with --cut.
`, `
Note: the index template "INDEX-periods" is made
Note: the index "INDEX-principals" is made
Note: the target has the default settings. If the application has others, end this, and begin with "cloakroom setup", which has flags for them
`)
	shopPage(t, carol, old.url+"/signout", url.Values{})
	shopPage(t, ann, old.url+"/cart", url.Values{"item": {"bowler"}, "do": {"add"}})

	// Bob goes on all the time.
	answered, refused := atomic.Int64{}, atomic.Int64{}
	answered.Store(1)
	ended := make(chan struct{})
	var work sync.WaitGroup
	work.Go(func() {
		for {
			r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, old.url+"/api/incr?key=n", nil)
			if err != nil {
				t.Error(err)
				return
			}
			resp, err := bob.Do(r)
			if err == nil {
				resp.Body.Close()
				if resp.StatusCode == http.StatusOK {
					answered.Add(1)
				} else {
					refused.Add(1)
				}
			}
			select {
			case <-ended:
				return
			default:
			}
		}
	})
	begun := time.Now()
	e.want("copy --from "+source+" --to "+target+" --cut --yes", exitOK, `
Cut over: both stores have the same: * sessions, * ledgers and * graves. Writes at the source are refused since *, for * so far.
Start the application on the target now: the engine at "ENGINE", index "INDEX". Then stop its processes on the source.
To give up instead, as long as nothing uses the target, run "cloakroom copy --unfence" with the same --from.
`, "")
	t.Logf("copied and cut over in %v", time.Since(begun))
	close(ended)
	work.Wait()

	next := start(t, home, "--store", target, "--key-file", filepath.Join(folder, "shop.keys"))
	for _, v := range []*http.Client{ann, bob, carol} {
		move(t, v, old.url, next.url)
	}
	id, principal, values := demoVisit(t, ann, next.url)
	if cart, _ := values["cart"].([]any); id != annID || principal != "ann" || len(cart) != 2 {
		t.Errorf("ann has %v, %q, %v", id, principal, values)
	}
	_, _, values = demoVisit(t, bob, next.url)
	if n, _ := values["n"].(float64); n != float64(answered.Load()) {
		t.Errorf("bob's count is %v, %d were answered and %d refused", n, answered.Load(), refused.Load())
	}
	if _, principal, values = demoVisit(t, carol, next.url); principal != "" || values["cart"] != nil {
		t.Errorf("carol, who was signed out, has %q, %v", principal, values)
	}
	shopPage(t, ann, next.url+"/cart", url.Values{"item": {"beanie"}, "do": {"add"}})
	e.want("compare --from "+source+" --to "+target, exitFindings, "*"+annID+": the target's was written by something else*", "*they differ in 1 id*")

	// Back into the same file.
	old.signal(os.Kill)
	old.wait()
	e.want("copy --unfence --from "+source, exitOK, "It takes writes again, which it had refused since *: SQLite, *", "")
	e.want("copy --from "+target+" --to "+source+" --cut --quick --yes", exitOK, "Cut over:*\nStart the application*\nTo give up*", "")
	if exit, told, _ := command(t, "", "doctor", "--store", target); exit != exitFindings || !strings.Contains(told, "fail  store (writes-fenced): The store refuses all writes since ") {
		t.Errorf("doctor of a fenced engine: exit %d\n%s", exit, told)
	}
	again := start(t, folder, "--store", source)
	move(t, ann, next.url, again.url)
	if id, principal, _ = demoVisit(t, ann, again.url); id != annID || principal != "ann" {
		t.Errorf("ann has %v, %q", id, principal)
	}
	shopPage(t, ann, again.url+"/cart", url.Values{"item": {"scarf"}, "do": {"add"}})
	e.want("copy --unfence --from "+target, exitOK, "It takes writes again, *", "")
	if log := old.stderr.String(); !strings.Contains(log, "cloakroom copy --unfence") {
		t.Errorf("the log of the process that was fenced doesn't say why:\n%s", log)
	}
}
