package elasticstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests single failures: requests, items and answers that a client in between
// alters.

// sender sends a request, and may alter it or its answer.
type sender = func(req *http.Request, body []byte, send func() (*http.Response, error)) (*http.Response, error)

// onKind alters requests of one kind only.
func onKind(kind string, f sender) sender {
	return func(req *http.Request, body []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if kindOf(req) != kind {
			return send()
		}
		return f(req, body, send)
	}
}

// times alters the first n requests.
func times(n int, f sender) sender {
	var left atomic.Int64
	left.Store(int64(n))
	return func(req *http.Request, body []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if left.Add(-1) < 0 {
			return send()
		}
		return f(req, body, send)
	}
}

// instead answers without asking the engine.
func instead(res func() *http.Response) sender {
	return func(*http.Request, []byte, func() (*http.Response, error)) (*http.Response, error) { return res(), nil }
}

// edited lets the engine execute the request, and changes the answer.
func edited(change func(string) string) sender {
	return func(_ *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		res, err := send()
		if err != nil {
			return nil, err
		}
		return edit(res, change), nil
	}
}

// broken lets the engine execute the request, and loses the answer.
func broken(_ *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
	res, err := send()
	if err != nil {
		return nil, err
	}
	res.Body.Close()
	return nil, fmt.Errorf("read tcp: %w", syscall.ECONNRESET)
}

const (
	rejectedBody    = `{"error":{"root_cause":[],"type":"es_rejected_execution_exception","reason":"rejected execution of coordinating operation"},"status":429}`
	unavailableBody = `{"error":{"root_cause":[],"type":"cluster_block_exception","reason":"blocked by: [SERVICE_UNAVAILABLE/2/no master];"},"status":503}`
)

// faultyStore makes a store with one record in it, on a client that may alter requests.
func faultyStore(t *testing.T) (*lab, *faulty, *Store, *driver.Record) {
	t.Helper()
	l := newLab(t)
	f := newFaulty(l.client)
	s := l.open(t, f, nil)
	return l, f, s, mustCreate(t, s, session(driver.LayoutDay, time.Now()))
}

// wantError checks that an error is each of want, and none of the others that callers
// tell apart.
func wantError(t testing.TB, err error, want ...error) {
	t.Helper()
	if bad := tells(err, want...); bad != nil {
		t.Fatal(bad)
	}
}

// tells returns nil if an error is each of want, and none of the others that callers
// tell apart.
func tells(err error, want ...error) error {
	told := []error{driver.ErrNotFound, driver.ErrGone, driver.ErrExists, driver.ErrConflict, driver.ErrCorrupt,
		driver.ErrInvalid, driver.ErrTooLarge, driver.ErrUnavailable, driver.ErrUnknown, driver.ErrOverloaded, driver.ErrClosed}
	for _, e := range told {
		is, should := errors.Is(err, e), slices.Contains(want, e)
		if is != should {
			return fmt.Errorf("error %w: is %q: %v, want %v", err, e.Error(), is, should)
		}
	}
	return nil
}

// brief returns a context for operations that are to fail.
func brief(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	t.Cleanup(cancel)
	return ctx
}

// fails checks the error of an operation that never succeeds and would be tried for
// ever. It cuts the operation off, and calls it again if that came too early for the
// wanted error.
func fails(t testing.TB, f func(context.Context) error, want ...error) {
	t.Helper()
	for wait := 300 * time.Millisecond; ; wait *= 2 {
		ctx, cancel := context.WithTimeout(t.Context(), wait)
		err := f(ctx)
		cancel()
		if wait > patient/4 || tells(err, want...) == nil {
			wantError(t, err, want...)
			return
		}
	}
}

// update returns a record with another value.
func update(r *driver.Record, v string) *driver.Record {
	u := *r
	u.Values = driver.NewValueList(map[string]json.RawMessage{"v": json.RawMessage(v)})
	u.Writes++
	return &u
}

