package devices

import (
	"cmp"
	"context"
	"slices"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/agent"
)

// This file is the list of devices.

// Device is one of the visitor's sessions, in words.
type Device struct {
	cloakroom.Device
	Program string // such as "Chrome", as the client says; "" if it isn't known
	System  string // such as "Windows" or "iPhone"; "" if it isn't known
	Kind    string // "desktop", "phone", "tablet", "bot" or "other"
	Place   string // Config.Place of the address
}

// Name is the device in English, such as "Chrome on Windows".
func (d Device) Name() string { return agent.Agent{Program: d.Program, System: d.System}.String() }

// most is the number of sessions that the page reads. Few have as many: Config.MaxPerPrincipal
// of the manager is 100 unless it is set.
const most = 200

// Devices returns the live sessions of the principal that is signed in to the request's
// session, exactly. The request's own is the first, then the one that was used last. Of more
// than 200 it returns the own and those that were signed in last; older is the number of the
// others, of which some may be over. It is empty if nobody is signed in. The context is that
// of a request inside the manager's Handler.
//
// Errors: those of Manager.Devices.
func (p *Page) Devices(ctx context.Context) (list []Device, older int, err error) {
	all, older, err := p.sessions.LatestDevices(ctx, most)
	if err != nil {
		return nil, 0, err
	}
	list = make([]Device, len(all))
	for i, d := range all {
		a := p.agents.Read(d.Client.UserAgent)
		list[i] = Device{d, a.Program, a.System, string(a.Kind), p.config.Place(ctx, d.Client.Address)}
	}
	slices.SortStableFunc(list, func(a, b Device) int {
		if a.Current != b.Current {
			return cmp.Compare(rank(a), rank(b))
		}
		return b.Seen.Compare(a.Seen)
	})
	return list, older, nil
}

// rank is 0 for the device that comes first.
func rank(d Device) int {
	if d.Current {
		return 0
	}
	return 1
}
