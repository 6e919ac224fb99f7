package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file speaks to the engine directly, and opens our store on it.

const engineSettings = "translog durability request (fsync before the answer), no replica, refresh every 5 s"

// wholeSettings are those of our store when it keeps no copies.
const wholeSettings = engineSettings + "; without copies: each read brings the whole session"

// raw speaks to the engine as directly as possible.
type raw struct {
	url    string
	client *http.Client
}

// engine returns a raw for the engine, and a name for indices that is unique and whose
// indices end with the case.
func (b *Bench) engine() (*raw, string, error) {
	svc, err := b.get(b, needEngine)
	if err != nil {
		return nil, "", err
	}
	transport := &http.Transport{MaxIdleConns: 1024, MaxIdleConnsPerHost: 1024, DisableCompression: true}
	e := &raw{svc.address, &http.Client{Transport: transport, Timeout: 10 * time.Minute}}
	name := "bench-" + strings.ToLower(rand.Text())
	b.Cleanup(func() error {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(b), time.Minute)
		defer cancel()
		err := e.remove(ctx, name)
		transport.CloseIdleConnections()
		return err
	})
	return e, name, nil
}

// remove deletes the indices and templates of a name.
func (e *raw) remove(ctx context.Context, name string) error {
	var list []struct {
		Index string `json:"index"`
	}
	if err := e.json(ctx, http.MethodGet, "/_cat/indices/"+name+"*?format=json&h=index", nil, &list); err != nil {
		return err
	}
	for _, l := range list {
		if err := e.json(ctx, http.MethodDelete, "/"+l.Index, nil, nil); err != nil {
			return err
		}
	}
	err := e.json(ctx, http.MethodDelete, "/_index_template/"+name+"-*", nil, nil)
	if s, ok := errors.AsType[*engineError](err); ok && s.status == http.StatusNotFound {
		return nil
	}
	return err
}

type engineError struct {
	what   string
	status int
	body   string
}

func (e *engineError) Error() string {
	return fmt.Sprintf("%s: status %d: %.300s", e.what, e.status, e.body)
}

// ask makes one request. It appends the answer to buf.
func (e *raw) ask(ctx context.Context, method, path string, body, buf []byte) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, e.url+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if len(body) > 0 {
		req.Header.Set("Content-Type", "application/json")
		if strings.HasSuffix(path, "/_bulk") {
			req.Header.Set("Content-Type", "application/x-ndjson")
		}
	}
	res, err := e.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	into := bytes.NewBuffer(buf)
	if _, err := io.Copy(into, res.Body); err != nil {
		return nil, err
	}
	if res.StatusCode/100 != 2 {
		return nil, &engineError{method + " " + path, res.StatusCode, into.String()}
	}
	return into.Bytes(), nil
}

// json makes one request with JSON, and decodes the answer into the value that into
// points to.
func (e *raw) json(ctx context.Context, method, path string, body, into any) error {
	var b []byte
	if body != nil {
		var err error
		if b, err = json.Marshal(body); err != nil {
			return err
		}
	}
	answer, err := e.ask(ctx, method, path, b, nil)
	if err != nil || into == nil {
		return err
	}
	if err := json.Unmarshal(answer, into); err != nil {
		return fmt.Errorf("%s %s: %w", method, path, err)
	}
	return nil
}

type object = map[string]any

// makeIndex makes an index with our store's settings, and with a mapping that spares the
// engine all work on the values.
func (e *raw) makeIndex(ctx context.Context, name string) error {
	return e.json(ctx, http.MethodPut, "/"+name, object{
		"settings": object{"index": object{
			"number_of_shards": 1, "number_of_replicas": 0, "refresh_interval": "5s", "translog.durability": "request",
		}},
		"mappings": object{"dynamic": false, "properties": object{
			"deadline": object{"type": "date", "format": "epoch_millis"},
		}},
	}, nil)
}

