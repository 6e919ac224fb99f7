package elasticstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/batch"
)

// This file is the flush of writes: a _bulk request, and its answer, item by item.

type writeResult = batch.Result[driver.Version]

// writeAll is the flush of writes, by _bulk.
func (s *Store) writeAll(ctx context.Context, items []*write) []writeResult {
	s.counts.writes.Add(int64(len(items)))
	r := request{method: http.MethodPost, path: "/_bulk", query: s.timeoutQuery(), lines: true, write: true}
	r.shared = bulkBody(items)
	a, err := s.send(ctx, r, http.StatusRequestEntityTooLarge)
	r.shared.leave()
	if err != nil {
		return allFailed(items, err)
	}
	defer a.release()
	if a.status == http.StatusRequestEntityTooLarge {
		return s.writeHalves(ctx, items)
	}
	results, err := readItems(&r, a.body, items)
	if err != nil {
		return allFailed(items, err)
	}
	return results
}

func allFailed(items []*write, err error) []writeResult {
	results := make([]writeResult, len(items))
	for i := range results {
		results[i].Err = err
	}
	return results
}

// writeHalves sends items that were too large for one request in two.
func (s *Store) writeHalves(ctx context.Context, items []*write) []writeResult {
	if len(items) == 1 {
		return allFailed(items, &refusal{large: true, text: fmt.Sprintf("the document of %d bytes is larger than the engine, "+
			"or a proxy, takes: see http.max_content_length", len(items[0].document))})
	}
	s.counts.retries.Add(int64(len(items)))
	half := len(items) / 2
	return append(s.writeAll(ctx, items[:half]), s.writeAll(ctx, items[half:])...)
}

// bulkBody makes the body of a bulk request: for each write a line with its action,
// and a line with its document if it has one.
func bulkBody(items []*write) *body {
	n := 0
	for _, w := range items {
		n += w.size()
	}
	body := newBody(n)
	b := body.bytes
	for _, w := range items {
		b = append(b, `{"`...)
		b = append(b, w.action.name()...)
		b = append(b, `":{"_index":"`...)
		b = append(b, w.home.at(w.index)...)
		b = append(b, `","_id":"`...)
		b = appendID(b, w.id)
		b = append(b, '"')
		if w.action == replaceAt || w.action == deleteAt {
			b = append(b, `,"if_seq_no":`...)
			b = strconv.AppendUint(b, w.at.Seq, 10)
			b = append(b, `,"if_primary_term":`...)
			b = strconv.AppendUint(b, bare(w.at).Term, 10)
		}
		b = append(b, "}}\n"...)
		if w.action != deleteAt {
			b = append(b, w.document...)
			b = append(b, '\n')
		}
	}
	body.bytes = b
	return body
}

// readItems reads the answer to a bulk request. If the answer's items are not exactly
// those of the request, in order, nothing is known of any write.
func readItems(r *request, body []byte, items []*write) ([]writeResult, error) {
	results := make([]writeResult, 0, len(items))
	sc := scanner{data: body}
	var wrong error
	item := func(action []byte) {
		var i bulkItem
		sc.bulkItem(&i)
		switch n := len(results); {
		case sc.err != nil || wrong != nil:
		case n >= len(items):
			wrong = malformed(r, "more than the %d items that were sent", len(items))
		case string(action) != items[n].action.name() || !spells(i.id, items[n].id):
			wrong = malformed(r, "place %d is a %.20q of %.40q in %.80q instead of a %s of %v in %s",
				n, action, i.id, i.index, items[n].action.name(), items[n].id, items[n].index)
		default:
			results = append(results, i.result(r, items[n]))
		}
	}
	sc.object(func(name []byte) {
		if string(name) == "items" {
			sc.array(func() { sc.object(item) })
		} else {
			sc.skip()
		}
	})
	switch err := sc.end(); {
	case err != nil:
		return nil, malformed(r, "%v", err)
	case wrong != nil:
		return nil, wrong
	case len(results) != len(items):
		return nil, malformed(r, "%d items instead of %d", len(results), len(items))
	}
	return results, nil
}

// bulkItem is one item of an answer. Its slices are part of the answer.
type bulkItem struct {
	index, id []byte
	status    int64
	version   driver.Version
	err       *said
}

func (s *scanner) bulkItem(i *bulkItem) {
	s.object(func(name []byte) {
		switch string(name) {
		case "_index":
			i.index = s.text()
		case "_id":
			i.id = s.text()
		case "status":
			i.status = s.integer()
		case "_seq_no":
			i.version.Seq = s.natural()
		case "_primary_term":
			i.version.Term = s.natural()
		case "error":
			e := s.said()
			i.err = &e
		default:
			s.skip()
		}
	})
}

var errNotThere = errors.New("nothing there")

// result turns an item of the answer into the write's result.
func (i *bulkItem) result(r *request, w *write) writeResult {
	if i.err == nil {
		switch i.status {
		case http.StatusOK, http.StatusCreated:
			switch {
			case !sound(i.version):
				return writeResult{Err: malformed(r, "an item without a version")}
			case !w.home.is(w.index, i.index):
				return writeResult{Err: &movedError{string(i.index), i.version}}
			}
			return writeResult{Value: w.home.in(i.version)}
		case http.StatusNotFound:
			if w.action == deleteAt {
				return writeResult{Err: errNotThere}
			}
		}
		return writeResult{Err: malformed(r, "an item with the status %d", i.status)}
	}
	e := *i.err
	e.status = int(i.status)
	switch {
	case e.status == http.StatusConflict && e.kind == "version_conflict_engine_exception":
		return writeResult{Err: errVersion}
	case e.kind == "index_not_found_exception", e.readOnlyAlias():
		return writeResult{Err: errNoIndex}
	case e.refused():
		return writeResult{Err: &refusal{text: e.String(), mapping: e.foreignMapping()}}
	}
	f := e.fault(fmt.Sprintf("%v: in %q", r, w.index), true)
	return writeResult{Err: f}
}
