package cloakroom

import (
	"context"
	"errors"
	"github.com/cloakroom-go/cloakroom/driver"
	"slices"
)

// Device is one of a principal's live sessions.
type Device struct {
	Info
	Current bool // the session that is asking
}

// Devices returns the live sessions of the principal that is signed in to the
// request's session, the newest first. It is exact: a sign-in or sign-out that
// has returned is in it. It is empty if nobody is signed in.
func (m *Manager) Devices(ctx context.Context) ([]Device, error) {
	s, err := m.Session(ctx)
	if err != nil {
		return nil, err
	}
	me := s.Info()
	if me.Principal == "" {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, m.config.SaveTimeout)
	defer cancel()
	records, err := m.ledgers.live(ctx, me.Principal)
	if err != nil {
		return nil, err
	}
	devices := make([]Device, len(records))
	for i, r := range records {
		devices[i] = Device{r.Info(), r.ID == me.ID}
	}
	slices.SortStableFunc(devices, func(a, b Device) int { return b.Created.Compare(a.Created) })
	return devices, nil
}

// live returns the records of a principal's sessions that are neither ended nor
// expired, in the order of sign-in. One that is corrupt is passed over: it opens
// for nobody.
func (ls *ledgers) live(ctx context.Context, principal string) ([]*driver.Record, error) {
	l, err := ls.get(ctx, principal)
	if err != nil {
		return nil, err
	}
	records := make([]*driver.Record, len(l.Live))
	err = eachParallel(len(l.Live), func(i int) error {
		rec, _, err := ls.w.read(ctx, l.Live[i].ID)
		if errors.Is(err, ErrCorrupt) {
			return nil
		}
		records[i] = rec
		return err
	})
	if err != nil {
		return nil, err
	}
	return slices.DeleteFunc(records, func(r *driver.Record) bool { return r == nil }), nil
}
