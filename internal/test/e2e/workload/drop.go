package workload

import (
	"context"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// DropIndices deletes what a test left on an engine: all whose names begin with
// that of its index. It is for the test's clean-up.
func DropIndices(t testing.TB, url, index string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	call := func(method, path string) string {
		req, err := http.NewRequestWithContext(ctx, method, url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = res.Body.Close() }()
		b, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != http.StatusOK {
			t.Fatalf("%s %s: %s, %v: %.300s", method, path, res.Status, err, b)
		}
		return string(b)
	}
	for name := range strings.FieldsSeq(call(http.MethodGet, "/_cat/indices/"+index+"*?h=index&expand_wildcards=all")) {
		call(http.MethodDelete, "/"+name)
	}
	for name := range strings.FieldsSeq(call(http.MethodGet, "/_cat/templates/"+index+"*?h=name")) {
		call(http.MethodDelete, "/_index_template/"+name)
	}
}
