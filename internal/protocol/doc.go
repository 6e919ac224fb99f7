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
// Three kinds of writes go past it. Create stores the record of a new id. A burial
// ends a session at any version; but those of an idle session, and of one that a
// sign-in replaces, give way to whoever wrote in between. A confirmation writes a
// state that was read once more, which proves that it is there to stay.
package protocol
