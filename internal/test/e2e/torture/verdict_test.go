package torture

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
)

// A run passes if it shows something, and nothing broken.
func TestVerdict(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(h *history.Report)
		good  bool
	}{
		"as it should be":       {func(*history.Report) {}, true},
		"few undecided":         {func(h *history.Report) { h.Undecided = 2 }, true},
		"too many undecided":    {func(h *history.Report) { h.Undecided = 3 }, false},
		"one of few undecided":  {func(h *history.Report) { h.Families, h.Undecided = 16, 1 }, false},
		"a broken promise":      {func(h *history.Report) { h.Failed = 1 }, false},
		"no families":           {func(h *history.Report) { h.Families = 0 }, false},
		"no sign-in":            {func(h *history.Report) { delete(h.Counts, history.Login) }, false},
		"updates only refused":  {func(h *history.Report) { h.Counts[history.Update] = map[history.Outcome]int{history.Unavailable: 9} }, false},
		"the rarest never done": {func(h *history.Report) { delete(h.Counts, history.Sweep) }, true},
	} {
		r := &Run{tally: Tally{History: enough(100)}}
		c.spoil(&r.tally.History)
		if err := r.verdict(); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// enough is a report of families that nothing is wrong with.
func enough(families int) history.Report {
	h := history.Report{Families: families, Counts: map[history.Kind]map[history.Outcome]int{}}
	for kind := range workload.Mix() {
		h.Counts[kind] = map[history.Outcome]int{history.Done: 1}
	}
	return h
}

// What was undecided is judged again, when all that the scenario started has
// stopped: unless the scenario failed, which is all there is to say then.
func TestUndecidedIsJudgedAgainAtTheEnd(t *testing.T) {
	create := history.Op{N: 1, Kind: history.Create, Outcome: history.Done, NewSession: 1, NewToken: 1, Call: 1, Return: 2}
	read := history.Op{N: 2, Kind: history.Get, Outcome: history.Done, Session: 1, Token: 1, Call: 3, Return: 4, Values: &history.Values{}}
	lost := read
	lost.Outcome, lost.Values = history.NotFound, nil
	for name, c := range map[string]struct {
		second    history.Op
		err       error
		undecided int
		want      string // in the error
	}{
		"sound":           {second: read},
		"broken":          {second: lost, want: "break a promise"},
		"failed scenario": {second: read, err: errors.New("no engine"), undecided: 1, want: "no engine"},
	} {
		stopped := false
		var got Tally
		err := testengine.Command(t.Context(), t.Output(), func(tb testengine.TB) {
			s := Scenario{Name: "fake", Run: func(_ context.Context, r *Run) error {
				r.Cleanup(func() { stopped = true })
				h := enough(16)
				h.Undecided, h.Open = 1, []history.Family{{Number: 1, Ops: []history.Op{create, c.second}}}
				r.Add(&h)
				return c.err
			}}
			Do(tb, s, Options{Dir: t.TempDir()}, func(tally Tally) {
				if got = tally; !stopped {
					t.Errorf("%s: judged before all had stopped", name)
				}
			})
		})
		if got.History.Undecided != c.undecided {
			t.Errorf("%s: %d are undecided", name, got.History.Undecided)
		}
		if (err != nil) != (c.want != "") || (got.Err != nil) != (c.want != "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, tally has %v", name, err, got.Err)
		}
	}
}