func TestRejectedRequestsAreRepeated(t *testing.T) {
	t.Parallel()
	_, f, s, r := faultyStore(t)
	rejected := instead(func() *http.Response { return replyJSON(429, rejectedBody) })
	f.set(onKind("_bulk", times(2, rejected)))
	v, err := s.Update(testContext(t), update(r, "1"))
	if err != nil {
		t.Fatal(err)
	}
	f.set(onKind("_mget", times(2, rejected)))
	got, err := s.Get(testContext(t), r.ID)
	if err != nil || got.Version != v {
		t.Fatalf("Get: %v, version %v, want %v", err, got.Version, v)
	}
	// If the rejections go on, the write certainly hasn't happened.
	f.set(rejected)
	fails(t, func(ctx context.Context) error { _, err := s.Update(ctx, got); return err }, driver.ErrUnavailable)
	fails(t, func(ctx context.Context) error { _, err := s.Get(ctx, r.ID); return err }, driver.ErrUnavailable)
}

// itemError makes one item of a bulk answer fail, and keeps the item from the engine.
func itemError(id driver.ID, status int, kind, reason string) sender {
	return itemErrors(id.String(), status, kind, reason)
}

// itemErrors makes all items fail whose action contains text, an id or an index.
func itemErrors(text string, status int, kind, reason string) sender {
	return func(req *http.Request, sent []byte, send func() (*http.Response, error)) (*http.Response, error) {
		// The engine must not see the item.
		var kept []byte
		var items []string
		for rest := sent; len(rest) > 0; {
			action, after, _ := bytes.Cut(rest, []byte("\n"))
			document, after, _ := bytes.Cut(after, []byte("\n"))
			rest = after
			items = append(items, string(action))
			if !bytes.Contains(action, []byte(text)) {
				kept = fmt.Appendf(kept, "%s\n%s\n", action, document)
			}
		}
		var answer struct {
			Took  int               `json:"took"`
			Items []json.RawMessage `json:"items"`
		}
		if len(kept) > 0 {
			req.Body, req.ContentLength = reply(0, "", string(kept)).Body, int64(len(kept))
			res, err := send()
			if err != nil {
				return nil, err
			}
			defer res.Body.Close()
			if err := json.NewDecoder(res.Body).Decode(&answer); err != nil {
				return nil, err
			}
		}
		var all []json.RawMessage
		for _, action := range items {
			if !strings.Contains(action, text) {
				all = append(all, answer.Items[0])
				answer.Items = answer.Items[1:]
				continue
			}
			var parsed map[string]map[string]any
			if err := json.Unmarshal([]byte(action), &parsed); err != nil {
				return nil, err
			}
			for name, target := range parsed {
				item, _ := json.Marshal(map[string]any{name: map[string]any{"_index": target["_index"], "_id": target["_id"],
					"status": status, "error": map[string]any{"type": kind, "reason": reason}}})
				all = append(all, item)
			}
		}
		answer.Items = all
		body, err := json.Marshal(answer)
		return replyJSON(200, string(body)), err
	}
}

func TestRejectedItemIsRepeatedAlone(t *testing.T) {
	t.Parallel()
	_, f, s, r := faultyStore(t)
	var sent atomic.Int64
	rejected := itemError(r.ID, 429, "rejected_execution_exception", "rejected execution of primary operation")
	f.set(onKind("_bulk", times(2, func(req *http.Request, body []byte, send func() (*http.Response, error)) (*http.Response, error) {
		sent.Add(1)
		return rejected(req, body, send)
	})))
	if _, err := s.Update(testContext(t), update(r, "1")); err != nil {
		t.Fatal(err)
	}
	if sent.Load() != 2 {
		t.Errorf("%d requests were altered, want 2", sent.Load())
	}
}

