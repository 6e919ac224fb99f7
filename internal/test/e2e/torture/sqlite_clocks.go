package torture

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
)

// drawAhead draws how far a process's clock is ahead of this machine's, so that any two
// lie apart by no more than is tolerated.
func drawAhead(r *Run) time.Duration {
	const most = driver.ClockTolerance / 2
	return time.Duration(r.Rand().Int64N(int64(2*most)+1)) - most
}

// startApart starts workers on a file whose clocks lie apart: the first two as far as is
// tolerated.
func startApart(r *Run, processes int) *sqliteFile {
	r.Helper()
	ahead := []time.Duration{-driver.ClockTolerance / 2, driver.ClockTolerance / 2}
	for len(ahead) < processes {
		ahead = append(ahead, drawAhead(r))
	}
	return startSQLite(r, r.TempDir(), processes, ahead...)
}

// sqliteClocks has processes whose clocks lie apart, of which some are killed and get
// another clock.
func sqliteClocks(ctx context.Context, r *Run) error {
	s := startApart(r, 4)
	return s.work(ctx, func(ctx context.Context) error {
		for round := 0; round < 5 || r.More(); round++ {
			r.Pause(ctx, 0, 2*time.Second)
			w := s.workers[r.Rand().IntN(len(s.workers))]
			w.Kill()
			w.SetAhead(drawAhead(r))
			w.Restart()
			if err := r.Recovered(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

// sqliteLedgers loses ledgers, and signs their principals out everywhere.
func sqliteLedgers(ctx context.Context, r *Run) error {
	s := startApart(r, 4)
	checker := history.NewChecker(r.CheckOptions())
	lost := map[workload.Loss]int{}
	defer func() {
		r.Add(checker.Close())
		var how []string
		for _, l := range workload.Losses() {
			how = append(how, fmt.Sprint(lost[l], " ", l))
		}
		r.Note("ledgers lost before a sign-out everywhere: %s", strings.Join(how, ", "))
	}()
	return s.work(ctx, func(ctx context.Context) error {
		losses := workload.Losses()
		for round := 0; round < 2*len(losses) || r.More(); round++ {
			how := losses[round%len(losses)]
			lost[how]++
			v, other := newVisitor(ctx, r, "lost", 2*round), newVisitor(ctx, r, "other", 2*round+1)
			first := s.workers[r.Rand().IntN(len(s.workers))]
			var kill func()
			if round/len(losses)%2 == 1 {
				after := time.Duration(r.Rand().Int64N(int64(20 * time.Millisecond)))
				kill = func() {
					v.revokeAndKill(first, after)
					first.SetAhead(drawAhead(r))
					first.Restart()
				}
			}
			var all []workload.Executor
			for _, i := range r.Rand().Perm(len(s.workers)) {
				all = append(all, s.workers[i])
			}
			if err := v.outlive(all, how, other, kill); err != nil {
				return err
			}
			checker.Add(v.family)
			checker.Add(other.family)
			if err := r.Recovered(ctx); err != nil {
				return err
			}
		}
		return nil
	})
}

func newVisitor(ctx context.Context, r *Run, name string, number int) *visitor {
	return &visitor{
		run: r, ctx: ctx, began: time.Now(), principal: fmt.Sprintf("%s-%d-%d", name, r.Seed(), number),
		family: history.Family{Number: firstVisitor + number, Seed: r.Seed()},
	}
}

// outlive signs the visitor in several times, loses its ledger, and signs it out
// everywhere: that ends all its sessions, none of the other's, and none of later ones.
// interrupt, if there is one, does so before, and may fail.
func (v *visitor) outlive(all []workload.Executor, how workload.Loss, other *visitor, interrupt func()) error {
	for i := range 6 {
		if err := v.login(all[i%len(all)]); err != nil {
			return err
		}
	}
	for i := range 2 {
		if err := other.login(all[i%len(all)]); err != nil {
			return err
		}
	}
	if err := workload.Lose(v.ctx, all[0], how, v.principal, other.principal); err != nil {
		return err
	}
	if interrupt != nil {
		interrupt()
	}
	if _, err := v.insist(all[1%len(all)], workload.Op{Kind: history.Revoke}, history.Op{}); err != nil {
		return err
	}
	for _, e := range all {
		// The checker says so too; this can't be a matter of its model.
		if err := v.wantLive(e, 0, how); err != nil {
			return err
		}
		if err := other.wantLive(e, 2, how); err != nil {
			return err
		}
	}
	if err := v.login(all[2%len(all)]); err != nil {
		return err
	}
	if err := v.wantLive(all[0], 1, how); err != nil {
		return err
	}
	for _, w := range []*visitor{v, other} { // by the ledger, which is as it should be
		if _, err := w.insist(all[0], workload.Op{Kind: history.Revoke}, history.Op{}); err != nil {
			return err
		}
		if err := w.wantLive(all[1%len(all)], 0, how); err != nil {
			return err
		}
	}
	return nil
}

// wantLive checks how many of a visitor's sessions open.
func (v *visitor) wantLive(e workload.Executor, want int, how workload.Loss) error {
	live, err := v.readAll(e)
	if err == nil && live != want {
		err = fmt.Errorf("%d sessions of %s are live, and not %d, after a ledger was %s and a sign-out everywhere was acknowledged", live, v.principal, want, how)
	}
	return err
}
