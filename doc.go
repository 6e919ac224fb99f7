// Package cloakroom keeps server-side web sessions. The browser holds a signed
// ticket, a token of 67 characters; the coat, everything that the session
// knows, stays behind the counter in a Store: a SQLite file (package
// sqlitestore), an OpenSearch or Elasticsearch cluster (elasticstore), or
// memory (memstore).
//
//	keyring, err := cloakroom.KeyringFile("session.keys")
//	store, err := sqlitestore.Open(ctx, "sessions.db", nil)
//	sessions, err := cloakroom.New(store, keyring, nil)
//	http.ListenAndServe(addr, sessions.Handler(mux))
//
// A handler asks for its session when it needs it, and reads and writes values
// through typed keys:
//
//	var visits = cloakroom.NewKey[int]("visits")
//
//	mux.Handle("/", sessions.With(func(w http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
//		n := visits.Update(s, func(n int) int { return n + 1 })
//		_, err := fmt.Fprintf(w, "visit %d", n)
//		return err
//	}))
//
// # What it promises
//
// A request that doesn't ask for its session costs no store operation, one that
// reads it costs one read, one that changes it one read and one write. Changes
// are saved before the first byte of the response goes out; if they can't be,
// the client gets an error instead of a response that claims they were.
//
// Parallel requests don't overwrite each other: changes are logged, and replayed on the
// values that others saved. An ended session stays ended, whatever is still under way. A
// sign-in gives the session a new id and a new token. RevokeAll signs a principal out
// everywhere: exactly by the principal's ledger, and by a search if that was lost. A
// forged or outdated token never reaches the store. A store that is out of reach is an
// error, not a sign-out.
//
// docs/recipes.md in the repository has common tasks, such as signing in by OpenID
// Connect, messages for the next page, sockets and tests.
//
// # Words
//
// A token is the credential that the client holds. An id names a session; it is no
// credential and may be shown and logged. A record is an entry of a store, such as a
// session's. A principal is the user that a session is signed in as. An app names the
// application, so that several share a store. A ledger is the record of one principal's
// live sessions. A grave takes the place of an ended session's record.
//
// # Compatibility
//
// The formats of tokens, ids, verifiers and stored records don't change in a way that
// makes an existing session unreadable.
package cloakroom