// TestOneItemOfManyFails: one write of a batch is forbidden, in an answer with the
// status 200.
func TestOneItemOfManyFails(t *testing.T) {
	t.Parallel()
	_, f, s, _ := faultyStore(t)
	for _, c := range []struct {
		status       int
		kind, reason string
		want         []error
		text         string
	}{
		{403, "security_exception", "no permissions for [indices:data/write/bulk[s]]", []error{driver.ErrUnavailable}, "privilege"},
		{403, "cluster_block_exception", "index [x] blocked by: [FORBIDDEN/12/index read-only / allow delete (api)];", []error{driver.ErrUnavailable}, "disk"},
		{400, "illegal_argument_exception", "Document contains at least one immense term", []error{driver.ErrInvalid}, "immense"},
		{400, "index_closed_exception", "closed", []error{driver.ErrUnavailable}, "open the index"},
		{503, "unavailable_shards_exception", "primary shard is not active", []error{driver.ErrUnavailable, driver.ErrUnknown}, "primary"},
		{500, "i_o_exception", "disk", []error{driver.ErrUnavailable, driver.ErrUnknown}, "disk"},
		{418, "teapot", "", []error{driver.ErrUnavailable}, "teapot"},
	} {
		t.Run(fmt.Sprint(c.status, c.kind), func(t *testing.T) {
			poor := session(driver.LayoutDay, time.Now())
			f.set(onKind("_bulk", itemError(poor.ID, c.status, c.kind, c.reason)))
			var wg sync.WaitGroup
			for range 40 {
				wg.Go(func() {
					if _, err := s.Create(testContext(t), session(driver.LayoutDay, time.Now())); err != nil {
						t.Errorf("another record: %v", err)
					}
				})
			}
			_, err := s.Create(testContext(t), poor)
			wg.Wait()
			wantError(t, err, c.want...)
			if !strings.Contains(err.Error(), c.text) {
				t.Errorf("the error doesn't say %q: %v", c.text, err)
			}
		})
	}
}

// TestUnknownOutcomes: a write's answer is lost or makes no sense, and the outcome is
// never guessed.
func TestUnknownOutcomes(t *testing.T) {
	t.Parallel()
	_, f, s, _ := faultyStore(t)
	for name, alter := range map[string]sender{
		"lost":        broken,
		"503":         instead(func() *http.Response { return replyJSON(503, unavailableBody) }),
		"502 html":    instead(func() *http.Response { return reply(502, "text/html", "<html>Bad gateway</html>") }),
		"429 html":    instead(func() *http.Response { return reply(429, "text/html", "<html>Slow down</html>") }),
		"html":        instead(func() *http.Response { return reply(200, "text/html", "<html>Please log in</html>") }),
		"html typed":  instead(func() *http.Response { return replyJSON(200, "<html>Please log in</html>") }),
		"empty":       instead(func() *http.Response { return replyJSON(200, "") }),
		"other JSON":  instead(func() *http.Response { return replyJSON(200, "{}") }),
		"plain type":  edited(func(b string) string { return b }),
		"cut":         edited(func(b string) string { return b[:len(b)-10] }),
		"cut early":   edited(func(b string) string { return b[:20] }),
		"no item":     edited(func(b string) string { return `{"took":1,"errors":false,"items":[]}` }),
		"two items":   edited(func(b string) string { return strings.Replace(b, `"items":[`, `"items":[{"index":{}},`, 1) }),
		"other op":    edited(func(b string) string { return strings.Replace(b, `{"index":`, `{"create":`, 1) }),
		"other id":    edited(func(b string) string { return strings.Replace(b, `"_id":"`, `"_id":"x`, 1) }),
		"other index": edited(func(b string) string { return strings.Replace(b, `"_index":"`, `"_index":"x`, 1) }),
		"no version":  edited(func(b string) string { return strings.Replace(b, `"_primary_term":1`, `"_primary_term":0`, 1) }),
		"no answer": func(*http.Request, []byte, func() (*http.Response, error)) (*http.Response, error) {
			return nil, nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			f.set(nil)
			r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
			if name == "plain type" {
				alter = func(_ *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
					res, err := send()
					if err == nil {
						res.Header.Set("Content-Type", "text/plain")
					}
					return res, err
				}
			}
			f.set(onKind("_bulk", alter))
			before := f.requests("_bulk")
			_, err := s.Update(testContext(t), update(r, "1"))
			wantError(t, err, driver.ErrUnavailable, driver.ErrUnknown)
			if n := f.requests("_bulk") - before; n != 1 {
				t.Errorf("the write was sent %d times", n)
			}
			if strings.Contains(err.Error(), "coat") || strings.Contains(err.Error(), "alice") {
				t.Errorf("the error tells what is in the record: %v", err)
			}
		})
	}
}

