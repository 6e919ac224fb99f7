package torture

import (
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/e2e/workload"
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
		"one of few undecided":  {func(h *history.Report) { h.Families, h.Undecided = 16, 1 }, true},
		"two of few undecided":  {func(h *history.Report) { h.Families, h.Undecided = 16, 2 }, false},
		"a broken promise":      {func(h *history.Report) { h.Failed = 1 }, false},
		"no families":           {func(h *history.Report) { h.Families = 0 }, false},
		"no sign-in":            {func(h *history.Report) { delete(h.Counts, history.Login) }, false},
		"updates only refused":  {func(h *history.Report) { h.Counts[history.Update] = map[history.Outcome]int{history.Unavailable: 9} }, false},
		"the rarest never done": {func(h *history.Report) { delete(h.Counts, history.Sweep) }, true},
	} {
		r := &Run{tally: Tally{History: history.Report{Families: 100, Counts: map[history.Kind]map[history.Outcome]int{}}}}
		for kind := range workload.Mix() {
			r.tally.History.Counts[kind] = map[history.Outcome]int{history.Done: 1}
		}
		c.spoil(&r.tally.History)
		if err := r.verdict(); (err == nil) != c.good {
			t.Errorf("%s: %v", name, err)
		}
	}
}
