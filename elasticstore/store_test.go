package elasticstore

import (
	"net/http"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/storetest"
)

// TestStore is the conformance suite, with an index for each period of time and
// with one index for all.
func TestStore(t *testing.T) {
	for _, arrangement := range []struct {
		name string
		one  bool
	}{{"periods", false}, {"one_index", true}} {
		t.Run(arrangement.name, func(t *testing.T) { conform(t, arrangement.one) })
	}
}

func conform(t *testing.T, one bool) {
	labs := map[cloakroom.Store]*lab{}
	change := func(c *Config) {
		c.OneIndex = one
		c.settings = map[string]any{"gc_deletes": "0s"}
		c.patience = 300 * time.Millisecond // no node lags behind
	}
	storetest.Run(t, storetest.Harness{
		Open: func(t testing.TB) cloakroom.Store {
			l := newLab(t)
			s, err := New(l.client, l.config(change))
			if err != nil {
				t.Fatal(err)
			}
			labs[s] = l
			return s
		},
		Second: func(t testing.TB, s cloakroom.Store) cloakroom.Store {
			second, err := New(labs[s].client, labs[s].config(change))
			if err != nil {
				t.Fatal(err)
			}
			labs[second] = labs[s]
			return second
		},
		Settle: func(t testing.TB, s cloakroom.Store) { labs[s].refresh(t) },
		ForgetTombstones: func(t testing.TB, s cloakroom.Store) {
			// With gc_deletes at 0 a refresh drops what the engine remembers
			// of deleted documents, and a merge what is left of them on disk.
			labs[s].call(t, http.MethodPost, "/"+labs[s].index+"*/_forcemerge?max_num_segments=1", "")
			labs[s].refresh(t)
		},
		Corrupt: func(t testing.TB, s cloakroom.Store, id cloakroom.ID) {
			labs[s].put(t, s.(*Store), id, `{"kind":"session","id":7}`)
		},
		DropForgets: !one,
	})
}
