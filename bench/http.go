package main

import (
	"fmt"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the cases of whole requests over HTTP on loopback. Server and clients
// share the machine, and so does the service behind a peer.

const clientsAtOnce = 64

func httpCases() []Case {
	peers := []func(*Bench) (*site, error){
		sqliteSite, redisSite, postgresSite, scsSQLiteSite(1), scsSQLiteSite(8), gorillaFileSite, gorillaCookieSite, fiberSite,
	}
	both := []need{needRedis, needPostgres}
	row := func(what, peer string, goal, least Bound) Row {
		return Row{What: what, Unit: perSec, Kind: More, Ours: []string{"cloakroom+sqlite"}, Peers: []string{peer}, Goal: goal, Least: least}
	}
	return []Case{
		{
			Name: "http/write", Needs: both, Warm: 1,
			About:   "64 clients whose requests read and write a session of their own.",
			Favours: "fiber: its server (fasthttp) does less than net/http for each request, and its sessions are in memory. Redis and PostgreSQL have no TLS and are on this machine, which spares them a network, but they take processors from the clients. Hot sessions: 32 for each client.",
			Rows: []Row{
				row("full HTTP read and write, SQLite, against scs + Redis (appendfsync always)", "scs+redis", better, at(0.8)),
				row("full HTTP read and write, SQLite, against scs + PostgreSQL", "scs+postgres", untold, untold),
				row("full HTTP read and write, SQLite, against gorilla with files (no fsync)", "gorilla+files", untold, untold),
				row("full HTTP read and write, SQLite, against scs + SQLite, 1 connection", "scs+sqlite-1conn", untold, untold),
				row("full HTTP read and write, SQLite, against scs + SQLite, 8 connections", "scs+sqlite-8conn", untold, untold),
				row("full HTTP read and write, SQLite, against gorilla with cookies (nothing is stored)", "gorilla+cookie", untold, untold),
				row("full HTTP read and write, SQLite, against fiber in memory", "fiber", at(0.75), at(0.65)),
			},
			Setup: func(b *Bench) ([]Side, error) { return clients(b, b.size(clientsAtOnce, 8), pageVisit, peers...) },
		},
		{
			Name: "http/read", Needs: both, Warm: 1,
			About:   "64 clients whose requests read a session.",
			Favours: "As http/write; and us, where copies hold the few sessions (http/cold has many).",
			Rows: []Row{
				row("full HTTP read, SQLite, against scs + Redis", "scs+redis", at(1.5), at(1)),
				row("full HTTP read, SQLite, against scs + PostgreSQL", "scs+postgres", untold, untold),
				row("full HTTP read, SQLite, against scs + SQLite, 1 connection", "scs+sqlite-1conn", untold, untold),
				row("full HTTP read, SQLite, against scs + SQLite, 8 connections", "scs+sqlite-8conn", untold, untold),
				row("full HTTP read, SQLite, against gorilla with files (no fsync)", "gorilla+files", untold, untold),
				row("full HTTP read, SQLite, against gorilla with cookies (nothing is stored)", "gorilla+cookie", untold, untold),
				row("full HTTP read, SQLite, against fiber in memory", "fiber", untold, untold),
			},
			Setup: func(b *Bench) ([]Side, error) { return clients(b, b.size(clientsAtOnce, 8), pageRead, peers...) },
		},
		{
			Name: "http/concurrency", Needs: []need{needRedis}, Most: 3, Warm: 1,
			About:   "Requests that read and write a session, by the number of clients.",
			Favours: "As http/write. With 1 client nothing is shared between requests, which is worst for us.",
			Rows: []Row{{
				What: "full HTTP read and write with 1 client, SQLite, against scs + Redis (appendfsync always)", Unit: perSec, Kind: More,
				Ours: []string{"cloakroom+sqlite/n=1"}, Peers: []string{"scs+redis/n=1"}, Goal: untold, Least: untold,
			}},
			Plot: &Plot{Title: "Read and write over HTTP", X: "parallel clients", Y: "requests/s", Unit: perSec, LogX: true},
			Setup: func(b *Bench) ([]Side, error) {
				var sides []Side
				for _, n := range b.steps(1, 4, 16, 64, 256) {
					at, err := clients(b, n, pageVisit, sqliteSite, redisSite)
					if err != nil {
						return nil, err
					}
					sides = append(sides, plotted(at, n)...)
				}
				return sides, nil
			},
		},
	}
}

// httpEngineCases come after the engine's own cases, which leave it warm.
func httpEngineCases() []Case {
	return []Case{
		{
			Name: "http/opensearch", Needs: []need{needEngine}, Warm: 10,
			About:   "64 clients whose requests get five values and set one, on OpenSearch: in our store, and as Dancer::Session::ElasticSearch does.",
			Favours: "Us: clients, server and engine share the processors, so a peer that asks the engine more often also leaves less for its own requests. Hot sessions: 32 for each client.",
			Rows: []Row{
				{
					What: "full HTTP read and write on OpenSearch, against one operation per request (is_lazy 1)", Unit: perSec, Kind: More,
					Ours: []string{"cloakroom+opensearch"}, Peers: []string{"plain-lazy"}, Goal: at(2.3), Least: at(1.9),
				},
				{
					What: "full HTTP read and write on OpenSearch, against is_lazy 0 (five gets and one set)", Unit: perSec, Kind: More,
					Ours: []string{"cloakroom+opensearch"}, Peers: []string{"plain-eager"}, Goal: at(12), Least: at(8),
				},
				{
					What: "full HTTP read and write on OpenSearch with CacheFor, against one operation per request (is_lazy 1)", Unit: perSec, Kind: More,
					Ours: []string{"cloakroom+opensearch+cache"}, Peers: []string{"plain-lazy"}, Goal: untold, Least: untold,
				},
				{
					What: "full HTTP read and write on OpenSearch without copies, against one operation per request (is_lazy 1)", Unit: perSec, Kind: More,
					Ours: []string{"cloakroom+opensearch-copies"}, Peers: []string{"plain-lazy"}, Goal: untold, Least: untold,
				},
			},
			Setup: func(b *Bench) ([]Side, error) {
				return clients(b, b.size(clientsAtOnce, 8), pageBrowse, ourEngineSite, plainSite(false), plainSite(true),
					cachingSite("cloakroom+opensearch+cache", engineSettings, cachedEngine),
					engineSite("cloakroom+opensearch-copies", wholeSettings, withoutCopies))
			},
		},
		incrementCase("opensearch", engineSettings, []need{needEngine}, func(b *Bench) (cloakroom.Store, error) {
			e, name, err := b.engine()
			if err != nil {
				return nil, err
			}
			return b.openEngineStore(e, name, withCopies)
		}),
	}
}

// clients returns a side for each site, on a server of its own, with n clients.
func clients(b *Bench, n int, page string, open ...func(*Bench) (*site, error)) ([]Side, error) {
	all, err := sites(b, open...)
	if err != nil {
		return nil, err
	}
	var sides []Side
	for _, s := range all {
		way, err := s.online(b)
		if err != nil {
			return nil, err
		}
		visitors, err := newCrowd(b, n, b.size(32, 2), way)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		sides = append(sides, b.side(s.name, s.settings, n, visitors.at(page), visitors.check))
	}
	return sides, nil
}

// steps returns the places on a plot's axis: all, or in a quick run the first two.
func (b *Bench) steps(all ...int) []int {
	if b.quick {
		return all[:2]
	}
	return all
}

// plotted puts sides at a place in the plot.
func plotted(sides []Side, x int) []Side {
	for i := range sides {
		s := &sides[i]
		s.Series, s.X = s.Name, float64(x)
		s.Name = fmt.Sprintf("%s/n=%d", s.Name, x)
	}
	return sides
}
