// Package protocol makes the promises: that no acknowledged save is lost (1), that
// nothing comes back (2), that parallel saves merge (3), that signing in changes the
// credential (9), that sign-out everywhere is airtight (10), and that an unknown
// outcome is never guessed (13). The numbers are those of docs/design.md.
//
// It speaks of records and stores, and knows nothing of HTTP, tokens and values'
// types. Its surface is Records. No other code of the product calls a store's
// Create, Update or Bury.
//
// # How records are written
//
// A checked write goes through flush. That is the one loop that reads, changes,
// writes at the version read, and resolves conflicts and lost answers. The changes
// of one record inside a process never fight: while one is in flight, later ones
// wait in the record's Queue and go out merged, as one write.
//
// Three kinds of writes go past it. Create stores the record of a new id. A burial ends a
// session whatever its version. That of an idle session, and that of a session which a
// sign-in replaces, are a compare-and-set instead, and yield to a write that came in
// between. A confirmation writes back a state that was read, unchanged: if the store
// acknowledges it, the state is no phantom.
package protocol
