package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// Local does operations on a Manager of its own in this process.
type Local struct {
	name  string
	app   string
	store cloakroom.Store
	m     *cloakroom.Manager
	now   func() time.Time
	serve http.Handler
}

var _ Executor = (*Local)(nil)

const (
	tokenHeader = "Session-Token"
	quietHeader = "X-Quiet"
)

// NewLocal makes a Manager on a store, which stays the caller's to close, after
// the Local. config may be nil; its Transport, Background and OnError are
// replaced, and its Logger is one that drops everything, if there is none.
func NewLocal(name string, store cloakroom.Store, keyring *cloakroom.Keyring, config *cloakroom.Config) (*Local, error) {
	var c cloakroom.Config
	if config != nil {
		c = *config
	}
	c.Transport = cloakroom.Bearer{Header: tokenHeader}
	c.Background = func(r *http.Request) bool { return r.Header.Get(quietHeader) != "" }
	c.OnError = func(w http.ResponseWriter, r *http.Request, status int, err error) {
		if v := visitOf(r); v.err == nil {
			v.err = err
		}
		w.WriteHeader(status)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	m, err := cloakroom.New(store, keyring, &c)
	if err != nil {
		return nil, err
	}
	if c.App == "" {
		c.App = "session"
	}
	l := &Local{name: name, app: c.App, store: store, m: m, now: c.Now}
	l.serve = m.Handler(http.HandlerFunc(l.handle))
	return l, nil
}

// Name implements Executor.
func (l *Local) Name() string { return l.name }

// Manager returns the Manager that does the operations.
func (l *Local) Manager() *cloakroom.Manager { return l.m }

// Close closes the Manager, which waits for its saves.
func (l *Local) Close() error { return l.m.Close() }

// Do implements Executor. It takes as long as Config.SaveTimeout allows, and
// isn't cut short when ctx ends.
func (l *Local) Do(ctx context.Context, op Op) Result {
	ctx = context.WithoutCancel(ctx)
	switch {
	case op.Lose != "":
		return l.lose(ctx, op)
	case op.Kind == history.Sweep:
		_, err := l.store.Sweep(ctx, l.now())
		return result(op, err)
	case op.Kind == history.Revoke:
		var except []cloakroom.ID
		if !op.Except.IsZero() {
			except = append(except, op.Except)
		}
		return result(op, l.m.Admin().RevokeAll(ctx, op.Principal, except...))
	case op.Kind == history.Begin:
		return l.begin(ctx, op)
	case op.How == ByAdmin:
		return result(op, l.m.Admin().Update(ctx, op.ID, func(tx *cloakroom.Tx) error {
			change(tx, op)
			return nil
		}))
	case op.How == Outside:
		return l.outside(ctx, op)
	}
	return l.request(ctx, op)
}

func (l *Local) begin(ctx context.Context, op Op) Result {
	attempt, err := l.m.BeginLogin(ctx, op.Principal)
	r := result(op, err)
	if err == nil {
		if r.Attempt, err = json.Marshal(attempt); err != nil {
			return failed(err)
		}
	}
	return r
}

// outside does an operation without a request.
func (l *Local) outside(ctx context.Context, op Op) Result {
	if op.Kind == history.Create {
		s, err := l.m.Create(ctx)
		r := result(op, err)
		if err == nil {
			r.Token, r.ID = s.Token(), s.ID()
		}
		return r
	}
	s, err := l.m.Retrieve(ctx, op.Token)
	if err != nil {
		return notOpened(err)
	}
	values, err := act(ctx, s, op)
	if err == nil {
		err = s.Save(ctx)
	}
	r := result(op, err)
	if err != nil {
		return r
	}
	r.Values = values
	if t := s.Token(); t != "" && t != op.Token {
		r.Token, r.ID = t, s.ID()
	}
	return expected(op, r)
}

// visit is a request's way through the handler.
type visit struct {
	op      Op
	hangUp  context.CancelFunc
	session *cloakroom.Session
	opened  bool // the session was read, and the operation tried
	values  *history.Values
	err     error
}

type visitKey struct{}

func visitOf(r *http.Request) *visit { return r.Context().Value(visitKey{}).(*visit) }

// request does an operation in a request.
func (l *Local) request(ctx context.Context, op Op) Result {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	v := &visit{op: op, hangUp: cancel}
	r := httptest.NewRequestWithContext(context.WithValue(ctx, visitKey{}, v), http.MethodPost, "/", nil)
	if op.Token != "" {
		r.Header.Set("Authorization", "Bearer "+op.Token)
	}
	if op.Quiet {
		r.Header.Set(quietHeader, "1")
	}
	w := httptest.NewRecorder()
	l.serve.ServeHTTP(w, r)
	if !v.opened {
		return notOpened(v.err)
	}
	if answered := w.Code == http.StatusNoContent; answered != (v.err == nil) {
		return failed(errors.Join(fmt.Errorf("the client got the status %d, which isn't what the application was told", w.Code), v.err))
	}
	res := result(op, v.err)
	if v.err != nil {
		return res
	}
	res.Values = v.values
	if res.Token = w.Header().Get(tokenHeader); res.Token != "" {
		res.ID = v.session.ID()
	}
	return expected(op, res)
}

func (l *Local) handle(w http.ResponseWriter, r *http.Request) {
	v := visitOf(r)
	s, err := l.m.Session(r.Context())
	if err == nil && s.IsNew() && v.op.Token != "" && !v.op.Again {
		err = cloakroom.ErrNotFound
	}
	if err != nil {
		l.m.Fail(w, r, err)
		return
	}
	v.session, v.opened = s, true
	if v.op.HangUp {
		v.hangUp()
	}
	if v.values, err = act(r.Context(), s, v.op); err != nil {
		l.m.Fail(w, r, err)
		return
	}
	w.WriteHeader(http.StatusNoContent) // saves
}

// The values that operations work with.
var (
	counter = cloakroom.NewKey[int]("count")
	entries = cloakroom.NewKey[[]int]("log")
)

const keyPrefix = "key-"

func valueKey(name string) cloakroom.Key[int] { return cloakroom.NewKey[int](keyPrefix + name) }

// change makes an operation's change of values.
func change(v cloakroom.Values, op Op) {
	switch {
	case op.Kind == history.Update:
		counter.Update(v, func(n int) int { return n + 1 })
		entries.Update(v, func(log []int) []int { return append(log, op.N) })
	case op.Kind == history.Unset:
		valueKey(op.Key).Delete(v)
	case op.Key != "":
		valueKey(op.Key).Set(v, op.N)
	}
}

// act does an operation on a session that was opened. What it changes is left
// to be saved.
func act(ctx context.Context, s *cloakroom.Session, op Op) (*history.Values, error) {
	if op.How == InTx {
		return nil, s.Update(ctx, func(tx *cloakroom.Tx) error {
			change(tx, op)
			return nil
		})
	}
	switch op.Kind {
	case history.Get:
		return read(s)
	case history.Renew:
		return nil, s.Renew(ctx)
	case history.Destroy:
		return nil, s.Destroy(ctx)
	case history.Login:
		var o cloakroom.LoginOptions
		if len(op.Attempt) > 0 {
			if err := json.Unmarshal(op.Attempt, &o.Attempt); err != nil {
				return nil, err
			}
		}
		change(s, op)
		return nil, s.Login(ctx, op.Principal, &o)
	}
	change(s, op)
	return nil, nil
}

// read returns a session's values.
func read(s *cloakroom.Session) (*history.Values, error) {
	v := &history.Values{}
	var errs []error
	for _, name := range history.Keys() {
		n, ok, err := valueKey(name).Lookup(s)
		if ok {
			if v.Keys == nil {
				v.Keys = map[string]int{}
			}
			v.Keys[name] = n
		}
		errs = append(errs, err)
	}
	var err error
	v.Count, _, err = counter.Lookup(s)
	errs = append(errs, err)
	v.Log, _, err = entries.Lookup(s)
	return v, errors.Join(append(errs, err)...)
}

// ValuesOf returns the values in a record, for who looks without presenting a token.
func ValuesOf(rec *driver.Record) (*history.Values, error) {
	v := &history.Values{Keys: map[string]int{}}
	for name, raw := range rec.Values.All() {
		var err error
		key, isKey := strings.CutPrefix(name, keyPrefix)
		switch {
		case isKey:
			var n int
			err = json.Unmarshal(raw, &n)
			v.Keys[key] = n
		case name == counter.Name():
			err = json.Unmarshal(raw, &v.Count)
		case name == entries.Name():
			err = json.Unmarshal(raw, &v.Log)
		default:
			err = fmt.Errorf("workload: nobody keeps a value called %q", name)
		}
		if err != nil {
			return nil, err
		}
	}
	return v, nil
}

// expected checks that a token was handed out if the operation gives one, and
// only then.
func expected(op Op, r Result) Result {
	switch op.Kind {
	case history.Create, history.Login:
		if r.Token == "" {
			return failed(errors.New("no token was handed out"))
		}
	case history.Renew:
		if r.Token == "" {
			r.Outcome = history.Kept
		}
	default:
		if r.Token != "" {
			return failed(fmt.Errorf("a token was handed out by %s", op.Kind))
		}
	}
	return r
}
