package driver

import "context"

// This file is what a store offers whose searches trail.

// Refresher is what a store should offer beside Store if its Search may trail. To
// sign a principal out everywhere, also where the ledger was lost, the Manager has
// the store refresh, and then searches. Without it, it searches at once, and what
// Search doesn't show by then is not found.
type Refresher interface {
	// Refresh returns when a Search that begins afterwards, in any process, shows all
	// that was acknowledged before the call. It is an error if a part of the store
	// can't do that. It may be costly; calls at the same time share one.
	Refresh(ctx context.Context) error
}
