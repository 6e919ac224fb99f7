package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// This file compares the store on OpenSearch with the engine itself: with its most
// answers to prepared requests, which are only counted, and with one request for each
// operation.

func engineCases() []Case { //nolint:funlen // a table of cases
	const callers = 256
	fewer := func(what, kind string) Row {
		return Row{
			What: "OpenSearch " + what + " at 256 callers against the _" + kind + " ceiling with 256 documents under way, as callers have", Unit: perSec, Kind: More,
			Ours: []string{"store"}, Peers: ceilings(kind, fewBatches), Goal: untold, Least: untold,
		}
	}
	bound := func(kind string) Row {
		return Row{
			What: "the engine alone: prepared _" + kind + " with 256 documents under way against its ceiling, which is the most that 256 callers could reach", Unit: perSec, Kind: More,
			Ours: ceilings(kind, fewBatches), Peers: ceilings(kind, anyBatches), Goal: untold, Least: untold,
		}
	}
	return []Case{
		{
			Name: "engine/reads", Needs: []need{needEngine}, Warm: 6,
			About:   "Reads of single sessions by 256 callers; and the engine's ceiling, _mget of whole documents with prepared bodies. store has read or written each session before, and so asks for its version alone; store-copies keeps nothing, as if it were the first time or another process had saved meanwhile. mget-64x4 has 64 documents in a request and 4 requests in flight.",
			Favours: "Us, against _mget: our copies hold all 8192 sessions, so the engine sends versions only (store-copies has none, engine/cold too many). The ceilings: prepared bodies, and nobody looks at the answers; those with more than 256 documents under way have more than our callers can ask for.",
			Rows: []Row{
				{
					What: "OpenSearch reads/s at 256 callers against the _mget ceiling", Unit: perSec, Kind: More,
					Ours: []string{"store"}, Peers: ceilings("mget", anyBatches), Goal: at(0.9), Least: at(0.75),
				},
				{
					What: "OpenSearch reads/s at 256 callers against one operation per request", Unit: perSec, Kind: More,
					Ours: []string{"store"}, Peers: []string{"single"}, Goal: at(6), Least: at(4),
				},
				{
					What: "OpenSearch reads/s at 256 callers without copies, each of the whole session, against the _mget ceiling", Unit: perSec, Kind: More,
					Ours: []string{"store-copies"}, Peers: ceilings("mget", anyBatches), Goal: untold, Least: untold,
				},
				{
					What: "OpenSearch reads/s at 256 callers without copies, against one operation per request", Unit: perSec, Kind: More,
					Ours: []string{"store-copies"}, Peers: []string{"single"}, Goal: untold, Least: untold,
				},
				fewer("reads/s", "mget"),
				bound("mget"),
			},
			Setup: func(b *Bench) ([]Side, error) {
				rs, err := openEngine(b, b.size(8192, 512), withCopies)
				if err != nil {
					return nil, err
				}
				whole, err := openEngine(b, len(rs.all), withoutCopies)
				if err != nil {
					return nil, err
				}
				one, err := openSingle(b, len(rs.all))
				if err != nil {
					return nil, err
				}
				sides := []Side{
					b.side("store", engineSettings, callers, rs.reads(callers), rs.check),
					b.side("store-copies", wholeSettings, callers, whole.reads(callers), whole.check),
					b.side("single", engineSettings, callers, one.reads(callers), one.check),
				}
				more, err := ceilingSides(b, one, "mget", (*single).mget)
				return append(sides, more...), err
			},
		},
		{
			Name: "engine/saves", Needs: []need{needEngine}, Warm: 6,
			About:   "Compare-and-set saves of single sessions by 256 callers; and the engine's ceiling, _bulk with prepared bodies, which compares nothing. bulk-64x4 has 64 documents in a request and 4 requests in flight; cas-64x4 compares and sets each, as the store does, in bodies in which only the versions change.",
			Favours: "The ceilings: prepared bodies, of which bulk compares nothing; those with more than 256 documents under way have more than our callers can ask for.",
			Rows: []Row{
				{
					What: "OpenSearch compare-and-set saves/s at 256 callers against the _bulk ceiling", Unit: perSec, Kind: More,
					Ours: []string{"store"}, Peers: ceilings("bulk", anyBatches), Goal: at(0.9), Least: at(0.75),
				},
				{
					What: "OpenSearch saves/s at 256 callers against one operation per request", Unit: perSec, Kind: More,
					Ours: []string{"store"}, Peers: []string{"single"}, Goal: at(3.3), Least: at(2.5),
				},
				{
					What: "OpenSearch saves/s at 256 callers against a compare-and-set _bulk of prepared bodies with 256 documents under way", Unit: perSec, Kind: More,
					Ours: []string{"store"}, Peers: ceilings("cas", fewBatches), Goal: at(0.9), Least: at(0.8),
				},
				fewer("saves/s", "bulk"),
				bound("bulk"),
			},
			Setup: func(b *Bench) ([]Side, error) {
				rs, err := openEngine(b, b.size(8192, 512), withCopies)
				if err != nil {
					return nil, err
				}
				one, err := openSingle(b, len(rs.all))
				if err != nil {
					return nil, err
				}
				sides := []Side{
					b.side("store", engineSettings, callers, rs.saves(callers), rs.check),
					b.side("single", engineSettings, callers, one.saves(callers), one.check),
				}
				other, err := openSingle(b, len(rs.all)) // each side has its own, since it knows only its own versions
				if err != nil {
					return nil, err
				}
				more, err := ceilingSides(b, other, "bulk", (*single).bulk)
				if err != nil {
					return nil, err
				}
				compared, err := casSides(b, len(rs.all))
				return slices.Concat(sides, more, compared), err
			},
		},
		mappingCase(callers),
		{
			Name: "engine/concurrency", Needs: []need{needEngine}, Most: 3, Warm: 3,
			About:   "Reads of single sessions from OpenSearch, by the number of callers.",
			Favours: "Us, by copies that hold all sessions; one operation per request with 1 caller, when nothing can be shared.",
			Plot:    &Plot{Title: "Reads from OpenSearch", X: "parallel callers", Y: "reads/s", Unit: perSec, LogX: true},
			Setup: func(b *Bench) ([]Side, error) {
				return againstSingle(b, func(rs *records, one *single, n int) (ours, theirs load) { return rs.reads(n), one.reads(n) })
			},
		},
		{
			Name: "engine/concurrency-saves", Needs: []need{needEngine}, Most: 3, Warm: 3,
			About:   "Compare-and-set saves of single sessions in OpenSearch, by the number of callers.",
			Favours: "One operation per request with 1 caller, when nothing can be shared.",
			Plot:    &Plot{Title: "Saves to OpenSearch", X: "parallel callers", Y: "saves/s", Unit: perSec, LogX: true},
			Setup: func(b *Bench) ([]Side, error) {
				return againstSingle(b, func(rs *records, one *single, n int) (ours, theirs load) { return rs.saves(n), one.saves(n) })
			},
		},
	}
}

