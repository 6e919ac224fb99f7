package elasticstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// This file is Setup, the mapping, and the mark that shows what is ours.

// format is the version of the mapping, and of the template that has it. Setup replaces
// an older template and leaves a newer one alone: so two versions at work on one engine
// don't replace each other's in turn, and the newer stays. Indices keep the mapping that
// they were made with. A version works with indices of all formats, side by side in one
// search. format says nothing of documents, which are the same in all formats; see
// driver.CheckFormat.
//
//	1  times are dates, and members that no query asks for are not mentioned
//	2  times are numbers, and members that no query will ask for are disabled
//	3  the template's patterns are as narrow as the names of indices
const format = 3

// mark is the member of a mapping's _meta that shows that the mapping is ours.
type mark struct {
	Cloakroom *markOfOurs `json:"cloakroom,omitempty"`
}

type markOfOurs struct {
	Format int `json:"format"`
	// Settings are those of the configuration that the template was made from, and
	// Priority is that priority. Where the template differs, an operator has edited it.
	Settings string `json:"settings,omitempty"`
	Priority int    `json:"priority,omitempty"`
	// Lifetime is the longest lifetime, in milliseconds, that was known when the index
	// was made. Sweep keeps the index that much longer.
	Lifetime int64 `json:"lifetime,omitempty"`
}

type object = map[string]any

// mapping indexes only the members that queries need, since each field costs on every
// save.
//
// Times are numbers, because an engine reads a date by a calendar each time. A search
// goes through both: either is a number of milliseconds when it is sorted and compared
// (TestMixedMappings).
//
// Members that no query will ask for are disabled ("enabled": false). The engine passes
// over a disabled member unread, which costs less than a member that the mapping doesn't
// name, for which the engine looks first. An index can't index a member any more once
// its mapping has disabled it. So the mapping doesn't name members that a later version
// may want to find records by: those reserved for it (driver.ExtraLabels and its likes),
// and those of graves alone (at, reason, successor), which no save has to pay for.
func mapping(m markOfOurs) object {
	term := object{"type": "keyword", "doc_values": false}
	time := object{"type": "long", "doc_values": false}
	properties := object{
		"id":        object{"type": "keyword", "index": false}, // searches sort by it
		"kind":      term,
		"app":       term,
		"principal": term,
		"created":   object{"type": "long"}, // and by this
		"expires":   time,
		"deadline":  time,
	}
	for _, name := range []string{"authenticated", "seen", "verifier", "previous", "previousEnds", "persistent", "client", "writes", "revs", "values", "raw"} {
		properties[name] = object{"type": "object", "enabled": false}
	}
	return object{"_meta": mark{&m}, "dynamic": false, "properties": properties}
}

// indexed reports whether the mapping makes the engine read a member of this name.
func indexed(name string) bool {
	switch name {
	case "id", "kind", "app", "principal", "created", "expires", "deadline":
		return true
	}
	return false
}

// Setup makes the index template, in its present form, and the index of ledgers. It may be called at any time, from many processes at once. Without it the
// first operation that needs them does the same, except that a login that may not see
// index templates then does with the indices alone.
func (s *Store) Setup(ctx context.Context) error {
	bounded, done, err := s.begin(ctx)
	if err != nil {
		return opError("setup", err)
	}
	defer done()
	if s.cfg.ReadOnly {
		return opError("setup", errReadOnly)
	}
	if err := s.setUp(bounded); err != nil {
		if ctx.Err() != nil && !errors.Is(err, ctx.Err()) {
			err = fmt.Errorf("%w: %w", contextError(ctx), err)
		}
		return opError("setup", unavailable(err, false))
	}
	return nil
}

// setUp does Setup's work, whether or not it was done before.
func (s *Store) setUp(ctx context.Context) error {
	if err := s.putTemplate(ctx); err != nil {
		return err
	}
	for _, index := range s.names.lasting() {
		s.places.forget(index)
	}
	if err := s.findIndices(ctx); err != nil {
		return err
	}
	s.tellNeighbours(ctx)
	s.ready.succeed()
	return nil
}

// findIndices makes the index of ledgers if it isn't there, and compares all indices with
// the register.
func (s *Store) findIndices(ctx context.Context) error {
	if err := s.ensure(ctx, s.names.ledgers(), 0); err != nil {
		return err
	}
	list, err := s.listIndices(ctx, s.names.pattern())
	if err != nil {
		return err
	}
	s.noteRegister(s.takeStock(ctx, list))
	return nil
}

// prepare does Setup's work once, for an operation that needs it.
func (s *Store) prepare(ctx context.Context) error {
	if s.ready.ok.Load() {
		return nil
	}
	return s.onceFor(ctx, &s.ready, func(ctx context.Context) error {
		err := s.putTemplate(ctx)
		var f *fault
		switch {
		case err == nil:
		case errors.As(err, &f) && (f.forbidden || f.overlap):
			// Indices are made with everything that the template has. The template only
			// matters for an index that is swept while somebody writes to it.
			if s.notes.first("template") {
				s.cfg.Logger.Warn("elasticstore: "+withoutTemplate(f), "template", s.names.template(), "error", err)
			}
		default:
			return err
		}
		if err := s.findIndices(ctx); err != nil {
			return err
		}
		s.tellNeighbours(ctx)
		return nil
	})
}

// withoutTemplate says why the store works without its template.
func withoutTemplate(f *fault) string {
	if f.overlap {
		return "another index template keeps ours from being made; indices are made without it"
	}
	return "not allowed to see or make the index template; run setup with a login that is"
}

// onceFor does f once for all callers, and repeats it while that may help, until ctx or
// the time of an operation ends.
func (s *Store) onceFor(ctx context.Context, o *once, f func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, 2*s.cfg.RequestTimeout)
	defer cancel()
	b := s.backoff()
	for {
		err := o.do(ctx, s.detached, func() error {
			ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.cfg.RequestTimeout)
			defer cancel()
			return f(ctx)
		})
		var bad *fault
		if err == nil || !errors.As(err, &bad) || !b.wait(ctx, bad) {
			return err
		}
	}
}

// readMark returns the mark in a mapping's _meta, or nil.
func readMark(meta json.RawMessage) *markOfOurs {
	var m mark
	if json.Unmarshal(meta, &m) != nil || m.Cloakroom == nil || m.Cloakroom.Format <= 0 {
		return nil
	}
	return m.Cloakroom
}

// checkMissing returns nil if an engine says "not found", and a fault if somebody else
// does, such as a proxy without a back end.
func (s *Store) checkMissing(r *request, a *answer) error {
	if _, ok := parseError(a.status, a.body); ok {
		return nil
	}
	return &fault{text: fmt.Sprintf("%v: status 404, not from Elasticsearch or OpenSearch", r), certain: !r.write, again: thrice}
}

// timeoutQuery returns the engine's own time limit. It ends before ours, so that the
// answer tells the outcome.
func (s *Store) timeoutQuery() string {
	d := s.cfg.RequestTimeout * 3 / 4
	return "timeout=" + url.QueryEscape(fmt.Sprintf("%dms", max(d/time.Millisecond, 1)))
}
