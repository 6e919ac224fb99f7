// Package driver is the contract between cloakroom and the stores that keep its
// sessions: what a store has to do, and what it is given to keep.
//
// Applications don't need it to use sessions. It is for those who write a store,
// and for those who look at records through cloakroom.Admin.
//
// # Writing a store
//
// A store implements Store, and may have a method Close() error. Package storetest
// checks the whole contract with one call. The module examples/ownstore is a store
// to copy. Helpers for stores are Query.Matches and Cursor.Compare for Search,
// Record.ExpiredGrave for Sweep, CheckFormat, CheckDepth, and SortValues for values
// that are read one by one.
//
// # Words
//
// A record is what a store keeps of a session. A ledger is the record of one
// principal's live sessions; it is a record of another Kind, under an id of its
// own. A grave, which others call a tombstone, is what an ended session leaves
// under its id. A write id names one write of a record, and is the writer's. A
// version names one state of a record or grave, and is the store's.
//
// The Manager is cloakroom.Manager: who calls stores. A principal is the user that
// a session is signed in as.
//
// # What is stored
//
// Texts, those of Record, Grave and the names in a ValueList, are compared byte by
// byte. They are UTF-8: the Manager sees to it. A principal or a name that isn't, a
// store refuses with ErrInvalid rather than change it.
//
// Times are UTC, to the millisecond. The zero time means "none" and must come back
// as such; the Unix epoch is a time like any other. Values are JSON, which comes
// back the same in meaning, numbers as they are spelt. Nil and empty lists are the
// same.
//
// The zero ID and the zero Version stand for "none". ParseID doesn't accept the
// text of the zero ID, so a store leaves out an unset Grave.Successor.
//
// # Growth
//
// A process may meet what a newer one has written, since deploys and rollbacks
// have both at work on one store. Stores return what they have no field for in
// Record.Extra and Grave.Extra, and keep what they are given there. The Manager
// passes it on whenever it writes the record again. A record that a process can't
// work with, its store refuses with ErrNewer (CheckFormat).
//
// A later version adds members at the top level only. It gives none of those that
// are there another meaning, and puts nothing new into them: within a member, such
// as the client, an older version keeps only the parts that it knows. A record's id,
// kind and deadline, and the mark of a grave, are the same in every format. So an
// older version can sweep and bury records that it can't otherwise work with.
//
// A name in Extra is UTF-8, and none of those that the store itself has a use for.
// A store refuses others with ErrInvalid, and may refuse names and values that its engine
// can't keep, such as the empty one. Each value is JSON, which stores keep as it
// is spelt, but for space between its parts.
//
// Neither values nor what is in Extra, of records and graves, may be nested deeper than
// MaxDepth. All stores refuse what is deeper with ErrInvalid (CheckDepth), so that
// none takes what it, or another that the records are moved to, can't give back.
package driver
