package elasticstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is indices that were lost: noticing it, telling it, and serving visitors
// meanwhile.
//
// An engine that doesn't know an index may be a node that lags behind, or an operator may
// be about to restore the index. So a read waits for a while (Config.patience). Then the
// index is made anew. Only the cluster's manager can do that, and it knows all indices, so
// the loss is certain then. It is told, and visitors whose session was in the index are
// visitors without a session: nobody waits again. What was lost stays in Report until an
// operator acknowledges it.

// missed acts on a read that met no index. It returns nil if the read is to be tried
// again, else the read's error.
//
// made is when the caller had the index made, in nanoseconds of sinceStart; 0: not yet.
func (s *Store) missed(ctx context.Context, p *place, id driver.ID, b *backoff, made *int64) error {
	if period, ok := s.names.holding(id.Layout(), id.Time()); ok && period.droppable(s.cfg.now()) {
		return driver.ErrNotFound
	}
	p.made.forget()
	const forgotten = time.Minute // a lag of then is none of now
	now := max(sinceStart(), 1)
	since := p.missing.Load()
	if since == 0 || time.Duration(now-since) > s.cfg.patience+forgotten {
		p.missing.CompareAndSwap(since, now)
		since = now
	}
	if *made == 0 && (time.Duration(now-since) > s.cfg.patience || s.unmade(p.name)) {
		if err := s.ensure(ctx, p.name, s.places.longest(id.Layout())); err != nil {
			return err
		}
		*made, b.tries = sinceStart(), 0 // it is there now
	}
	most := mostWait
	if *made == 0 {
		most = s.cfg.patience - time.Duration(now-since)
	}
	if *made != 0 && time.Duration(now-*made) > s.cfg.patience || !b.pauseUpTo(ctx, most) {
		return s.outOfSight(p.name)
	}
	return nil
}

// unmade reports whether an index is that of imports, and was never made: it is made when
// the first import asks for it.
func (s *Store) unmade(name string) bool {
	r := s.registered.Load()
	return name != s.names.ledgers() && slices.Contains(s.names.lasting(), name) && r != nil && r.find(name) == nil
}

// outOfSight is the fault of an index that a node doesn't know and that should be there.
// To call its sessions ended would sign everyone out because a node lags behind.
func (s *Store) outOfSight(index string) error {
	return &fault{certain: true, text: fmt.Sprintf("the index %q is not there for the node that was asked, too early to have been dropped: "+
		"the node lags behind, or the index was deleted and has to be restored from a snapshot", index)}
}

// compare compares the register with what is there, by our names, and brings it up to
// date. whole says that found has all indices.
func (s *Store) compare(ctx context.Context, found map[string]*indexInfo, whole bool) error {
	ledgers := s.names.ledgers()
	var was *keptRegister
	switch {
	case whole && found[ledgers] == nil:
		return nil // without its index there is no register
	case !whole && s.asRemembered(found):
		return nil
	case !whole:
		var err error
		if was, err = s.loadRegister(ctx); err != nil {
			return err
		}
		if was.term == 0 || s.another(&was.register, nil) { // it has to begin with all of them
			list, err := s.listIndices(ctx, s.names.pattern())
			if err != nil {
				return err
			}
			return s.takeStock(ctx, list)
		}
	}
	if s.cfg.ReadOnly {
		return nil
	}
	var failed error
	err := s.changeRegister(ctx, was, func(r *register, fresh bool) bool {
		var there map[string]*indexInfo
		if there, failed = s.listedSince(ctx, r, found, whole); failed != nil || len(there) == 0 || whole && there[ledgers] == nil {
			return false
		}
		found := there
		if !whole {
			return r.update(found, false, s.cfg.now(), s.overByBoth(ctx))
		}
		changed, copied := s.judge(ctx, r, fresh, found)
		if copied {
			s.cfg.Logger.Info("elasticstore: the indices were copied to this place; the register of indices begins anew with them", "index", s.names.pattern())
		}
		return changed
	})
	return errors.Join(failed, err)
}

// listedSince returns what is there, as it was found; or as it is listed anew, if something
// isn't as the register says. The register was loaded after the first listing, and another
// process may have made an index and entered it in between: that isn't lost.
func (s *Store) listedSince(ctx context.Context, r *register, found map[string]*indexInfo, whole bool) (map[string]*indexInfo, error) {
	if !slices.ContainsFunc(r.Indices, func(e entry) bool {
		info := found[e.Name]
		return info == nil && whole && !e.Lost || info != nil && info.uuid != e.UUID
	}) {
		return found, nil
	}
	list, err := s.listIndices(ctx, s.names.pattern())
	if err != nil {
		return nil, err
	}
	again := s.byName(list)
	if !whole {
		maps.DeleteFunc(again, func(name string, _ *indexInfo) bool { return found[name] == nil })
	}
	return again, nil
}

