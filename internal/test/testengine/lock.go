package testengine

import (
	"context"
	"time"
)

// This file polls.

// every calls try at once, and then at each tick until try is done or fails, or ctx
// ends. Then it returns ctx's error.
func every(ctx context.Context, tick time.Duration, try func() (done bool, err error)) error {
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	for {
		if done, err := try(); done || err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-ticker.C:
		}
	}
}
