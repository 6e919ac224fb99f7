package main

import (
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file tests looking at sessions and ending them on a real engine, as the transcripts
// do on SQLite.

func TestLookOnEngine(t *testing.T) {
	e := newEngineStore(t)
	store := e.open(elasticstore.Config{})
	s := newShop(t, store, "")
	s.fill()
	e.refresh(store)
	filled := func(text string) string {
		for name, id := range s.ids {
			text = strings.ReplaceAll(text, "$"+name, id.String())
		}
		return text
	}
	want := func(args string, exit int, out string) {
		t.Helper()
		e.want(filled(args), exit, filled(out), "")
	}
	want("ls --json", exitOK, `
{"type":"session","id":"$GUEST","state":"live",*
{"type":"session","id":"$ANN2",*
{"type":"session","id":"$ANN1",*
{"type":"session","id":"$BOB",*
{"type":"result","ok":true,"exit":0,"sessions":4}
`)
	want("ls --order seen --limit 2 --json", exitOK, `
{"type":"session","id":"$ANN1",*
{"type":"session","id":"$GUEST",*
{"type":"result","ok":true,"exit":0,"sessions":2,"after":"*"}
`)
	want("ls --state all --order oldest --json", exitOK, `
{"type":"session","id":"$EVE","state":"expired",*
{"type":"session","id":"$BOB",*
{"type":"session","id":"$ANN1",*
{"type":"session","id":"$ANN2",*
{"type":"session","id":"$CAROL","state":"ended",*
{"type":"session","id":"$GUEST",*
{"type":"session","id":"$DAVE","state":"ended",*
{"type":"result","ok":true,"exit":0,"sessions":7}
`)
	want("ls --address 203.0.113.0/26 --agent FIREFOX --json", exitOK, `
{"type":"session","id":"$ANN1",*
{"type":"result","ok":true,"exit":0,"sessions":1}
`)
	want("show --json $CAROL", exitOK, `
{"type":"session","id":"$CAROL","state":"ended",*"reason":"destroyed",*
{"type":"result","ok":true,"exit":0}
`)
	want("show --json --values $ANN2", exitOK, `
{"type":"session","id":"$ANN2",*"ledger":"named","values":[{"name":"cart","bytes":22,"value":"xxxxxxxxxxxxxxxxxxxx"},{"name":"theme","bytes":6,"value":"dark"}]}
{"type":"result","ok":true,"exit":0}
`)
	want("top --json --limit 1", exitOK, `
{"type":"session","id":"$BOB",*
{"type":"principal","principal":"ann","sessions":2}
{"type":"result","ok":true,"exit":0,"sessions":5,"looked":5,"sampled":false}
`)
	want("stats --exact --json", exitOK, `
{"type":"stats","app":"session","at":"20*Z","sessions":5,"signedIn":4,"live":4,"liveSignedIn":3,"expired":1,"ended":2,"madeInHour":1,"endedInHour":1,"usedInHour":2,"usedIn5Minutes":0,"seconds":*}
{"type":"result","ok":true,"exit":0}
`)
	want("revoke --agent curl --yes --json", exitOK, `
{"type":"session","id":"$ANN2",*
{"type":"session","id":"$BOB",*
{"type":"result","ok":true,"exit":0,"matched":2,"ended":2,"over":0,"missing":0,"failed":0,"left":0,"dryRun":false}
`)
	want("revoke --principal ann --yes --json", exitOK, `
{"type":"session","id":"$ANN1",*
{"type":"result","ok":true,"exit":0,"matched":1,"ended":1,"over":0,"missing":0,"failed":0,"left":0,"dryRun":false}
`)
	want("revoke --all --yes --json", exitOK, `
{"type":"session","id":"$GUEST",*
{"type":"result","ok":true,"exit":0,"matched":1,"ended":1,"over":0,"missing":0,"failed":0,"left":0,"dryRun":false}
`)
	want("ledger check", exitOK, "Compared 1 session with the ledgers: all are as they have to be.")
}
