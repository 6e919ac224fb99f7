// Package properties drives sessions with random sequences of operations, one
// at a time, on every store, and compares each answer with a plain model: maps
// and lists, without a word about how it is done. Where the workloads of package
// workload have to allow for what happens at the same time, here each answer is
// known.
package properties
