package elasticstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests whom an engine's refusals are blamed on: the document, or the cluster.

// TestMissingPipeline: an index has a pipeline that isn't there. That is the cluster's
// trouble, and not a record's.
func TestMissingPipeline(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	for _, kind := range []string{"default_pipeline", "final_pipeline"} {
		l.settings(t, s.names.of(r.ID), `{"index.`+kind+`":"nowhere"}`)
		_, err := s.Create(testContext(t), session(driver.LayoutDay, time.Now()))
		wantError(t, err, driver.ErrUnavailable)
		if !strings.Contains(err.Error(), "nowhere") || !strings.Contains(err.Error(), "_none") {
			t.Errorf("the error doesn't say what to do: %v", err)
		}
		if p := problemsOf(t, s)["settings-unsafe"]; p.Severity != driver.SeverityFail || !strings.Contains(p.Meaning, kind) {
			t.Errorf("problem: %+v", p)
		}
		drift, err := s.Drift(testContext(t))
		if err != nil || len(drift) != 1 {
			t.Fatal(drift, err)
		}
		if err := s.ApplySettings(testContext(t), drift); err != nil {
			t.Fatal(err)
		}
		mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	}
}

// TestWhoIsToBlame: what real engines refuse with the status 400, for the cluster's sake
// and for the document's.
func TestWhoIsToBlame(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	index := l.index + "-2026.11.30"
	for name, c := range map[string]struct {
		body, document string
		want           error
	}{
		"routing":      {`{"mappings":{"_routing":{"required":true}}}`, `{}`, driver.ErrUnavailable},
		"pipeline":     {`{"settings":{"final_pipeline":"nowhere"}}`, `{}`, driver.ErrUnavailable},
		"fields":       {`{"settings":{"mapping.total_fields.limit":1}}`, `{"a":1,"b":1}`, driver.ErrUnavailable},
		"strict":       {`{"mappings":{"dynamic":"strict"}}`, `{"a":1}`, driver.ErrUnavailable},
		"other type":   {`{"mappings":{"properties":{"id":{"type":"integer"}}}}`, `{"id":"x"}`, driver.ErrUnavailable},
		"no fields":    {`{}`, `{"":1}`, driver.ErrInvalid},
		"dots":         {`{}`, `{"a..b":1}`, driver.ErrInvalid},
		"its own name": {`{}`, `{"_id":"x"}`, driver.ErrInvalid},
		"no JSON":      {`{}`, `{"a":`, driver.ErrInvalid},
		"long":         {`{"mappings":{"properties":{"app":{"type":"keyword"}}}}`, `{"app":"` + strings.Repeat("x", 40_000) + `"}`, driver.ErrInvalid},
	} {
		t.Run(name, func(t *testing.T) {
			l.call(t, http.MethodPut, "/"+index, c.body)
			defer l.remove(t, index)
			l.blame(t, index, c.document, c.want)
		})
	}
	t.Run("aliases", func(t *testing.T) {
		l.call(t, http.MethodPut, "/"+l.index+"1", `{"aliases":{"`+index+`":{}}}`)
		l.call(t, http.MethodPut, "/"+l.index+"2", `{"aliases":{"`+index+`":{}}}`)
		defer l.remove(t, l.index+"1", l.index+"2")
		l.blame(t, index, `{}`, driver.ErrUnavailable)
	})
	t.Run("data stream", func(t *testing.T) {
		if !l.streams(t, strings.TrimPrefix(index, l.index)) {
			t.Skip("this engine can't remove data streams")
		}
		l.foreign(t, "streams", []string{l.index + "-20*"}, 901, `,"data_stream":{}`)
		l.blame(t, index, `{}`, driver.ErrUnavailable)
	})
}

// blame writes a document past the store, and has the engine's answer judged as the
// store does.
func (l *lab) blame(t testing.TB, index, document string, want error) {
	t.Helper()
	for action, a := range map[string]action{"index": replaceAny, "create": createNew} {
		body := l.call(t, http.MethodPost, "/_bulk", fmt.Sprintf("{%q:{\"_index\":%q,\"_id\":\"1\"}}\n%s\n", action, index, document))
		var answer struct {
			Items []map[string]json.RawMessage `json:"items"`
		}
		if err := json.Unmarshal(body, &answer); err != nil || len(answer.Items) != 1 {
			t.Fatalf("%s: %v", body, err)
		}
		sc := scanner{data: answer.Items[0][action]}
		var i bulkItem
		sc.bulkItem(&i)
		err := i.result(&request{method: http.MethodPost, path: "/_bulk", write: true}, &write{index: index, action: a}).Err
		if refused, ok := errors.AsType[*refusal](err); ok {
			err = (&Store{}).refuse(&write{index: index}, refused)
		}
		var f *fault
		if invalid := errors.Is(err, driver.ErrInvalid); invalid != errors.Is(want, driver.ErrInvalid) || !invalid && !errors.Is(err, errNoIndex) && (!errors.As(err, &f) || !f.certain) {
			t.Errorf("%s: %v, want %v; the engine says %s", action, err, want, body)
		}
	}
}
