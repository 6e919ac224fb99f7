package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the cases of a cold set: so many sessions that each comes once in a while,
// and copies of them, or a cache's pages, have mostly gone by then.

// coldSessions are more than a store's copies hold.
const coldSessions = 200_000

func coldCases() []Case {
	const favours = "Nobody by copies: here they don't help. Other cases draw from some hundreds or thousands of sessions, which copies hold, and so flatter us."
	row := func(what, ours, peer string) Row {
		return Row{What: what, Unit: perSec, Kind: More, Ours: []string{ours}, Peers: []string{peer}, Goal: untold, Least: untold}
	}
	return []Case{
		{
			Name: "http/cold", Needs: []need{needRedis}, Warm: 1, Most: 3,
			About:   fmt.Sprintf("64 clients whose requests read a session, each the next of %d sessions, so that each comes once in a while.", coldSessions/2),
			Favours: favours,
			Rows: []Row{
				row("full HTTP read of a cold set, SQLite, against scs + Redis", "cloakroom+sqlite", "scs+redis"),
				row("full HTTP read of a cold set, SQLite, against fiber in memory", "cloakroom+sqlite", "fiber"),
				row("full HTTP read, SQLite, a cold set against a hot one", "cloakroom+sqlite", "cloakroom+sqlite/hot"),
			},
			Setup: coldClients,
		},
		{
			Name: "engine/cold", Needs: []need{needEngine}, Warm: 6, Most: 3,
			About: fmt.Sprintf("Reads by 256 callers at random from %d sessions of OpenSearch, of which the store's copies hold some; "+
				"against one GET for each, and against reads from 5000 of them.", coldSessions),
			Favours: favours,
			Rows: []Row{
				row("OpenSearch reads/s of a cold set at 256 callers, against one operation per request", "store", "single"),
				row("OpenSearch reads/s at 256 callers, a cold set against a hot one", "store", "store/hot"),
			},
			Setup: coldEngine,
		},
	}
}

// coldClients begins many sessions without a network, and then has clients read them.
func coldClients(b *Bench) ([]Side, error) {
	callers := b.size(clientsAtOnce, 8)
	var sides []Side
	for _, open := range []func(*Bench) (*site, error){sqliteSite, redisSite, fiberSite} {
		s, err := open(b)
		if err != nil {
			return nil, err
		}
		side, many, err := coldSide(b, s, callers)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		sides = append(sides, side)
		if len(sides) > 1 {
			continue
		}
		few := make(crowd, len(many))
		for i, own := range many {
			few[i] = own[:min(32, len(own))]
		}
		sides = append(sides, b.side(s.name+"/hot", s.settings, callers, few.at(pageRead), few.check))
	}
	return sides, nil
}

func coldSide(b *Bench, s *site, callers int) (Side, crowd, error) {
	visitors, err := newCrowd(b, callers, b.size(coldSessions/2, 160)/callers, s.inside)
	if err != nil {
		return Side{}, nil, err
	}
	dial, err := s.online(b)
	if err != nil {
		return Side{}, nil, err
	}
	next := make([]int, callers) // goes on from round to round
	for _, own := range visitors {
		browser, err := dial()
		if err != nil {
			return Side{}, nil, err
		}
		for _, v := range own {
			v.browser = browser
		}
	}
	side := b.side(s.name, s.settings, callers, func(ctx context.Context, caller, _ int) error {
		own := visitors[caller]
		next[caller]++
		return own[next[caller]%len(own)].look(ctx, pageRead)
	}, visitors.check)
	return side, visitors, nil
}

// coldEngine fills the engine with many sessions.
func coldEngine(b *Bench) ([]Side, error) {
	const callers = 256
	filler, e, name, err := b.engineStore(withCopies)
	if err != nil {
		return nil, err
	}
	m := &many{}
	if m.ids, err = e.fill(b, filler, name, b.size(coldSessions, 1000), time.Now()); err != nil {
		return nil, err
	}
	if _, err := e.rest(b, name+"-2*"); err != nil {
		return nil, err
	}
	if m.store, err = b.openEngineStore(e, name, withCopies); err != nil {
		return nil, err
	}
	hot := &many{ids: m.ids[:b.size(5000, 100)]}
	if hot.store, err = b.openEngineStore(e, name, withCopies); err != nil {
		return nil, err
	}
	index, err := e.indexOf(b, name+"-2*")
	if err != nil {
		return nil, err
	}
	return []Side{
		b.side("store", engineSettings, callers, m.lookUp, m.check),
		b.side("store/hot", engineSettings, callers, hot.lookUp, hot.check),
		b.side("single", engineSettings, callers, func(ctx context.Context, _, _ int) error { return e.findOne(ctx, index, m.ids) }, m.check),
	}, nil
}

// indexOf returns the one index of a pattern.
func (e *raw) indexOf(ctx context.Context, pattern string) (string, error) {
	var list []struct {
		Index string `json:"index"`
	}
	if err := e.json(ctx, "GET", "/_cat/indices/"+pattern+"?format=json&h=index", nil, &list); err != nil {
		return "", err
	}
	if len(list) != 1 {
		return "", fmt.Errorf("%s is %d indices in place of one", pattern, len(list))
	}
	return list[0].Index, nil
}

// findOne gets a random session by a request of its own, and checks that it is the right
// one.
func (e *raw) findOne(ctx context.Context, index string, ids []cloakroom.ID) error {
	i := rand.IntN(len(ids))
	b, err := e.ask(ctx, "GET", "/"+index+"/_doc/"+ids[i].String(), nil, nil)
	if err != nil {
		return err
	}
	var answer struct {
		Source struct {
			Principal string                     `json:"principal"`
			Values    map[string]json.RawMessage `json:"values"`
		} `json:"_source"`
	}
	if err := json.Unmarshal(b, &answer); err != nil {
		return err
	}
	if answer.Source.Principal != principal(i) || len(answer.Source.Values) != 5 {
		err = fmt.Errorf("session %v is %s's in place of %s's", ids[i], answer.Source.Principal, principal(i))
	}
	return err
}
