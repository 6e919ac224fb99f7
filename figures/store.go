package figures

import "time"

// This file is a store's own figures.

// Store is what a store did in this process, whoever called it (driver.Counter).
type Store struct {
	Since time.Time // when the store was opened, by the machine's clock

	// Reads are the reads of single records (Get), and Writes the writes, as they were
	// sent to the engine. What a store reads or writes for purposes of its own counts as
	// well: a read after a write that was refused, a part of a sweep.
	Reads, Writes Batches

	Requests int64 // to the engine, of any kind, with those of searches and reports; in SQLite transactions
	Retries  int64 // reads and writes that were sent once more

	// CopyHits are reads for which the engine was asked for the version alone, since that
	// of a copy in memory was still right. 0 for stores without such copies.
	CopyHits int64
}

// Batches are operations that a store sends to its engine together.
type Batches struct {
	// Sizes are the batches by their number of operations: Sizes.Count is the number of
	// batches, Sizes.Sum that of all operations in them.
	Sizes Histogram[int64]

	// Waiting is the number of operations that wait now to be sent; in SQLite also those
	// that wait for another process to end its transaction.
	Waiting int64
}
