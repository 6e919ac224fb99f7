package elasticstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the sweep.

// Sweep buries expired sessions and removes records past their deadline, at the time
// now; see driver.Store.
//
// now has to be right, since a sweep by a clock that is ahead drops live sessions. A
// Manager checks it by EngineTime before (cloakroom.Admin.Sweep); so should whoever calls
// Sweep directly (driver.CheckClock).
//
// Sweep drops a period's index whole, once the period, one more period and the longest
// lifetime have passed and no deadline in the index lies ahead. In the other indices it
// buries expired sessions, and deletes records past their deadline, one by one. It makes
// the next period's index of each layout in use. A failure on one index doesn't keep
// Sweep from the others.
func (s *Store) Sweep(ctx context.Context, now time.Time) (driver.SweepReport, error) {
	var report driver.SweepReport
	long, done, err := s.beginLong(ctx)
	if err != nil {
		return report, searchError(ctx, "sweep", err)
	}
	defer done()
	if s.cfg.ReadOnly {
		return report, opError("sweep", errReadOnly)
	}
	if err := s.prepare(long); err != nil {
		return report, s.sweepError(ctx, long, err)
	}
	var errs []error
	fail := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}
	there, err := s.indicesToSweep(long, fail)
	if err != nil {
		return report, s.sweepError(ctx, long, err)
	}
	if !s.names.one {
		fail(s.sweepPeriods(long, there, now, &report, fail))
	}
	for _, index := range s.names.lasting() {
		if index == s.names.ledgers() || there[index] != nil { // that of imports is made with the first one
			fail(s.sweepDocuments(long, index, now, &report))
		}
	}
	return report, s.sweepError(ctx, long, errors.Join(errs...))
}

// indicesToSweep returns the indices that are there, by our names, after a comparison with
// the register. It has the index of ledgers made anew if that was lost, which tells it.
func (s *Store) indicesToSweep(ctx context.Context, fail func(error)) (map[string]*indexInfo, error) {
	list, err := s.listIndices(ctx, s.names.pattern())
	if err != nil {
		return nil, err
	}
	there := s.byName(list)
	if ledgers := s.names.ledgers(); there[ledgers] == nil {
		s.places.forget(ledgers)
		if err := s.ensure(ctx, ledgers, 0); err != nil {
			return nil, err
		}
		if list, err = s.listIndices(ctx, s.names.pattern()); err != nil {
			return nil, err
		}
		there = s.byName(list)
	}
	fail(s.takeStock(ctx, list))
	return there, nil
}

func (s *Store) sweepError(ctx, long context.Context, err error) error {
	switch {
	case err == nil:
		return nil
	case ctx.Err() == nil && errors.Is(context.Cause(long), driver.ErrClosed):
		return opError("sweep", driver.ErrClosed)
	}
	return searchError(ctx, "sweep", err)
}

// sweepPeriods drops the indices of periods that are over, and makes the next ones.
func (s *Store) sweepPeriods(ctx context.Context, there map[string]*indexInfo, now time.Time, report *driver.SweepReport, fail func(error)) error {
	for _, name := range slices.Sorted(maps.Keys(there)) {
		info := there[name]
		p, ok := s.names.parse(name)
		switch {
		case !ok:
			continue // of no period, or not one of our names
		case info.mark == nil:
			if s.notes.first("foreign " + name) {
				s.cfg.Logger.Warn("elasticstore: the name of a period's index is that of an index that isn't this package's, or of several; it is left alone", "index", name)
			}
			continue
		}
		dropped, err := s.dropPeriod(ctx, p, info, now)
		fail(err)
		if dropped {
			report.Dropped++
			delete(there, name)
			s.places.forget(name)
		}
		if ctx.Err() != nil {
			return contextError(ctx)
		}
	}
	s.places.keepOnly(func(index string) bool {
		p, ok := s.names.parse(index)
		return !ok || there[index] != nil || !p.droppable(s.cfg.now())
	})
	for l := driver.LayoutHour; l <= driver.LayoutMonth; l++ {
		fail(s.makeNext(ctx, l, now, there))
	}
	return nil
}

