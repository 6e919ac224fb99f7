package elasticstore

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file finds and makes indices, and remembers which are there.

// indices remembers the store's indices that are known to be there, so that a process
// looks for each once.
type indices struct {
	mu    sync.RWMutex
	known map[string]*once
	// lifetimes are the longest lifetimes of written records, in milliseconds, by
	// layout.
	lifetimes [8]atomic.Int64
}

// get returns the state of an index.
func (x *indices) get(index string, now func() time.Time) *once {
	x.mu.RLock()
	o := x.known[index]
	x.mu.RUnlock()
	if o != nil {
		return o
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	if o := x.known[index]; o != nil {
		return o
	}
	if x.known == nil {
		x.known = map[string]*once{}
	}
	o = &once{now: now}
	x.known[index] = o
	return o
}

// forget makes the next write look for the index again.
func (x *indices) forget(index string) {
	x.mu.RLock()
	o := x.known[index]
	x.mu.RUnlock()
	if o != nil {
		o.forget()
	}
}

// keepOnly drops the state of indices that keep doesn't want, except those that are
// being made.
func (x *indices) keepOnly(keep func(index string) bool) {
	x.mu.Lock()
	defer x.mu.Unlock()
	maps.DeleteFunc(x.known, func(index string, o *once) bool {
		o.mu.Lock()
		defer o.mu.Unlock()
		return o.attempt == nil && !keep(index)
	})
}

// lived notes the lifetime of a record that is written.
func (x *indices) lived(id driver.ID, deadline time.Time) {
	if deadline.IsZero() || id.Time().IsZero() || int(id.Layout()) >= len(x.lifetimes) {
		return
	}
	longest := &x.lifetimes[id.Layout()]
	ms := deadline.UnixMilli() - id.Time().UnixMilli()
	for have := longest.Load(); ms > have && !longest.CompareAndSwap(have, ms); {
		have = longest.Load()
	}
}

// longest returns the longest lifetime of a layout's written records.
func (x *indices) longest(l driver.Layout) time.Duration {
	if int(l) >= len(x.lifetimes) {
		return 0
	}
	return time.Duration(x.lifetimes[l].Load()) * time.Millisecond
}

// ensure finds or makes an index.
func (s *Store) ensure(ctx context.Context, index string, lifetime time.Duration) error {
	o := s.indices.get(index, s.cfg.now)
	if o.ok.Load() {
		return nil
	}
	return s.onceFor(ctx, o, func(ctx context.Context) error {
		b := s.backoff()
		for {
			there, err := s.checkIndex(ctx, index)
			if err != nil || there {
				return err
			}
			made, err := s.createIndex(ctx, index, lifetime)
			if err != nil || made {
				return err
			}
			// It exists, but the node that was asked first didn't know it yet.
			if !b.pause(ctx) {
				return &fault{certain: true, text: fmt.Sprintf("the index %q is there and not there: the nodes don't agree", index)}
			}
		}
	})
}

// indexInfo is one index of a listing.
type indexInfo struct {
	name   string
	mark   *markOfOurs // nil: not ours
	shards int
}

// listIndices returns the indices that match a pattern, sorted by name. A name that
// doesn't exist matches none.
func (s *Store) listIndices(ctx context.Context, pattern string) ([]indexInfo, error) {
	r := request{
		method: http.MethodGet, path: "/" + pattern,
		query: "expand_wildcards=open,closed&filter_path=*.mappings._meta,*.settings.index.number_of_shards",
	}
	a, err := s.ask(ctx, r, http.StatusNotFound)
	if err != nil {
		return nil, err
	}
	defer a.release()
	if a.status == http.StatusNotFound {
		return nil, s.checkMissing(&r, a)
	}
	var body map[string]struct {
		Mappings struct {
			Meta json.RawMessage `json:"_meta"`
		} `json:"mappings"`
		Settings struct {
			Index struct {
				Shards int `json:"number_of_shards,string"`
			} `json:"index"`
		} `json:"settings"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		return nil, malformed(&r, "%v", err)
	}
	var list []indexInfo
	for name, i := range body {
		list = append(list, indexInfo{name, readMark(i.Mappings.Meta), i.Settings.Index.Shards})
	}
	slices.SortFunc(list, func(a, b indexInfo) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// checkIndex reports whether an index is there. One that isn't ours is an error.
func (s *Store) checkIndex(ctx context.Context, index string) (bool, error) {
	list, err := s.listIndices(ctx, index)
	if err != nil || len(list) == 0 {
		return false, err
	}
	foreign := &fault{certain: true, settings: true}
	switch {
	case list[0].name != index || len(list) > 1:
		foreign.text = fmt.Sprintf("%q is an alias: remove it, or choose another Config.Index", index)
		return false, foreign
	case list[0].mark == nil:
		foreign.text = fmt.Sprintf("the index %q does not have the mapping of this package, perhaps because another index template "+
			"has its name in its patterns, or it was made while the template was missing: remove it (if there is nothing in it "+
			"that matters), or choose another Config.Index", index)
		return false, foreign
	}
	return true, nil
}

// createIndex makes an index with everything that the template would give it. made is
// false if the index is there already.
func (s *Store) createIndex(ctx context.Context, index string, lifetime time.Duration) (made bool, err error) {
	body, err := json.Marshal(object{
		"settings": s.indexSettings(),
		"mappings": mapping(markOfOurs{Format: format, Dashboards: s.cfg.Dashboards, Lifetime: lifetime.Milliseconds()}),
	})
	if err != nil {
		return false, err
	}
	r := request{method: http.MethodPut, path: "/" + index, query: s.timeoutQuery(), body: body}
	a, err := s.ask(ctx, r, http.StatusBadRequest)
	if err != nil {
		return false, err
	}
	defer a.release()
	if a.status != http.StatusBadRequest {
		return true, nil
	}
	e, ok := parseError(a.status, a.body)
	if ok && e.kind == "resource_already_exists_exception" {
		return false, nil
	}
	f := e.fault(r.String(), false)
	f.settings = true
	return false, f
}
