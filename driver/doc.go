// Package driver is the contract between cloakroom and the stores that keep its
// sessions: what a store has to do, and what it is given to keep.
//
// Applications don't need it to use sessions. It is for who writes a store, and
// for who looks at records through cloakroom.Admin. A store implements Store, and
// package storetest checks the whole contract with one call.
//
// # Words
//
// A record is what a store keeps of a session. A ledger is the record of one
// principal's live sessions. A grave, which others call a tombstone, is what an
// ended session leaves. A write id names one write of a record, a version one
// state of it.
//
// # Growth
//
// A process may meet what a newer one has written, since deploys and rollbacks
// have both at work on one store. Members that it doesn't know it keeps as they
// are whenever it writes the record again (Record.Extra, Grave.Extra). What it
// can't work with, it refuses with ErrNewer.
package driver
