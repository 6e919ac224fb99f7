package storetest_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"maps"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/figures"
	"github.com/cloakroom-go/cloakroom/storetest"
)

// This file is the store with which the suite itself is tested, and its faults.

// reference is a store as simple as can be, to test the suite with. Its search
// trails until it is settled, its data outlives it, records can be damaged, and
// it can be given faults.
type reference struct {
	data   *data
	faults map[fault]bool

	fenced time.Time // for fenceIsOneStores

	opened        time.Time
	reads, writes figures.Tally[int64] // each a batch of its own

	mu     sync.Mutex // guards closed alone
	closed bool
}

// data is what several references may share.
type data struct {
	mu       sync.Mutex
	records  map[driver.ID]*driver.Record
	damaged  map[driver.ID]bool
	searched map[driver.ID]*driver.Record // what searches see
	last     uint64
	stale    map[driver.ID]*driver.Record // the state before the last
	writes   int
	fenced   time.Time // since when writes are refused
	tried    int       // writes, refused or not
}

var (
	_ driver.Store     = (*reference)(nil)
	_ driver.Inspector = (*reference)(nil)
	_ driver.Counter   = (*reference)(nil)
)

// harness returns a harness that can do all, for a store with faults.
func harness(faults ...fault) storetest.Harness {
	set := map[fault]bool{}
	for _, f := range faults {
		set[f] = true
	}
	newData := func() *data {
		return &data{records: map[driver.ID]*driver.Record{}, damaged: map[driver.ID]bool{},
			stale: map[driver.ID]*driver.Record{}}
	}
	patience := 30 * time.Second
	if len(set) > 0 {
		patience = 5 * time.Second // some faults are only told by waiting
	}
	return storetest.Harness{
		Open: func(testing.TB) driver.Store { return &reference{data: newData(), faults: set, opened: time.Now()} },
		Second: func(_ testing.TB, s driver.Store) driver.Store {
			if set[forgetsAtClose] {
				return &reference{data: newData(), faults: set, opened: time.Now()}
			}
			return &reference{data: s.(*reference).data, faults: set, opened: time.Now()}
		},
		Settle: func(_ testing.TB, s driver.Store) {
			d := s.(*reference).data
			d.mu.Lock()
			defer d.mu.Unlock()
			d.searched = maps.Clone(d.records)
		},
		ForgetTombstones: func(_ testing.TB, s driver.Store) {
			d := s.(*reference).data
			d.mu.Lock()
			defer d.mu.Unlock()
			if set[tombstonesMatter] {
				d.last = 0
			}
		},
		Corrupt: func(_ testing.TB, s driver.Store, id driver.ID) {
			d := s.(*reference).data
			d.mu.Lock()
			defer d.mu.Unlock()
			d.damaged[id] = true
		},
		TooLarge: mostBytes,
		Many:     120,
		Patience: patience,
	}
}

func (s *reference) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed && s.faults[closeOnce] {
		return errors.New("closed already")
	}
	if !s.closed && s.faults[leavesGoroutine] {
		go func() { select {} }()
	}
	s.closed = true
	return nil
}

// begin checks what every method has to check, and locks the data.
func (s *reference) begin(ctx context.Context) error {
	s.mu.Lock()
	closed := s.closed
	s.mu.Unlock()
	if closed && !s.faults[worksClosed] {
		return fmt.Errorf("reference: %w", driver.ErrClosed)
	}
	if err := ctx.Err(); err != nil && !s.faults[ignoresContext] {
		if s.faults[hidesContextError] {
			return errors.New("reference: given up")
		}
		return fmt.Errorf("reference: %w", err)
	}
	s.data.mu.Lock()
	return nil
}

func (s *reference) version(old *driver.Record) driver.Version {
	if s.faults[versionsPerRecord] {
		if old == nil {
			return driver.Version{Term: 1, Seq: 1}
		}
		return driver.Version{Term: 1, Seq: old.Version.Seq + 1}
	}
	s.data.last++
	return driver.Version{Term: 1, Seq: s.data.last}
}

