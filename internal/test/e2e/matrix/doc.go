// Command matrix runs the conformance suite, and a workload whose histories are
// checked, on every engine that can be started, and writes what came of it as a
// document.
//
//	go run ./internal/test/e2e/matrix -o docs/engines.md
//	go run ./internal/test/e2e/matrix -engines opensearch2+security,es8+security -for 20s
//
// It fails when anything does, and when anything could not be run.
package main
