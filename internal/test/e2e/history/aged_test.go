package history_test

import (
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// What a node that was cut off may have answered is as old as the cut, and no
// older; and only reads may be.
func TestReadsFromBeforeACut(t *testing.T) {
	create := history.Op{N: 1, Kind: history.Create, Outcome: history.Done, NewSession: 1, NewToken: 1, Call: 10, Return: 20}
	destroy := history.Op{N: 2, Kind: history.Destroy, Outcome: history.Done, Session: 1, Token: 1, Call: 30, Return: 40}
	read := history.Op{N: 3, Kind: history.Get, Outcome: history.Done, Session: 1, Token: 1, Values: &history.Values{}, Call: 50, Return: 60}
	write := history.Op{N: 4, Kind: history.Set, Key: "a", Outcome: history.Done, Session: 1, Token: 1, Call: 50, Return: 60}
	missed, gone, mine := read, write, write
	missed.Outcome, missed.Values = history.NotFound, nil
	gone.Kind, gone.Outcome, gone.Key, gone.Token, gone.N = history.Update, history.Gone, "", 0, 3
	mine.Outcome = history.Gone
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
		{"not known", missed, 0, true},
		{"not known to a node that was cut off before it was made", missed, 5, false},
		{"not known to a node that was cut off after it was made", missed, 25, true},
		{"gone", gone, 0, true},
		{"gone for a node that was cut off before it was made", gone, 5, false},
		{"gone for a node that was cut off after it was made", gone, 25, true},
		{"opened, and gone for a node that was cut off before it was made", mine, 5, false},
	} {
		c.last.Since = c.since
		ops := []history.Op{create, destroy, c.last}
		if c.last.Outcome != history.Done { // it is there before and after
			c.last.Call, c.last.Return = 25, 28
			later := read
			later.N, later.Call, later.Return = 4, 29, 30
			ops = []history.Op{create, c.last, later}
		}
		v := history.Check(history.Family{Ops: ops}, time.Minute)
		if v.Undecided || v.Failed() != c.broken {
			t.Errorf("%s: %+v, want broken: %v", c.name, v, c.broken)
		}
	}
}

// Who signs in with a token whose session a node that was cut off doesn't know begins
// with nothing. One that it knew gives its values.
func TestSignInAtANodeThatWasCutOff(t *testing.T) {
	create := history.Op{N: 1, Kind: history.Create, Outcome: history.Done, NewSession: 1, NewToken: 1, Call: 10, Return: 20}
	update := history.Op{N: 2, Kind: history.Update, Outcome: history.Done, Session: 1, Token: 1, Call: 22, Return: 24}
	login := history.Op{N: 3, Kind: history.Login, Outcome: history.Done, Session: 1, Token: 1, Again: true, Principal: "p", NewSession: 2, NewToken: 2, Call: 50, Return: 60}
	read := history.Op{N: 4, Kind: history.Get, Outcome: history.Done, Session: 2, Token: 2, Values: &history.Values{}, Call: 70, Return: 80}
	for since, broken := range map[int64]bool{0: true, 15: false, 30: true} {
		login.Since = since
		v := history.Check(history.Family{Ops: []history.Op{create, update, login, read}}, time.Minute)
		if v.Undecided || v.Failed() != broken {
			t.Errorf("cut off at %d: %+v, want broken: %v", since, v, broken)
		}
	}
}
