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
// Where the model allows more than one thing, it is because the root package
// promises no more:
//
//   - Signing out everywhere ends one session after the other, before it returns.
//   - A sign-out of unknown outcome may happen at any time, since burials are not
//     checked. One everywhere can't end sessions whose sign-in began after it was
//     given up, and was acknowledged: that wrote the ledger.
//   - A sign-in without a Begin doesn't notice a sign-out everywhere that was
//     over before it began, and may or may not notice one beside it.
//   - A sign-in with a token that is renewed beside it may succeed; with one that
//     was renewed before it began, it may not.
//   - A sign-in with the token of a session that another one replaced takes the place
//     of that one's session if it is certain that no request had presented its token,
//     and begins with nothing if it is certain that one had: that was answered before
//     the sign-in began. Beside such a request, or after one that failed, it may do
//     either.
//   - A sign-in of unknown outcome may have made a session that nobody was told of. It
//     is as much repeated as any other.
//   - A visitor's read, and a removal of what isn't there, may or may not move the
//     time of last activity, as touches are written later.
//   - What was read may be as old as Op.Since, where a node was cut off; or show
//     phantom writes, which this node alone had: see phantoms.go.
//
// What is recorded are numbers: sessions, tokens and values are counted through
// in a family, and a value that an operation puts in is the operation's number.
// So a history holds no secret and can be kept.
package history
