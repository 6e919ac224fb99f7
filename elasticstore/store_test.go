package elasticstore

import (
	"flag"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/storetest"
)

var oneIndex = flag.Bool("one-index", false, "run the conformance suite in one index, too")

// TestStore runs the conformance suite: with an index for each period, and with -one-index
// also with one index for everything, no copies, and the mapping for dashboards. On
// Elasticsearch make test runs that by the matrix.
func TestStore(t *testing.T) {
	t.Run("periods", func(t *testing.T) { conform(t, false) })
	if *oneIndex {
		t.Run("one_index_for_dashboards_without_copies", func(t *testing.T) { conform(t, true) })
	}
}

func conform(whole *testing.T, one bool) {
	// Families of tests reuse a lab, one after the other. Otherwise making indices would
	// take most of the time.
	const tooLarge = 4 << 20
	labs := map[driver.Store]*lab{}
	free := []*lab{newLab(whole)} // by whole itself, which is skipped where there is no engine
	change := func(c *Config) {
		if c.OneIndex = one; one {
			c.CopyBytes, c.Dashboards = -1, true
		}
		c.Settings = map[string]any{"gc_deletes": "0s"}
		c.QueueBytes = tooLarge
		c.patience = 300 * time.Millisecond // no node of the lab lags behind
	}
	storetest.Run(whole, storetest.Harness{
		TooLarge: tooLarge,
		Patience: patient,
		Open: func(t testing.TB) driver.Store {
			if len(free) == 0 {
				free = append(free, newLab(whole))
			}
			l := free[len(free)-1]
			free = free[:len(free)-1]
			s, err := New(l.client, l.config(change))
			if err != nil {
				t.Fatal(err)
			}
			labs[s] = l
			t.Cleanup(func() {
				l.empty(t, s.names.lasting())
				free = append(free, l)
			})
			return s
		},
		Second: func(t testing.TB, s driver.Store) driver.Store {
			second, err := New(labs[s].client, labs[s].config(change))
			if err != nil {
				t.Fatal(err)
			}
			labs[second] = labs[s]
			return second
		},
		Settle: func(t testing.TB, s driver.Store) { labs[s].refresh(t) },
		ForgetTombstones: func(t testing.TB, s driver.Store) {
			// With gc_deletes at 0, a refresh drops the engine's memory of deleted
			// documents, and a merge drops their rest on disk.
			labs[s].call(t, http.MethodPost, "/"+labs[s].index+"*/_forcemerge?max_num_segments=1", "")
			labs[s].refresh(t)
		},
		Corrupt: func(t testing.TB, s driver.Store, id driver.ID) {
			labs[s].put(t, s.(*Store), id, `{"kind":"session","id":7}`)
		},
		DropForgets: !one,
	})
}

// empty removes all documents from the indices that stay, and all other indices.
func (l *lab) empty(t testing.TB, stay []string) {
	t.Helper()
	l.refresh(t)
	l.call(t, http.MethodPost, "/"+strings.Join(stay, ",")+"/_delete_by_query?ignore_unavailable=true&refresh=true", `{"query":{"match_all":{}}}`)
	l.remove(t, slices.DeleteFunc(l.list(t), func(name string) bool { return slices.Contains(stay, name) })...)
}
