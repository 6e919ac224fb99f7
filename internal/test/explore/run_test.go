package explore

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/cryptotest"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// A client is code of package cloakroom over a store that is asked by hand. It
// is run again from its answers, in a bubble of fake time and with random
// numbers that are always the same, up to the first request that has no answer
// yet. So what it does is a function of its answers, and runs are kept in a
// tree: real code runs once for each history of answers.

// op is what a client asks its store for.
type op uint8

const (
	opGet op = iota + 1
	opCreate
	opUpdate
	opBury
	opSearch
	opStart // nothing: the client begins an operation now
	opClock // the time of the store's engine
	opSweep // whatever is over at a time
)

// code is what it is told.
type code uint8

const (
	codeOK code = iota + 1
	codeConflict
	codeExists
	codeNotFound
	codeGone
	codeSilence // no answer
	codeCutOff  // no answer, nor to the reads that follow until the client gives up
	codeOver    // the run is over: whatever lets the client end soon
)

// request is one operation of a client on its store.
type request struct {
	op    op
	id    cloakroom.ID
	rec   *driver.Record // to be created, or put in the place of rec.Version
	grave driver.Grave
	at    driver.Version // of a burial
	by    int            // which of a client's goroutines asks
	tick  uint8          // of a sweep: the time
}

// reads reports whether a request changes nothing.
func (q request) reads() bool { return q.op == opGet || q.op == opSearch || q.op == opClock }

// answer is what a client learns from the answer to a request.
type answer struct {
	code code
	rec  recIndex
	ver  driver.Version
	now  uint8  // when the answer arrives, in ticks
	held uint16 // of opStart: the newest token that a browser holds

	found [maxSlots]recIndex // of opSearch: what is live
}

var errSilence = fmt.Errorf("explore: no answer: %w", cloakroom.ErrUnavailable)

func (c code) err() error {
	switch c {
	case codeOK:
		return nil
	case codeConflict:
		return cloakroom.ErrConflict
	case codeExists:
		return driver.ErrExists
	case codeNotFound:
		return cloakroom.ErrNotFound
	case codeGone:
		return cloakroom.ErrGone
	case codeOver:
		return cloakroom.ErrClosed
	default:
		return errSilence
	}
}

// saveTimeout is long enough for the backing off in any history, and soon over
// for a client that is cut off.
const saveTimeout = 10 * time.Second

// longestBackOff is more than the code waits before it asks again.
const longestBackOff = 300 * time.Millisecond

// client is one run of a client.
type client struct {
	t *testing.T // of this run
	x *explorer
	i int

	*cloakroom.Manager
	tok     string       // of the session that it works on
	made    cloakroom.ID // by the last sign-in
	attempt cloakroom.LoginAttempt
	begun   time.Time // when the attempt was
	visited uint8     // when the visitor was last there

	mu      sync.Mutex
	asked   []*asked
	effects []effect
	now     uint8
	cut     bool
	dead    bool // the run is over: nothing it does counts
	done    bool // the program is over
	saw     bool // a read was answered with a live session
	missing bool // a read was answered with nothing
}

// caller is a goroutine of a client's program.
type caller struct {
	*client
	ctx context.Context
}

type callerKey struct{}

// as returns one of several goroutines, whose requests are told apart.
func (c caller) as(n int) caller {
	return caller{c.client, context.WithValue(c.ctx, callerKey{}, n)}
}

// by returns which goroutine a request is from, 0 for that of a record's queue.
func by(ctx context.Context) int {
	n, _ := ctx.Value(callerKey{}).(int)
	return n
}

type asked struct {
	request
	key    string
	answer chan answer
}

// ask waits for the answer to a request.
func (c *client) ask(q request) answer {
	c.mu.Lock()
	switch {
	case c.dead:
		c.mu.Unlock()
		return answer{code: codeOver}
	case c.cut && q.reads():
		c.mu.Unlock()
		return answer{code: codeCutOff}
	}
	c.cut = false
	a := &asked{q, q.key(), make(chan answer)}
	c.asked = append(c.asked, a)
	c.mu.Unlock()
	return <-a.answer
}

// scripted is the store of a client.
type scripted struct {
	cloakroom.Store // none
	c               *client
}

// EngineTime is the right time, in a scenario with a clock that is wrong.
func (s scripted) EngineTime(context.Context) (time.Time, error) {
	if !s.c.x.sc.wrong() {
		return time.Time{}, errors.ErrUnsupported
	}
	a := s.c.ask(request{op: opClock})
	return s.c.x.sc.time(a.now), a.code.err()
}