// load is an operation of callers.
type load = func(ctx context.Context, caller, turn int) error

func againstSingle(b *Bench, of func(rs *records, one *single, n int) (ours, theirs load)) ([]Side, error) {
	rs, err := openEngine(b, b.size(8192, 512), withCopies)
	if err != nil {
		return nil, err
	}
	one, err := openSingle(b, len(rs.all))
	if err != nil {
		return nil, err
	}
	checkOurs, checkTheirs := once(rs.check), once(one.check)
	var sides []Side
	for _, n := range b.steps(1, 4, 16, 64, 256, 512) {
		ours, theirs := of(rs, one, n)
		sides = append(sides, plotted([]Side{
			b.side("cloakroom", engineSettings, n, ours, checkOurs),
			b.side("one operation per request", engineSettings, n, theirs, checkTheirs),
		}, n)...)
	}
	return sides, nil
}

// openEngine fills a store. The check at the end reads whole records.
func openEngine(b *Bench, n, copyBytes int) (*records, error) {
	store, e, name, err := b.engineStore(copyBytes)
	if err != nil {
		return nil, err
	}
	rs, err := fill(b, store, n, time.Now())
	if err != nil {
		return nil, err
	}
	rs.reader, err = b.openEngineStore(e, name, withoutCopies)
	return rs, err
}