// judge brings a register up to date with all indices that are there. fresh says that there
// was none. copied says that it came here with copies of all indices.
func (s *Store) judge(ctx context.Context, r *register, fresh bool, found map[string]*indexInfo) (changed, copied bool) {
	ledgers := s.names.ledgers()
	own := found[ledgers]
	if own != nil && own.mark == nil {
		own = nil // another's, of which nothing follows
	}
	switch {
	case !fresh && r.copied(own, ledgers):
		r.Indices, changed, copied = nil, true, true
	case fresh, s.another(r, own):
		changed = r.recall(s.registered.Load(), fresh)
		if fresh && len(r.Indices) == 0 && own != nil {
			r.startLate(found, ledgers, s.cfg.now())
		}
	}
	return r.update(found, true, s.cfg.now(), s.overByBoth(ctx)) || changed, copied
}

// another reports whether a register isn't the one that this process remembers, grown
// since: its index was lost, and made anew by a process that remembered nothing; or it was
// restored. info is that index, nil if it wasn't looked at.
func (s *Store) another(r *register, info *indexInfo) bool {
	mine := s.registered.Load()
	if mine == nil {
		return false
	}
	knew, has := mine.find(s.names.ledgers()), r.find(s.names.ledgers())
	return knew != nil && (has == nil || has.UUID != knew.UUID || info != nil && info.uuid != knew.UUID)
}

// noteRegister tells that the register couldn't be brought up to date. No operation fails
// for that.
func (s *Store) noteRegister(err error) {
	var f *fault
	switch {
	case err == nil, errors.As(err, &f) && f.forbidden: // a login that may only read
	case s.notes.first("register"):
		s.cfg.Logger.Warn("elasticstore: the register of indices, by which a lost index is noticed, can't be brought up to date; "+
			"the next sweep tries again", "index", s.names.ledgers(), "error", err)
	}
}

// startLate begins a register. If the index that holds it is younger than others, ledgers
// were lost: it is made before all others.
func (r *register) startLate(found map[string]*indexInfo, ledgers string, now time.Time) {
	own := found[ledgers]
	for name, info := range found {
		if name != ledgers && info.mark != nil && info.made < own.made && info.name == name && own.name == ledgers {
			r.blame(&entry{Name: ledgers, Seen: 0}, wasRemade, now)
			return
		}
	}
}

// mayBeGone reports whether nothing is lost with an index: a sweep, of whatever version, may
// have dropped it, or its period hasn't begun.
func (s *Store) mayBeGone(e *entry, now time.Time) bool {
	p, ok := s.names.parse(e.Name)
	if !ok {
		return !s.names.ours(e.Name) // of another Config.Index, from which it was moved
	}
	return now.Before(p.start) || now.After(p.dropFrom(e.Lifetime))
}

// overByBoth returns mayBeGone by this machine's clock and by the engine's, which is asked only
// if there is something over by this one's: a machine whose clock is wrong must not take a
// loss for the end of a period.
func (s *Store) overByBoth(ctx context.Context) func(*entry) bool {
	now := s.cfg.now()
	there := sync.OnceValue(func() time.Time {
		t, err := s.EngineTime(ctx)
		if err != nil {
			return now // nobody else can be asked
		}
		return t
	})
	return func(e *entry) bool { return s.mayBeGone(e, now) && s.mayBeGone(e, there()) }
}

// remember keeps what the register says, and tells of incidents that this process hasn't
// told yet.
func (s *Store) remember(r *register) {
	s.registered.Store(r)
	for _, i := range r.Incidents {
		if s.incidents.first(fmt.Sprint(i)) {
			p, how := i.problem(s.names), s.cfg.Logger.Error
			if p.Severity != driver.SeverityFail {
				how = s.cfg.Logger.Warn
			}
			how("elasticstore: "+p.Meaning, "index", i.Index, "remedy", p.Remedy)
		}
	}
}

// asRemembered reports whether the indices found are those that this process remembers.
func (s *Store) asRemembered(found map[string]*indexInfo) bool {
	r := s.registered.Load()
	if r == nil {
		return false
	}
	for name, info := range found {
		if e := r.find(name); e == nil || e.UUID != info.uuid || e.Lost {
			return false
		}
	}
	return true
}

// takeStock compares the register with all indices of the store.
func (s *Store) takeStock(ctx context.Context, list []indexInfo) error {
	found := s.byName(list)
	for name, info := range found {
		if p := s.places.get(name, s.cfg.now); info.mark != nil {
			s.settle(p, info)
		} else {
			p.made.forget() // the next write finds out what is there, and tells it
		}
	}
	return s.compare(ctx, found, true)
}

