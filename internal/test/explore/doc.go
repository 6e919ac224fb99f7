// Package explore visits every interleaving of a few clients, a store, time and
// faults, breadth first, and looks for a state that breaks a promise of
// package cloakroom. The clients are managers and admins as they are used in
// production; only the store is a model. See README.md.
package explore
