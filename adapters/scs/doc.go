// Package scsstore keeps the sessions of github.com/alexedwards/scs/v2 in a store of
// cloakroom: in memory, in an SQLite file, or in OpenSearch or Elasticsearch. The
// application keeps its code.
//
//	db, err := sqlitestore.Open(ctx, "sessions.db", nil)
//	…
//	defer db.Close()
//	sessions := scs.New()
//	store, err := scsstore.New(db, &scsstore.Config{Manager: sessions})
//	…
//	defer store.Close()
//	sessions.Store = store
//
// An application that moves from scs to a cloakroom.Manager brings its sessions along by
// an Importer. The rest of this page is about Store.
//
// A Store is an scs.Store, scs.CtxStore, scs.IterableStore and scs.IterableCtxStore.
//
// # Stored data
//
// A session is a record whose id is made from the app and the token by a hash. So
// nobody learns a token from the store. The session's data, which scs encodes, is one
// value of the record: base64 in a JSON text. The record's deadline is the expiry that
// scs gives. cloakroom.NewAdmin(db, "scs") lists these sessions and ends them by their
// ids; Store.ID tells the id of a token.
//
// # Durability
//
// That of the store below: what Commit and Delete have done without an error stays.
//
// # Consistency
//
// Find sees every Commit and Delete that was acknowledged before it began, in any
// process.
//
// A Commit has no version, so of two Commits of one token the last stays, as with every
// store of scs: parallel requests of one visitor can lose each other's changes. A
// cloakroom.Manager merges them.
//
// A Delete is final. It leaves a grave in the session's place, at which every later
// Commit of the token fails with driver.ErrGone, in any process. So a request that had
// loaded the session before a sign-out, or before RenewToken, can't bring it back, and
// sets no cookie. The grave lasts until the session would have expired, and for
// Config.KeepDeleted (24 hours) at least. A request that goes on for longer than that
// can bring the session back.
//
// A session that has expired isn't found. It can be committed all the same: a request
// that came in time may end later.
//
// # Concurrency
//
// A Store can be used by any number of goroutines, and its database by any number of
// processes. Commits of one token in one process go one after the other. A Commit reads
// the record and then writes it at the version that it read.
//
// # Outcome
//
// A Commit or Delete whose answer was lost is looked for. An error that wraps
// driver.ErrUnknown says that it couldn't be learned in time whether it happened. With
// any other error it didn't. scs has no word for the difference: both are its ErrorFunc's.
//
// Commits and Deletes are carried through for Config.Timeout, even when the context ends:
// a visitor who signs out and leaves is signed out. Find and All end with their context.
//
// # Limits
//
// The data of a session is bounded by Config.MaxBytes. An expiry is kept to the
// millisecond, rounded down, and no later than the year 9999.
//
// A token tells no time. So elasticstore keeps all sessions in one index, that of adopted
// ones, and a sweep deletes them one by one. A cloakroom.Manager's are in an index for
// each period, which is dropped whole.
//
// The empty token is nobody's: scs deletes it when a visitor without a session signs out.
// It is never found, to delete it does nothing, and to commit it is driver.ErrInvalid.
// The same holds for the hash that scs makes of it.
package scsstore
