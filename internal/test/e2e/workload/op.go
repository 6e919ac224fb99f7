package workload

import (
	"context"
	"encoding/json"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// Op is one operation to be done, as an executor gets it.
type Op struct {
	Kind      history.Kind    `json:"kind"`
	How       How             `json:"how,omitempty"`
	Token     string          `json:"token,omitempty"` // "": without a session
	ID        cloakroom.ID    `json:"id,omitzero"`     // with ByAdmin: the session
	N         int             `json:"n,omitempty"`     // what Set, Update and Login put in
	Key       string          `json:"key,omitempty"`
	Principal string          `json:"principal,omitempty"`
	Attempt   json.RawMessage `json:"attempt,omitempty"` // of a Begin; none: Login begins its own
	Except    cloakroom.ID    `json:"except,omitzero"`
	Quiet     bool            `json:"quiet,omitempty"`  // as a request that is no activity; InRequest only
	HangUp    bool            `json:"hangUp,omitempty"` // the client leaves before the save; InRequest only
	Again     bool            `json:"again,omitempty"`  // Login: even if Token opens nothing; InRequest only

	// Lose, if set, is no client's operation and has no Kind: Principal's ledger is lost.
	Lose  Loss   `json:"lose,omitempty"`
	Other string `json:"other,omitempty"` // of LedgerExchanged: whose ledger it becomes
}

// How names the ways to do the same.
type How string

// The ways.
const (
	InRequest How = "request"       // in a handler, saved before the response's first byte
	Outside   How = history.Outside // Manager.Retrieve and Session.Save
	InTx      How = "tx"            // in a handler, by Session.Update
	ByAdmin   How = "admin"         // Admin.Update: no token needed. Update only
)

// Result is what became of an Op. What came of a session's values is in Values;
// who reads them by a token that is renewed later saw them all the same.
type Result struct {
	Outcome history.Outcome `json:"outcome"`
	Ended   bool            `json:"ended,omitempty"`   // with Unknown: and the session has ended
	Token   string          `json:"token,omitempty"`   // a new one, of Create, Login and Renew
	ID      cloakroom.ID    `json:"id,omitzero"`       // of the session that Token opens
	Attempt json.RawMessage `json:"attempt,omitempty"` // of Begin
	Values  *history.Values `json:"values,omitempty"`  // of Get
	Note    string          `json:"note,omitempty"`    // an error's text, which holds no secret
	// Lag is how much older than the call what was read may be: an Executor says
	// so that knows of a node which was cut off.
	Lag time.Duration `json:"lag,omitempty"`
}

// Executor does operations. It is safe for concurrent use.
type Executor interface {
	// Do does an operation and reports what became of it. When ctx ends it may
	// return early, with an outcome that is right nevertheless.
	Do(ctx context.Context, op Op) Result
	// Name tells executors of a run apart.
	Name() string
}

// notSent is the result of an operation that nobody was there to do.
func notSent(note string) Result { return Result{Outcome: history.Unavailable, Note: note} }
