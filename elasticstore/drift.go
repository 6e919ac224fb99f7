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
// index template count as the configuration. A setting that only the index has, such as
// one that was taken out of Settings, is no drift. Closed indices are not looked at.
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
	there, err := s.listIndices(ctx, s.names.pattern())
	if err != nil {
		return nil, err
	}
	return differences(openOnes(s.byName(there)), changeable(s.newIndexSettings(ctx))), nil
}

// openOnes returns those of a listing by name that are ours and open, sorted.
func openOnes(found map[string]*indexInfo) (list []*indexInfo) {
	for _, i := range found {
		if i.mark != nil && !i.closed() && !slices.Contains(list, i) {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b *indexInfo) int { return strings.Compare(a.name, b.name) })
	return list
}

// differences returns the settings that indices should have and don't.
func differences(there []*indexInfo, wants flat) (found []Drift) {
	for _, i := range there {
		for _, setting := range slices.Sorted(maps.Keys(wants)) {
			has, ok := i.settings[setting]
			if !ok {
				has = defaults[setting]
			}
			if want := wants[setting]; !sameSetting(has, want) {
				found = append(found, Drift{i.name, setting, i.settings[setting], want})
			}
		}
	}
	return found
}

// changeable returns the settings of new indices that every index should have, of those
// that can be changed.
func changeable(settings object) flat {
	wants := flat{}
	for name, value := range settings {
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
	list, err := s.listIndices(ctx, s.names.pattern())
	if err != nil {
		return err
	}
	there, wants := openOnes(s.byName(list)), changeable(s.newIndexSettings(ctx))
	changes := map[string]object{}
	for _, d := range drift {
		if !slices.ContainsFunc(there, func(i *indexInfo) bool { return i.name == d.Index }) {
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
