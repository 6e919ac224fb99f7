// Package sqlitestore keeps sessions in an SQLite file: the store for one machine. It is
// pure Go, needs no C compiler and no setup.
//
//	store, err := sqlitestore.Open(ctx, "sessions.db", nil)
//	…
//	defer store.Close()
//	sessions, err := cloakroom.New(store, keyring, nil)
//
// The columns can be read with the sqlite3 shell (one that knows JSON: 3.38 or later):
//
//	SELECT id, principal, datetime(seen/1000, 'unixepoch'), data FROM records;
//
// The format of the file is stable. Later versions of this package read it, and bring
// its schema up to date when they open it. Processes of both versions can then use one
// file. The earlier version keeps everything that the later one puts into a session
// (driver.Record.Extra), and leaves columns that the later one has added as they are. So
// a deployment can be taken back. A version for which that doesn't hold raises the
// file's user_version, and says so in its release notes; earlier versions then refuse to
// open the file.
//
// # Durability
//
// An acknowledged write is synced to the disk (write-ahead log, synchronous=FULL). It
// survives a crash of the process and of the machine, as far as the disk keeps its
// promise. A save whose commit fails, as on a full disk, is undone and has
// driver.ErrUnavailable. Saves work again as soon as the disk does.
//
// # Consistency
//
// All operations see every write that was acknowledged before they began, in any
// process. That includes Search and Summarize. Search reads page by page: its answer may
// have a write that is made meanwhile, or not.
//
// A Store keeps copies of records that it read or wrote lately (Config.CopyBytes). It
// answers with one only if SQLite tells, after the read has begun, that no other
// connection has changed the file. A trigger that somebody adds to the file, and that
// changes other sessions than the one that is written, would go unseen: use
// Config.CopyBytes = -1 with one.
//
// # Concurrency
//
// Saves that arrive at the same time share a transaction, and so a sync to the disk
// (group commit). The first goes at once; those that arrive while it is under way go
// together. Each has its own outcome, and a failed one leaves the others alone. Reads go
// on beside them, on connections of their own (Config.Readers). Reads that have to wait
// for a connection share a transaction too.
//
// Several stores, in several processes, can have the same file open. They take turns
// writing; a store that has waited longer tries more often. A save that ends before its
// turn, with its context or Config.BusyTimeout, has driver.ErrOverloaded: it certainly
// did not happen. A store has no goroutines while it is idle.
//
// Answers are certain (driver.Assurances): a save that is refused has changed nothing.
//
// # Moving
//
// List and Fence are for moving to another store: docs/one-machine-to-cluster.md. Fence
// makes triggers in the file, whose names begin with cloakroom_fence, that refuse all
// writes. Unfence removes them.
//
// # Limits
//
// The file must be on a local disk: network file systems don't share memory
// between machines, which the write-ahead log needs. Its folder must be
// writable, since SQLite keeps two more files beside it, with -wal and -shm in
// their names. They belong to the file: copy all three, or use the sqlite3
// shell's .backup, and never delete them by hand.
//
// Don't open the file yourself in a process that has a store on it, not even to copy it.
// When a process closes a file, POSIX systems drop all its locks on that file, SQLite's
// too. Then two processes may write at a time.
//
// This machine's clock decides alone what is over: SQLite has no other that could contradict
// it (driver.EngineClock). If it is set ahead, a sweep ends live sessions for good.
//
// The space of ended sessions is used again, but the file never shrinks; VACUUM in the
// sqlite3 shell shrinks it.
//
// Searches and counts by Expires, Seen, Address or Agent read all sessions that the rest
// of the query selects, some seconds for a million, as there is no index for them;
// driver.Query.Scan bounds that. So does a search in the order of the last activity,
// except with Config.IndexSeen.
//
// # Deviations from the contract
//
// None.
package sqlitestore
