package torture

import (
	"context"
	"time"
)

// Scenario is one way in which things go wrong.
type Scenario struct {
	// Name is short, in lower case, with dashes.
	Name string
	// What says in a sentence or two, for readers of the document, what is
	// done, and to what.
	What string
	// Weight is the scenario's share of a run's time.
	Weight int
	// Run sets up what is needed, has Run.Work do the work with faults beside
	// it, and looks at what is left. An error means that a promise was broken or
	// that the scenario could not be carried out.
	Run func(ctx context.Context, r *Run) error
}

// Scenarios are all scenarios, in the order in which they run.
func Scenarios() []Scenario {
	return append(clusterScenarios(), sqliteScenarios()...)
}

// Options are a run's of one scenario.
type Options struct {
	// Seed of all that is drawn.
	Seed int64
	// Until is when the scenario should begin no further fault.
	Until time.Time
	// Least is how long the work goes on even if it is later than that. It goes on
	// until a first fault has healed in any case. Defaults to 20 s.
	Least time.Duration
	// Dir is where the histories of broken promises are kept.
	Dir string
}
