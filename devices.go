package cloakroom

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is a visitor's own sessions, the devices: their list, and the end of one.

// Device is one of a principal's live sessions.
type Device struct {
	Info
	Current bool // the session that is asking
	Ending  bool // it is being ended, but still opens; see SessionOf
	// SeenWithin is how exact Seen is: the last activity was then, or up to this long after
	// it. See Config.TouchEvery.
	SeenWithin time.Duration
}

// Devices returns the live sessions of the principal that is signed in to the request's
// session, the newest first. It is exact: it has every sign-in and sign-out that has
// returned. It first tries to end the sessions that are ending, and lists those that it
// can't. It is empty if nobody is signed in.
func (m *Manager) Devices(ctx context.Context) ([]Device, error) {
	devices, _, err := m.LatestDevices(ctx, 0)
	return devices, err
}

// LatestDevices is Devices with a bound, for a page: if the principal's ledger names more
// than most, it returns the request's own and those that were signed in last. older is the
// number of the others, of which some may be over. A most of 0 is no bound.
func (m *Manager) LatestDevices(ctx context.Context, most int) (devices []Device, older int, err error) {
	s, err := m.Session(ctx)
	if err != nil {
		return nil, 0, err
	}
	me := s.Info()
	if me.Principal == "" {
		return nil, 0, nil
	}
	records, older, err := m.records.Live(ctx, me.Principal, protocol.Part{Most: most, Also: me.ID})
	if err != nil {
		return nil, 0, err
	}
	devices = make([]Device, len(records))
	for i, r := range records {
		devices[i] = Device{Info: r.Info(), Current: r.ID == me.ID, Ending: r.Ending, SeenWithin: max(0, m.touchEvery(r.Record))}
	}
	slices.SortStableFunc(devices, func(a, b Device) int { return b.Created.Compare(a.Created) })
	return devices, older, nil
}

// EndDevice ends one of the sessions of the principal that is signed in to the request's
// session, as a page of devices does, by an id that came from the client. It also ends
// one that the principal's ledger lost, and Devices doesn't list. When it returns nil
// nothing can bring the session back, and Events.Ended was told (EndRevoked).
//
// It ends the request's own session as Session.Destroy does, and the client is told to
// forget its token.
//
// The request's token has to be the session's current one by the store's present state,
// also where Config.CacheFor remembers the session. That costs one read more.
//
// Errors: ErrNotFound, no live session of the principal has that id; the error is the
// same for another principal's session, for one that has ended, for an id that never was
// a session's, and if nobody is signed in. Fail answers it with 404. ErrConflict, the
// request came with a token that has been renewed, or with several of which none is used.
// ErrGone, the request's session has ended. ErrUnavailable: the session may have ended or
// not; call it again, and ErrNotFound says that it has.
func (m *Manager) EndDevice(ctx context.Context, id ID) error {
	s, err := m.Session(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	me, secret, gone, old, barred := s.rec, s.secret, s.gone, s.old, s.barred
	s.mu.Unlock()
	switch {
	case gone:
		return fmt.Errorf("cloakroom: ending a device: %w", ErrGone)
	case barred != nil:
		return barred.err
	case me.Principal == "":
		return fmt.Errorf("cloakroom: session %v of %q: %w", id, me.Principal, ErrNotFound)
	case old:
		return errRenewed("ending a device")
	}
	reading, cancel := context.WithTimeout(ctx, m.config.SaveTimeout)
	defer cancel()
	switch now, _, err := m.records.Read(reading, me.ID); {
	case err != nil:
		return err
	case now == nil:
		return fmt.Errorf("cloakroom: ending a device from %v: %w", me.ID, ErrGone)
	default:
		switch ok, err := m.isCurrent(now, secret); {
		case err != nil:
			return err
		case !ok:
			return errRenewed("ending a device")
		}
	}
	if id == me.ID {
		return s.Destroy(ctx)
	}
	return m.records.EndOf(ctx, me.Principal, id, driver.EndRevoked)
}
