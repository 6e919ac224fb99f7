// Package sqlitestore keeps sessions in an SQLite file: the store for one
// machine. It is pure Go and needs no C compiler. Nothing has to be set up.
//
//	store, err := sqlitestore.Open(ctx, "sessions.db", nil)
//	…
//	defer store.Close()
//	sessions, err := cloakroom.New(store, keyring, nil)
//
// The columns can be read with the sqlite3 shell:
//
//	SELECT id, principal, datetime(seen/1000, 'unixepoch'), data FROM records;
//
// The format of the file is stable: later versions of this package read it, and
// bring its schema up to date when they open it. Processes of both versions can then
// go on with one file, and what the later puts into a session the earlier keeps
// (driver.Record.Extra); the columns that a later version has added stay as they
// are. So a deployment can be taken back. A version after which that doesn't hold
// raises the file's user_version, and says so in its release notes: earlier ones
// then refuse to open the file.
//
// # Durability
//
// What is acknowledged has been synced to the disk (write-ahead log,
// synchronous=FULL) and survives a crash of the process and of the machine, as
// far as the disk keeps what it says is synced. A save whose commit fails, as on
// a full disk, has driver.ErrUnavailable, and is undone; after that saves
// work again as soon as the disk does.
//
// # Consistency
//
// All operations see what was acknowledged before they began, in any process.
// That includes Search and Summarize. Search reads page by page: what is
// written while it goes on may be in its answer or not.
//
// # Concurrency
//
// Saves that come at the same time share a transaction, and so a sync to the
// disk: the first goes at once, and what comes while it is on its way goes
// together. Each has its own outcome, and one that fails leaves the others
// alone. Reads go on beside them, on connections of their own (Config.Readers);
// those that have to wait for one share a transaction too.
//
// Several stores, in several processes, can have the same file open; they take
// turns writing. Those that have waited longest look the most often whether it is
// theirs. A save that ends before its turn, with the context or Config.BusyTimeout,
// has driver.ErrOverloaded: it certainly did not happen. A store has no goroutines
// while nothing goes on.
//
// Answers are certain (driver.Assurances): a save that is refused has changed nothing.
//
// # Limits
//
// The file must be on a local disk: network file systems don't share memory
// between machines, which the write-ahead log needs. Its folder must be
// writable, since SQLite keeps two more files beside it, with -wal and -shm in
// their names. They belong to the file: copy all three, or use the sqlite3
// shell's .backup, and never delete them by hand.
//
// Don't open the file yourself in a process that has a store on it, not even to
// copy it: when a file is closed, POSIX systems drop all locks that the process
// has on it, SQLite's too, and then two processes write at a time.
//
// The space of ended sessions is used again, but the file keeps the size that it
// once had; VACUUM in the sqlite3 shell shrinks it. Summarize with a restriction
// of Expires reads all sessions: some seconds for a million.
//
// # Deviations from the contract
//
// None.
package sqlitestore
