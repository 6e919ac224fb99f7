package properties

import (
	"flag"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
)

// TestMain bounds what is done where nobody says -rapid.checks: ten
// sequences of some thirty operations for each store.
func TestMain(m *testing.M) {
	flag.Parse()
	given := map[string]bool{}
	flag.Visit(func(f *flag.Flag) { given[f.Name] = true })
	for name, value := range map[string]string{"rapid.checks": "10", "rapid.nofailfile": "true"} {
		if !given[name] {
			if err := flag.Set(name, value); err != nil {
				panic(err)
			}
		}
	}
	leaktest.Main(m)
}