// TestUnconditionalBurialIsRepeated: a burial may be repeated whatever its outcome was.
func TestUnconditionalBurialIsRepeated(t *testing.T) {
	t.Parallel()
	_, f, s, r := faultyStore(t)
	f.set(onKind("_bulk", times(2, broken)))
	g := driver.Grave{Reason: driver.EndRevoked, At: r.Created, Until: r.Deadline, Writes: 1}
	if err := s.Bury(testContext(t), r.ID, g, driver.Version{}); err != nil {
		t.Fatal(err)
	}
	got, err := s.Get(testContext(t), r.ID)
	wantError(t, err, driver.ErrGone)
	if got.Grave.Reason != driver.EndRevoked {
		t.Errorf("grave %+v", got.Grave)
	}
	f.set(onKind("_bulk", broken))
	err = s.Bury(testContext(t), r.ID, g, driver.Version{})
	wantError(t, err, driver.ErrUnavailable, driver.ErrUnknown)
}

// TestConflictUnread: a conflict's reason can't be read. Engines retry inside, so the
// conflict may be with the write itself.
func TestConflictUnread(t *testing.T) {
	t.Parallel()
	_, f, s, r := faultyStore(t)
	if _, err := s.Update(testContext(t), update(r, "1")); err != nil {
		t.Fatal(err)
	}
	f.set(onKind("_mget", instead(func() *http.Response { return replyJSON(503, unavailableBody) })))
	fails(t, func(ctx context.Context) error { _, err := s.Update(ctx, update(r, "2")); return err },
		driver.ErrUnavailable, driver.ErrUnknown)
}

// TestAnswersToReads: reads get wrong answers, once and always.
func TestAnswersToReads(t *testing.T) {
	t.Parallel()
	_, f, s, r := faultyStore(t)
	for name, alter := range map[string]sender{
		"lost":        broken,
		"503":         instead(func() *http.Response { return replyJSON(503, unavailableBody) }),
		"html":        instead(func() *http.Response { return reply(200, "text/html", "<html>Please log in</html>") }),
		"404 html":    instead(func() *http.Response { return reply(404, "text/html", "<html>No back end</html>") }),
		"empty":       instead(func() *http.Response { return replyJSON(200, "") }),
		"cut":         edited(func(b string) string { return b[:len(b)-3] }),
		"no document": edited(func(string) string { return `{"docs":[]}` }),
		"other id":    edited(func(b string) string { return strings.Replace(b, `"_id":"`, `"_id":"x`, 1) }),
		"other index": edited(func(b string) string { return strings.Replace(b, `"_index":"`, `"_index":"x`, 1) }),
		"shard": edited(func(b string) string {
			_, rest, _ := strings.Cut(b, `"_index":`)
			index, rest, _ := strings.Cut(rest, `"_id":`)
			id, _, _ := strings.Cut(rest, `,`)
			return `{"docs":[{"_index":` + index + `"_id":` + id + `,"error":{"type":"no_shard_available_action_exception","reason":"No shard"}}]}`
		}),
	} {
		t.Run(name, func(t *testing.T) {
			f.set(onKind("_mget", times(1, alter)))
			if _, err := s.Get(testContext(t), r.ID); err != nil && name != "404 html" {
				t.Fatalf("not asked again: %v", err)
			}
			f.set(onKind("_mget", alter))
			fails(t, func(ctx context.Context) error { _, err := s.Get(ctx, r.ID); return err }, driver.ErrUnavailable)
		})
	}
}