// Sweep is one moment: each end is a compare-and-set in any case.
func (s scripted) Sweep(_ context.Context, now time.Time) (driver.SweepReport, error) {
	tick := uint8(now.Sub(s.c.x.sc.time(0)) / s.c.x.sc.tick)
	return driver.SweepReport{}, s.c.ask(request{op: opSweep, tick: tick}).code.err()
}

func (s scripted) Assurances() driver.Assurances {
	return driver.Assurances{Reads: s.c.x.sc.vouches, Answers: s.c.x.sc.certain}
}

func (s scripted) Get(ctx context.Context, id cloakroom.ID) (*driver.Record, error) {
	a := s.c.ask(request{op: opGet, id: id, by: by(ctx)})
	if a.code == codeOver {
		return &driver.Record{ID: id, Grave: &driver.Grave{}}, cloakroom.ErrGone
	}
	return s.c.x.record(a.rec), a.code.err()
}

func (s scripted) Create(ctx context.Context, r *driver.Record) (driver.Version, error) {
	rec := *r
	rec.Version = driver.Version{}
	a := s.c.ask(request{op: opCreate, id: r.ID, rec: &rec, by: by(ctx)})
	return a.ver, a.code.err()
}

func (s scripted) Update(ctx context.Context, r *driver.Record) (driver.Version, error) {
	rec := *r
	a := s.c.ask(request{op: opUpdate, id: r.ID, rec: &rec, by: by(ctx)})
	return a.ver, a.code.err()
}

func (s scripted) Bury(ctx context.Context, id cloakroom.ID, g driver.Grave, v driver.Version) error {
	return s.c.ask(request{op: opBury, id: id, grave: g, at: v, by: by(ctx)}).code.err()
}

// Search shows what is there at one moment, or nothing where a scenario's searches are
// blind: then the ledger has to do.
func (s scripted) Search(_ context.Context, q driver.Query) iter.Seq2[*driver.Record, error] {
	return func(yield func(*driver.Record, error) bool) {
		if !s.c.x.sc.search {
			return
		}
		a := s.c.ask(request{op: opSearch})
		if err := a.code.err(); err != nil {
			yield(nil, err)
			return
		}
		for _, i := range a.found {
			if r := s.c.x.record(i); r != nil && q.Matches(r) && !yield(r, nil) {
				return
			}
		}
	}
}

// outcome is how a run ended.
type outcome struct {
	asked   []*asked // what it waits for; nothing if it is over
	effects []effect // since the last answer
	strayed bool     // it asked for something else than before
}

// replay runs client i from its answers. keys are those of the requests that
// they belong to.
func (x *explorer) replay(i int, keys []string, answers []answer) (out outcome) {
	for range 1000 {
		synctest.Test(x.t, func(t *testing.T) {
			cryptotest.SetGlobalRandom(t, uint64(i)+1)
			out = x.newClient(t, i).follow(keys, answers)
		})
		x.runs++
		if !out.strayed {
			return out
		}
		// Goroutines of one client drew random numbers in another order.
		x.strayed++
	}
	panic(notRepeatable(i))
}

// notRepeatable is a client whose run can't be repeated: it was first run in an order
// of its goroutines that is seldom, as the machine was busy.
type notRepeatable int

// repeatable calls f, and again if a client's run could not be repeated, a few times.
func repeatable(t *testing.T, f func()) {
	t.Helper()
	try := func() (again bool) {
		defer func() {
			switch p := recover().(type) {
			case nil:
			case notRepeatable:
				t.Logf("client %d does not do the same when it is run again: all of it is explored anew", p)
				again = true
			default:
				panic(p)
			}
		}()
		f()
		return false
	}
	for range 5 {
		if !try() {
			return
		}
	}
	t.Fatal("a client never does the same when it is run again")
}

