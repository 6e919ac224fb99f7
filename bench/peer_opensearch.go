package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file starts OpenSearch.

// ownEngine starts an engine for this run, with a heap (as in -Xmx).
func ownEngine(ctx context.Context, heap string) (*service, error) {
	ready, end, ended := make(chan *service), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- testengine.Command(context.WithoutCancel(ctx), io.Discard, func(t testengine.TB) {
			e := testengine.Start(t, testengine.Options{Heap: heap})
			ready <- &service{address: e.URL()}
			<-end
		})
	}()
	select {
	case err := <-ended:
		return nil, err
	case s := <-ready:
		s.stop = func() error {
			close(end)
			return <-ended
		}
		return s, s.identify(ctx)
	}
}

// identify asks the engine for its name and version.
func (s *service) identify(ctx context.Context) error {
	var answer struct {
		Version struct {
			Number       string `json:"number"`
			Distribution string `json:"distribution"`
		} `json:"version"`
	}
	e := &raw{s.address, http.DefaultClient}
	if err := e.json(ctx, http.MethodGet, "/", nil, &answer); err != nil {
		return errors.Join(err, s.stop())
	}
	s.version = "Elasticsearch " + answer.Version.Number
	if answer.Version.Distribution == "opensearch" {
		s.version = "OpenSearch " + answer.Version.Number
	}
	var nodes struct {
		Nodes map[string]struct {
			JVM struct {
				Version string `json:"version"`
				Name    string `json:"vm_name"`
				Mem     struct {
					Heap int64 `json:"heap_max_in_bytes"`
				} `json:"mem"`
			} `json:"jvm"`
		} `json:"nodes"`
	}
	if err := e.json(ctx, http.MethodGet, "/_nodes/jvm", nil, &nodes); err != nil {
		return errors.Join(err, s.stop())
	}
	for _, n := range nodes.Nodes {
		s.version += fmt.Sprintf(" (%s %s, heap %d MiB)", n.JVM.Name, n.JVM.Version, n.JVM.Mem.Heap>>20)
	}
	return nil
}
