package elasticstore

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
)

// This file lists the troubles of an engine, and of proxies and networks before it, with
// the outcome of each operation.

// outcome is an operation's result during trouble.
type outcome uint8

const (
	fine   outcome = iota
	down           // ErrUnavailable: certainly not done
	unsure         // a write that may have happened: ErrUnknown as well
	other          // anything else, which is never right
)

// trouble is a state of an engine, or of a proxy before it.
type trouble struct {
	name string
	// begin causes the trouble, for a period's index or for all requests, and returns a
	// function that ends it.
	begin func(t testing.TB, e *troubled) (end func())

	get, update, create, bury, search, sweep, report outcome

	all   bool // all requests have it, not those of one index
	hangs bool // writes are not answered, instead of turned down

	// says are texts that the errors must contain.
	says []string
	// reported is the problem that Report must tell, if it can.
	reported string
}

// troubled is an engine that will have trouble.
type troubled struct {
	*lab
	*proxy
	index string // the index that will have trouble
}

// explain is in all errors about shards.
const explain = "/_cluster/allocation/explain"

// turnedDown makes a trouble one in which writes certainly don't happen.
func turnedDown(t trouble) trouble {
	t.update, t.create, t.bury = down, down, down
	return t
}

// unread makes a trouble one in which nothing can be read.
func unread(t trouble) trouble {
	t.get, t.search, t.sweep = down, down, down
	return t
}

// indexTroubles are the troubles that one index can have on an engine that is well.
func indexTroubles() []trouble {
	return []trouble{
		blocked("read_only_allow_delete", turnedDown(trouble{says: []string{"free disk space", "index.blocks.read_only_allow_delete"}})),
		blocked("write", turnedDown(trouble{says: []string{"index write", "index.blocks"}})),
		blocked("read_only", turnedDown(trouble{says: []string{"index read-only", "index.blocks"}})),
		blocked("read", unread(trouble{says: []string{"index read", "index.blocks"}, reported: "index.blocks"})),
		turnedDown(unread(trouble{
			name: "closed",
			begin: func(t testing.TB, e *troubled) func() {
				e.call(t, http.MethodPost, "/"+e.index+"/_close", "")
				return func() { e.call(t, http.MethodPost, "/"+e.index+"/_open", "") }
			},
			says: []string{"closed", "open the index"}, reported: "open the index",
		})),
		turnedDown(trouble{
			name: "missing pipeline",
			begin: func(t testing.TB, e *troubled) func() {
				e.settings(t, e.index, `{"index.final_pipeline":"nowhere"}`)
				return func() { e.settings(t, e.index, `{"index.final_pipeline":"_none"}`) }
			},
			says: []string{"nowhere", "_none"}, reported: "final_pipeline",
		}),
	}
}

// blocked is the trouble of an index with a block. An engine sets it when its disk is
// full, and people for their own reasons.
func blocked(name string, t trouble) trouble {
	t.name = name
	t.begin = func(tb testing.TB, e *troubled) func() {
		e.settings(tb, e.index, `{"index.blocks.`+name+`":true}`)
		return func() { e.settings(tb, e.index, `{"index.blocks.`+name+`":null}`) }
	}
	return t
}

func (l *lab) settings(t testing.TB, index, settings string) {
	t.Helper()
	l.call(t, http.MethodPut, "/"+index+"/_settings", settings)
}

// answering answers a request at a proxy.
type answering = func(w http.ResponseWriter, r *http.Request, forward func() *http.Response)

// proxyTroubles are those between us and an engine that is well, and those that only an
// engine under load has.
func proxyTroubles() []trouble {
	hangs := through("no answer", nil)
	hangs.hangs = true
	hangs.begin = func(_ testing.TB, e *troubled) func() {
		over := make(chan struct{})
		e.set(func(w http.ResponseWriter, r *http.Request, forward func() *http.Response) {
			forward().Body.Close()
			select {
			case <-r.Context().Done():
			case <-over:
				breakOff(w, nil, true)
			}
		})
		return func() {
			e.set(nil)
			close(over)
		}
	}
	return []trouble{
		turnedDown(replies("429", 429, typeJSON, rejectedBody, "es_rejected_execution_exception")),
		replies("429 of a proxy", 429, "text/html", "<html>Slow down</html>", "429", "Slow down"),
		replies("503", 503, typeJSON, unavailableBody, "no master"),
		replies("502 of a proxy", 502, "text/html", "<html>Bad gateway</html>", "502", "Bad gateway"),
		replies("a page for people", 200, "text/html", "<html>Please log in</html>", "Please log in"),
		through("cut short", func(w http.ResponseWriter, _ *http.Request, forward func() *http.Response) {
			breakOff(w, forward(), false)
		}, "broke off"),
		through("reset in the middle", func(w http.ResponseWriter, _ *http.Request, forward func() *http.Response) {
			breakOff(w, forward(), true)
		}, "broke off"),
		through("reset before an answer", func(w http.ResponseWriter, _ *http.Request, forward func() *http.Response) {
			forward().Body.Close()
			breakOff(w, nil, true)
		}, "127.0.0.1"),
		hangs,
		partly("failed shards", `"failed":0`, `"failed":1,"failures":[{"shard":0,"reason":{"type":"i_o_exception","reason":"disk"}}]`, "1 of", "disk"),
		partly("missing shards", `"successful":`, `"successful":0,"x":`, "shards answered", explain),
	}
}

// through is the trouble of a proxy, or of the network, that every request has.
func through(name string, a answering, says ...string) trouble {
	return trouble{
		name: name, all: true, says: says,
		begin: func(_ testing.TB, e *troubled) func() {
			e.set(a)
			return func() { e.set(nil) }
		},
		get: down, update: unsure, create: unsure, bury: unsure, search: down, sweep: down, report: down,
	}
}

// replies is the trouble that every request gets this answer.
func replies(name string, status int, contentType, body string, says ...string) trouble {
	return through(name, func(w http.ResponseWriter, _ *http.Request, _ func() *http.Response) {
		w.Header().Set("Content-Type", contentType)
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}, says...)
}

// partly is the trouble that only some of the shards answer a search, yet with the
// status 200.
func partly(name, old, instead string, says ...string) trouble {
	t := through(name, func(w http.ResponseWriter, r *http.Request, forward func() *http.Response) {
		res := forward()
		if kind := kindOf(r); kind == "_search" || kind == "_count" {
			res = edit(res, func(b string) string { return strings.Replace(b, old, instead, 1) })
		}
		pass(w, res)
	}, says...)
	t.get, t.update, t.create, t.bury, t.report = fine, fine, fine, fine, fine
	t.reported = says[0]
	return t
}
