package console

import (
	"context"
	"testing"
	"testing/synctest"
	"time"
)

// TestWidening: a store is looked at wider as long as that is quick, and what was found
// stands where a wider look takes too long.
func TestWidening(t *testing.T) {
	for name, c := range map[string]struct {
		takes []time.Duration // each look
		want  int             // the scan whose result is shown
		most  time.Duration
	}{
		"a file":                {[]time.Duration{0, 0, 0, 0}, scanMost, 0},
		"an engine":             {[]time.Duration{150 * time.Millisecond}, scanFirst, 150 * time.Millisecond},
		"quick at first":        {[]time.Duration{50 * time.Millisecond, time.Hour}, scanFirst, 50*time.Millisecond + scanWithin},
		"quick, and less quick": {[]time.Duration{50 * time.Millisecond, 300 * time.Millisecond}, 4 * scanFirst, 350 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun, looks := time.Now(), 0
				got, err := widening(t.Context(), func(ctx context.Context, scan int) (int, bool, error) {
					timer := time.NewTimer(c.takes[looks])
					defer timer.Stop()
					looks++
					select {
					case <-timer.C:
						return scan, true, nil
					case <-ctx.Done():
						return 0, false, ctx.Err()
					}
				})
				if err != nil || got != c.want || time.Since(begun) != c.most {
					t.Errorf("%d after %v: %v; want %d after %v", got, time.Since(begun), err, c.want, c.most)
				}
			})
		})
	}
}
