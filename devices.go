package cloakroom

import (
	"context"
	"slices"
)

// This file is the list of a visitor's own sessions.

// Device is one of a principal's live sessions.
type Device struct {
	Info
	Current bool // the session that is asking
	Ending  bool // it is being ended, but still opens; see SessionOf
}

// Devices returns the live sessions of the principal that is signed in to the
// request's session, the newest first. It is exact: a sign-in or sign-out that
// has returned is in it. What is being ended is tried to be ended first, and listed
// if that fails. It is empty if nobody is signed in.
func (m *Manager) Devices(ctx context.Context) ([]Device, error) {
	s, err := m.Session(ctx)
	if err != nil {
		return nil, err
	}
	me := s.Info()
	if me.Principal == "" {
		return nil, nil
	}
	records, err := m.records.Live(ctx, me.Principal)
	if err != nil {
		return nil, err
	}
	devices := make([]Device, len(records))
	for i, r := range records {
		devices[i] = Device{Info: r.Info(), Current: r.ID == me.ID, Ending: r.Ending}
	}
	slices.SortStableFunc(devices, func(a, b Device) int { return b.Created.Compare(a.Created) })
	return devices, nil
}
