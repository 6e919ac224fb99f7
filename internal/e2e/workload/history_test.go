package workload_test

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/e2e/workload"
	"github.com/cloakroom-go/cloakroom/memstore"
)

func TestHistories(t *testing.T) {
	store := memstore.New(nil)
	defer store.Close()
	keys, _ := cloakroom.NewKeys(bytes.Repeat([]byte("k"), 32))
	var all []workload.Executor
	for i := range 3 {
		l, err := workload.NewLocal(fmt.Sprint("m", i), store, keys, &cloakroom.Config{MaxPerPrincipal: -1, TouchEvery: -1})
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		all = append(all, l)
	}
	r, err := workload.Run(t.Context(), all, workload.Options{Ops: 20000})
	if err != nil {
		t.Fatal(err)
	}
	t.Log(r)
	for _, f := range r.Failures {
		t.Log(f.Verdict)
		for i := range f.Family.Ops {
			o := &f.Family.Ops[i]
			t.Logf("%d %d %d-%d %s %s %v", o.N, o.Client, o.Call, o.Return, o.Where, o.How, o)
		}
		break
	}
	if err := r.Err(history.Kinds()...); err != nil {
		t.Error(err)
	}
}
