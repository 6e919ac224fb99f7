package batch_test

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/batch"
)

// Look-ups of single keys share requests to a store that takes many keys at once.
func Example() {
	stock := map[string]int{"hat": 3, "coat": 1}
	errUnknown := errors.New("unknown article")

	b := batch.New(batch.Config[string, int]{
		Flush: func(ctx context.Context, keys []string) []batch.Result[int] {
			// Here one request is sent for all keys, bounded by ctx.
			results := make([]batch.Result[int], len(keys))
			for i, key := range keys {
				n, ok := stock[key]
				if !ok {
					results[i].Err = fmt.Errorf("%w: %s", errUnknown, key)
				}
				results[i].Value = n
			}
			return results
		},
		MaxItems:     64,
		QueueItems:   1024,
		InFlight:     4,
		FlushTimeout: 5 * time.Second,
	})

	ctx := context.Background()
	fmt.Println(b.Do(ctx, "hat"))
	fmt.Println(b.Do(ctx, "scarf"))

	b.Close()
	_, err := b.Do(ctx, "coat")
	fmt.Println(err, errors.Is(err, batch.ErrNotSent))

	// Output:
	// 3 <nil>
	// 0 unknown article: scarf
	// batch: not sent: closed true
}
