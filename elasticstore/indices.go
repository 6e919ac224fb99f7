package elasticstore

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// This file finds, lists and makes indices.

// ensure finds or makes an index.
func (s *Store) ensure(ctx context.Context, index string, lifetime time.Duration) error {
	p := s.places.get(index, s.cfg.now)
	if p.made.ok.Load() {
		return nil
	}
	if s.cfg.ReadOnly {
		return s.outOfSight(index)
	}
	return s.onceFor(ctx, &p.made, func(ctx context.Context) error {
		b := s.backoff()
		for {
			info, err := s.look(ctx, p)
			if err != nil || info != nil {
				return err
			}
			made, err := s.createIndex(ctx, index, lifetime)
			switch {
			case err != nil:
				return err
			case made: // another look enters it in the register
			case !b.pause(ctx):
				// It exists, but the node that was asked first didn't know it yet.
				return &fault{certain: true, text: fmt.Sprintf("the index %q is there and not there: the nodes don't agree", index)}
			}
		}
	})
}

// indexInfo is one index of a listing.
type indexInfo struct {
	name     string          // the engine's
	aliases  map[string]bool // those of the index; true: it takes writes
	mark     *markOfOurs     // nil: not ours
	settings flat            // all that it has
	uuid     string
	made     int64 // the engine's creation date, in milliseconds; a restored index keeps it
	shards   int
	lived    int64 // the longest lifetime, in milliseconds, that this process wrote into its layout
}

// number returns a setting that is a number; 0 for none.
func (i *indexInfo) number(setting string) int {
	n, _ := strconv.Atoi(i.settings[setting])
	return n
}

// closed reports whether somebody has closed the index.
func (i *indexInfo) closed() bool { return i.settings["index.verified_before_close"] == "true" }

// listIndices returns the indices that match a pattern, sorted by name. A name that
// doesn't exist matches none.
func (s *Store) listIndices(ctx context.Context, pattern string) ([]indexInfo, error) {
	r := request{
		method: http.MethodGet, path: "/" + pattern,
		query: "flat_settings=true&expand_wildcards=open,closed&filter_path=*.aliases,*.mappings._meta,*.settings",
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
		Aliases map[string]struct {
			TakesWrites *bool `json:"is_write_index"`
		} `json:"aliases"`
		Mappings struct {
			Meta json.RawMessage `json:"_meta"`
		} `json:"mappings"`
		Settings map[string]any `json:"settings"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		return nil, malformed(&r, "%v", err)
	}
	var list []indexInfo
	for name, i := range body {
		info := indexInfo{name: name, aliases: map[string]bool{}, mark: readMark(i.Mappings.Meta), settings: flat{}, lived: s.livedIn(name)}
		for alias, a := range i.Aliases {
			info.aliases[alias] = a.TakesWrites == nil || *a.TakesWrites
		}
		for setting, value := range i.Settings {
			info.settings[setting] = textOf(value)
		}
		info.uuid, info.shards = info.settings["index.uuid"], info.number(keyShards)
		info.made, _ = strconv.ParseInt(info.settings["index.creation_date"], 10, 64)
		list = append(list, info)
	}
	slices.SortFunc(list, func(a, b indexInfo) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// byName returns the indices of a listing by our names: their own, or that of the alias
// before them.
func (s *Store) byName(list []indexInfo) map[string]*indexInfo {
	found := map[string]*indexInfo{}
	for i := range list {
		info := &list[i]
		for _, name := range append(slices.Collect(maps.Keys(info.aliases)), info.name) {
			if s.names.ours(name) {
				found[name] = info
			}
		}
	}
	return found
}

// livedIn returns the longest lifetime that this process wrote into the layout of a
// period's index, in milliseconds.
func (s *Store) livedIn(index string) int64 {
	p, _ := s.names.parse(index)
	return s.places.longest(p.layout).Milliseconds()
}

// createIndex makes an index with everything that the template would give it. made is
// false if the index is there already.
func (s *Store) createIndex(ctx context.Context, index string, lifetime time.Duration) (made bool, err error) {
	body, err := json.Marshal(object{
		"settings": s.newIndexSettings(ctx),
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
