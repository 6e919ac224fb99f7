// Package driver is the contract between cloakroom and the stores that keep its
// sessions: the duties of a store, and the records that it keeps.
//
// Applications don't need it to use sessions. It is for authors of stores, and for code
// that looks at records through cloakroom.Admin.
//
// # Writing a store
//
// A store implements Store, and may have a method Close() error. Package storetest
// checks the whole contract with one call. The module examples/ownstore is a store to
// copy. Helpers for stores: Query.Matches and Cursor.Compare for Search,
// Record.ExpiredGrave for Sweep, CheckFormat, CheckDepth, and SortValues for values that
// are read one by one.
//
// # Words
//
// A record holds a session in a store. A ledger is the record of one principal's live
// sessions; it is a record of another Kind, under an id of its own. A grave, which
// others call a tombstone, takes the place of an ended session's record. A write id
// names one write of a record; the writer makes it. A version names one state of a
// record or grave; the store makes it.
//
// The Manager is cloakroom.Manager, which calls stores. A principal is the user that a
// session is signed in as.
//
// # Stored data
//
// Texts in Record and Grave, and the names in a ValueList, are compared byte by byte.
// The Manager makes sure that they are UTF-8. A store refuses a principal or a name that
// isn't with ErrInvalid, and never changes it.
//
// Times are UTC, to the millisecond. The zero time means "none" and must come back as
// such; the Unix epoch is a time like any other. Values are JSON. They come back with
// the same meaning, and numbers with the same spelling. Nil and empty lists are the
// same.
//
// The zero ID and the zero Version stand for "none". ParseID doesn't accept the
// text of the zero ID, so a store leaves out an unset Grave.Successor.
//
// # Growth
//
// During a deploy, and after a rollback, processes of two versions are at work on one
// store, so a process may meet the writes of a newer one. Stores return members for
// which they have no field in Record.Extra and Grave.Extra, and keep the members that
// they are given there. The Manager passes Extra on whenever it writes the record again.
// If a process can't work with a record, its store refuses the record with ErrNewer
// (CheckFormat).
//
// A later version adds members at the top level only. It neither changes the meaning of
// the existing members nor adds anything inside them: within a member, such as the
// client, an older version keeps only the parts that it knows. A record's id, kind and
// deadline, and the mark of a grave, are the same in every format. So an older version
// can sweep and bury records that it can't otherwise work with.
//
// A name in Extra is UTF-8, and none of those that the store itself uses. A store
// refuses others with ErrInvalid, and may also refuse names and values that its engine
// can't keep, such as the empty name. Each value is JSON. Stores keep its spelling,
// except for space between its parts.
//
// Neither Values nor Extra, of records and graves, may be nested deeper than MaxDepth.
// All stores refuse deeper ones with ErrInvalid (CheckDepth). So no store takes a record
// that it, or another store to which records are moved, can't give back.
package driver
