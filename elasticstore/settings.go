package elasticstore

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// This file is the settings of indices: those of the configuration, and what an
// operator's edits in the template make of them.

// flat are settings by their full names, such as index.refresh_interval, with the values
// as engines write them.
type flat map[string]string

const (
	keyReplicas        = "index.number_of_replicas"
	keyExpand          = "index.auto_expand_replicas"
	keyShards          = "index.number_of_shards"
	keyRefresh         = "index.refresh_interval"
	keyDurability      = "index.translog.durability"
	keyDefaultPipeline = "index.default_pipeline"
	keyFinalPipeline   = "index.final_pipeline"
	keyReplication     = "index.replication.type" // of OpenSearch
)

// promised are the settings that the promises depend on. No template and no Config sets
// them otherwise.
//
// "request" is the engines' default: an acknowledged save is on disk. A pipeline, which a
// foreign template may bring, would change documents, or refuse them if it is missing.
var promised = flat{keyDurability: "request", keyDefaultPipeline: "_none", keyFinalPipeline: "_none"}

// byDocument is the only replication.type, of OpenSearch, with which a copy that is in
// sync has every acknowledged write for a read. With SEGMENT it waits for the next
// segment, and reads go to copies (sameCopy).
const byDocument = "DOCUMENT"

// indexSettings are the settings of new indices by the configuration alone.
func (s *Store) indexSettings() object {
	set := object{
		keyShards:  s.cfg.Shards,
		keyRefresh: fmt.Sprintf("%dms", s.cfg.RefreshInterval.Milliseconds()),
	}
	if r := s.cfg.Replicas; r == 0 {
		set[keyExpand] = "0-1"
	} else {
		set[keyReplicas] = max(r, 0)
	}
	maps.Copy(set, s.cfg.Settings) // withDefaults has made the names flat, and refused bad ones
	for name, value := range promised {
		set[name] = value
	}
	return set
}

// asEdited returns settings of ours as an operator's edits in the template leave them. An
// edit is a difference between the template and the settings that it was made from. It
// stands until the configuration changes that setting.
func asEdited(ours object, made flat, there object) object {
	set := maps.Clone(ours)
	for name, value := range ours {
		was, known := made[name]
		if _, fixed := promised[name]; fixed || !known || was != textOf(value) {
			continue
		}
		switch is, ok := there[name]; {
		case !ok:
			delete(set, name)
		case textOf(is) != was:
			set[name] = is
		}
	}
	return set
}

// addFlat adds settings to a flat map: nested and flat names, with or without "index.".
// It is for answers of engines and for Config.Settings.
func addFlat(into object, prefix string, settings map[string]any) error {
	for name, value := range settings {
		full := prefix + name
		if inner, ok := value.(map[string]any); ok {
			if err := addFlat(into, full+".", inner); err != nil {
				return err
			}
			continue
		}
		if !strings.HasPrefix(full, "index.") {
			full = "index." + full
		}
		if _, twice := into[full]; twice {
			return fmt.Errorf("%q is there twice", full)
		}
		into[full] = value
	}
	return nil
}

// readSettings returns settings that this package has written into a mark, with flat
// names. It returns none for what can't be read.
func readSettings(text string) flat {
	var settings map[string]any
	all, f := object{}, flat{}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if d.Decode(&settings) != nil || addFlat(all, "", settings) != nil {
		return f
	}
	for name, value := range all {
		f[name] = textOf(value)
	}
	return f
}

// textOf returns a value as engines write it: all but lists is text.
func textOf(value any) string {
	switch v := value.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	case []any, []string:
		text, err := json.Marshal(v)
		if err == nil {
			return string(text)
		}
	}
	return fmt.Sprint(value)
}

// setByFields are the settings that have a field of Config, and that no template may
// have otherwise.
var setByFields = map[string]string{
	keyShards:   "set Config.Shards",
	keyReplicas: "set Config.Replicas",
	keyRefresh:  "set Config.RefreshInterval",
}

// breaking are the settings, or beginnings of settings, that would break a promise.
var breaking = map[string]string{
	keyDurability:                    "it would lose acknowledged saves",
	keyDefaultPipeline:               "a pipeline would change documents",
	keyFinalPipeline:                 "a pipeline would change documents",
	"index.blocks.":                  "it would refuse operations",
	"index.search.default_pipeline":  "searches would not tell what is there",
	"index.max_result_window":        "searches would fail, or it changes nothing",
	"index.hidden":                   "searches would not find the index",
	"index.mode":                     "it would change documents",
	"index.append_only.":             "documents could not be replaced",
	"index.mapping.source.":          "documents would not come back as they were",
	"index.mapping.synthetic_source": "documents would not come back as they were",
	"index.derived_source.":          "documents would not come back as they were",
	"index.routing_partition_size":   "documents are found by their ids alone",
	"index.version.":                 "the engine sets it",
	"index.uuid":                     "the engine sets it",
	"index.creation_date":            "the engine sets it",
	"index.provided_name":            "the engine sets it",
	"index.lifecycle.rollover_alias": "indices belong to periods, and are not rolled over",
	"index.plugins.index_state_management.rollover_alias": "indices belong to periods, and are not rolled over",
}

// checkSettings makes the names of Config.Settings flat, and refuses those that would
// break a promise, or that other fields have.
func (c *Config) checkSettings() error {
	all := object{}
	if err := addFlat(all, "", c.Settings); err != nil {
		return fmt.Errorf("elasticstore: Config.Settings: %w: name it once", err)
	}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value, err := plainSetting(all[name])
		if err != nil {
			return fmt.Errorf("elasticstore: Config.Settings: %q %w", name, err)
		}
		all[name] = value
		if remedy, ok := setByFields[name]; ok {
			return fmt.Errorf("elasticstore: Config.Settings: %q has a field of its own: %s", name, remedy)
		}
		if name == keyExpand && c.Replicas != 0 {
			return fmt.Errorf("elasticstore: Config.Settings: %q overrides Config.Replicas, which is %d: set only one of them", name, c.Replicas)
		}
		if name == keyReplication && value != byDocument {
			return fmt.Errorf("elasticstore: Config.Settings: %q may only be %s: with another, reads would not see the newest state", name, byDocument)
		}
		for begin, why := range breaking {
			if name == begin || strings.HasSuffix(begin, ".") && strings.HasPrefix(name, begin) {
				return fmt.Errorf("elasticstore: Config.Settings: %q is not allowed: %s", name, why)
			}
		}
	}
	c.Settings = all
	return nil
}

// plainSetting returns a setting's value without the caller's memory.
func plainSetting(value any) (any, error) {
	switch v := value.(type) {
	case string, bool, int, int32, int64:
		return v, nil
	case float64, json.Number:
		if text, err := json.Marshal(v); err != nil || len(text) == 0 {
			return nil, fmt.Errorf("is %v: that is no number", v)
		}
		return v, nil
	case []string:
		return slices.Clone(v), nil
	case []any:
		list := make([]string, len(v))
		for i, e := range v {
			text, ok := e.(string)
			if !ok {
				return nil, fmt.Errorf("has a list with a %T: a list has strings", e)
			}
			list[i] = text
		}
		return list, nil
	case nil:
		return nil, errors.New("is nil: leave it out for the engine's default")
	}
	return nil, fmt.Errorf("is a %T: a setting is a string, a number, a bool, a list of strings or a map[string]any of settings", value)
}