func (s *reference) Get(ctx context.Context, id driver.ID) (*driver.Record, error) {
	if err := s.begin(ctx); err != nil {
		return nil, err
	}
	defer s.data.mu.Unlock()
	s.reads.Add(1)
	r := s.data.records[id]
	if s.faults[readsStale] && s.data.stale[id] != nil && s.data.writes%7 == 0 {
		r = s.data.stale[id]
	}
	switch {
	case r == nil:
		return nil, fmt.Errorf("reference: %w", driver.ErrNotFound)
	case s.data.damaged[id]:
		return nil, fmt.Errorf("reference: %w", driver.ErrCorrupt)
	case r.Grave != nil && s.faults[gravesAreMissing]:
		return nil, fmt.Errorf("reference: %w", driver.ErrNotFound)
	case r.Grave != nil:
		return r, fmt.Errorf("reference: %w", driver.ErrGone)
	}
	if err := driver.CheckFormat(r.Extra); err != nil && !s.faults[newerIsCurrent] {
		if s.faults[newerIsMissing] {
			err = driver.ErrNotFound
		}
		return nil, fmt.Errorf("reference: %w", err)
	}
	return r, nil
}

func (s *reference) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if err := s.begin(ctx); err != nil {
		return driver.Version{}, err
	}
	defer s.data.mu.Unlock()
	s.sent()
	if err := s.fits(r); err != nil {
		return driver.Version{}, fmt.Errorf("reference: %w", err)
	}
	old := s.data.records[r.ID]
	switch {
	case old == nil && !r.Version.IsZero() && s.faults[createHeedsVersions]:
		return driver.Version{}, fmt.Errorf("reference: %w", driver.ErrConflict)
	case old == nil:
	case old.Grave != nil && s.faults[createsOverGraves]:
	case old.Grave == nil && s.faults[createsOverRecords]:
	default:
		return driver.Version{}, fmt.Errorf("reference: %w", driver.ErrExists)
	}
	if err := s.atFence(true); err != nil {
		return driver.Version{}, err
	}
	return s.put(r), nil
}

func (s *reference) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	if err := s.begin(ctx); err != nil {
		return driver.Version{}, err
	}
	defer s.data.mu.Unlock()
	s.sent()
	if err := s.fits(r); err != nil {
		return driver.Version{}, fmt.Errorf("reference: %w", err)
	}
	if err := s.isAt(r.ID, r.Version); err != nil {
		return driver.Version{}, err
	}
	if err := s.atFence(false); err != nil {
		return driver.Version{}, err
	}
	return s.put(r), nil
}

// mostBytes bounds the values of a reference's records.
const mostBytes = 4 << 20

// fits refuses what is nested too deep or is too large.
func (s *reference) fits(r *driver.Record) error {
	if err := driver.CheckDepth(r.Values, r.Extra); err != nil && !s.faults[takesTooDeep] {
		return err
	}
	if r.Values.Bytes() <= mostBytes || s.faults[takesTooLarge] {
		return nil
	}
	if s.faults[largeIsOverload] {
		return fmt.Errorf("%w: %w", driver.ErrUnavailable, driver.ErrOverloaded)
	}
	return driver.ErrTooLarge
}

func (s *reference) isAt(id driver.ID, v driver.Version) error {
	old := s.data.records[id]
	switch {
	case old == nil && s.faults[updateCreates]:
		return nil
	case old == nil:
		return fmt.Errorf("reference: %w", driver.ErrNotFound)
	case old.Grave != nil && s.faults[updatesGravesAtTheirVersion] && old.Version == v:
		return nil
	case old.Grave != nil && s.faults[gravesConflict]:
		return fmt.Errorf("reference: %w", driver.ErrConflict)
	case old.Grave != nil:
		return fmt.Errorf("reference: %w", driver.ErrGone)
	case v.IsZero() && s.faults[zeroVersionIsAny]:
		return nil
	case old.Version != v && !s.faults[ignoresVersions]:
		return fmt.Errorf("reference: %w", driver.ErrConflict)
	}
	return nil
}

// put keeps a record or a grave at a new version.
func (s *reference) put(r *driver.Record) driver.Version {
	old := s.data.records[r.ID]
	v := s.version(old)
	s.data.writes++
	if s.faults[refusalsAreNotCounted] {
		s.writes.Add(1)
	}
	if s.faults[losesWrites] && s.data.writes%50 == 0 {
		return v
	}
	kept := *r
	kept.Version = v
	if s.faults[mutatesGiven] {
		r.Version = v
	}
	s.spoil(&kept)
	if s.faults[keepsGiven] {
		*r = kept
		s.data.records[r.ID] = r
	} else if s.faults[mutatesShared] && old != nil {
		*old = kept
	} else {
		s.data.records[r.ID] = &kept
	}
	s.data.stale[r.ID] = old
	delete(s.data.damaged, r.ID)
	return v
}

