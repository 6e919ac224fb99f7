package elasticstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is searches, counts, and Refresh, all of which ask every shard.

// searchError makes the error of an operation on many records.
func searchError(ctx context.Context, op string, err error) error {
	switch {
	case errors.Is(err, driver.ErrClosed):
		return opError(op, err)
	case ctx.Err() != nil && !errors.Is(err, ctx.Err()):
		err = fmt.Errorf("%w: %w", contextError(ctx), err)
	}
	if errors.Is(ctx.Err(), context.Canceled) {
		return opError(op, err)
	}
	return opError(op, unavailable(err, false))
}

// page is the result of one request of a search.
type page[T any] struct {
	items []T
	hits  int // including those that were passed over
	bytes int
	last  json.RawMessage // where the next page begins
}

// search makes one request for hits, and converts each or passes it over. The answer is
// whole or an error: no shard is left out.
func search[T any](ctx context.Context, s *Store, indices string, query object, convert func(*hit) (T, bool)) (page[T], error) {
	return searchAt(ctx, s, indices, "", query, convert)
}

// searchAt is search with a preference for shards and their copies; "" for none.
func searchAt[T any](ctx context.Context, s *Store, indices, preference string, query object, convert func(*hit) (T, bool)) (page[T], error) {
	text, err := json.Marshal(query)
	if err != nil {
		return page[T]{}, err
	}
	r := request{
		method: http.MethodPost, path: "/" + indices + "/_search", body: text,
		query: "allow_partial_search_results=false&expand_wildcards=open,closed",
	}
	if preference != "" {
		r.query += "&preference=" + url.QueryEscape(preference)
	}
	var p page[T]
	_, err = s.askShards(ctx, r, func(sc *scanner) {
		p = page[T]{bytes: len(sc.data)}
		sc.object(func(name []byte) {
			if string(name) != "hits" {
				sc.skip()
				return
			}
			docs := new(decoder)
			sc.array(func() {
				var h hit
				docs.hit(sc, &h)
				p.hits++
				p.last = append(p.last[:0], h.sort...)
				if sc.err != nil {
					return
				}
				if item, ok := convert(&h); ok {
					p.items = append(p.items, item)
				}
			})
		})
	})
	if err == nil && p.hits > 0 && p.last == nil {
		err = malformed(&r, "hits without sort values")
	}
	return p, err
}

// count counts documents.
func (s *Store) count(ctx context.Context, indices string, query object) (int64, error) {
	n, _, err := s.countShards(ctx, indices, query)
	return n, err
}

// countShards counts documents, and returns how many shards answered.
func (s *Store) countShards(ctx context.Context, indices string, query object) (n int64, answered int, err error) {
	text, err := json.Marshal(object{"query": query})
	if err != nil {
		return 0, 0, err
	}
	r := request{
		method: http.MethodPost, path: "/" + indices + "/_count", body: text,
		query: "expand_wildcards=open,closed",
	}
	found, err := s.askShards(ctx, r, nil)
	return found.count, int(found.shards), err
}

// shards is an answer's account of the shards that were asked.
type shards struct {
	there                     bool
	total, successful, failed int64
	reason                    said
}

func (s *scanner) shards() shards {
	sh := shards{there: true}
	s.object(func(name []byte) {
		switch string(name) {
		case "total":
			sh.total = s.integer()
		case "successful":
			sh.successful = s.integer()
		case "failed":
			sh.failed = s.integer()
		case "failures":
			s.array(func() {
				s.object(func(name []byte) {
					if string(name) == "reason" && sh.reason.kind == "" {
						sh.reason = s.said()
					} else {
						s.skip()
					}
				})
			})
		default:
			s.skip()
		}
	})
	return sh
}

// askShards makes a request that all shards must answer. An engine that lacks shards may
// answer 200, with nothing found and none failed. hits reads the member of that name; it
// may be called again with another answer.
//
// It tries for as long as an operation may take, also for a Sweep, which has no end of
// its own and other indices to look after.
func (s *Store) askShards(ctx context.Context, r request, hits func(*scanner)) (total, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*s.cfg.RequestTimeout)
	defer cancel()
	b := s.backoff()
	var missing time.Time
	for {
		var found total
		var f *fault
		a, err := s.ask(ctx, r, http.StatusNotFound)
		if err != nil {
			if errors.As(err, &f) && b.wait(ctx, f) {
				continue
			}
			if ctx.Err() != nil {
				err = b.after(err)
			}
			return total{}, err
		}
		if a.status == http.StatusNotFound {
			e, ok := parseError(a.status, a.body)
			if !ok || e.kind != "index_not_found_exception" {
				f = e.fault(r.String(), false)
			} else {
				f = &fault{certain: true, again: always, text: fmt.Sprintf("%v: %v; if it stays so, restore the index from a snapshot or run Setup", &r, e)}
			}
			if missing.IsZero() {
				missing = time.Now()
			} else if time.Since(missing) > s.cfg.patience {
				f.again = never
			}
		} else {
			found, f = readShards(&r, a.body, hits)
		}
		a.release()
		if f == nil {
			return found, nil
		}
		if !b.wait(ctx, f) {
			return total{}, f
		}
	}
}

// total is the sum over the shards.
type total struct{ count, shards int64 }

func readShards(r *request, body []byte, hits func(*scanner)) (t total, f *fault) {
	sc := scanner{data: body}
	var sh shards
	timedOut := false
	found := false
	sc.object(func(name []byte) {
		switch string(name) {
		case "timed_out":
			timedOut = sc.boolean()
		case "_shards":
			sh = sc.shards()
		case "count":
			t.count, found = sc.integer(), hits == nil
		case "hits":
			if hits != nil {
				inner := scanner{data: sc.skip()}
				if sc.err == nil {
					hits(&inner)
					sc.err = inner.end()
					found = true
				}
				return
			}
			sc.skip()
		default:
			sc.skip()
		}
	})
	switch err := sc.end(); {
	case err != nil:
		return t, malformed(r, "%v", err)
	case !sh.there:
		return t, malformed(r, "it doesn't tell of shards")
	case sh.failed > 0:
		f = sh.reason.fault(r.String(), false)
		f.text = fmt.Sprintf("%v: %d of %d shards failed: %v", r, sh.failed, sh.total, sh.reason)
		return t, f
	case sh.successful < sh.total:
		return t, &fault{certain: true, again: always, text: fmt.Sprintf("%v: only %d of %d shards answered: GET /_cluster/allocation/explain tells what is with the others", r, sh.successful, sh.total)}
	case timedOut:
		return t, &fault{certain: true, again: thrice, text: fmt.Sprintf("%v: the engine ran out of time", r)}
	case !found:
		return t, malformed(r, "it doesn't tell what was found")
	}
	t.shards = sh.successful
	return t, nil
}

// Refresh makes all acknowledged writes visible to searches; see driver.Refresher. If a
// shard fails, Refresh fails.
func (s *Store) Refresh(ctx context.Context) error {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return opError("refresh", err)
	}
	defer done()
	if err := s.prepareToRead(ctx); err != nil {
		return searchError(ctx, "refresh", err)
	}
	if err := s.refresh(ctx, s.names.searched()); err != nil {
		return searchError(ctx, "refresh", err)
	}
	return nil
}
