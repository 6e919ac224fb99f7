// Package protocol makes the promises: that no acknowledged save is lost, that
// nothing comes back, that parallel saves merge, that an unknown outcome is never
// guessed, that sign-out everywhere is airtight. docs/design.md numbers them.
//
// It speaks of records and stores, and knows nothing of HTTP, tokens and values'
// types. Its surface is Records; no other code of the product calls a store's
// Create, Update or Bury.
//
// Every checked write goes through flush, the one loop that reads, changes,
// writes at the version read, and resolves conflicts and lost answers. Changes of
// one record inside a process never fight: while one is in flight, later ones
// wait in the record's Queue and go out merged, as one write.
package protocol