// spoil gives a record the faults of a bad encoding.
func (s *reference) spoil(r *driver.Record) {
	if s.faults[dropsMillis] {
		r.Seen = r.Seen.Truncate(time.Second)
	}
	if s.faults[epochIsNever] && r.Created.UnixMilli() == 0 {
		r.Created = time.Time{}
	}
	if s.faults[foldsPrincipals] {
		r.Principal = strings.ToLower(r.Principal)
	}
	if g := r.Grave; g != nil {
		if s.faults[dropsWriteIDs] {
			g.WriteIDs = nil
		}
		if s.faults[gravesForgetWhose] {
			g.App, g.Principal = "", ""
		}
		if s.faults[gravesDropExtra] {
			g.Extra = nil
		}
	}
	if s.faults[keepsExtraNames] {
		var kept driver.ValueList
		for name := range r.Extra.All() {
			kept = append(kept, driver.Value{Name: name, JSON: json.RawMessage("null")})
		}
		r.Extra = kept
	}
	if s.faults[dropsExtra] && s.data.records[r.ID] != nil {
		r.Extra = nil
	}
	if s.faults[numbersAreFloats] || s.faults[namesArePaths] || s.faults[dropsNulls] {
		values := map[string]json.RawMessage{}
		for k, text := range r.Values.All() {
			var v any
			if s.faults[numbersAreFloats] && json.Unmarshal(text, &v) == nil {
				text, _ = json.Marshal(v)
			}
			if s.faults[namesArePaths] {
				k, _, _ = strings.Cut(k, ".")
			}
			if s.faults[dropsNulls] && string(text) == "null" {
				continue
			}
			values[k] = text
		}
		r.Values = driver.NewValueList(values)
	}
}

func (s *reference) Bury(ctx context.Context, id driver.ID, g driver.Grave, v driver.Version) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.data.mu.Unlock()
	s.sent()
	if err := driver.CheckDepth(g.Extra); err != nil && !s.faults[gravesTakeTooDeep] {
		return fmt.Errorf("reference: %w", err)
	}
	if v.IsZero() || s.faults[buriesAtAnyVersion] {
		if s.data.records[id] == nil && s.faults[leavesTheMissing] {
			return nil
		}
		if old := s.data.records[id]; old != nil && old.Grave != nil && s.faults[keepsFirstGrave] {
			return nil
		}
	} else if old := s.data.records[id]; old == nil || old.Grave == nil || old.Version != v || s.faults[gravesStay] {
		if err := s.isAt(id, v); err != nil {
			return err
		}
	}
	if err := s.atFence(false); err != nil {
		return err
	}
	s.put(&driver.Record{ID: id, Grave: &g})
	return nil
}

func (s *reference) Search(ctx context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		if err := s.begin(ctx); err != nil {
			if s.faults[searchFailsSilently] {
				return
			}
			yield(nil, err)
			return
		}
		found, err := s.find(q)
		s.data.mu.Unlock()
		if s.faults[scanIsSilent] && q.Scan > 0 && len(found) > q.Scan {
			found = found[:q.Scan]
		}
		for _, r := range found {
			if !yield(r, nil) && !s.faults[ignoresBreak] {
				return
			}
		}
		if err != nil {
			yield(nil, err)
		}
	}
}

