package place

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strings"
	"sync"

	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file sets a store up, or tells what that would do.

// Change is something that setting a store up has changed, or would change.
type Change struct {
	Text   string          // for people, such as: the index template "session-periods" is made
	Method string          // of the request, at an engine
	Path   string          // of the request, or of the file
	Body   json.RawMessage // of the request
}

// SetUp sets the store up: it makes the file, or the engine's index template and the index
// of ledgers. With rehearse it only tells what it would change. adjust changes the
// configuration of an engine's store, which is that of the store that is there.
func (p Place) SetUp(ctx context.Context, a Access, rehearse bool, adjust func(*elasticstore.Config), logger *slog.Logger) ([]Change, error) {
	if p.kind == inFile {
		return p.setUpFile(ctx, rehearse, logger)
	}
	client, err := p.Client(a)
	if err != nil {
		return nil, err
	}
	config, err := p.configOf(ctx, client)
	if errors.Is(err, ErrNoStore) {
		config = p.store
		config.NoTemplate = false
	} else if err != nil {
		return nil, err
	}
	config.Logger = logger
	adjust(&config)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	seen := &witness{Client: client, rehearse: rehearse, stop: cancel}
	store, err := elasticstore.New(seen, &config)
	if err != nil {
		return nil, err
	}
	defer func() { _ = store.Close() }() // always nil
	err = store.Setup(ctx)
	changes, stopped := seen.result()
	if stopped {
		err = nil
	}
	return changes, err
}

func (p Place) setUpFile(ctx context.Context, rehearse bool, logger *slog.Logger) ([]Change, error) {
	var changes []Change
	if info, err := os.Stat(p.path); err != nil || info.Size() == 0 {
		changes = []Change{{Text: fmt.Sprintf("the file %q is made", p.path), Path: p.path}}
	} else {
		steps, err := sqlitestore.Pending(ctx, p.path, nil)
		if err != nil {
			return nil, err
		}
		for _, step := range steps {
			changes = append(changes, Change{Text: fmt.Sprintf("in %q %s", p.path, step), Path: p.path})
		}
	}
	if rehearse {
		return changes, nil
	}
	store, err := sqlitestore.Open(ctx, p.path, &sqlitestore.Config{Logger: logger})
	if err != nil {
		return nil, err
	}
	return changes, store.Close()
}

// witness is a client that notes the requests that change something. In a rehearsal it
// sends none of them: an index template counts as made, and all else ends the rehearsal.
type witness struct {
	elasticstore.Client
	rehearse bool
	stop     func()

	mu      sync.Mutex
	changes []Change
	stopped bool
}

var errRehearsed = errors.New("it is only a rehearsal")

// Perform implements elasticstore.Client.
func (w *witness) Perform(r *http.Request) (*http.Response, error) {
	if r.Method == http.MethodGet || r.Method == http.MethodHead || strings.HasSuffix(r.URL.Path, "/_search") || strings.HasSuffix(r.URL.Path, "/_count") {
		return w.Client.Perform(r)
	}
	c := Change{Method: r.Method, Path: r.URL.Path}
	if r.Body != nil {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		c.Body = body
	}
	isTemplate := strings.HasPrefix(c.Path, "/_index_template/")
	name := c.Path[strings.LastIndexByte(c.Path, '/')+1:]
	switch {
	case isTemplate && r.URL.Query().Get("create") == "true":
		c.Text = fmt.Sprintf("the index template %q is made", name)
	case isTemplate:
		c.Text = fmt.Sprintf("the index template %q is brought up to date", name)
	case strings.Count(c.Path, "/") == 1:
		c.Text = fmt.Sprintf("the index %q is made", name)
	}
	if !w.rehearse {
		res, err := w.Client.Perform(r)
		if err == nil && res.StatusCode < http.StatusBadRequest && c.Text != "" {
			w.note(c, false)
		}
		return res, err
	}
	w.note(c, !isTemplate)
	if !isTemplate {
		w.stop()
		return nil, errRehearsed
	}
	return &http.Response{
		StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}, "X-Elastic-Product": {"Elasticsearch"}},
		Body: io.NopCloser(strings.NewReader(`{"acknowledged":true}`)), Request: r,
	}, nil
}

// note keeps a change. Others than of templates and indices, such as of the store's own
// notes, aren't worth telling.
func (w *witness) note(c Change, stopped bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if c.Text != "" {
		w.changes = append(w.changes, c)
	}
	w.stopped = w.stopped || stopped
}

func (w *witness) result() ([]Change, bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.changes, w.stopped
}
