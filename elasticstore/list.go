package elasticstore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is List. It goes through the shards of our indices, each in the order of
// sequence numbers. A write gives its document a higher number. So nothing is passed over
// that is written meanwhile, and behind the end of a shard there is only what was written
// since.

// listing is the place that a listing has come to: the text of a Next.
type listing struct {
	// Done is what a listing has of each shard, by the index's uuid and the number of the
	// shard: everything below this sequence number.
	Done map[string]uint64 `json:"done,omitempty"`
	// At is the shard under way. Behind an end there is none.
	At *listed `json:"at,omitempty"`
}

// listed is a shard of which a part is listed.
type listed struct {
	Name  string `json:"name"`  // the store's name of the index; names before it are done
	Index string `json:"index"` // the index behind the name
	UUID  string `json:"uuid"`
	Shard int    `json:"shard"`
	Of    int    `json:"of"`              // shards of the index
	Node  string `json:"node,omitempty"`  // that had the primary copy of the shard
	Bound uint64 `json:"bound"`           // everything below it can be found
	Begin uint64 `json:"begin,omitempty"` // where this listing of the shard began
	After uint64 `json:"after,omitempty"` // the sequence number of the last document; 0: of none
	Size  int    `json:"size"`            // of the next page
}

func (l *listed) key() string { return l.UUID + "/" + strconv.Itoa(l.Shard) }

// Pages of a listing begin small, since the size of the records isn't known yet.
const (
	firstListed = 200
	mostListed  = 2000
	listedBytes = 8 << 20
)

// List returns the next part of all records and graves; see driver.Lister. A listing that
// goes on behind an end has what was written since. A login that may not see the indices'
// statistics ("monitor") can't be told that: it gets everything again.
func (s *Store) List(ctx context.Context, after string) (driver.Part, error) {
	part, err := s.list(ctx, after)
	switch {
	case err == nil:
		return part, nil
	case errors.Is(err, driver.ErrInvalid):
		return driver.Part{}, opError("list", err)
	}
	return driver.Part{}, searchError(ctx, "list", err)
}

func (s *Store) list(ctx context.Context, after string) (driver.Part, error) {
	ctx, done, err := s.begin(ctx)
	if err != nil {
		return driver.Part{}, err
	}
	defer done()
	l, err := readListing(after)
	if err != nil {
		return driver.Part{}, err
	}
	if err := s.prepareToRead(ctx); err != nil {
		return driver.Part{}, err
	}
	if l.At == nil || l.At.Size == 0 { // nothing is begun, or a shard is done
		more, err := s.nextShard(ctx, l)
		switch {
		case err != nil:
			return driver.Part{}, err
		case !more:
			return driver.Part{Next: l.String(), End: true}, nil
		}
	}
	items, err := s.listPage(ctx, l)
	if err != nil {
		return driver.Part{}, err
	}
	return driver.Part{Items: items, Next: l.String()}, nil
}

