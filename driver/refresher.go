package driver

import "context"

// This file is Refresher, for stores whose searches trail.

// Refresher is an optional interface for stores whose Search may trail. To sign a
// principal out everywhere, also if the ledger was lost, the Manager calls Refresh and
// then searches. Without a Refresher it searches at once, and doesn't find sessions that
// Search doesn't show yet.
type Refresher interface {
	// Refresh returns once a Search that begins afterwards, in any process, shows
	// everything that was acknowledged before the call. It fails if a part of the store
	// can't do that. It may be costly; concurrent calls share one.
	Refresh(ctx context.Context) error
}
