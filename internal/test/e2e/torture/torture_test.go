package torture

import (
	"context"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
)

var (
	seed = flag.Int64("seed", 0, "of the scenarios; 0: another one each time")
	each = flag.Bool("each", false, "also the scenarios that are much like another, as make torture has it")
)

func TestMain(m *testing.M) {
	if worked, err := Serve(context.Background(), os.Getenv, os.Stdin, os.Stdout); worked {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	leaktest.Main(m)
}

// alike is short for a scenario that is much like another, which is run every day.
func alike(t *testing.T, name, other string) Tally {
	t.Helper()
	if !*each {
		t.Skipf("asked for by -each; every day there is %s", other)
	}
	return short(t, name)
}

// short runs a scenario for as long as one fault of each sort takes.
func short(t *testing.T, name string) Tally {
	t.Helper()
	chosen, err := choose("^" + name + "$")
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Seed: *seed, Dir: t.ArtifactDir()}
	if o.Seed == 0 {
		o.Seed = rand.Int64N(1_000_000) + 1
	}
	t.Logf("seed %d", o.Seed)
	var tally Tally
	skipped := false
	t.Run("run", func(t *testing.T) { // its end stops the engines, and has the histories judged
		defer func() { skipped = t.Skipped() }()
		Do(t, chosen[0], o, func(got Tally) { tally = got })
	})
	if skipped {
		t.SkipNow()
	}
	t.Logf("%d kills, %d pauses, %d cuts, %d restarts, stall %v, %q\n%v", tally.Kills, tally.Pauses, tally.Cuts, tally.Restarts,
		tally.StallText(), tally.Notes, &tally.History)
	return tally
}

func TestTortureNodeKilled(t *testing.T) {
	if got := short(t, "node-killed"); got.Kills == 0 || got.Restarts == 0 {
		t.Error("no node was killed and restarted")
	}
}

func TestTortureNodePaused(t *testing.T) {
	if got := alike(t, "node-paused", "node-killed"); got.Pauses == 0 {
		t.Error("no node was stopped")
	}
}

func TestTortureNetwork(t *testing.T) {
	if got := short(t, "network"); got.Cuts == 0 {
		t.Error("nothing was cut")
	}
}
