package console_test

import (
	"context"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloakroom-go/cloakroom/console"
)

// This file tests the end of a console, and acts whose telling hangs or panics.

// TestActsAfterClose: once a console is closed no act begins, and pages are shown still.
func TestActsAfterClose(t *testing.T) {
	r := newRig(t, nil)
	id := r.comes(comer{principal: "ann", cart: "a secret hat"})
	r.later()
	all := ways(r, id)
	if err := r.console.Close(); err != nil {
		t.Fatal(err)
	}
	for action, do := range all {
		if code := do(); code != http.StatusServiceUnavailable {
			t.Errorf("%s: %d", action, code)
		}
	}
	if len(r.told()) > 0 || live(r, "ann") != 1 {
		t.Errorf("%+v, %d sessions", r.told(), live(r, "ann"))
	}
	r.wants(r.page("/session/"+id.String()), "live")
	r.wants(r.page("/jobs"), "Nobody has ended")
}

// TestCloseWaitsForActs: Close waits until an act that has begun is over, and told.
func TestCloseWaitsForActs(t *testing.T) {
	for _, action := range []string{"end", "values"} {
		synctest.Test(t, func(t *testing.T) {
			hold := make(chan struct{})
			r := newRig(t, nil, func(c *console.Config) {
				c.Audit = func(context.Context, console.Act) error { <-hold; return nil }
			})
			id := r.comes(comer{principal: "ann"})
			go r.do(http.MethodPost, "/session/"+id.String()+"/"+action, url.Values{"reason": {"x"}})
			synctest.Wait()
			closed := make(chan struct{})
			go func() { r.console.Close(); close(closed) }()
			synctest.Wait()
			select {
			case <-closed:
				t.Errorf("%s: Close doesn't wait", action)
			default:
			}
			close(hold)
			<-closed
			if left := live(r, "ann"); action == "end" && left != 0 {
				t.Errorf("%d sessions are left", left)
			}
		})
	}
}

// TestAuditHangs: Close waits for Audit, whose context ends.
func TestAuditHangs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, nil, func(c *console.Config) {
			c.Audit = func(ctx context.Context, a console.Act) error {
				if a.Result == console.ResultBegun {
					return nil
				}
				<-ctx.Done()
				return ctx.Err()
			}
		})
		r.comes(comer{agent: "curl/8"})
		r.later()
		r.result(r.post("/ending?agent=curl", forEnding(r, "/ending?agent=curl")))
		begun := time.Now()
		r.console.Close()
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("Close takes %v", took)
		}
		r.wants(r.log.String(), "deadline exceeded")
	})
}

// panicking is a log that panics when it is told a result, or that values are revealed.
type panicking struct{ slog.Handler }

func (p panicking) Handle(ctx context.Context, rec slog.Record) error {
	rec.Attrs(func(a slog.Attr) bool {
		if a.Key == "result" && a.Value.String() != string(console.ResultBegun) || a.Key == "action" && a.Value.String() == string(console.ActReveal) {
			panic("a fault of the log")
		}
		return true
	})
	return p.Handler.Handle(ctx, rec)
}

// TestLogPanics: a Logger that panics in a job ends no process, and one that panics before
// an act has it refused.
func TestLogPanics(t *testing.T) {
	r := newRig(t, nil, func(c *console.Config) { c.Logger = slog.New(panicking{slog.NewTextHandler(io.Discard, nil)}) })
	id := r.comes(comer{principal: "ann", cart: "a secret hat"})
	w := r.do(http.MethodPost, "/session/"+id.String()+"/values", url.Values{"reason": {"x"}})
	if w.Code != http.StatusServiceUnavailable || strings.Contains(w.Body.String(), "secret hat") {
		t.Errorf("%d %s", w.Code, text(w.Body.String()))
	}
	r.later()
	r.wants(r.result(r.post("/ending?principal=ann", forEnding(r, "/ending?principal=ann"))), "1 of 1 ended")
	r.console.Close()
}
