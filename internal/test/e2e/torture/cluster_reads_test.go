package torture

import (
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// What somebody has read of a write that is under way, nobody reads the state
// before it after: not from another copy of the shard either, which the write
// may have reached later.
func TestI1_ReadsDontGoBackWhileAWriteIsUnderWay(t *testing.T) {
	c := testengine.StartCluster(t, testengine.ClusterOptions{Name: engineName})
	keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	var stores []*elasticstore.Store
	for _, u := range c.URLs() {
		s, err := elasticstore.Open(t.Context(), elasticstore.ClientConfig{URLs: []string{u}}, &elasticstore.Config{Replicas: 1})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		stores = append(stores, s)
	}
	m, err := cloakroom.New(stores[0], keyring, workload.Config())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = m.Close() })
	s, err := m.Create(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	c.AwaitHealth(t, "green")

	const reads = 6000
	end := time.Now().Add(90 * time.Second) // on a machine that is busy, fewer have to do
	var stop atomic.Bool
	var all sync.WaitGroup
	all.Go(func() {
		counter := cloakroom.NewKey[int]("count")
		for !stop.Load() {
			if err := m.Admin().Update(t.Context(), s.ID(), func(tx *cloakroom.Tx) error {
				counter.Update(tx, func(n int) int { return n + 1 })
				return nil
			}); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer all.Wait()
	defer stop.Store(true)
	var last int64
	n := 0
	for ; n < reads && time.Now().Before(end); n++ {
		rec, err := stores[n%len(stores)].Get(t.Context(), s.ID())
		if err != nil {
			t.Fatal(err)
		}
		now := int64(rec.Writes)
		if now < last {
			t.Fatalf("read %d: %d writes by node %d, after %d had been read", n, now, n%len(stores), last)
		}
		last = now
	}
	t.Logf("%d reads beside %d writes", n, last)
	if last < 10 {
		t.Error("hardly any write was seen: that shows nothing")
	}
}
