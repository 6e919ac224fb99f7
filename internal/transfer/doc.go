// Package transfer copies everything that a store keeps into another, beside the application
// that is at work on it, and then cuts over: writes at the source are refused, what is
// left is copied, and both stores are compared. docs/design.md ("Moving between stores")
// says what it promises, and under which conditions.
//
// It writes by driver.Store and not by internal/protocol, since it makes no states of its
// own: each write is a state of the source, with the source's write count and write ids,
// at the version of the target that it was judged by. Nothing else uses the target
// meanwhile.
//
// # The rules
//
// A grave at the source always wins. A record at the target is replaced only if it is
// proved to be an earlier state of the source's: by the source's write ids, or by a mark
// that copying leaves in each record and grave (driver.ExtraCopied), which the first
// write of anybody else makes old. Everything else is left as it is, and told.
//
// So it needs no memory. It can be killed at any point, and what is run again goes on
// from whatever is there.
package transfer
