package figures_test

import (
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
)

func TestMain(m *testing.M) { leaktest.Main(m) }
