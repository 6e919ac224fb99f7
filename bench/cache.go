package main

import (
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the cases about Config.CacheFor, over HTTP. Each visitor comes back
// within CacheFor. That is the cache's best, and shows the cost that remains when no
// store is asked.

const benchCacheFor = 10 * time.Second

func cacheCases() []Case {
	row := func(what, ours, peer string) Row {
		return Row{What: what, Unit: perSec, Kind: More, Ours: []string{ours}, Peers: []string{peer}, Goal: untold, Least: untold}
	}
	return []Case{{
		Name: "http/cache", Needs: []need{needRedis, needEngine}, Warm: 2,
		About:   "64 clients whose requests read a session, with Config.CacheFor of 10 s and without.",
		Favours: "Us: each visitor comes back within CacheFor, which is the best case of it, and reads may be old.",
		Rows: []Row{
			{
				What: "full HTTP read, SQLite without CacheFor, against with it", Unit: perSec, Kind: More,
				Ours: []string{"cloakroom+sqlite"}, Peers: []string{"cloakroom+sqlite+cache"}, Goal: at(0.85), Least: at(0.78),
			},
			row("full HTTP read, OpenSearch, CacheFor against none", "cloakroom+opensearch+cache", "cloakroom+opensearch"),
			row("full HTTP read, SQLite with CacheFor, against scs + Redis", "cloakroom+sqlite+cache", "scs+redis"),
			row("full HTTP read, OpenSearch with CacheFor, against scs + Redis", "cloakroom+opensearch+cache", "scs+redis"),
		},
		Setup: func(b *Bench) ([]Side, error) {
			return clients(b, b.size(64, 8), pageRead,
				cachingSite("cloakroom+sqlite+cache", sqliteSettings, cachedSQLite), sqliteSite,
				cachingSite("cloakroom+opensearch+cache", engineSettings, cachedEngine), ourEngineSite, redisSite)
		},
	}}
}

// cachingSite is our site on a store, with Config.CacheFor.
func cachingSite(name, settings string, open func(*Bench) (cloakroom.Store, error)) func(*Bench) (*site, error) {
	return func(b *Bench) (*site, error) {
		store, err := open(b)
		if err != nil {
			return nil, err
		}
		l, err := newOursCaching(b, store, benchCacheFor)
		return newSite(name, settings+"; reads may be 10 s old", l), err
	}
}

func cachedSQLite(b *Bench) (cloakroom.Store, error) {
	store, _, err := b.sqliteStore(withCopies)
	return store, err
}

func cachedEngine(b *Bench) (cloakroom.Store, error) {
	store, _, _, err := b.engineStore(withCopies)
	return store, err
}