// makeNext makes the index of a layout's next period, if the layout is in use. Made only
// when the period begins, it would hold up all operations that come first.
func (s *Store) makeNext(ctx context.Context, l driver.Layout, now time.Time, there map[string]*indexInfo) error {
	p, _ := s.names.holding(l, now)
	current := there[p.index]
	if current == nil || current.mark == nil {
		return nil
	}
	next, _ := s.names.holding(l, p.end)
	if there[next.index] != nil {
		return nil
	}
	n, err := s.count(ctx, p.index, object{"match_all": object{}})
	if err != nil || n == 0 {
		return err
	}
	lifetime := max(s.places.longest(l), time.Duration(current.mark.Lifetime)*time.Millisecond)
	return s.ensure(ctx, next.index, lifetime)
}

// dropPeriod drops a period's index if all its records are over.
func (s *Store) dropPeriod(ctx context.Context, p period, info *indexInfo, now time.Time) (bool, error) {
	if !now.After(p.dropFrom(info.mark.Lifetime)) {
		return false, nil
	}
	if err := s.refresh(ctx, info.name); err != nil {
		return false, err
	}
	// A record without a deadline is never over.
	live := anyOf(object{"range": object{"deadline": object{"gte": ceilMillis(now.Add(-driver.ClockTolerance))}}}, lacks("deadline"))
	n, asked, err := s.countShards(ctx, info.name, live)
	switch {
	case err != nil:
		return false, err
	case n > 0:
		return false, nil
	case asked < info.shards || info.shards < 1:
		return false, &fault{certain: true, text: fmt.Sprintf("the index %q has %d shards, but only %d answered", info.name, info.shards, asked)}
	}
	if err := s.changeRegister(ctx, nil, dropping(p.index)); err != nil {
		return false, err
	}
	r := request{method: http.MethodDelete, path: "/" + info.name, query: s.timeoutQuery()}
	a, err := s.ask(ctx, r, http.StatusNotFound)
	if err != nil {
		return false, err
	}
	defer a.release()
	if a.status == http.StatusNotFound {
		return false, s.checkMissing(&r, a) // another process was faster
	}
	s.cfg.Logger.Info("elasticstore: dropped a period", "index", info.name)
	return true, s.changeRegister(ctx, nil, dropped(p.index))
}

// refresh makes all of an index visible to searches. Copies that are allocated nowhere
// don't count as failed; searches ask all shards anyway.
func (s *Store) refresh(ctx context.Context, index string) error {
	r := request{method: http.MethodPost, path: "/" + index + "/_refresh"}
	a, err := s.ask(ctx, r)
	if err != nil {
		return err
	}
	defer a.release()
	var sh shards
	sc := scanner{data: a.body}
	sc.object(func(name []byte) {
		if string(name) == "_shards" {
			sh = sc.shards()
		} else {
			sc.skip()
		}
	})
	switch err := sc.end(); {
	case err != nil:
		return malformed(&r, "%v", err)
	case !sh.there || sh.failed > 0 || sh.successful == 0:
		return &fault{certain: true, text: fmt.Sprintf("%v: of %d shards %d were refreshed and %d failed", &r, sh.total, sh.successful, sh.failed)}
	}
	return nil
}

// over is a document that may be over, at the version of the hit.
type over struct {
	id      driver.ID
	version driver.Version // the engine's
	home    *home          // where it was found
	rec     *driver.Record
	grave   bool
}

