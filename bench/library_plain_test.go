package main

import (
	"context"
	"log/slog"
	"net/http"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// TestPlainDocumentsAreIndexed: the peer's documents have the field that its index has a
// tree of, after their making and after a write, so that it is spared no work.
func TestPlainDocumentsAreIndexed(t *testing.T) {
	s := &services{engine: func(context.Context) (*service, error) { return &service{address: testengine.Shared(t)}, nil }}
	b := &Bench{Context: t.Context(), services: s, quick: true, log: slog.New(slog.DiscardHandler)}
	defer func() {
		if err := b.close(); err != nil {
			t.Error(err)
		}
	}()
	e, name, err := b.engine()
	if err != nil {
		t.Fatal(err)
	}
	if err := e.makeIndex(b, name); err != nil {
		t.Fatal(err)
	}
	all, err := newCrowd(b, 3, 1, newSite("", "", plain{e, name, false}).inside)
	if err != nil {
		t.Fatal(err)
	}
	if err := all.at(pageVisit)(b, 0, 0); err != nil {
		t.Fatal(err)
	}
	if n, err := e.count(b, name); err != nil || n != 3 {
		t.Fatalf("%d documents, %v", n, err)
	}
	var found struct {
		Count int `json:"count"`
	}
	query := object{"query": object{"range": object{"deadline": object{"gt": "now"}}}}
	if err := e.json(b, http.MethodPost, "/"+name+"/_count", query, &found); err != nil || found.Count != 3 {
		t.Errorf("%d of 3 documents are found by their deadline, %v", found.Count, err)
	}
}
