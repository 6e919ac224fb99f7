package testengine

import (
	"errors"
	"fmt"
	"strings"
)

// This file decides whether a test without an engine is skipped or fails.

// Variables of the environment; the package comment explains them.
const (
	envEngine  = "CLOAKROOM_TEST_ENGINE"
	envRequire = "CLOAKROOM_REQUIRE_ENGINES"
	envCache   = "CLOAKROOM_ENGINE_CACHE"
	envJava17  = "CLOAKROOM_JAVA_HOME"
	envJava25  = "CLOAKROOM_JAVA25_HOME"
)

// lookup reads the environment: os.Getenv, or a test's own.
type lookup func(string) string

// noEngine is the value of CLOAKROOM_TEST_ENGINE that asks for none.
const noEngine = "none"

// missingError is the error of a machine that lacks the prerequisites of engines, or of a
// run that asks for none. It is the only reason to skip a test.
type missingError struct{ what string }

func (e missingError) Error() string { return e.what }

var errUnwanted = missingError{envEngine + "=" + noEngine + " wants none"}

var errSystem = missingError{"engines are started on Linux, macOS and BSD only"}

// verdict returns the message for a test that can't have its engine, and whether the
// test is skipped or fails.
func verdict(err error, env lookup) (message string, skip bool) {
	if _, ok := errors.AsType[missingError](err); !ok {
		return "testengine: " + err.Error(), false
	}
	how := "install a JDK (17 or newer; 25 for opensearch3) and Maven, or set " + envEngine + "=http://host:port to a running engine"
	if errors.Is(err, errUnwanted) {
		how = "unset it"
	}
	if v := env(envRequire); v != "" && v != "0" {
		return fmt.Sprintf("testengine: %v, and %s=%s wants engine tests to run: %s", err, envRequire, v, how), false
	}
	return fmt.Sprintf("testengine: engine tests were SKIPPED: %v. To run them: %s (and use -count=1, as go test remembers skips)",
		err, how), true
}

// giveUp ends the test by the verdict.
func giveUp(t TB, err error, env lookup) {
	t.Helper()
	message, skip := verdict(err, env)
	if skip {
		t.Skip(message)
	}
	t.Fatal(message)
}

// choice splits CLOAKROOM_TEST_ENGINE: the address of a running engine, or else the name of the engine to start.
func choice(env lookup) (address, name string) {
	v := env(envEngine)
	switch {
	case v == "", v == noEngine:
		return "", defaultEngine
	case strings.Contains(v, "://"):
		return strings.TrimRight(v, "/"), defaultEngine
	}
	return "", v
}
