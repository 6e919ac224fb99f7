package elasticstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"
)

// This file is the indices whose settings differ from the configuration, and the
// operator's way to apply it.

// Drift is a setting of one index that differs from the configuration: the configuration
// has changed since the index was made, or somebody has set it for this index.
type Drift struct {
	Index   string // the index
	Setting string // such as index.number_of_replicas
	Has     string // the index's value; empty if it has none of its own
	Wants   string // the configuration's value
}

// String returns the difference for people.
func (d Drift) String() string {
	has := fmt.Sprintf("%q", d.Has)
	if d.Has == "" {
		has = "not set"
	}
	return fmt.Sprintf("%s: %s is %s instead of %q", d.Index, d.Setting, has, d.Wants)
}

// defaults are the engines' values of settings that an index doesn't have.
var defaults = flat{
	keyExpand: "false", keyDurability: "request", keyDefaultPipeline: "_none", keyFinalPipeline: "_none",
}

// static reports whether an index has a setting for good. Only the well-known ones are
// here: an engine refuses to change the others.
func static(setting string) bool {
	for _, begin := range []string{
		"index.soft_deletes.", "index.sort.", "index.store.", "index.analysis.", "index.similarity.", "index.shard.", "index.codec.",
	} {
		if strings.HasPrefix(setting, begin) {
			return true
		}
	}
	switch setting {
	case keyShards, keyReplication, "index.codec", "index.number_of_routing_shards", "index.load_fixed_bitset_filters_eagerly":
		return true
	}
	return false
}

// sameSetting reports whether two values mean the same. Engines keep a duration as it
// was written.
func sameSetting(a, b string) bool {
	if a == b {
		return true
	}
	return duration(a) != 0 && duration(a) == duration(b)
}

// duration reads a duration of an engine's, such as 30s or 5000ms; 0 if it is none.
func duration(text string) time.Duration {
	d, err := time.ParseDuration(strings.Replace(text, "micros", "us", 1))
	if err != nil {
		return 0
	}
	return d
}

// Drift returns the settings of existing indices that differ from the configuration, and
// that can be changed. Indices keep what they were made with, so a change of Replicas or
// Settings reaches new indices alone, until ApplySettings. An operator's edits in the
// index template count as the configuration. Closed indices are not looked at.
func (s *Store) Drift(ctx context.Context) ([]Drift, error) {
	bounded, done, err := s.begin(ctx)
	if err != nil {
		return nil, opError("drift", err)
	}
	defer done()
	found, err := s.drift(bounded)
	if err != nil {
		return nil, searchError(ctx, "drift", err)
	}
	return found, nil
}

func (s *Store) drift(ctx context.Context) ([]Drift, error) {
	there, err := s.settingsThere(ctx)
	if err != nil {
		return nil, err
	}
	return differences(there, s.wanted(ctx)), nil
}

// differences returns the settings that indices should have and don't.
func differences(there map[string]flat, wants flat) (found []Drift) {
	for index, settings := range there {
		for setting, want := range wants {
			has, ok := settings[setting]
			if !ok {
				has = defaults[setting]
			}
			if !sameSetting(has, want) {
				found = append(found, Drift{index, setting, settings[setting], want})
			}
		}
	}
	slices.SortFunc(found, func(a, b Drift) int {
		return strings.Compare(a.Index+" "+a.Setting, b.Index+" "+b.Setting)
	})
	return found
}

// wanted are the settings that every index should have, of those that can be changed.
func (s *Store) wanted(ctx context.Context) flat {
	wants := flat{}
	for name, value := range s.newIndexSettings(ctx) {
		if !static(name) {
			wants[name] = textOf(value)
		}
	}
	if expand, ok := wants[keyExpand]; ok && expand != "false" {
		delete(wants, keyReplicas) // the engine sets it
	} else if wants[keyReplicas] != "" {
		wants[keyExpand] = "false" // it would override the number
	}
	return wants
}

// settingsThere returns the settings of all indices of the store.
func (s *Store) settingsThere(ctx context.Context) (map[string]flat, error) {
	r := request{
		method: http.MethodGet, path: "/" + strings.Join(s.names.templatePatterns(), ","),
		query: "flat_settings=true&expand_wildcards=open&ignore_unavailable=true&filter_path=*.mappings._meta,*.settings,*.aliases",
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
		Settings map[string]any             `json:"settings"`
		Aliases  map[string]json.RawMessage `json:"aliases"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		return nil, malformed(&r, "%v", err)
	}
	all := map[string]flat{}
	for name, i := range body {
		ours := s.names.ours(name)
		for alias := range i.Aliases {
			ours = ours || s.names.ours(alias) // the index stands in for one of the name
		}
		if !ours || readMark(i.Mappings.Meta) == nil {
			continue // another's, that a pattern happens to match
		}
		all[name] = flat{}
		for setting, value := range i.Settings {
			all[name][setting] = textOf(value)
		}
	}
	return all, nil
}

// ApplySettings changes settings of existing indices to those of the configuration: those
// that Drift has returned, or some of them. Leave out what was set on purpose, such as
// the replicas of an index that an index lifecycle policy has made read-only. Setup
// changes no existing index. The login needs a further privilege: manage on the indices
// in Elasticsearch, indices:admin/settings/update in OpenSearch.
//
// An index that can't be changed doesn't keep the others from it; the error names it.
func (s *Store) ApplySettings(ctx context.Context, drift []Drift) error {
	if s.cfg.ReadOnly {
		return opError("apply settings", errReadOnly)
	}
	long, done, err := s.beginLong(ctx)
	if err != nil {
		return opError("apply settings", err)
	}
	defer done()
	if err := s.applySettings(long, drift); errors.Is(err, errNotDrift) {
		return opError("apply settings", err)
	} else if err != nil {
		return searchError(ctx, "apply settings", err)
	}
	return nil
}

func (s *Store) applySettings(ctx context.Context, drift []Drift) error {
	there, err := s.settingsThere(ctx)
	if err != nil {
		return err
	}
	wants := s.wanted(ctx)
	changes := map[string]object{}
	for _, d := range drift {
		if _, ok := there[d.Index]; !ok {
			return fmt.Errorf("%w: %q is no open index of the store", errNotDrift, d.Index)
		}
		want, ok := wants[d.Setting]
		if !ok || want != d.Wants {
			return fmt.Errorf("%w: the configuration doesn't say %q for %q", errNotDrift, d.Wants, d.Setting)
		}
		if changes[d.Index] == nil {
			changes[d.Index] = object{}
		}
		changes[d.Index][d.Setting] = valueOf(want)
	}
	var errs []error
	for _, index := range slices.Sorted(maps.Keys(changes)) {
		errs = append(errs, s.changeSettings(ctx, index, changes[index]))
		if ctx.Err() != nil {
			break
		}
	}
	return errors.Join(errs...)
}

var errNotDrift = errors.New("nothing that Drift returns now")

// valueOf is the reverse of textOf, as far as engines need it.
func valueOf(text string) any {
	var list []string
	if strings.HasPrefix(text, "[") && json.Unmarshal([]byte(text), &list) == nil {
		return list
	}
	return text
}

func (s *Store) changeSettings(ctx context.Context, index string, settings object) error {
	body, err := json.Marshal(settings)
	if err != nil {
		return err
	}
	a, err := s.ask(ctx, request{method: http.MethodPut, path: "/" + index + "/_settings", query: s.timeoutQuery(), body: body})
	if err != nil {
		return err
	}
	a.release()
	return nil
}
