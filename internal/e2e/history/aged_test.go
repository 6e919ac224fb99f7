package history_test

import (
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/e2e/history"
)

// What a node that was cut off may have answered is as old as the cut, and no
// older; and only reads may be.
func TestReadsFromBeforeACut(t *testing.T) {
	create := history.Op{N: 1, Kind: history.Create, Outcome: history.Done, NewSession: 1, NewToken: 1, Call: 10, Return: 20}
	destroy := history.Op{N: 2, Kind: history.Destroy, Outcome: history.Done, Session: 1, Token: 1, Call: 30, Return: 40}
	read := history.Op{N: 3, Kind: history.Get, Outcome: history.Done, Session: 1, Token: 1, Values: &history.Values{}, Call: 50, Return: 60}
	write := history.Op{N: 4, Kind: history.Set, Key: "a", Outcome: history.Done, Session: 1, Token: 1, Call: 50, Return: 60}
	for _, c := range []struct {
		name   string
		last   history.Op
		since  int64
		broken bool
	}{
		{"read after the end", read, 0, true},
		{"read by a node that was cut off before the end", read, 25, false},
		{"read by a node that was cut off after the end", read, 45, true},
		{"write after the end", write, 25, true},
	} {
		c.last.Since = c.since
		v := history.Check(history.Family{Ops: []history.Op{create, destroy, c.last}}, time.Minute)
		if v.Undecided || v.Failed() != c.broken {
			t.Errorf("%s: %+v, want broken: %v", c.name, v, c.broken)
		}
	}
}