// problem returns the problem that an incident is.
func (i *incident) problem(n names) driver.Problem {
	at := func(ms int64) string { return time.UnixMilli(ms).UTC().Format(time.RFC3339) }
	when := "noticed at " + at(i.Found)
	if i.Seen != 0 {
		when = fmt.Sprintf("after %s, and noticed at %s", at(i.Seen), at(i.Found))
	}
	ledgers := i.Index == n.ledgers() && !n.one
	what := "the sessions and graves that were in it; those visitors have to sign in again"
	remedy := "Restore what was in it from a snapshot, as docs/operations.md says (A lost index). Or give it up. Then acknowledge the loss (Store.Acknowledge)."
	if p, ok := n.parse(i.Index); ok {
		what = fmt.Sprintf("the sessions that began from %s to %s; those visitors have to sign in again", at(p.start.UnixMilli()), at(p.end.UnixMilli()))
	} else if ledgers {
		what = "the ledgers, which say who is signed in where. Sessions go on, and signing out everywhere ends them. But lists of devices and limits leave out those that are signed in already"
		remedy = "Rebuild the ledgers, as docs/operations.md says (A lost index). Then acknowledge the loss (Store.Acknowledge)."
	}
	switch {
	case i.What == wasLost:
		return driver.Problem{
			Code: "index-lost", Severity: driver.SeverityFail, Remedy: remedy,
			Meaning: fmt.Sprintf("The index %q is missing: it was deleted %s. Lost with it are %s.", i.Index, when, what),
		}
	case i.What == wasRestored && ledgers:
		return driver.Problem{
			Code: "index-restored", Severity: driver.SeverityWarn,
			Meaning: fmt.Sprintf("The index %q was restored from a snapshot (%s). Its ledgers lack the sign-ins after the snapshot: "+
				"lists of devices and limits leave out those sessions. Signing out everywhere ends them.", i.Index, when),
			Remedy: "Rebuild the ledgers, as docs/operations.md says (Backup and restore). Then acknowledge it (Store.Acknowledge).",
		}
	case i.What == wasRestored:
		return driver.Problem{
			Code: "index-restored", Severity: driver.SeverityWarn,
			Meaning: fmt.Sprintf("The index %q was restored from a snapshot (%s). What was saved after the snapshot is lost, and sessions that ended after it may open again.", i.Index, when),
			Remedy:  "Choose whether everybody has to sign in again (Config.NotBefore): see docs/operations.md (Backup and restore). Then acknowledge it (Store.Acknowledge).",
		}
	}
	return driver.Problem{
		Code: "index-remade", Severity: driver.SeverityFail, Remedy: remedy,
		Meaning: fmt.Sprintf("The index %q was deleted, and made anew without what was in it (%s). Lost are %s.", i.Index, when, what),
	}
}

// Acknowledge takes note that an operator knows of the indices that were lost, made anew
// or restored: Report doesn't tell of them any more. It returns their names.
func (s *Store) Acknowledge(ctx context.Context) ([]string, error) {
	if s.cfg.ReadOnly {
		return nil, opError("acknowledge", errReadOnly)
	}
	bounded, done, err := s.begin(ctx)
	if err != nil {
		return nil, opError("acknowledge", err)
	}
	defer done()
	var known []string
	err = s.prepare(bounded)
	if err == nil {
		// Report looks at what is there now, and so has to be what is acknowledged.
		var list []indexInfo
		if list, err = s.listIndices(bounded, s.names.pattern()); err == nil {
			err = s.takeStock(bounded, list)
		}
	}
	if err == nil {
		err = s.changeRegister(bounded, nil, func(r *register, _ bool) bool {
			known = nil
			for _, i := range r.Incidents {
				known = append(known, i.Index)
			}
			r.Incidents = nil
			return len(known) > 0
		})
	}
	if err != nil {
		return nil, searchError(ctx, "acknowledge", err)
	}
	slices.SortFunc(known, strings.Compare)
	return known, nil
}

// reportRegister tells of what was lost.
func (x *examination) reportRegister(ctx context.Context, f *findings) {
	if x.found[x.names.ledgers()] == nil {
		return // that is told of by itself
	}
	was, err := x.loadRegister(ctx)
	if !f.learned("the register of indices, by which a lost index is noticed", right{"read", "read"}, err) {
		return
	}
	r := was.clone()
	x.judge(ctx, r, was.term == 0, x.found)
	for _, i := range r.Incidents {
		f.problems = append(f.problems, i.problem(x.names))
	}
}