// single is the engine with the documents of a store, and without the store.
type single struct {
	*raw
	index  string
	before []*document
	docs   []*place
	writes atomic.Int64
}

// place is a document and its newest version, so that it can be compared and set.
type place struct {
	id, path  string
	source    []byte
	seq, term int
}

// openSingle fills a store and takes over its documents.
func openSingle(b *Bench, n int) (*single, error) {
	store, e, name, err := b.engineStore(withCopies)
	if err != nil {
		return nil, err
	}
	if _, err := fill(b, store, n, time.Now()); err != nil {
		return nil, err
	}
	s := &single{raw: e}
	if s.before, err = e.documents(b, name+"-2*"); err != nil { // periods begin with a year
		return nil, err
	}
	if len(s.before) != n {
		return nil, fmt.Errorf("%d documents are there in place of %d", len(s.before), n)
	}
	s.index = s.before[0].Index // they were all made at one time
	if err := e.durable(b, s.index); err != nil {
		return nil, err
	}
	for _, d := range s.before {
		s.docs = append(s.docs, &place{id: d.ID, path: "/" + d.Index + "/_doc/" + d.ID, source: d.Source, seq: d.Seq, term: d.Term})
	}
	return s, nil
}

// durable fails unless an index has the settings that engineSettings names.
func (e *raw) durable(ctx context.Context, index string) error {
	var answer map[string]struct {
		Settings struct {
			Durability string `json:"index.translog.durability"`
			Replicas   string `json:"index.number_of_replicas"`
			Refresh    string `json:"index.refresh_interval"`
		} `json:"settings"`
	}
	if err := e.json(ctx, "GET", "/"+index+"/_settings?flat_settings=true", nil, &answer); err != nil {
		return err
	}
	s := answer[index].Settings
	refresh, err := time.ParseDuration(s.Refresh)
	if err != nil {
		return fmt.Errorf("%s: refresh_interval: %w", index, err)
	}
	if !strings.EqualFold(s.Durability, "request") || s.Replicas != "0" || refresh != 5*time.Second {
		return fmt.Errorf("%s: its settings are %+v, in place of %s", index, s, engineSettings)
	}
	return nil
}

func (s *single) check(ctx context.Context) error {
	return s.written(ctx, s.index, s.before, s.writes.Load())
}

func (s *single) own(caller, callers, turn int) *place {
	each := len(s.docs) / callers
	return s.docs[caller*each+turn*7%each]
}

// reads lets callers read whole sessions, with a request each.
func (s *single) reads(callers int) load {
	return func(ctx context.Context, caller, turn int) error {
		p := s.own(caller, callers, turn)
		b, err := s.ask(ctx, "GET", p.path, nil, nil)
		if err != nil {
			return err
		}
		var answer struct {
			ID     string `json:"_id"`
			Source struct {
				Principal string                     `json:"principal"`
				Values    map[string]json.RawMessage `json:"values"`
			} `json:"_source"`
		}
		if err := json.Unmarshal(b, &answer); err != nil {
			return err
		}
		if answer.ID != p.id || len(answer.Source.Values) == 0 {
			return fmt.Errorf("%s: another session was answered", p.path)
		}
		return nil
	}
}

// saves lets callers write whole sessions by compare-and-set, with a request each.
func (s *single) saves(callers int) load {
	return func(ctx context.Context, caller, turn int) error {
		p := s.own(caller, callers, turn)
		path := p.path + "?if_seq_no=" + strconv.Itoa(p.seq) + "&if_primary_term=" + strconv.Itoa(p.term)
		b, err := s.ask(ctx, "PUT", path, p.source, nil)
		if err != nil {
			return err
		}
		var answer struct {
			Seq  int `json:"_seq_no"`
			Term int `json:"_primary_term"`
		}
		if err := json.Unmarshal(b, &answer); err != nil {
			return err
		}
		p.seq, p.term = answer.Seq, answer.Term
		s.writes.Add(1)
		return nil
	}
}
