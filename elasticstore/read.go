package elasticstore

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/batch"
)

// This file is Get, and the flush of reads: an _mget request, and its answer.

// target is a document to read.
type target struct {
	index string // the name to ask for
	id    driver.ID
	known *kept // a copy to compare with, or nil
	home  *home // the index that the answer is expected from
}

type readResult = batch.Result[*driver.Record]

// Get returns the record of an id; see driver.Store. Concurrent reads share requests. A
// record that Get returns was the newest state in the engine when it was asked.
func (s *Store) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	bounded, done, err := s.begin(ctx)
	if err == nil {
		defer done()
		var rec *driver.Record
		if rec, err = s.get(bounded, id); err == nil || errors.Is(err, driver.ErrGone) {
			if err != nil {
				err = fmt.Errorf("elasticstore: get %v: %w", id, err)
			}
			return rec, err
		}
	}
	return nil, result(ctx, "get", id, err, false)
}

// get reads one record, and tries again while that may help.
func (s *Store) get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	if !known(id.Layout()) {
		return nil, fmt.Errorf("%w: unknown layout %d", driver.ErrNotFound, id.Layout())
	}
	p := s.placeOf(id)
	t := target{p.name, id, s.copies.of(id), p.home.Load()}
	if !s.names.periodic(id) {
		if err := s.prepareToRead(ctx); err != nil {
			return nil, err
		}
	}
	b := s.backoff()
	var made int64 // see missed
	for tries := 0; ; tries++ {
		if tries > 0 {
			s.counts.retries.Add(1)
		}
		rec, err := s.reads.Do(ctx, t)
		if err == nil {
			if p.missing.Load() != 0 {
				p.missing.Store(0)
			}
			if t.known == nil || t.known.version != rec.Version {
				s.copies.found(rec)
			}
			return rec, nil // before the variables below cost memory
		}
		var f *fault
		switch {
		case errors.Is(err, errStale):
			t.known = nil
		case errors.Is(err, errMoved):
			if err := s.follow(ctx, p, t.home, &b); err != nil {
				return nil, err
			}
			t.known, t.home = nil, p.home.Load()
		case errors.Is(err, errNoIndex):
			s.copies.forgetAll()
			if err := s.missed(ctx, p, id, &b, &made); err != nil {
				return nil, err
			}
			t.known, t.home = nil, p.home.Load()
		case errors.As(err, &f):
			if !b.wait(ctx, f) {
				return nil, err
			}
		default:
			if _, ok, own := fromBatch(ctx, err); ok {
				return nil, b.after(own)
			}
			s.copies.forget(id)
			if errors.Is(err, driver.ErrNotFound) {
				s.suspect(p)
			}
			return rec, err
		}
	}
}

// follow finds out where the documents of a place are now. They were expected in from.
func (s *Store) follow(ctx context.Context, p *place, from *home, b *backoff) error {
	if p.home.Load() != from {
		return nil // somebody else has found out
	}
	info, err := s.look(ctx, p)
	switch {
	case err != nil:
		return err
	case info != nil && p.home.Load() != from:
		return nil
	case b.lost < 3 && b.pause(ctx): // the node that answered is ahead, or behind
		b.lost++
		return nil
	}
	return &fault{certain: true, again: thrice, text: fmt.Sprintf("the nodes don't agree in which index the documents of %q are", p.name)}
}

// readAll is the flush of reads.
func (s *Store) readAll(ctx context.Context, items []target) []readResult {
	s.counts.reads.Add(int64(len(items)))
	results := make([]readResult, len(items))
	unique := make([]target, 0, len(items))
	at := make([]int, len(items)) // the place of each item in unique
	first := make(map[driver.ID]int, len(items))
	for i, t := range items {
		n, ok := first[t.id]
		if !ok {
			n = len(unique)
			first[t.id] = n
			unique = append(unique, t)
		} else if unique[n].known != t.known {
			unique[n].known = nil // a full read serves both
		}
		at[i] = n
	}
	found, err := s.multiGet(ctx, unique)
	for i := range results {
		if err != nil {
			results[i].Err = err
		} else {
			results[i] = found[at[i]]
		}
	}
	return results
}

// sameCopy makes all readers of a shard ask the same one of its copies. A write under
// way has reached some copies and not others: a reader that changes copies would see it
// and then not.
const sameCopy = "preference=cloakroom"

// multiGet reads documents by _mget, which is realtime. Of targets with a copy it reads
// the version alone. An error concerns all targets.
func (s *Store) multiGet(ctx context.Context, targets []target) ([]readResult, error) {
	r := request{method: http.MethodPost, path: "/_mget", query: sameCopy}
	oneIndex, known := true, 0
	for _, t := range targets {
		oneIndex = oneIndex && t.index == targets[0].index
		if t.known != nil {
			known++
		}
	}
	same := oneIndex && (known == 0 || known == len(targets))
	r.shared = newBody(16 + len(targets)*(len(`{"_index":"","_id":"","_source":false},`)+len(targets[0].index)+22))
	defer r.shared.leave()
	b := r.shared.bytes
	if oneIndex {
		r.path = "/" + targets[0].index + "/_mget"
	}
	if same {
		if known > 0 {
			r.query += "&_source=false"
		}
		b = append(b, `{"ids":[`...)
	} else {
		b = append(b, `{"docs":[`...)
	}
	for i, t := range targets {
		if i > 0 {
			b = append(b, ',')
		}
		if same {
			b = append(b, '"')
			b = appendID(b, t.id)
			b = append(b, '"')
			continue
		}
		b = append(b, '{')
		if !oneIndex {
			b = append(b, `"_index":"`...)
			b = append(b, t.index...)
			b = append(b, `",`...)
		}
		b = append(b, `"_id":"`...)
		b = appendID(b, t.id)
		b = append(b, '"')
		if t.known != nil {
			b = append(b, `,"_source":false`...)
		}
		b = append(b, '}')
	}
	r.shared.bytes = append(b, `]}`...)
	a, err := s.send(ctx, r)
	if err != nil {
		return nil, err
	}
	defer a.release()
	return s.readDocs(&r, a.body, targets)
}

