package console_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/console"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the tests of when acts are told, and of what follows where that fails.

// ways are the forms that end sessions of ann's, and one that reveals values.
func ways(r *rig, id cloakroom.ID) map[console.Action]func() int {
	form := func(path, action string) func() int {
		return func() int {
			f := url.Values{}
			if path != "" {
				f = forEnding(r, path)
			}
			f.Set("reason", "a lost phone")
			return r.do(http.MethodPost, action, f).Code
		}
	}
	session := "/session/" + id.String()
	return map[console.Action]func() int{
		console.ActEnd:     form("", session+"/end"),
		console.ActReveal:  form("", session+"/values"),
		console.ActEndAll:  form("/ending?principal=ann", "/ending?principal=ann"),
		console.ActSignOut: form("/principals?principal=ann", "/principals/sign-out"),
	}
}

// TestToldBefore: what ends sessions is told while they still open, and what reveals values
// before they are shown.
func TestToldBefore(t *testing.T) {
	for _, action := range []console.Action{console.ActEnd, console.ActReveal, console.ActEndAll, console.ActSignOut} {
		var r *rig
		var id cloakroom.ID
		var mu sync.Mutex // guards lived
		var lived []bool
		r = newRig(t, nil, func(c *console.Config) {
			c.Audit = func(ctx context.Context, a console.Act) error {
				_, err := r.manager.Admin().Find(ctx, id)
				mu.Lock()
				defer mu.Unlock()
				lived = append(lived, err == nil && a.Action == action)
				return nil
			}
		})
		id = r.comes(comer{principal: "ann", cart: "hat"})
		r.later()
		if code := ways(r, id)[action](); code >= 400 {
			t.Errorf("%s: %d", action, code)
		}
		want := []bool{true, false}
		if action == console.ActReveal {
			want = want[:1]
		}
		r.until("what is told of "+string(action), func() bool {
			mu.Lock()
			defer mu.Unlock()
			return len(lived) == len(want)
		})
		if !slices.Equal(lived, want) {
			t.Errorf("%s is told while the session lives: %v", action, lived)
		}
	}
}

// TestUntold: what can't be told isn't done, whether Audit fails or panics.
func TestUntold(t *testing.T) {
	for name, fail := range map[string]func() error{
		"fails":  func() error { return errors.New("the disk is full of secrets") },
		"panics": func() error { panic("the disk is full of secrets") },
	} {
		r := newRig(t, nil, func(c *console.Config) {
			c.Audit = func(context.Context, console.Act) error { return fail() }
		})
		id := r.comes(comer{principal: "ann", cart: "a secret hat"})
		r.later()
		for action, do := range ways(r, id) {
			if code := do(); code != http.StatusServiceUnavailable {
				t.Errorf("it %s, %s: %d", name, action, code)
			}
		}
		if _, err := r.manager.Admin().Find(t.Context(), id); err != nil {
			t.Errorf("it %s: the session: %v", name, err)
		}
		w := r.do(http.MethodPost, "/session/"+id.String()+"/values", url.Values{"reason": {"ticket 7"}})
		r.wants(w.Body.String(), "It can't be told", "Nothing was done")
		r.lacks(w.Body.String(), "a secret hat", "the disk is full")
		r.wants(r.page("/jobs"), "Nobody has ended")
		r.wants(r.log.String(), "the disk is full")
	}
}

// TestResultUntold: where the result can't be told, the sessions have ended all the same, and
// the log has it.
func TestResultUntold(t *testing.T) {
	r := newRig(t, nil, func(c *console.Config) {
		c.Audit = func(_ context.Context, a console.Act) error {
			if a.Result != console.ResultBegun {
				return errors.New("the disk is full")
			}
			return nil
		}
	})
	id := r.comes(comer{principal: "ann"})
	r.post("/session/"+id.String()+"/end", url.Values{"reason": {"x"}})
	r.wants(r.page("/session/"+id.String()), "revoked")
	r.wants(r.log.String(), "the disk is full")
	r.comes(comer{principal: "ann"})
	r.later()
	r.wants(r.result(r.post("/ending?principal=ann", forEnding(r, "/ending?principal=ann"))), "1 of 1 ended")
}

// TestStorePanicsInEnd: a store that panics leaves it uncertain whether the session ended,
// and that is told.
func TestStorePanicsInEnd(t *testing.T) {
	memory := memstore.New(nil)
	defer memory.Close()
	store := &broken{Store: memory}
	r := newRig(t, store)
	id := r.comes(comer{principal: "ann"})
	store.bury = true
	if w := r.do(http.MethodPost, "/session/"+id.String()+"/end", url.Values{"reason": {"x"}}); w.Code != http.StatusServiceUnavailable {
		t.Errorf("%d", w.Code)
	}
	var results []console.Result
	for _, a := range r.told() {
		results = append(results, a.Result)
	}
	if !slices.Equal(results, []console.Result{console.ResultBegun, console.ResultUncertain}) {
		t.Errorf("%v", results)
	}
}