// count returns the number of documents in the indices of a pattern.
func (e *raw) count(ctx context.Context, pattern string) (int, error) {
	if err := e.json(ctx, http.MethodPost, "/"+pattern+"/_refresh", nil, nil); err != nil {
		return 0, err
	}
	var answer struct {
		Count int `json:"count"`
	}
	err := e.json(ctx, http.MethodGet, "/"+pattern+"/_count", nil, &answer)
	return answer.Count, err
}

// document is a document in the engine's answer.
type document struct {
	Index   string          `json:"_index"`
	ID      string          `json:"_id"`
	Version int             `json:"_version"`
	Seq     int             `json:"_seq_no"`
	Term    int             `json:"_primary_term"`
	Source  json.RawMessage `json:"_source"`
}

// documents returns the documents of a pattern, 10,000 at most.
func (e *raw) documents(ctx context.Context, pattern string) ([]*document, error) {
	if err := e.json(ctx, http.MethodPost, "/"+pattern+"/_refresh", nil, nil); err != nil {
		return nil, err
	}
	var answer struct {
		Hits struct {
			Hits []*document `json:"hits"`
		} `json:"hits"`
	}
	err := e.json(ctx, http.MethodPost, "/"+pattern+"/_search",
		object{"size": 10_000, "version": true, "seq_no_primary_term": true}, &answer)
	return answer.Hits.Hits, err
}

// written fails unless the documents of a pattern have been written times times since
// they were read.
func (e *raw) written(ctx context.Context, pattern string, before []*document, times int64) error {
	now, err := e.documents(ctx, pattern)
	if err != nil {
		return err
	}
	if len(now) != len(before) {
		return fmt.Errorf("%d documents are there in place of %d", len(now), len(before))
	}
	var sum int64
	for _, d := range now {
		sum += int64(d.Version)
	}
	for _, d := range before {
		sum -= int64(d.Version)
	}
	if sum != times {
		return fmt.Errorf("%d writes were acknowledged, and %d happened", times, sum)
	}
	return nil
}

// Values of CopyBytes in the configurations of our stores.
const (
	withCopies    = 0 // the default
	withoutCopies = -1
)

func (b *Bench) openEngineStore(e *raw, name string, copyBytes int) (*elasticstore.Store, error) {
	s, err := elasticstore.Open(b, elasticstore.ClientConfig{URLs: []string{e.url}},
		&elasticstore.Config{Index: name, Replicas: -1, CopyBytes: copyBytes, Logger: b.log})
	if err != nil {
		return nil, err
	}
	b.Cleanup(s.Close)
	// Set up now, since an engine that has just started may be slower than callers wait.
	return s, patiently(b, func() error { return s.Setup(b) }, func(err error) bool { return errors.Is(err, cloakroom.ErrUnavailable) })
}

// engineStore opens a store under a name of its own. Its indices end with the case.
func (b *Bench) engineStore(copyBytes int) (store *elasticstore.Store, e *raw, name string, err error) {
	if e, name, err = b.engine(); err == nil {
		store, err = b.openEngineStore(e, name, copyBytes)
	}
	return store, e, name, err
}

// patiently tries for a minute, as long as passes accepts the error.
func patiently(ctx context.Context, try func() error, passes func(error) bool) error {
	end := time.Now().Add(time.Minute)
	for {
		err := try()
		if err == nil || !passes(err) || time.Now().After(end) {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-time.After(100 * time.Millisecond):
		}
	}
}

// ourEngineSite is our site on OpenSearch with the defaults.
func ourEngineSite(b *Bench) (*site, error) {
	return engineSite("cloakroom+opensearch", engineSettings, withCopies)(b)
}

// engineSite is our site on OpenSearch.
func engineSite(name, settings string, copyBytes int) func(*Bench) (*site, error) {
	return func(b *Bench) (*site, error) {
		store, _, _, err := b.engineStore(copyBytes)
		if err != nil {
			return nil, err
		}
		l, err := newOurs(b, store)
		return newSite(name, settings, l), err
	}
}
