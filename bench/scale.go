package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the cases of look-ups among ever more sessions.

func scaleCases() []Case {
	grown := func(engine, settings string, least float64, needs []need, sizes []int, open func(b *Bench, n int) (*many, error)) Case {
		return Case{
			Name: "scale/" + engine, Needs: needs, Warm: 1,
			About:   "One caller's look-ups of sessions at random, by the number of sessions that there are.",
			Favours: "The fewest sessions: all of them fit into caches. Both sides are ours.",
			Rows: []Row{{
				What: fmt.Sprintf("read look-up latency with %d sessions against %d (%s)", sizes[len(sizes)-1], sizes[0], engine), Unit: half, Kind: Share,
				Ours: []string{"most"}, Peers: []string{"fewest"}, Goal: at(1.2), Least: at(least),
			}},
			Plot: &Plot{Title: "A look-up by the number of sessions, " + engine, X: "sessions", Y: "p50, µs", Unit: half, Scale: 1e-3, LogX: true},
			Setup: func(b *Bench) ([]Side, error) {
				grow := sizes
				if b.quick {
					grow = []int{100, 1000}
				}
				var sides []Side
				for i, n := range grow {
					begin := time.Now()
					m, err := open(b, n)
					if err != nil {
						return nil, err
					}
					b.log.Info("filled", "engine", engine, "sessions", n, "took", time.Since(begin).Round(time.Second), "bytes", m.bytes)
					name := fmt.Sprintf("n=%d", n)
					switch i {
					case 0:
						name = "fewest"
					case len(grow) - 1:
						name = "most"
					}
					s := b.side(name, fmt.Sprintf("%d sessions; %s", n, settings), 1, m.lookUp, m.check)
					s.Series, s.X = engine, float64(n)
					s.Round = m.weighed(s.Round)
					sides = append(sides, s)
				}
				return sides, nil
			},
		}
	}
	return []Case{
		grown("sqlite", wholeSQLite, 1.35, nil, []int{10_000, 100_000, 1_000_000}, manyInSQLite),
		grown("opensearch", wholeSettings, 1.5, []need{needEngine}, []int{10_000, 100_000, 1_000_000, 5_000_000}, manyInEngine),
	}
}

// many is a store with more records than this process could remember whole.
type many struct {
	store cloakroom.Store
	ids   []cloakroom.ID
	bytes int64 // on disk
}

// perSession is the unit of a session's size on disk, at rest.
const perSession = "disk-B/session"

// weighed adds a session's size to the results of a round.
func (m *many) weighed(round func(context.Context) (Result, error)) func(context.Context) (Result, error) {
	return func(ctx context.Context) (Result, error) {
		r, err := round(ctx)
		if err == nil && r.Metrics != nil {
			r.Metrics[perSession] = float64(m.bytes) / float64(len(m.ids))
		}
		return r, err
	}
}

func manyInSQLite(b *Bench, n int) (*many, error) {
	store, path, err := b.sqliteStore(withoutCopies) // all of the fewest would fit
	if err != nil {
		return nil, err
	}
	m := &many{store: store, ids: make([]cloakroom.ID, n)}
	made := time.Now()
	err = share(b, 512, n, func(ctx context.Context, i int) error {
		r := newRecord(i, made)
		m.ids[i] = r.ID
		_, err := store.Create(ctx, r)
		return err
	})
	if err != nil {
		return nil, err
	}
	file, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	m.bytes = file.Size() // without the log beside it, which is the same for all
	return m, nil
}

func manyInEngine(b *Bench, n int) (*many, error) {
	store, e, name, err := b.engineStore(withoutCopies) // few copies would be found among so many
	if err != nil {
		return nil, err
	}
	m := &many{store: store}
	if m.ids, err = e.fill(b, store, name, n, time.Now()); err != nil {
		return nil, err
	}
	m.bytes, err = e.rest(b, name+"-2*")
	return m, err
}

// lookUp reads a random session, and checks that it is the right one.
func (m *many) lookUp(ctx context.Context, _, _ int) error { return m.find(ctx, rand.IntN(len(m.ids))) }

func (m *many) find(ctx context.Context, i int) error {
	r, err := m.store.Get(ctx, m.ids[i])
	if err == nil && (r.Principal != principal(i) || len(r.Values) != 5) {
		err = fmt.Errorf("session %v is %s's in place of %s's", m.ids[i], r.Principal, principal(i))
	}
	return err
}

// check looks up a thousand sessions, spread from end to end.
func (m *many) check(ctx context.Context) error {
	for i := 0; i < len(m.ids); i += max(1, len(m.ids)/1000) {
		if err := m.find(ctx, i); err != nil {
			return err
		}
	}
	return nil
}