// TestI12_PoisonedRecordFailsAlone: invariant 12, in one answer to _mget.
func TestI12_PoisonedRecordFailsAlone(t *testing.T) {
	t.Parallel()
	l, _, s, r := faultyStore(t)
	for i, document := range []string{
		`{}`, `{"kind":"session"}`, `{"kind":"session","id":7}`, `{"kind":"coat","id":"%s"}`, `{"kind":"session","id":"%s","writes":-1}`,
		`{"kind":"session","id":"%s","seen":"yesterday"}`, `{"kind":"session","id":"%s","app":["x"]}`, `{"kind":"session","id":"%s","app":7}`,
		`{"kind":"session","id":"%s","values":[1]}`, `{"kind":"session","id":"%s","values":"x"}`, `{"kind":"session","id":"%s","revs":["x"]}`,
		`{"kind":"session","id":"%s","verifier":"%%"}`, `{"kind":"session","id":"%s","raw":"e30gfQ=="}`, `{"kind":"session","id":"%s","raw":"!"}`,
		`{"kind":"grave","id":"%s","successor":"x"}`, `{"kind":"session","id":"AAAAAAAAAAAAAAAAAAAAAA"}`, `{"kind":"session","id":"%s","persistent":1}`,
	} {
		poor := session(driver.LayoutDay, time.Now())
		if strings.Contains(document, "%s") {
			document = fmt.Sprintf(document, poor.ID)
		}
		l.put(t, s, poor.ID, document)
		// All in one request, however the batcher gathers.
		results := s.readAll(testContext(t), []target{
			{index: s.names.of(r.ID), id: r.ID}, {index: s.names.of(poor.ID), id: poor.ID}, {index: s.names.of(r.ID), id: r.ID},
		})
		for _, at := range []int{0, 2} {
			if results[at].Err != nil || results[at].Value.Version != r.Version {
				t.Fatalf("beside document %d: %v", i, results[at].Err)
			}
		}
		if results[0].Value != results[2].Value {
			t.Error("one id, asked twice, is not shared")
		}
		wantError(t, results[1].Err, driver.ErrCorrupt)
		_, err := s.Get(testContext(t), poor.ID)
		wantError(t, err, driver.ErrCorrupt)
		if !strings.Contains(err.Error(), poor.ID.String()) {
			t.Errorf("the error doesn't name the id: %v", err)
		}
		// A corrupt record can be buried, which is the way out.
		if err := s.Bury(testContext(t), poor.ID, driver.Grave{Reason: driver.EndDestroyed, Until: r.Deadline}, driver.Version{}); err != nil {
			t.Fatal(err)
		}
	}
}