// readListing reads a Next; "" is the beginning.
func readListing(text string) (*listing, error) {
	l := new(listing)
	if text == "" {
		return l, nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(l); err == nil && d.InputOffset() == int64(len(text)) && l.String() == text {
		at := l.At
		if at == nil || at.Name != "" && at.Index != "" && at.UUID != "" && at.Shard >= 0 && at.Shard < at.Of && at.Size >= 0 && at.Size <= mostListed {
			return l, nil
		}
	}
	return nil, fmt.Errorf("%w: no listing goes on at %.100q", driver.ErrInvalid, text)
}

func (l *listing) String() string {
	text, _ := json.Marshal(l) // it always can be
	return string(text)
}

// nextShard goes to the next shard. It returns false behind the last one.
func (s *Store) nextShard(ctx context.Context, l *listing) (bool, error) {
	if at := l.At; at != nil && at.Shard+1 < at.Of {
		return true, s.beginShard(ctx, l, listed{Name: at.Name, Index: at.Index, UUID: at.UUID, Shard: at.Shard + 1, Of: at.Of})
	}
	list, err := s.listIndices(ctx, s.names.pattern())
	if err != nil {
		return false, err
	}
	found := s.byName(list)
	last := ""
	if l.At != nil {
		last = l.At.Name
	}
	for _, name := range slices.Sorted(maps.Keys(found)) {
		info := found[name]
		if name <= last {
			continue
		}
		if info.mark == nil {
			return false, s.checkOurs(name, []indexInfo{*info}) // it may hold records, and can't be read
		}
		s.settle(s.places.get(name, s.cfg.now), info)
		return true, s.beginShard(ctx, l, listed{Name: name, Index: info.name, UUID: info.uuid, Of: max(info.shards, 1)})
	}
	l.At = nil
	s.forgetGone(l, found)
	return false, nil
}

// forgetGone forgets shards of indices that aren't there any more.
func (s *Store) forgetGone(l *listing, found map[string]*indexInfo) {
	there := map[string]bool{}
	for _, info := range found {
		there[info.uuid] = true
	}
	maps.DeleteFunc(l.Done, func(key string, _ uint64) bool {
		uuid, _, _ := strings.Cut(key, "/")
		return !there[uuid]
	})
}

// beginShard begins to list a shard. What was acknowledged before can be found from then
// on.
func (s *Store) beginShard(ctx context.Context, l *listing, at listed) error {
	at.Begin = l.Done[at.key()]
	bound, node, err := s.checkpoint(ctx, at.Index, at.Shard)
	if err != nil {
		return err
	}
	if err := s.refresh(ctx, at.Index); err != nil {
		return err
	}
	at.Bound, at.Node, at.Size = max(bound, at.Begin), node, firstListed
	l.At = &at
	return nil
}

// checkpoint returns a sequence number below which all writes of a shard are carried out,
// on all of its copies. What is under way may have a number between those that can be
// found already. 0: it isn't known. node has the primary copy.
func (s *Store) checkpoint(ctx context.Context, index string, shard int) (bound uint64, node string, err error) {
	r := request{method: http.MethodGet, path: "/" + index + "/_stats/docs", query: "level=shards&filter_path=indices.*.shards.*.routing,indices.*.shards.*.seq_no.global_checkpoint"}
	a, err := s.ask(ctx, r)
	var f *fault
	switch {
	case errors.As(err, &f) && f.forbidden:
		if s.notes.first("no statistics") {
			s.cfg.Logger.Warn("elasticstore: the login may not see statistics of indices (monitor), so a listing can't tell what was written since the one before it", "index", index)
		}
		return 0, "", nil
	case err != nil:
		return 0, "", err
	}
	defer a.release()
	var body struct {
		Indices map[string]struct {
			Shards map[string][]struct {
				Routing struct {
					Primary bool   `json:"primary"`
					Node    string `json:"node"`
				} `json:"routing"`
				Seq struct {
					Checkpoint int64 `json:"global_checkpoint"`
				} `json:"seq_no"`
			} `json:"shards"`
		} `json:"indices"`
	}
	if err := json.Unmarshal(a.body, &body); err != nil {
		return 0, "", malformed(&r, "%v", err)
	}
	for _, c := range body.Indices[index].Shards[strconv.Itoa(shard)] {
		if c.Routing.Primary && c.Seq.Checkpoint >= 0 {
			return uint64(c.Seq.Checkpoint) + 1, c.Routing.Node, nil
		}
	}
	return 0, "", nil
}

// preference asks for one shard, and always for the same of its copies, as far as that is
// there: another may not show yet what this one has shown.
func (l *listed) preference() string {
	switch {
	case l.Of == 1:
		return "cloakroom"
	case l.Node != "":
		return fmt.Sprintf("_shards:%d|_prefer_nodes:%s", l.Shard, l.Node)
	}
	return fmt.Sprintf("_shards:%d", l.Shard)
}

// listPage lists the next page of the shard under way. Behind its last page At has no
// size.
func (s *Store) listPage(ctx context.Context, l *listing) ([]driver.Listed, error) {
	at := *l.At
	body := object{
		"size": at.Size,
		"query": object{"bool": object{
			"filter":   object{"range": object{"_seq_no": object{"gte": max(at.Begin, at.After)}}},
			"must_not": term("kind", kindRegister),
		}},
		"sort":                []object{{"_seq_no": object{"order": "asc"}}},
		"seq_no_primary_term": true,
		"track_total_hits":    false,
	}
	if at.After > 0 {
		body["search_after"] = []uint64{at.After}
	}
	var failed error
	p, err := searchAt(ctx, s, at.Index, at.preference(), body, func(h *hit) (driver.Listed, bool) {
		item, err := s.listedHit(ctx, h)
		failed = errors.Join(failed, err)
		return item, err == nil
	})
	if err == nil {
		err = failed
	}
	if err != nil {
		if s.isGone(ctx, &at) {
			l.At.Shard, l.At.Size = l.At.Of, 0 // the next index
			return nil, nil
		}
		return nil, err
	}
	if p.hits < at.Size {
		if l.Done == nil {
			l.Done = map[string]uint64{}
		}
		l.Done[at.key()] = at.Bound
		at.Size = 0
	} else {
		if at.After, err = strconv.ParseUint(string(bytes.Trim(p.last, "[] ")), 10, 64); err != nil {
			return nil, &fault{certain: true, text: fmt.Sprintf("a hit of %q is sorted by %.40q instead of its sequence number", at.Index, p.last)}
		}
		at.Size = min(max(listedBytes/max(p.bytes/p.hits, 1), 10), mostListed)
	}
	l.At = &at
	return p.items, nil
}

// isGone reports whether an index of a listing isn't there any more, as after a sweep.
func (s *Store) isGone(ctx context.Context, at *listed) bool {
	list, err := s.listIndices(ctx, at.Index)
	return err == nil && !slices.ContainsFunc(list, func(i indexInfo) bool { return i.uuid == at.UUID })
}

// listedHit is a document of a listing. An error is no document's.
func (s *Store) listedHit(ctx context.Context, h *hit) (driver.Listed, error) {
	item := driver.Listed{}
	var bad error
	if item.ID, bad = driver.ParseID(string(h.id)); bad != nil {
		item.Err = fmt.Errorf("%w: the document %.100q in %q: its _id isn't one of a record", driver.ErrCorrupt, h.id, h.index)
		return item, nil //nolint:nilerr // it is the document's
	}
	rec, err := s.searched(ctx, h)
	var f *fault
	switch {
	case err == nil:
		item.Record = rec
	case errors.As(err, &f):
		return item, err
	case errors.Is(err, driver.ErrNewer), errors.Is(err, driver.ErrCorrupt):
		item.Err = fmt.Errorf("%v: %w", item.ID, err)
	default:
		item.Err = fmt.Errorf("%v in %q: %w: %w", item.ID, h.index, driver.ErrCorrupt, err)
	}
	return item, nil
}
