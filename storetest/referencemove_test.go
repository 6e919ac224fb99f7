package storetest_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is List and the fence of the store with which the suite itself is tested.

var (
	_ driver.Lister = (*reference)(nil)
	_ driver.Fencer = (*reference)(nil)
)

// List lists in the order of writes, so a listing that goes on has what was written since.
func (s *reference) List(ctx context.Context, after string) (driver.Part, error) {
	const most = 100
	if err := s.begin(ctx); err != nil {
		return driver.Part{}, err
	}
	defer s.data.mu.Unlock()
	from, err := strconv.ParseUint(cmp.Or(after, "0"), 10, 64)
	if (err != nil || after == "0") && !s.faults[listTakesAnything] {
		return driver.Part{}, fmt.Errorf("reference: %w: %q is no place in a listing", driver.ErrInvalid, after)
	}
	var all []*driver.Record
	for _, r := range s.data.records {
		switch {
		case r.Version.Seq <= from && !s.faults[listGoesByPosition]:
		case r.Grave != nil && s.faults[listHidesGraves]:
		default:
			all = append(all, r)
		}
	}
	slices.SortFunc(all, func(a, b *driver.Record) int { return cmp.Compare(a.Version.Seq, b.Version.Seq) })
	if s.faults[listGoesByPosition] {
		all = all[min(int(from), len(all)):]
	}
	p := driver.Part{End: len(all) <= most, Next: after}
	for _, r := range all[:min(len(all), most)] {
		if l := s.listed(r); l.Err == nil || !s.faults[listHidesUnreadable] {
			p.Items = append(p.Items, l)
		}
		from = max(from, r.Version.Seq)
	}
	if s.faults[listGoesByPosition] {
		from, _ = strconv.ParseUint(cmp.Or(after, "0"), 10, 64)
		from += uint64(min(len(all), most))
	}
	if s.faults[listSkips] && !p.End {
		from++
	}
	if s.faults[listForgets] && p.End {
		from += 3
	}
	if from > 0 {
		p.Next = strconv.FormatUint(from, 10)
	}
	return p, nil
}

func (s *reference) listed(r *driver.Record) driver.Listed {
	l := driver.Listed{ID: r.ID, Record: r}
	if s.data.damaged[r.ID] {
		l.Record, l.Err = nil, fmt.Errorf("reference: %w", driver.ErrCorrupt)
	} else if err := driver.CheckFormat(r.Extra); err != nil && r.Grave == nil {
		l.Record, l.Err = nil, fmt.Errorf("reference: %w", err)
	}
	return l
}

func (s *reference) Fence(ctx context.Context, since time.Time) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.data.mu.Unlock()
	at := &s.data.fenced
	if s.faults[fenceIsOneStores] {
		at = &s.fenced
	}
	if at.IsZero() {
		*at = since
	}
	return nil
}

func (s *reference) Unfence(ctx context.Context) error {
	if err := s.begin(ctx); err != nil {
		return err
	}
	defer s.data.mu.Unlock()
	if !s.faults[fenceStays] {
		s.data.fenced, s.fenced = time.Time{}, time.Time{}
	}
	return nil
}

func (s *reference) Fenced(ctx context.Context) (time.Time, error) {
	if err := s.begin(ctx); err != nil {
		return time.Time{}, err
	}
	defer s.data.mu.Unlock()
	if !s.fenced.IsZero() {
		return s.fenced, nil
	}
	return s.data.fenced, nil
}

// atFence returns the error of a write that the fence refuses. create tells that it is of
// a new record. The data is locked.
func (s *reference) atFence(create bool) error {
	s.data.tried++
	switch {
	case s.data.fenced.IsZero() && s.fenced.IsZero():
		return nil
	case create && s.faults[fencePassesCreates]:
		return nil
	case s.faults[fenceLeaks] && s.data.tried%5 == 0:
		return nil
	case s.faults[fenceConflicts]:
		return fmt.Errorf("reference: %w", driver.ErrConflict)
	}
	return errors.Join(driver.ErrUnavailable, errors.New("reference: fenced"))
}
