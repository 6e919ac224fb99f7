package testengine

import (
	"context"
	"time"
)

// every calls try at once and then at each tick until it is done, fails, or ctx ends (then ctx's error comes back).
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
