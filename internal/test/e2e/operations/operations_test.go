package main

import (
	"flag"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// This file tests the operations that are quick.

func TestMain(m *testing.M) {
	// Tests wait for an engine more than they compute.
	if err := flag.Set("test.parallel", "12"); err != nil {
		panic(err)
	}
	leaktest.Main(m)
}

// TestOperations does the quick operations to the engine that all tests share. `make
// test-operations` does all.
func TestOperations(t *testing.T) {
	t.Parallel()
	on := &place{url: testengine.Shared(t)}
	for _, o := range operations() {
		if o.where != anywhere {
			continue
		}
		t.Run(o.name, func(t *testing.T) {
			t.Parallel()
			timeout := 30 * time.Second // a busy machine is no failure
			hasty := o.hasty
			for _, statuses := range o.want.see {
				hasty = hasty || !strings.Contains(statuses, "200")
			}
			if hasty {
				timeout = short
			}
			r := o.run(t, on, timeout)
			for _, text := range r.judge(timeout) {
				t.Error(text)
			}
			t.Logf("%s; logged: %s; report: %v, then %v; recovers: %s", r.visitors(), r.logged(), r.report, r.after, r.recover)
		})
	}
}
