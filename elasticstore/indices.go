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
	several  []string        // in place of the rest: the name is an alias of these
	uuid     string          // of the index, and of its contents
	made     int64           // the engine's creation date, in milliseconds; a restored index keeps it
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
		query: "expand_wildcards=open,closed&filter_path=*.aliases,*.mappings._meta,*.settings",
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
		all := object{}
		if err := addFlat(all, "", i.Settings); err != nil {
			return nil, malformed(&r, "the settings of %q: %v", name, err)
		}
		for setting, value := range all {
			info.settings[setting] = textOf(value)
		}
		// An index that is restored in the place of a closed one keeps the UUID of that one. Only
		// a restore gives an index a history, and each gives it another.
		info.uuid = strings.TrimSpace(info.settings["index.uuid"] + " " + info.settings["index.history.uuid"])
		info.shards = info.number(keyShards)
		info.made, _ = strconv.ParseInt(info.settings["index.creation_date"], 10, 64)
		list = append(list, info)
	}
	slices.SortFunc(list, func(a, b indexInfo) int { return strings.Compare(a.name, b.name) })
	return list, nil
}

// byName returns the indices of a listing by our names: their own, or that of the alias
// before them. Where a name is an alias of several, none of them is ours: nobody could say
// which has a record.
func (s *Store) byName(list []indexInfo) map[string]*indexInfo {
	found := map[string]*indexInfo{}
	for i := range list {
		info := &list[i]
		for _, name := range append(slices.Collect(maps.Keys(info.aliases)), info.name) {
			switch other := found[name]; {
			case !s.names.ours(name):
			case other == nil:
				found[name] = info
			case other.several == nil:
				found[name] = &indexInfo{name: name, several: []string{other.name, info.name}}
			default:
				other.several = append(other.several, info.name)
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
	settings := s.newIndexSettings(ctx)
	m := mapping(markOfOurs{Format: format, Dashboards: s.cfg.Dashboards, Lifetime: lifetime.Milliseconds()})
	made, refused, err := s.putIndex(ctx, index, settings, m)
	if refused != nil && clashes(*refused) {
		made, refused, err = s.putIndex(ctx, index, settings, unclashing(m))
	}
	if refused != nil {
		f := refused.fault("PUT /"+index, false)
		f.settings = true
		return false, f
	}
	return made, err
}

// putIndex asks for an index. refused is why the engine doesn't make it.
func (s *Store) putIndex(ctx context.Context, index string, settings, mapping object) (made bool, refused *said, err error) {
	body, err := json.Marshal(object{"settings": settings, "mappings": mapping})
	if err != nil {
		return false, nil, err
	}
	r := request{method: http.MethodPut, path: "/" + index, query: s.timeoutQuery(), body: body}
	a, err := s.ask(ctx, r, http.StatusBadRequest)
	if err != nil {
		return false, nil, err
	}
	defer a.release()
	if a.status != http.StatusBadRequest {
		return true, nil, nil
	}
	e, ok := parseError(a.status, a.body)
	if ok && e.kind == "resource_already_exists_exception" {
		return false, nil, nil
	}
	return false, &e, nil
}
