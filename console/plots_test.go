package console_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests the plots of a store that counts slowly.

// unhurried is a store whose counts take some time each.
type unhurried struct {
	*memstore.Store
	each time.Duration
}

func (u *unhurried) Summarize(ctx context.Context, q driver.Query) (driver.Summary, error) {
	select {
	case <-time.After(u.each):
		return u.Store.Summarize(ctx, q)
	case <-ctx.Done():
		return driver.Summary{}, ctx.Err()
	}
}

// TestSlowPlots: where each number takes most of a moment, each plot has the time for all of
// its own. One that has too many for that says so.
func TestSlowPlots(t *testing.T) {
	for _, test := range []struct {
		each    time.Duration
		span    string
		slow    int // plots that aren't counted
		settled time.Duration
	}{
		{700 * time.Millisecond, "day", 0, time.Minute},
		{990 * time.Millisecond, "month", 1, 2 * time.Minute}, // the first, beside the counts
		{2 * time.Second, "day", 4, time.Minute},
	} {
		t.Run(fmt.Sprintf("%v each, a %s", test.each, test.span), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				memory := memstore.New(nil)
				t.Cleanup(func() { memory.Close() })
				r := newRig(t, &unhurried{memory, test.each})
				var page string
				for begun := time.Now(); time.Since(begun) < test.settled; time.Sleep(time.Second) {
					page = r.page("/?range=" + test.span)
					r.lacks(page, "deadline exceeded")
					if !strings.Contains(page, "Still being counted") {
						break
					}
				}
				if n := strings.Count(page, "Not counted"); n != test.slow {
					t.Errorf("%d plots aren't counted, want %d", n, test.slow)
				}
				if n := strings.Count(page, "<summary>The numbers"); n != 4-test.slow {
					t.Errorf("%d plots are there: %s", n, text(page))
				}
			})
		})
	}
}