func (s *reference) find(q driver.Query) (found []*driver.Record, err error) {
	if err := q.Check(); err != nil && !s.faults[searchTakesAny] {
		return nil, fmt.Errorf("reference: %w", err)
	}
	if s.faults[searchIgnoresApp] {
		q.App = ""
	}
	if s.faults[searchMixesTies] && !q.After.Created.IsZero() {
		q.CreatedFrom, q.After = q.After.Created.Add(time.Millisecond), driver.Cursor{}
	}
	if s.faults[toIsInclusive] && !q.ExpiresTo.IsZero() {
		q.ExpiresTo = q.ExpiresTo.Add(time.Millisecond)
	}
	for id, r := range s.data.searched {
		if s.data.damaged[id] && r.Grave == nil {
			if s.faults[searchStopsAtDamage] {
				err = fmt.Errorf("reference: %w", driver.ErrCorrupt)
			}
			continue
		}
		newer := driver.CheckFormat(r.Extra) != nil && !s.faults[searchYieldsNewer]
		if s.matches(&q, r) && !newer || s.faults[searchYieldsGraves] && r.Grave != nil {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, func(a, b *driver.Record) int {
		if s.faults[searchOrdersBytes] && a.Created.Equal(b.Created) {
			return slices.Compare(a.ID[:], b.ID[:])
		}
		if s.faults[searchHasOneOrder] {
			return a.Cursor().Compare(b.Cursor())
		}
		return q.Compare(a, b)
	})
	if s.faults[searchHasOnePage] && len(found) > 1000 {
		found = found[:1000]
	}
	if q.Limit > 0 && len(found) > q.Limit && !s.faults[searchIgnoresLimit] {
		found = found[:q.Limit]
	}
	return found, err
}

// matches is q.Matches, with faults.
func (s *reference) matches(q *driver.Query, r *driver.Record) bool {
	p := *q
	if s.faults[searchSparesClients] {
		p.Address, p.Agent = netip.Prefix{}, strings.ToLower(p.Agent)
		if !strings.Contains(r.Client.UserAgent, p.Agent) {
			return false
		}
		p.Agent = ""
	}
	if s.faults[searchIgnoresSeen] {
		p.SeenFrom, p.SeenTo = time.Time{}, time.Time{}
	}
	if s.faults[searchFindsAllEnds] {
		p.Reason = ""
	}
	return p.Matches(r)
}

func (s *reference) Sweep(ctx context.Context, now time.Time) (driver.SweepReport, error) {
	var report driver.SweepReport
	if err := s.begin(ctx); err != nil {
		return report, err
	}
	judged := maps.Clone(s.data.searched) // as an engine would: by a search
	err := s.atFence(false)
	s.data.mu.Unlock()
	if err != nil {
		return report, err
	}
	tolerance := driver.ClockTolerance
	if s.faults[sweepsTooEarly] {
		tolerance = 0
	}
	for id, r := range judged {
		deadline := r.Deadline
		if r.Grave != nil {
			deadline = r.Grave.Until
			if s.faults[sweepForgetsGraves] {
				continue
			}
		}
		if s.faults[sweepsUnchecked] {
			runtime.Gosched() // an engine's answer takes its time as well
		}
		s.data.mu.Lock()
		unchanged := s.data.records[id] != nil && s.data.records[id].Version == r.Version
		unchanged = unchanged || s.faults[sweepsUnchecked] && s.data.records[id] != nil
		switch {
		case !unchanged || s.data.damaged[id]:
		case !deadline.IsZero() && now.After(deadline.Add(tolerance)):
			delete(s.data.records, id)
			report.Removed++
		case r.Grave == nil && (r.Kind == driver.KindSession || s.faults[sweepsIdleLedgers]) &&
			!r.Expires.IsZero() && now.After(r.Expires):
			if driver.CheckFormat(r.Extra) != nil && !s.faults[sweepBuriesNewer] {
				break
			}
			if s.faults[sweepDeletes] {
				delete(s.data.records, id)
				report.Buried++
				break
			}
			g := r.ExpiredGrave(now)
			g.WriteIDs = r.WriteIDs
			if s.faults[sweepForgetsWhose] {
				g.App, g.Principal = "", ""
			}
			if s.faults[sweepDigsShortGraves] {
				g.Until = r.Expires
			}
			if s.faults[sweepDoesNotCount] {
				g.Writes--
			}
			s.put(&driver.Record{ID: id, Grave: &g})
			report.Buried++
		}
		s.data.mu.Unlock()
	}
	if s.faults[sweepMiscounts] {
		report.Buried += report.Removed
	}
	return report, nil
}

func (s *reference) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	var sum driver.Summary
	if err := s.begin(ctx); err != nil {
		return sum, err
	}
	defer s.data.mu.Unlock()
	if !s.faults[summaryHeedsAfter] {
		q.After = driver.Cursor{}
	}
	q.Limit = 0
	found, err := s.find(q)
	for _, r := range found {
		sum.Records++
		if r.Principal != "" || r.Grave != nil && r.Grave.Principal != "" {
			sum.SignedIn++
		}
	}
	return sum, err
}

func (s *reference) Report(ctx context.Context) (driver.Report, error) {
	if err := s.begin(ctx); err != nil {
		return driver.Report{}, err
	}
	defer s.data.mu.Unlock()
	p := driver.Problem{Code: "not-lasting", Severity: driver.SeverityInfo, Meaning: "It is a map.", Remedy: "None is needed."}
	if s.faults[problemWithoutSeverity] {
		p.Severity = ""
	}
	return driver.Report{Engine: "a map", Problems: []driver.Problem{p}}, nil
}

// sent counts a write.
func (s *reference) sent() {
	if s.faults[refusalsAreNotCounted] || s.faults[someAreNotCounted] && s.data.writes%50 == 49 {
		return
	}
	s.writes.Add(1)
}

// Figures counts each operation as a request of its own.
func (s *reference) Figures() figures.Store {
	f := figures.Store{
		Since: s.opened,
		Reads: figures.Batches{Sizes: s.reads.Histogram()}, Writes: figures.Batches{Sizes: s.writes.Histogram()},
	}
	f.Requests = f.Reads.Sizes.Count + f.Writes.Sizes.Count
	return f
}
