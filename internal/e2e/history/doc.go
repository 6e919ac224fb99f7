// Package history judges what clients of sessions were told, while they worked
// on the same sessions at once, while processes were killed and answers were
// lost: is there an order of the operations, each at some moment between its
// call and its return, in which a store without any of that would have given
// the same answers?
//
// A history falls into families: a visitor's sessions, one made from another by
// signing in, and the principals that they are signed in as. Families have
// nothing to do with each other, so each is checked for itself: by Porcupine
// against the model in model.go, and by the counting in audit.go, which takes
// no search and looks at some promises more closely.
//
// What is recorded are numbers: sessions, tokens and values are counted through
// in a family, and a value that an operation puts in is the operation's number.
// So a history holds no secret and can be kept.
package history
