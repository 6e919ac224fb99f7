// Command operations does to a store's engine what operators do, and what happens to
// them, while visitors use two servers on it. It checks what came of each operation, and
// writes the table of docs/operations.md.
//
//	go run ./internal/test/e2e/operations -o docs/operations.md
//	go run ./internal/test/e2e/operations -engines opensearch2 -only index-closed,kill
//
// It fails when an operation has another outcome than is written down in it, and when
// anything acknowledged is lost that the operation doesn't say is lost. The package's
// tests do the operations that are quick, and execute the recipes of the document.
package main
