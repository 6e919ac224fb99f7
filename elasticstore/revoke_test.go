package elasticstore

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests signing out everywhere while nodes lag behind or indices are red.

// managerAt makes a Manager whose clock is behind by behind, and that waits for the
// store for patience. All managers have the same keyring.
func managerAt(t testing.TB, s *Store, behind, patience time.Duration) *cloakroom.Manager {
	t.Helper()
	keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	m, err := cloakroom.New(s, keyring, &cloakroom.Config{
		SweepEvery: -1, IdleTimeout: -1, SaveTimeout: patience, Logger: s.cfg.Logger,
		Now: func() time.Time { return time.Now().Add(-behind) },
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return m
}

// hasty bounds the wait for operations that must fail.
const hasty = time.Second

// signIn signs alice in and returns her token.
func signIn(t testing.TB, m *cloakroom.Manager) string {
	t.Helper()
	s, err := m.Create(testContext(t))
	if err == nil {
		err = s.Login(testContext(t), "alice", nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return s.Token()
}

// tryToSignIn signs in with a ticket of an earlier BeginLogin.
func tryToSignIn(t testing.TB, m *cloakroom.Manager, ticket cloakroom.LoginAttempt) (token string, err error) {
	t.Helper()
	s, err := m.Create(testContext(t))
	if err != nil {
		return "", err
	}
	err = s.Login(testContext(t), "alice", &cloakroom.LoginOptions{Attempt: ticket})
	return s.Token(), err
}

// opens reports whether a token opens a session that alice is signed in to.
func opens(t testing.TB, m *cloakroom.Manager, token string) bool {
	t.Helper()
	s, err := m.Retrieve(testContext(t), token)
	if err != nil {
		wantNothing(t, err)
		return false
	}
	return s.Principal() == "alice"
}

func wantNothing(t testing.TB, err error) {
	t.Helper()
	if !errors.Is(err, driver.ErrNotFound) {
		t.Errorf("a session that has ended: %v", err)
	}
}

func idOf(t testing.TB, m *cloakroom.Manager, token string) driver.ID {
	t.Helper()
	s, err := m.Retrieve(testContext(t), token)
	if err != nil {
		t.Fatal(err)
	}
	return s.ID()
}

// lags answers as a node that doesn't know an index yet, which the other nodes have.
func lags(index string) sender {
	const kind, reason = "index_not_found_exception", "no such index"
	bulk := itemErrors(index, 404, kind, reason)
	return func(req *http.Request, body []byte, send func() (*http.Response, error)) (*http.Response, error) {
		switch {
		case kindOf(req) == "_bulk":
			return bulk(req, body, send)
		case kindOf(req) == index && req.Method == http.MethodGet:
			return replyJSON(404, `{"error":{"type":"`+kind+`","reason":"`+reason+`"},"status":404}`), nil
		case kindOf(req) != "_mget":
			return send()
		}
		return edited(func(b string) string {
			var answer struct {
				Docs []map[string]any `json:"docs"`
			}
			if json.Unmarshal([]byte(b), &answer) != nil {
				return b
			}
			for i, d := range answer.Docs {
				if d["_index"] == index {
					answer.Docs[i] = map[string]any{"_index": index, "_id": d["_id"], "error": map[string]any{"type": kind, "reason": reason}}
				}
			}
			text, err := json.Marshal(answer)
			if err != nil {
				return b
			}
			return string(text)
		})(req, body, send)
	}
}

// TestI10_LaggingNode signs everybody out through a node that doesn't know the index of a
// new period, which has sessions of that principal. The node lags for a little, and for
// longer than anybody waits.
func TestI10_LaggingNode(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	f := newFaulty(l.client)
	ahead := managerAt(t, l.open(t, nil, nil), 0, patient)
	behind := l.open(t, f, nil)
	warm(t, behind, time.Now())
	tokens := []string{signIn(t, ahead), signIn(t, ahead)}
	index := behind.names.of(idOf(t, ahead, tokens[0]))
	ticket, err := ahead.BeginLogin(testContext(t), "alice")
	if err != nil {
		t.Fatal(err)
	}

	f.set(lags(index))
	err = managerAt(t, behind, 0, hasty).Admin().RevokeAll(testContext(t), "alice")
	if !errors.Is(err, driver.ErrUnavailable) {
		t.Fatalf("RevokeAll through a node that lags: %v", err)
	}
	// A sign-in that checked the old password is too late, on any manager.
	for _, m := range []*cloakroom.Manager{ahead, managerAt(t, behind, 0, hasty)} {
		if token, err := tryToSignIn(t, m, ticket); err == nil || opens(t, ahead, token) {
			t.Errorf("a sign-in that began before is done: %v", err)
		}
	}
	// A second call waits for the node, and ends all sessions.
	lagging := times(20, lags(index))
	f.set(lagging)
	if err := managerAt(t, behind, 0, patient).Admin().RevokeAll(testContext(t), "alice"); err != nil {
		t.Fatalf("RevokeAll through a node that lagged: %v", err)
	}
	for _, token := range tokens {
		if opens(t, ahead, token) {
			t.Error("a session opens after everybody was signed out")
		}
	}
	// A sign-in waits for the node as well.
	f.set(times(20, lags(index)))
	if token := signIn(t, managerAt(t, behind, 0, patient)); !opens(t, ahead, token) {
		t.Error("a sign-in through a node that lagged opens nothing")
	}
}

// revokeInTrouble is a principal's sessions of two days, of which an index turns red.
type revokeInTrouble struct {
	*lab
	store      *Store
	today      *cloakroom.Manager
	hasty      *cloakroom.Manager
	old, young []string // tokens
	ticket     cloakroom.LoginAttempt
}

func newRevokeInTrouble(t testing.TB, l *lab) *revokeInTrouble {
	t.Helper()
	days := []time.Time{time.Now(), time.Now().AddDate(0, 0, -1)}
	s := l.open(t, nil, nil)
	warm(t, s, days...)
	yesterday := managerAt(t, s, 24*time.Hour, patient)
	// Operations that wait for a red index must end soon, for the sake of the others.
	short := l.open(t, nil, func(c *Config) { c.RequestTimeout = 2 * time.Second })
	warm(t, short, days...)
	r := &revokeInTrouble{lab: l, store: short, today: managerAt(t, s, 0, patient), hasty: managerAt(t, short, 0, hasty)}
	r.old = []string{signIn(t, yesterday), signIn(t, yesterday)}
	r.young = []string{signIn(t, r.today)}
	var err error
	if r.ticket, err = r.today.BeginLogin(testContext(t), "alice"); err != nil {
		t.Fatal(err)
	}
	return r
}

// ended checks that everybody can be signed out once the engine is well again.
func (r *revokeInTrouble) ended(t testing.TB, more ...string) {
	t.Helper()
	if err := r.today.Admin().RevokeAll(testContext(t), "alice"); err != nil {
		t.Fatalf("RevokeAll afterwards: %v", err)
	}
	for i, token := range slices.Concat(r.old, r.young, more) {
		if opens(t, r.today, token) {
			t.Errorf("session %d opens after everybody was signed out", i)
		}
	}
	if token, err := tryToSignIn(t, r.today, r.ticket); !errors.Is(err, cloakroom.ErrRevoked) || opens(t, r.today, token) {
		t.Errorf("a sign-in that began before: %v", err)
	}
	// No session is left that the ledger doesn't know.
	r.refresh(t)
	for rec, err := range r.today.Admin().Search(testContext(t), driver.Query{Principal: "alice"}) {
		t.Errorf("a session is left: %v, %v", rec, err)
	}
}

// periodRed: some of the sessions can't be ended now.
func (r *revokeInTrouble) periodRed(t testing.TB, red func(testing.TB, *lab, string) func()) {
	t.Helper()
	heal := red(t, r.lab, r.store.names.of(idOf(t, r.today, r.old[0])))
	if err := r.hasty.Admin().RevokeAll(testContext(t), "alice"); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("RevokeAll while some of the sessions can't be ended: %v", err)
	}
	if opens(t, r.today, r.young[0]) {
		t.Error("the session that could be ended was not")
	}
	if _, err := tryToSignIn(t, r.today, r.ticket); !errors.Is(err, cloakroom.ErrRevoked) {
		t.Errorf("a sign-in that began before: %v", err)
	}
	// A sign-in with the new password succeeds, though the manager spends all its time
	// to find that the others still can't be ended.
	fresh := ""
	for wait := 3 * time.Second; fresh == ""; wait *= 2 {
		ticket, err := r.today.BeginLogin(testContext(t), "alice")
		if err != nil {
			t.Fatal(err)
		}
		token, err := tryToSignIn(t, managerAt(t, r.store, 0, wait), ticket)
		if err == nil {
			fresh = token
		} else if !slow(err) || wait > patient/2 {
			t.Fatalf("a sign-in afterwards: %v", err)
		}
	}
	if !opens(t, r.today, fresh) {
		t.Error("a sign-in afterwards opens nothing")
	}
	heal()
	r.ended(t, fresh)
}

// principalsRed: the ledgers can't be read.
func (r *revokeInTrouble) principalsRed(t testing.TB, red func(testing.TB, *lab, string) func()) {
	t.Helper()
	heal := red(t, r.lab, r.index+"-principals")
	if err := r.hasty.Admin().RevokeAll(testContext(t), "alice"); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("RevokeAll without the ledger: %v", err)
	}
	if _, err := r.hasty.BeginLogin(testContext(t), "alice"); !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("BeginLogin without the ledger: %v", err)
	}
	token, err := tryToSignIn(t, r.hasty, r.ticket)
	if !errors.Is(err, driver.ErrUnavailable) {
		t.Errorf("a sign-in without the ledger: %v", err)
	}
	for _, token := range slices.Concat(r.old, r.young) {
		if !opens(t, r.today, token) {
			t.Error("nobody was signed out, but a session doesn't open")
		}
	}
	heal()
	r.ended(t, token)
}