func (x *explorer) newClient(t *testing.T, i int) *client {
	spec := x.sc.clients[i]
	c := &client{t: t, x: x, i: i}
	if !x.sc.foreign {
		c.tok = x.tokens[spec.token]
	}
	config := x.sc.config()
	config.Now = func() time.Time {
		c.mu.Lock()
		defer c.mu.Unlock()
		return x.sc.time(c.now + spec.ahead)
	}
	config.Events = &cloakroom.Events{SignedIn: func(_ context.Context, i cloakroom.Info) { c.made = i.ID }}
	if strings.Contains(x.sc.props, "o") {
		config.Events.Ended = func(_ context.Context, e cloakroom.Ending) { c.note(effTold, x.slot(e.ID)) }
	}
	if x.sc.foreign {
		config.Import = oldLibrary{c}.config()
	}
	if spec.touches {
		config.TouchEvery = -1
	}
	m, err := cloakroom.New(scripted{c: c}, x.keyring, config)
	if err != nil {
		x.t.Fatal(err)
	}
	c.Manager = m
	return c
}

// config is how the processes of a scenario are configured.
func (sc *scenario) config() *cloakroom.Config {
	ticks := func(n int) time.Duration { return time.Duration(n) * sc.tick }
	return &cloakroom.Config{
		App:         app,
		IdleTimeout: ticks(sc.idle), Lifetime: ticks(sc.life), AnonymousLifetime: ticks(sc.life),
		TouchEvery: ticks(sc.idle) - time.Millisecond, // never
		SweepEvery: -1, SaveTimeout: saveTimeout, MaxPerPrincipal: sc.limit,
		Logger: slog.New(slog.DiscardHandler),
	}
}

// wrong reports whether the clock of a client is.
func (sc *scenario) wrong() bool {
	return slices.ContainsFunc(sc.clients, func(s spec) bool { return s.ahead > 0 })
}

// time returns when a tick is.
func (sc *scenario) time(tick uint8) time.Time {
	return time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC).Add(time.Duration(tick) * sc.tick)
}

func (c *client) run() {
	for _, p := range c.x.sc.clients[c.i].programs {
		c.mu.Lock()
		c.cut = false
		c.mu.Unlock()
		p(caller{c, context.Background()})
	}
	_ = c.Close() // waits for what goes on in the background; never fails
	c.mu.Lock()
	defer c.mu.Unlock()
	c.done = true
}

// follow answers the client's requests until there are no more answers.
func (c *client) follow(keys []string, answers []answer) outcome {
	go c.run()
	defer func() {
		c.kill()
		time.Sleep(time.Hour) // all that is left of the run gives up
		synctest.Wait()
	}()
	for n, waits := 0, 0; ; {
		synctest.Wait()
		waiting, done := c.waiting()
		switch {
		case len(waiting) == 0 && done:
			return outcome{effects: c.effects, strayed: n < len(answers)}
		case len(waiting) == 0: // it backs off
			if waits++; waits > 1000 {
				panic("explore: the client neither asks nor ends")
			}
			time.Sleep(longestBackOff)
		case n == len(answers):
			return outcome{asked: waiting, effects: c.effects}
		default:
			i := slices.IndexFunc(waiting, func(a *asked) bool { return a.key == keys[n] })
			if i < 0 {
				return outcome{strayed: true}
			}
			c.give(waiting[i], answers[n])
			n++
		}
	}
}

// waiting returns the client's requests, of equal ones the first.
func (c *client) waiting() ([]*asked, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list := slices.Clone(c.asked)
	slices.SortStableFunc(list, func(a, b *asked) int { return strings.Compare(a.key, b.key) })
	list = slices.CompactFunc(list, func(a, b *asked) bool { return a.key == b.key })
	return list, c.done
}

func (c *client) give(a *asked, got answer) {
	c.mu.Lock()
	c.asked = slices.DeleteFunc(c.asked, func(b *asked) bool { return a == b })
	c.now, c.effects, c.cut = got.now, nil, got.code == codeCutOff
	if a.op == opGet && a.id.Layout() != driver.LayoutLedger {
		c.saw = c.saw || got.code == codeOK
		c.missing = c.missing || got.code == codeNotFound
	}
	c.mu.Unlock()
	a.answer <- got
}

func (c *client) kill() {
	c.mu.Lock()
	c.dead = true
	rest := c.asked
	c.mu.Unlock()
	for _, a := range rest {
		a.answer <- answer{code: codeOver}
	}
}

// note tells the checker what the program learned.
func (c *client) note(kind effectKind, args ...uint16) {
	e := effect{kind: kind}
	copy(e.args[:], args)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.effects = append(c.effects, e)
}

// start makes the beginning of an operation a step of its own, and returns the
// newest token that a browser holds.
func (c *client) start() string {
	if a := c.ask(request{op: opStart}); int(a.held) < len(c.x.tokens) {
		return c.x.tokens[a.held]
	}
	return "" // none yet
}