// sweepDocuments ends the records that are over in an index of no period. Searches
// trail, so each end is a compare-and-set at the version that was found.
func (s *Store) sweepDocuments(ctx context.Context, index string, now time.Time, report *driver.SweepReport) error {
	const size = 500
	removable := now.Add(-driver.ClockTolerance)
	query := object{
		"size": size,
		"query": anyOf(
			between("deadline", time.Time{}, removable),
			allOf(term("kind", string(driver.KindSession)), between("expires", time.Time{}, now))),
		"sort":                []object{sortBy("id", "asc", "keyword")},
		"_source":             []string{"kind", "app", "principal", "id", "expires", "deadline", "at", "writes", "revs", driver.ExtraFormat},
		"seq_no_primary_term": true,
		"track_total_hits":    false,
	}
	for {
		found, err := search(ctx, s, index, query, func(h *hit) (o over, ok bool) {
			rec, err := s.searched(ctx, h)
			if errors.Is(err, driver.ErrNewer) && h.unread == nil {
				// A deadline is the same in all formats. Whether the session is idle is
				// for a newer process to judge.
				id, _ := driver.ParseID(string(h.id)) // as searched did
				rec, err = &driver.Record{ID: id, Deadline: h.doc.rec.Deadline}, nil
			}
			if err != nil {
				if s.notes.first("not swept " + string(h.id)) {
					s.cfg.Logger.Warn("elasticstore: a sweep leaves a document alone", "id", string(h.id), "index", index, "error", err)
				}
				return o, false
			}
			return over{id: rec.ID, version: h.version, home: h.home, rec: rec, grave: rec.Grave != nil}, true
		})
		if err != nil {
			return err
		}
		var ends []*write
		for _, o := range found.items {
			w, err := o.end(index, now)
			if err != nil {
				return err
			}
			if w != nil {
				ends = append(ends, w)
			}
		}
		if err := s.endAll(ctx, ends, report); err != nil {
			return err
		}
		if found.hits < size {
			return nil
		}
		query["search_after"] = found.last
	}
}

// end returns the write that ends a document; nil if it isn't over.
func (o *over) end(index string, now time.Time) (*write, error) {
	deadline := o.rec.Deadline
	if o.grave {
		deadline = o.rec.Grave.Until
	}
	w := &write{index: index, id: o.id, at: o.version, home: o.home}
	switch {
	case !deadline.IsZero() && now.After(deadline.Add(driver.ClockTolerance)):
		w.action = deleteAt
		return w, nil
	case !o.grave && o.rec.Kind == driver.KindSession && !o.rec.Expires.IsZero() && now.After(o.rec.Expires):
		var err error
		w.action = replaceAt
		g := o.rec.ExpiredGrave(now)
		w.document, err = encodeGrave(o.id, &g)
		return w, err
	}
	return nil, nil
}

// endAll sends a sweep's writes. To send one again is always safe: it only happens at
// the version that was judged.
func (s *Store) endAll(ctx context.Context, ends []*write, report *driver.SweepReport) error {
	b := s.backoff()
	var since time.Time // when the trouble began
	for len(ends) > 0 {
		batch := ends[:min(len(ends), s.cfg.MaxItems)]
		flush, cancel := context.WithTimeout(ctx, s.cfg.RequestTimeout)
		results := s.writeAll(flush, batch)
		cancel()
		var failed []*write
		var f *fault
		for i, r := range results {
			w := batch[i]
			switch {
			case r.Err == nil && w.action == deleteAt:
				report.Removed++
			case r.Err == nil:
				report.Buried++
			case errors.Is(r.Err, errVersion), errors.Is(r.Err, errNotThere), errors.Is(r.Err, errNoIndex):
				// It has changed since it was judged: the next sweep looks again.
			case errors.As(r.Err, &f):
				failed = append(failed, w)
			default:
				return r.Err
			}
		}
		ends = ends[len(batch):]
		if f == nil {
			b, since = s.backoff(), time.Time{}
			continue
		}
		if since.IsZero() {
			since = time.Now()
		}
		if time.Since(since) > 2*s.cfg.RequestTimeout || !b.wait(ctx, f) {
			return f
		}
		ends = append(failed, ends...)
	}
	return nil
}
