package workload

import (
	"context"
	"errors"
	"time"

	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file is Unwitnessed, a store on a real engine for clocks that tests set.

// Unwitnessed hides the clock of a store's engine, which doesn't go by a test's: by both
// nothing would ever be idle.
type Unwitnessed struct{ *elasticstore.Store }

// EngineTime implements driver.EngineClock.
func (Unwitnessed) EngineTime(context.Context) (time.Time, error) {
	return time.Time{}, errors.ErrUnsupported
}
