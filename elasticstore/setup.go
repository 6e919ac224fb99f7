package elasticstore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"time"
)

// This file is Setup: the index template, and the indices of no period.

// Setup makes the index template, in its present form, and the index of ledgers. It may
// be called at any time, from many processes at once. Without it the first operation that
// needs them does the same, except that a login that may not see index templates then
// does with the indices alone.
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
	if err := s.meetIndices(ctx); err != nil {
		return err
	}
	s.ready.succeed()
	return nil
}

// meetIndices makes the index of ledgers if it isn't there, compares all indices with the
// register, and looks whose templates decide about new ones.
func (s *Store) meetIndices(ctx context.Context) error {
	if err := s.ensure(ctx, s.names.ledgers(), 0); err != nil {
		return err
	}
	list, err := s.listIndices(ctx, s.names.pattern())
	if err != nil {
		return err
	}
	s.noteRegister(s.takeStock(ctx, list))
	s.tellNeighbours(ctx)
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
				s.tellWithoutTemplate(f)
			}
		default:
			return err
		}
		return s.meetIndices(ctx)
	})
}

// tellWithoutTemplate says why the store works without its template. A login that needn't
// see templates is as the documentation has it: that is no warning.
func (s *Store) tellWithoutTemplate(f *fault) {
	log, name := s.cfg.Logger, s.names.template()
	if f.overlap {
		log.Warn("elasticstore: another index template keeps ours from being made; indices are made without it", "template", name, "error", f)
		return
	}
	log.Info("elasticstore: the login may not see or make the index template; indices are made without it. "+
		"If nobody has run Setup yet, do so with a login that may, or set Config.NoTemplate", "template", name, "login", s.login())
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
