package properties

import (
	"fmt"
	"log/slog"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
	"github.com/cloakroom-go/cloakroom/internal/test/testengine"
	"github.com/cloakroom-go/cloakroom/memstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

func TestSessions(t *testing.T) {
	quiet := slog.New(slog.DiscardHandler)
	opens := map[string]func(t *testing.T) (cloakroom.Store, error){
		"memory": func(*testing.T) (cloakroom.Store, error) { return memstore.New(nil), nil },
		"SQLite": func(t *testing.T) (cloakroom.Store, error) {
			return sqlitestore.Open(t.Context(), filepath.Join(t.TempDir(), "sessions.db"), &sqlitestore.Config{Logger: quiet})
		},
		"OpenSearch": func(t *testing.T) (cloakroom.Store, error) {
			url, index := testengine.Shared(t), fmt.Sprintf("properties-%016x", rand.Uint64())
			t.Cleanup(func() { workload.DropIndices(t, url, index) })
			s, err := elasticstore.Open(t.Context(), elasticstore.ClientConfig{URLs: []string{url}},
				&elasticstore.Config{Index: index, Logger: quiet})
			if err != nil {
				return nil, err
			}
			return workload.Unwitnessed{Store: s}, nil
		},
	}
	for _, name := range slices.Sorted(maps.Keys(opens)) {
		t.Run(name, func(t *testing.T) {
			store, err := opens[name](t)
			if err != nil {
				t.Fatal(err)
			}
			if c, ok := store.(interface{ Close() error }); ok {
				defer c.Close()
			}
			var sequences atomic.Int64
			r := &told{answers: map[history.Kind]map[history.Outcome]int{}}
			// Chance may leave something out: then once more.
			for round := 0; round == 0 || round < 10 && r.missing() != nil && !t.Failed(); round++ {
				rapid.Check(t, func(rt *rapid.T) {
					d := newDriver(rt, store, sequences.Add(1), r)
					defer d.close()
					actions := rapid.StateMachineActions(d)
					actions["ChangeAgain"], actions["LoginAgain"] = d.Change, d.Login // more often than the rest
					rt.Repeat(actions)
				})
			}
			t.Log(r.answers, r.repeated)
			if m := r.missing(); m != nil {
				t.Errorf("no %v ever succeeded: the sequences show nothing", m)
			}
		})
	}
}

const idle = time.Hour

// driver does operations on two managers, and compares what they answer.
type driver struct {
	*model
	sequence int64
	clock    *workload.Clock
	managers []*workload.Local
	n        int // operations
	*told
}

// told is what all sequences on a store were answered.
type told struct {
	answers  map[history.Kind]map[history.Outcome]int
	repeated int // sign-ins that took the place of one that nobody had heard of
}

// missing returns what never succeeded.
func (r *told) missing() (missing []string) {
	for _, k := range history.Kinds() {
		if r.answers[k][history.Done] == 0 {
			missing = append(missing, string(k))
		}
	}
	if r.repeated == 0 {
		missing = append(missing, "repeated login")
	}
	return missing
}

func newDriver(t *rapid.T, store cloakroom.Store, sequence int64, r *told) *driver {
	keyring, err := workload.Keyring()
	if err != nil {
		t.Fatal(err)
	}
	d := &driver{model: newModel(), sequence: sequence, clock: workload.NewClock(time.Now()), told: r}
	config := workload.IdleConfig(d.clock, idle)
	config.MaxPerPrincipal = limit
	for i := range 2 {
		l, err := workload.NewLocal(fmt.Sprint("m", i+1), store, keyring, config)
		if err != nil {
			t.Fatal(err)
		}
		d.managers = append(d.managers, l)
	}
	return d
}

func (d *driver) close() {
	for _, l := range d.managers {
		_ = l.Close() // never fails
	}
}

// do has one of the managers do an operation.
func (d *driver) do(t *rapid.T, op workload.Op) workload.Result {
	d.n++
	op.N = d.n
	l := rapid.SampledFrom(d.managers).Draw(t, "manager")
	op.HangUp = op.How == workload.InRequest && op.Kind != history.Login && rapid.Bool().Draw(t, "hang up")
	r := l.Do(t.Context(), op)
	if d.answers[op.Kind] == nil {
		d.answers[op.Kind] = map[history.Outcome]int{}
	}
	d.answers[op.Kind][r.Outcome]++
	return r
}

func want(t *rapid.T, what string, r workload.Result, outcome history.Outcome) {
	t.Helper()
	if r.Outcome != outcome {
		t.Fatalf("%s: %s (%s), want %s", what, r.Outcome, r.Note, outcome)
	}
}

// token returns that of a live session, mostly the newest; now and then one that
// it had before, or any.
func (d *driver) token(t *rapid.T) *token {
	if len(d.tokens) == 0 {
		d.Create(t)
	}
	live := slices.DeleteFunc(slices.Clone(d.sessions), func(s *session) bool { return s.over })
	which := rapid.IntRange(0, 6).Draw(t, "which token")
	if len(live) == 0 || which == 6 {
		return d.tokens[len(d.tokens)-1-rapid.IntRange(0, len(d.tokens)-1).Draw(t, "token")]
	}
	s := live[len(live)-1-rapid.IntRange(0, len(live)-1).Draw(t, "session")]
	if which == 5 && len(s.previous) > 0 {
		return rapid.SampledFrom(s.previous).Draw(t, "previous")
	}
	return s.current
}

// use notes that a request came with the token.
func (k *token) use() {
	if k.opens() && k == k.of.current {
		k.of.unused = false
	}
}

// seldom reports whether to do now what would else be done too often.
func seldom(t *rapid.T, oneIn int) bool { return rapid.IntRange(1, oneIn).Draw(t, "seldom") == oneIn }

func (d *driver) who(t *rapid.T) string {
	return principal(d.sequence, rapid.SampledFrom([]string{"ann", "bob"}).Draw(t, "principal"))
}

func key(t *rapid.T) string { return rapid.SampledFrom(history.Keys()).Draw(t, "key") }

func how(t *rapid.T, ways ...workload.How) workload.How {
	return rapid.SampledFrom(ways).Draw(t, "how")
}

// Check looks at all sessions: what one operation did to others shows.
func (d *driver) Check(t *rapid.T) {
	results := make([]workload.Result, len(d.sessions))
	var reads sync.WaitGroup
	for i, s := range d.sessions {
		reads.Go(func() {
			if !s.unused || s.over {
				results[i] = d.managers[0].Do(t.Context(), workload.Op{Kind: history.Get, How: workload.InRequest, Quiet: true, Token: s.current.text})
				return
			}
			results[i].Outcome = history.NotFound
			if rec, err := d.managers[0].Manager().Admin().Find(t.Context(), s.id); err == nil { // which isn't using it
				results[i].Outcome = history.Done
				if results[i].Values, err = workload.ValuesOf(rec); err != nil {
					results[i] = workload.Result{Outcome: history.Failed, Note: err.Error()}
				}
			}
		})
	}
	reads.Wait()
	for i, s := range d.sessions {
		d.compare(t, s.current, results[i])
	}
}

func (d *driver) compare(t *rapid.T, k *token, r workload.Result) {
	t.Helper()
	if !k.opens() {
		want(t, "reading what has ended", r, history.NotFound)
		return
	}
	want(t, "reading", r, history.Done)
	if got, want := r.Values.String(), k.of.values.String(); got != want {
		t.Fatalf("read %s, want %s", got, want)
	}
}

// Get reads by any token.
func (d *driver) Get(t *rapid.T) {
	k := d.token(t)
	d.compare(t, k, d.do(t, workload.Op{Kind: history.Get, Token: k.text, How: how(t, workload.InRequest, workload.Outside)}))
	k.use()
}

// Create makes a session.
func (d *driver) Create(t *rapid.T) {
	op := workload.Op{Kind: history.Create, How: how(t, workload.InRequest, workload.Outside)}
	if op.How == workload.InRequest {
		op.Key = key(t)
	}
	r := d.do(t, op)
	want(t, "making a session", r, history.Done)
	d.add(r.ID, r.Token, "", changed(history.Values{}, history.Create, op.Key, d.n))
}

// Change sets, unsets or updates.
func (d *driver) Change(t *rapid.T) {
	k := d.token(t)
	op := workload.Op{
		Kind:  rapid.SampledFrom([]history.Kind{history.Set, history.Unset, history.Update}).Draw(t, "kind"),
		Token: k.text, How: how(t, workload.InRequest, workload.Outside, workload.InTx),
	}
	if op.Kind != history.Update {
		op.Key = key(t)
	}
	r := d.do(t, op)
	if !k.opens() {
		want(t, "changing what has ended", r, history.NotFound)
		return
	}
	want(t, "changing", r, history.Done)
	k.use()
	k.of.values = changed(k.of.values, op.Kind, op.Key, d.n)
}

// AdminUpdate updates by id.
func (d *driver) AdminUpdate(t *rapid.T) {
	s := d.token(t).of
	r := d.do(t, workload.Op{Kind: history.Update, How: workload.ByAdmin, ID: s.id})
	if s.over {
		want(t, "updating what has ended by its id", r, history.Gone)
		return
	}
	want(t, "updating by id", r, history.Done)
	s.values = changed(s.values, history.Update, "", d.n)
}

// Renew asks for another token.
func (d *driver) Renew(t *rapid.T) {
	k := d.token(t)
	r := d.do(t, workload.Op{Kind: history.Renew, Token: k.text, How: how(t, workload.InRequest, workload.Outside)})
	switch {
	case !k.opens():
		want(t, "renewing what has ended", r, history.NotFound)
	case k != k.of.current:
		want(t, "renewing a token that was renewed", r, history.Kept)
	default:
		want(t, "renewing", r, history.Done)
		k.use()
		d.renew(k.of, r.Token)
	}
}

// Begin begins an attempt to sign in.
func (d *driver) Begin(t *rapid.T) {
	p := d.who(t)
	r := d.do(t, workload.Op{Kind: history.Begin, Principal: p})
	want(t, "beginning to sign in", r, history.Done)
	d.attempts = append(d.attempts, attempt{p, d.revoked[p], r.Attempt})
}

// Destroy signs out.
func (d *driver) Destroy(t *rapid.T) {
	if !seldom(t, 2) {
		return
	}
	k := d.token(t)
	r := d.do(t, workload.Op{Kind: history.Destroy, Token: k.text, How: how(t, workload.InRequest, workload.Outside)})
	if !k.opens() {
		want(t, "signing out of what has ended", r, history.NotFound)
		return
	}
	want(t, "signing out", r, history.Done)
	d.end(k.of)
}

// Revoke signs a principal out everywhere.
func (d *driver) Revoke(t *rapid.T) {
	if !seldom(t, 2) {
		return
	}
	op := workload.Op{Kind: history.Revoke, Principal: d.who(t)}
	live := slices.Clone(d.live[op.Principal])
	if len(live) > 0 && rapid.Bool().Draw(t, "but for one") {
		op.Except = rapid.SampledFrom(live).Draw(t, "spared").id
	}
	want(t, "signing out everywhere", d.do(t, op), history.Done)
	d.revoked[op.Principal]++
	for _, s := range live {
		if s.id != op.Except {
			d.end(s)
		}
	}
}

// Devices lists a principal's sessions.
func (d *driver) Devices(t *rapid.T) {
	p := d.who(t)
	l := rapid.SampledFrom(d.managers).Draw(t, "manager")
	records, err := l.Manager().Admin().Sessions(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	var got, want []string
	for _, r := range records {
		got = append(got, r.ID.String())
	}
	for _, s := range d.live[p] {
		want = append(want, s.id.String())
	}
	slices.Sort(got)
	slices.Sort(want)
	if !slices.Equal(got, want) {
		t.Fatalf("devices %v, want %v", got, want)
	}
}

// Sweep changes nothing that anybody sees.
func (d *driver) Sweep(t *rapid.T) {
	if !seldom(t, 4) {
		return
	}
	want(t, "sweeping", d.do(t, workload.Op{Kind: history.Sweep}), history.Done)
}

// Expire lets all sessions be idle for too long. Attempts are good for less.
func (d *driver) Expire(t *rapid.T) {
	if !seldom(t, 10) {
		return
	}
	d.clock.Advance(idle)
	d.attempts = nil
	for _, s := range d.sessions {
		s.expired = true
		if !s.over {
			d.end(s)
		}
	}
}
