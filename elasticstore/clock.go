package elasticstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the engine's clock, by which a Manager checks its own before it ends
// anything because of the time.
//
// Neither family has a request for it. Times in our documents are numbers, so no query
// compares them with "now". But the engine resolves "now" in two other places, under the
// right to read that the login has anyway:
//
//   - The buckets of a date_range aggregation tell what "now" came to, also for a field
//     that no document has.
//   - In the place of an index, <INDEX-clock-{now{…}}> is a name with the time in it. No
//     such index exists, and the answer says which. It needs no shard that works, but
//     rights by the pattern INDEX-*.

var _ driver.EngineClock = (*Store)(nil)

// errNoClock says that an answer of the engine has no time in it.
var errNoClock = errors.New("the answer has no time in it")

// EngineTime returns the time by the clock of the node that answers; see
// driver.EngineClock. It needs the right to read the store's indices.
//
// errors.ErrUnsupported: the login lacks that right, or the index that is asked (the
// ledgers', or with Config.OneIndex the only one) is missing and its name doesn't do.
func (s *Store) EngineTime(ctx context.Context) (time.Time, error) {
	bounded, done, err := s.begin(ctx)
	if err != nil {
		return time.Time{}, s.clockError(ctx, err)
	}
	defer done()
	now, err := s.timeOfRange(bounded)
	if err != nil && !s.names.one && bounded.Err() == nil {
		var byName error
		if now, byName = s.timeOfName(bounded); byName == nil || !errors.Is(byName, errNoClock) {
			err = byName
		}
	}
	if err != nil {
		return time.Time{}, s.clockError(ctx, err)
	}
	return now, nil
}

func (s *Store) clockError(ctx context.Context, err error) error {
	if errors.Is(err, errNoClock) {
		return opError("the engine's clock", fmt.Errorf("%w: %w", errors.ErrUnsupported, err))
	}
	return searchError(ctx, "the engine's clock", err)
}

// noTime are the statuses of answers that won't be others soon: a right is missing, or the
// index, or the engine knows no such request.
var noTime = []int{http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed}

// timeOfRange has an aggregation tell the time.
func (s *Store) timeOfRange(ctx context.Context) (time.Time, error) {
	r := request{
		method: http.MethodPost, path: "/" + s.names.lasting()[0] + "/_search", query: "request_cache=false",
		body: []byte(`{"size":0,"track_total_hits":false,"aggs":{"clock":{"date_range":{"field":"clock","format":"epoch_millis","ranges":[{"from":"now"}]}}}}`),
	}
	a, err := s.ask(ctx, r, noTime...)
	if err != nil {
		return time.Time{}, err
	}
	defer a.release()
	var found struct {
		Aggregations struct {
			Clock struct {
				Buckets []struct {
					From int64 `json:"from_as_string,string"`
				} `json:"buckets"`
			} `json:"clock"`
		} `json:"aggregations"`
	}
	if a.status != http.StatusOK || json.Unmarshal(a.body, &found) != nil || len(found.Aggregations.Clock.Buckets) != 1 {
		return time.Time{}, fmt.Errorf("%v: status %d: %w", &r, a.status, errNoClock)
	}
	return time.UnixMilli(found.Aggregations.Clock.Buckets[0].From).UTC(), nil
}

// clockFormat is the time in an index's name, in the engines' terms and in Go's.
const (
	clockFormat = "{now{yyyy.MM.dd.HH.mm.ss.SSS|UTC}}"
	clockLayout = "2006.01.02.15.04.05.000"
)

// timeOfName has the name of an index that doesn't exist tell the time.
func (s *Store) timeOfName(ctx context.Context) (time.Time, error) {
	prefix := s.names.prefix + "-clock-"
	r := request{method: http.MethodPost, path: "/" + url.PathEscape("<"+prefix+clockFormat+">") + "/_count"}
	a, err := s.ask(ctx, r, noTime...)
	if err != nil {
		return time.Time{}, err
	}
	defer a.release()
	if e, ok := parseError(a.status, a.body); ok {
		_, text, _ := strings.Cut(e.index+" "+e.reason, prefix)
		if len(text) >= len(clockLayout) {
			if t, err := time.Parse(clockLayout, text[:len(clockLayout)]); err == nil {
				return t, nil
			}
		}
	}
	return time.Time{}, fmt.Errorf("%v: status %d: %w", &r, a.status, errNoClock)
}
