package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"runtime"
	"time"
)

// This file compares the store with itself on an index that maps nothing, in which nothing
// can be searched: what the fields that are searched cost the engine.

func mappingCase(callers int) Case {
	c := Case{
		Name: "engine/mapping", Needs: []need{needEngine}, Warm: 10,
		About:   "Compare-and-set saves of single sessions by 256 callers: in the store's own index, and by the same store in one whose mapping is off, so that the engine keeps the documents and looks into none.",
		Favours: "The index that maps nothing: it can't be searched, which lists of somebody's sessions and signing out everywhere need.",
		Rows: []Row{{
			What: "OpenSearch saves/s at 256 callers against the same in an index that maps nothing", Unit: perSec, Kind: More,
			Ours: []string{"store"}, Peers: []string{"unmapped"}, Goal: at(0.9), Least: at(0.82),
		}},
		Setup: func(b *Bench) ([]Side, error) {
			n := b.size(8192, 512)
			rs, err := openEngine(b, n, withCopies)
			if err != nil {
				return nil, err
			}
			unmapped, err := openUnmapped(b, n)
			if err != nil {
				return nil, err
			}
			return []Side{
				b.side("store", engineSettings, callers, rs.saves(callers), rs.check),
				b.side("unmapped", engineSettings+"; the mapping is off: nothing can be searched", callers, unmapped.saves(callers), unmapped.check),
			}, nil
		},
	}
	if runtime.GOOS == "linux" { // elsewhere its time isn't known
		c.Rows = append(c.Rows, Row{
			What: "engine processor time for each save, against an index that maps nothing", Unit: engineCPU, Kind: Share,
			Ours: []string{"store"}, Peers: []string{"unmapped"}, Goal: at(1.25), Least: at(1.35),
		})
	}
	return c
}

// openUnmapped fills a store whose index was made anew with its mapping turned off, before
// the store had seen it. All else in it is as the store makes it.
func openUnmapped(b *Bench, n int) (*records, error) {
	first, e, name, err := b.engineStore(withCopies)
	if err != nil {
		return nil, err
	}
	made := time.Now()
	if _, err := fill(b, first, 1, made); err != nil {
		return nil, err
	}
	there, err := e.documents(b, name+"-2*") // periods begin with a year
	if err != nil {
		return nil, err
	}
	if len(there) != 1 {
		return nil, fmt.Errorf("%d documents are there in place of one", len(there))
	}
	index := there[0].Index
	if err := e.unmap(b, name, index); err != nil {
		return nil, err
	}
	store, err := b.openEngineStore(e, name, withCopies)
	if err != nil {
		return nil, err
	}
	rs, err := fill(b, store, n, made)
	if err != nil {
		return nil, err
	}
	if rs.reader, err = b.openEngineStore(e, name, withoutCopies); err != nil {
		return nil, err
	}
	if err := e.durable(b, index); err != nil {
		return nil, err
	}
	return rs, e.mapsNothing(b, index)
}

// theMapping is an index's mapping, as far as it matters here.
type theMapping struct {
	Mappings struct {
		Enabled    *bool           `json:"enabled"`
		Meta       json.RawMessage `json:"_meta"`
		Properties object          `json:"properties"`
	} `json:"mappings"`
}

// unmap replaces an index by an empty one of the same name and settings, with its mapping
// turned off. It keeps the note by which the store knows its indices.
func (e *raw) unmap(ctx context.Context, name, index string) error {
	var before map[string]theMapping
	if err := e.json(ctx, http.MethodGet, "/"+index+"/_mapping", nil, &before); err != nil {
		return err
	}
	var answer map[string]struct {
		Settings struct {
			Index object `json:"index"`
		} `json:"settings"`
	}
	if err := e.json(ctx, http.MethodGet, "/"+index+"/_settings", nil, &answer); err != nil {
		return err
	}
	settings := answer[index].Settings.Index
	for _, given := range []string{"creation_date", "uuid", "version", "provided_name"} { // by the engine
		delete(settings, given)
	}
	delete(settings, "sort") // of fields that won't be there
	if err := e.json(ctx, http.MethodDelete, "/"+index, nil, nil); err != nil {
		return err
	}
	// The template would add its fields.
	if err := e.json(ctx, http.MethodDelete, "/_index_template/"+name+"-*", nil, nil); err != nil {
		return err
	}
	return e.json(ctx, http.MethodPut, "/"+index, object{
		"settings": object{"index": settings},
		"mappings": object{"enabled": false, "_meta": before[index].Mappings.Meta},
	}, nil)
}

// mapsNothing fails unless an index maps nothing, even now that it has documents.
func (e *raw) mapsNothing(ctx context.Context, index string) error {
	var answer map[string]theMapping
	if err := e.json(ctx, http.MethodGet, "/"+index+"/_mapping", nil, &answer); err != nil {
		return err
	}
	m := answer[index].Mappings
	if m.Enabled == nil || *m.Enabled || len(m.Properties) > 0 {
		return fmt.Errorf("%s maps %d fields, and its mapping may be on", index, len(m.Properties))
	}
	return nil
}
