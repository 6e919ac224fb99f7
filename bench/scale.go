package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// What a look-up costs with ever more sessions in the store.

func scaleCases() []Case {
	grown := func(engine string, needs []need, sizes []int, open func(*Bench) (cloakroom.Store, error)) Case {
		return Case{
			Name: "scale/" + engine, Needs: needs,
			About: "One caller's look-ups of sessions at random, by the number of sessions that there are.",
			Rows: []Row{{
				What: fmt.Sprintf("read look-up latency with %d sessions against %d (%s)", sizes[len(sizes)-1], sizes[0], engine), Unit: half, Kind: Share,
				Ours: []string{"most"}, Peers: []string{"fewest"}, Goal: at(1.2), Least: at(1.5),
			}},
			Plot: &Plot{Title: "A look-up by the number of sessions, " + engine, X: "sessions", Y: "p50, µs", Unit: half, Scale: 1e-3, LogX: true},
			Setup: func(b *Bench) ([]Side, error) {
				grow := sizes
				if b.quick {
					grow = []int{100, 1000}
				}
				var sides []Side
				for i, n := range grow {
					store, err := open(b)
					if err != nil {
						return nil, err
					}
					begin := time.Now()
					m, err := fillMany(b, store, n, time.Now())
					if err != nil {
						return nil, err
					}
					b.log.Info("filled", "engine", engine, "sessions", n, "took", time.Since(begin).Round(time.Second))
					name := fmt.Sprintf("n=%d", n)
					switch i {
					case 0:
						name = "fewest"
					case len(grow) - 1:
						name = "most"
					}
					s := b.side(name, fmt.Sprintf("%d sessions", n), 1, m.lookUp, m.check)
					s.Series, s.X = engine, float64(n)
					sides = append(sides, s)
				}
				return sides, nil
			},
		}
	}
	return []Case{
		grown("sqlite", nil, []int{10_000, 100_000, 1_000_000}, func(b *Bench) (cloakroom.Store, error) {
			rs, err := openSQLite(b, 0)
			if err != nil {
				return nil, err
			}
			return rs.store, nil
		}),
		grown("opensearch", []need{needEngine}, []int{10_000, 100_000, 1_000_000, 5_000_000}, func(b *Bench) (cloakroom.Store, error) {
			rs, err := openEngine(b, 0)
			if err != nil {
				return nil, err
			}
			return rs.store, nil
		}),
	}
}

// many is more records than could be remembered whole.
type many struct {
	store cloakroom.Store
	ids   []cloakroom.ID
}

func fillMany(ctx context.Context, store cloakroom.Store, n int, made time.Time) (*many, error) {
	m := &many{store, make([]cloakroom.ID, n)}
	return m, share(ctx, 512, n, func(ctx context.Context, i int) error {
		r := newRecord(i, made)
		m.ids[i] = r.ID
		_, err := store.Create(ctx, r)
		return err
	})
}

// lookUp reads a session at random and looks whether it is the one.
func (m *many) lookUp(ctx context.Context, _, _ int) error { return m.find(ctx, rand.IntN(len(m.ids))) }

func (m *many) find(ctx context.Context, i int) error {
	r, err := m.store.Get(ctx, m.ids[i])
	if err == nil && (r.Principal != principal(i) || len(r.Values) != 5) {
		err = fmt.Errorf("session %v is %s's in place of %s's", m.ids[i], r.Principal, principal(i))
	}
	return err
}

// check looks up a thousand sessions from end to end.
func (m *many) check(ctx context.Context) error {
	for i := 0; i < len(m.ids); i += max(1, len(m.ids)/1000) {
		if err := m.find(ctx, i); err != nil {
			return err
		}
	}
	return nil
}