func TestSearchAndCountCheckTheShards(t *testing.T) {
	t.Parallel()
	l, f, s, _ := faultyStore(t)
	l.refresh(t)
	changes := map[string]func(string) string{
		"failed":    func(b string) string { return strings.Replace(b, `"failed":0`, `"failed":1`, 1) },
		"missing":   func(b string) string { return strings.Replace(b, `"successful":`, `"successful":0,"x":`, 1) },
		"no shards": func(b string) string { return strings.Replace(b, `"_shards"`, `"x"`, 1) },
		"cut":       func(b string) string { return b[:len(b)-1] },
		"other":     func(string) string { return `{}` },
		"no count":  func(b string) string { return strings.NewReplacer(`"count"`, `"x"`, `"hits"`, `"x"`).Replace(b) },
		"timed out": func(b string) string { return strings.Replace(b, `"timed_out":false`, `"timed_out":true`, 1) },
		"first shard": func(b string) string {
			return strings.Replace(b, `"failed":0`, `"failed":1,"failures":[{"reason":{"type":"t","reason":"why"}}]`, 1)
		},
	}
	for name, change := range changes {
		for _, kind := range []string{"_search", "_count"} {
			if name == "timed out" && kind == "_count" {
				continue // it has no such member
			}
			t.Run(name+kind, func(t *testing.T) {
				do := func(ctx context.Context) error {
					if kind == "_count" {
						_, err := s.Summarize(ctx, driver.Query{})
						return err
					}
					for _, err := range s.Search(ctx, driver.Query{}) {
						if err != nil {
							return err
						}
					}
					return nil
				}
				f.set(times(1, onKind(kind, edited(change))))
				if err := do(testContext(t)); err != nil {
					t.Errorf("not asked again: %v", err)
				}
				f.set(onKind(kind, edited(change)))
				fails(t, do, driver.ErrUnavailable)
				f.set(nil)
			})
		}
	}
}

func TestTooLargeForOneRequest(t *testing.T) {
	t.Parallel()
	_, f, s, _ := faultyStore(t)
	const limit = 20_000
	f.set(onKind("_bulk", func(_ *http.Request, body []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if len(body) > limit {
			return reply(413, "text/plain", ""), nil
		}
		return send()
	}))
	var items []*write
	large := 3
	for i := range 16 {
		r := session(driver.LayoutDay, time.Now())
		n := 4000
		if i == large {
			n = 2 * limit
		}
		r.Values = r.Values.With("v", fmt.Appendf(nil, "%q", strings.Repeat("x", n)))
		document, err := encodeRecord(r, false)
		if err != nil {
			t.Fatal(err)
		}
		items = append(items, &write{index: s.names.of(r.ID), id: r.ID, document: document})
		if i == large {
			_, err := s.Create(testContext(t), r)
			wantError(t, err, driver.ErrTooLarge)
			if !strings.Contains(err.Error(), "http.max_content_length") {
				t.Errorf("the error doesn't say what to do: %v", err)
			}
		}
	}
	for i, r := range s.writeAll(testContext(t), items) {
		if (r.Err != nil) != (i == large) {
			t.Errorf("item %d: %v", i, r.Err)
		}
	}
}

// TestReasonsTellNoValues: engines quote documents when they refuse them.
func TestReasonsTellNoValues(t *testing.T) {
	for text, want := range map[string]string{
		`{"type":"document_parsing_exception","reason":"[1:25] failed to parse: Duplicate field 'a'\n at [Source: (byte[])\"{\\\"pin\\\":\\\"secret\"; line: 1]"}`: "[1:25] failed to parse: Duplicate field 'a' (document_parsing_exception, status 400)",
		`{"type":"mapper_parsing_exception","reason":"failed to parse field [x] of type [date] in document with id 'i'. Preview of field's value: 'secret'"}`:      "failed to parse field [x] of type [date] (mapper_parsing_exception, status 400)",
		`{"type":"a","reason":"","caused_by":{"type":"b","reason":"why"}}`:                                                                                         "why (b, status 400)",
		`{"type":"a","reason":"all shards failed","root_cause":[{"type":"c","reason":"first"},{"type":"d","reason":"second"}]}`:                                    "first (c, status 400)",
		`{"type":"a","reason":"why","caused_by":{"type":"b","reason":"secret"}}`:                                                                                   "why (a, status 400)",
		`"short"`: "short (status 400)",
		`{}`:      "status 400",
	} {
		sc := scanner{data: []byte(text)}
		e := sc.said()
		e.status = 400
		if err := sc.end(); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		if got := e.String(); got != want {
			t.Errorf("%s\nis told as %s\nwant %s", text, got, want)
		}
	}
	long := said{reason: strings.Repeat("ü", 1000)}
	if text := long.String(); len(text) > 450 {
		t.Errorf("a reason of %d bytes", len(text))
	}
}
