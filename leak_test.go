package cloakroom_test

import (
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/test/leaktest"
)

// This file is the check that no goroutine is left when the tests have ended.

func TestMain(m *testing.M) { leaktest.Main(m, clearSpares) }