// readDocs reads the answer to _mget. An item that makes no sense spoils the whole
// answer, since nobody can tell whose it is. A document that makes no sense spoils only
// itself.
func (s *Store) readDocs(r *request, body []byte, targets []target) ([]readResult, error) {
	results := make([]readResult, 0, len(targets))
	sc := scanner{data: body}
	var wrong error
	var d hit
	var copies int64 // that are still right
	docs := new(decoder)
	sc.object(func(name []byte) {
		if string(name) != "docs" {
			sc.skip()
			return
		}
		sc.array(func() {
			d = hit{}
			docs.hit(&sc, &d)
			switch n := len(results); {
			case sc.err != nil || wrong != nil:
			case n >= len(targets):
				wrong = malformed(r, "more than the %d documents that were asked for", len(targets))
			case !spells(d.id, targets[n].id):
				wrong = malformed(r, "place %d has the document %.40q of %.80q instead of %v of %s", n, d.id, d.index, targets[n].id, targets[n].index)
			default:
				one := d.result(r, &targets[n])
				if targets[n].known != nil && one.Value != nil {
					copies++
				}
				results = append(results, one)
			}
		})
	})
	switch err := sc.end(); {
	case err != nil:
		return nil, malformed(r, "%v", err)
	case wrong != nil:
		return nil, wrong
	case len(results) != len(targets):
		return nil, malformed(r, "%d documents instead of %d", len(results), len(targets))
	}
	s.counts.copyHits.Add(copies)
	return results, nil
}

// hit is one document in an answer to _mget or _search. Its slices are part of
// the answer.
type hit struct {
	index, id []byte
	doc       document
	unread    error // why doc can't be read
	version   driver.Version
	found     bool
	err       *said
	sort      []byte
	home      *home // the index that it is in
}

func (d *decoder) hit(s *scanner, h *hit) {
	s.object(func(name []byte) {
		switch string(name) {
		case "_index":
			h.index = s.text()
		case "_id":
			h.id = s.text()
		case "_seq_no":
			h.version.Seq = s.natural()
		case "_primary_term":
			h.version.Term = s.natural()
		case "_source":
			s.peek()
			start := s.pos
			d.read(s, &h.doc)
			if s.err != nil {
				// The document may be at fault, and the answer around it good.
				err := s.err
				s.err, s.pos = nil, start
				h.unread = cantRead(s.skip(), err)
			}
		case "found":
			h.found = s.boolean()
		case "error":
			e := s.said()
			h.err = &e
		case "sort":
			h.sort = s.skip()
		default:
			s.skip()
		}
	})
}

// record returns the record of a hit.
func (h *hit) record(id driver.ID) (*driver.Record, error) {
	if !sound(h.version) {
		return nil, fmt.Errorf("%w: without a version", driver.ErrCorrupt)
	}
	err := h.unread
	var rec *driver.Record
	if err == nil {
		rec, err = h.doc.record(id, h.home.in(h.version))
	}
	if err != nil {
		return nil, h.unreadable(err)
	}
	return rec, nil
}

// unreadable returns the error of a document that can't be read.
func (h *hit) unreadable(err error) error {
	if errors.Is(err, driver.ErrNewer) {
		return fmt.Errorf("the document in %q: %w", h.index, err)
	}
	return fmt.Errorf("%w: the document in %q can't be read: %w", driver.ErrCorrupt, h.index, err)
}

var (
	// errStale: a record is no longer at the version of its copy.
	errStale = errors.New("the copy is stale")
	// errMoved: the answer is of another index than was expected.
	errMoved = errors.New("the documents are in another index")
)

// result turns an item of _mget into Get's result, or errStale.
func (h *hit) result(r *request, t *target) readResult {
	switch {
	case h.err != nil && h.err.kind == "index_not_found_exception":
		return readResult{Err: errNoIndex}
	case h.err != nil:
		return readResult{Err: h.err.fault(fmt.Sprintf("%v: in %q", r, h.index), false)}
	case !t.home.is(t.index, h.index):
		return readResult{Err: errMoved}
	case !h.found:
		return readResult{Err: driver.ErrNotFound}
	case t.known != nil && t.home.in(h.version) != t.known.version:
		return readResult{Err: errStale}
	}
	h.home = t.home
	var rec *driver.Record
	var err error
	if t.known != nil {
		if rec, err = t.known.record(t.id); err != nil {
			err = h.unreadable(err)
		}
	} else {
		rec, err = h.record(t.id)
	}
	if err == nil && rec.Grave != nil {
		err = driver.ErrGone
	}
	return readResult{Value: rec, Err: err}
}
