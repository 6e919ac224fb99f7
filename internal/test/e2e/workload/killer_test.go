package workload_test

import (
	"context"
	"sync"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
)

// killer is an executor whose process is killed while it works, after each
// hundred operations that it was asked for.
type killer struct {
	t      *testing.T
	path   string
	target *workload.Restartable

	mu    sync.Mutex
	asked int
	kills int
	child *workload.Child
}

func (k *killer) Name() string { return k.target.Name() }

func (k *killer) restart() {
	k.child = spawn(k.t, k.target.Name(), k.path)
	k.target.Replace(k.child)
}

// Do implements workload.Executor. Whoever comes at the wrong moment kills the
// process that the others wait for.
func (k *killer) Do(ctx context.Context, op workload.Op) workload.Result {
	k.mu.Lock()
	k.asked++
	if k.asked%100 == 0 {
		k.kills++
		k.child.Kill()
		k.restart()
	}
	k.mu.Unlock()
	return k.target.Do(ctx, op)
}
