package torture

import (
	"context"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
)

// revokeInterrupted kills a process while it signs a principal out everywhere.
func revokeInterrupted(ctx context.Context, r *Run) error {
	c := startCluster(r, false)
	checker := history.NewChecker(r.CheckOptions())
	rounds, halfway := 0, 0
	defer func() {
		r.Add(checker.Close())
		r.Note("of %d sign-outs everywhere, %d were cut off between the end of the first session and that of the last", rounds, halfway)
	}()
	return c.work(ctx, c.URLs(), 1, workload.Options{Clients: 4}, func(ctx context.Context) error {
		usual := 50 * time.Millisecond // what a sign-out everywhere takes
		for first := true; first || r.More(); first = false {
			rounds++
			v := &visitor{run: r, ctx: ctx, began: time.Now(), principal: fmt.Sprintf("interrupted-%d-%d", r.Seed(), rounds)}
			v.family = history.Family{Number: firstVisitor + rounds, Seed: r.Seed()}
			a, b := c.workers[rounds%2], c.workers[(rounds+1)%2]
			half, err := v.interrupt(a, b, time.Duration(r.Rand().Int64N(int64(usual)*5/4)), &usual)
			if err != nil {
				return err
			}
			if half {
				halfway++
			}
			checker.Add(v.family)
			if err := r.Recovered(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// firstVisitor keeps numbers of families apart from those of the workload.
const firstVisitor = 1_000_000

// visitor records what is done on one principal's sessions.
type visitor struct {
	run       *Run
	ctx       context.Context //nolint:containedctx // of the scenario
	family    history.Family
	began     time.Time
	principal string
	last      int64
	tokens    []string
	attempt   workload.Result
	attemptOp int
}

// The visitor's clients: a client does one thing after the other.
const (
	visiting = 1
	revoking = 2
)

// interrupt signs in on a and b, has a sign out everywhere, kills it after a
// time, and has b take over. It reports whether a was seen to have been
// half-way.
func (v *visitor) interrupt(a, b *Worker, after time.Duration, usual *time.Duration) (half bool, err error) {
	const sessions = 8
	for i := range sessions {
		if err := v.login([]workload.Executor{a, b}[i%2]); err != nil {
			return false, err
		}
	}
	if _, err := v.insist(b, workload.Op{Kind: history.Begin}, history.Op{}); err != nil {
		return false, err
	}

	v.revokeAndKill(a, after)
	live, err := v.readAll(b)
	if err != nil {
		return false, err
	}
	if _, err := v.insist(b, v.late(), history.Op{Attempt: v.attemptOp, Principal: v.principal}); err != nil {
		return false, err
	}
	began := time.Now()
	if _, err := v.insist(b, workload.Op{Kind: history.Revoke}, history.Op{}); err != nil {
		return false, err
	}
	*usual = (*usual + time.Since(began)) / 2
	a.Restart()
	for _, w := range []*Worker{a, b} {
		left, err := v.readAll(w)
		if err != nil {
			return false, err
		}
		if left > 0 { // the checker says so too; this can't be a matter of its model
			return false, fmt.Errorf("%d sessions of %s are live after a sign-out everywhere that was acknowledged", left, v.principal)
		}
		if _, err := v.insist(w, v.late(), history.Op{Attempt: v.attemptOp, Principal: v.principal}); err != nil {
			return false, err
		}
	}
	return live > 0 && live < sessions, nil
}

// revokeAndKill has a sign out everywhere, and kills it after a time.
func (v *visitor) revokeAndKill(a *Worker, after time.Duration) {
	revoke := workload.Op{Kind: history.Revoke, N: v.number(), Principal: v.principal}
	record := history.Op{N: revoke.N, Kind: history.Revoke, Principal: v.principal, Client: revoking, Where: a.Name(), Call: v.now()}
	answer := make(chan workload.Result, 1)
	go func() { answer <- a.Do(v.ctx, revoke) }()
	timer := time.NewTimer(after)
	select {
	case r := <-answer: // earlier than usual
		answer <- r
	case <-timer.C:
	}
	timer.Stop()
	a.Kill()
	r := <-answer
	record.Return, record.Outcome, record.Note = v.now(), r.Outcome, r.Note
	v.family.Ops = append(v.family.Ops, record)
}

func (v *visitor) login(e workload.Executor) error {
	_, err := v.insist(e, workload.Op{Kind: history.Login, How: workload.InRequest}, history.Op{})
	return err
}

// late is a sign-in that was begun before the sign-out.
func (v *visitor) late() workload.Op {
	return workload.Op{Kind: history.Login, How: workload.InRequest, Attempt: v.attempt.Attempt}
}

// readAll returns how many of the tokens open a session.
func (v *visitor) readAll(e workload.Executor) (live int, err error) {
	for i, token := range v.tokens {
		r, err := v.insist(e, workload.Op{Kind: history.Get, How: workload.InRequest, Token: token}, history.Op{Session: i + 1, Token: i + 1})
		if err != nil {
			return 0, err
		}
		if r.Outcome == history.Done {
			live++
		}
	}
	return live, nil
}

// insist does an operation until it is answered, and records each try.
func (v *visitor) insist(e workload.Executor, op workload.Op, record history.Op) (workload.Result, error) {
	for range 100 {
		op.N = v.number()
		record.N, record.Kind, record.Client, record.Where, record.How = op.N, op.Kind, visiting, e.Name(), string(op.How)
		switch op.Kind {
		case history.Login, history.Begin, history.Revoke:
			op.Principal, record.Principal = v.principal, v.principal
		}
		h := record
		h.Call = v.now()
		r := e.Do(v.ctx, op)
		h.Return = v.now()
		h.Outcome, h.Ended, h.Values, h.Note = r.Outcome, r.Ended, r.Values, r.Note
		if r.Outcome == history.Done {
			switch op.Kind {
			case history.Login:
				v.tokens = append(v.tokens, r.Token)
				h.NewSession, h.NewToken = len(v.tokens), len(v.tokens)
			case history.Begin:
				v.attempt, v.attemptOp = r, op.N
			}
		}
		v.family.Ops = append(v.family.Ops, h)
		if r.Outcome != history.Unavailable && r.Outcome != history.Unknown {
			return r, nil
		}
		v.run.Pause(v.ctx, 50*time.Millisecond, 200*time.Millisecond)
	}
	return workload.Result{}, fmt.Errorf("%s on %s was not answered a hundred times", op.Kind, e.Name())
}

func (v *visitor) number() int { return len(v.family.Ops) + 1 }

// now returns the time since the visitor began. No two times are the same.
func (v *visitor) now() int64 {
	v.last = max(v.last+1, time.Since(v.began).Nanoseconds())
	return v.last
}
