package scsstore_test

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/alexedwards/scs/v2"

	"github.com/cloakroom-go/cloakroom"
	scsstore "github.com/cloakroom-go/cloakroom/adapters/scs"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests the look for old processes.

// listed is a store that returns all its sessions.
type listed struct{ *oldStore }

func (l listed) All() (all map[string][]byte, err error) {
	all = map[string][]byte{}
	err = l.do("all", func() {
		for token, e := range l.kept {
			all[token] = e.data
		}
	})
	return all, err
}

// listedCtx returns them with a context only.
type listedCtx struct{ ctxOnly }

func (l listedCtx) AllCtx(context.Context) (map[string][]byte, error) { return listed{l.s}.All() }

func TestImportCheckQuiet(t *testing.T) {
	for _, c := range []struct {
		name   string
		during func(t *testing.T, old *scs.SessionManager, v *traveller, s *oldStore)
		want   string // "": quiet
	}{
		{name: "nothing happens", during: func(*testing.T, *scs.SessionManager, *traveller, *oldStore) {}},
		{name: "somebody imports", during: func(t *testing.T, old *scs.SessionManager, v *traveller, _ *oldStore) {
			v.wantAtNew(newNew(t, newImporter(t, old, nil), nil), "ann", "tea")
		}},
		{name: "a session is saved", want: "stop them first", during: func(_ *testing.T, old *scs.SessionManager, v *traveller, _ *oldStore) {
			v.atOld(old, func(ctx context.Context) { old.Put(ctx, "n", 1) })
		}},
		{name: "one is made", want: "stop them first", during: func(t *testing.T, old *scs.SessionManager, _ *traveller, _ *oldStore) {
			newTraveller(t).signsInAtOld(old)
		}},
		{name: "another takes its place", want: "stop them first", during: func(_ *testing.T, old *scs.SessionManager, v *traveller, _ *oldStore) {
			v.signsInAtOld(old)
		}},
		{name: "an outage", want: "down", during: func(_ *testing.T, _ *scs.SessionManager, _ *traveller, s *oldStore) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.before = func(string) error { return errors.New("down") }
		}},
	} {
		for _, ctx := range []bool{false, true} {
			t.Run(c.name, func(t *testing.T) {
				s := newOldStore()
				var store scs.Store = listed{s}
				if ctx {
					store = listedCtx{ctxOnly{s}}
				}
				old := newOld(store, nil)
				synctest.Test(t, func(t *testing.T) {
					v := newTraveller(t)
					v.signsInAtOld(old)
					kept := maps.Clone(s.kept)
					done := make(chan error, 1)
					go func() { done <- newImporter(t, old, nil).CheckQuiet(t.Context(), 5*time.Second) }()
					synctest.Wait()
					c.during(t, old, v, s)
					err := <-done
					if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
						t.Errorf("got %v, want %q", err, c.want)
					}
					for token := range kept {
						if err != nil && strings.Contains(err.Error(), token) {
							t.Error("the error tells a token")
						}
					}
				})
			})
		}
	}
	i := newImporter(t, newOld(newOldStore(), nil), nil)
	if err := i.CheckQuiet(t.Context(), 0); !errors.Is(err, errors.ErrUnsupported) || errors.Is(err, cloakroom.ErrUnavailable) {
		t.Errorf("a store without All: %v", err)
	}
	own := newOld(nil, nil)
	own.Store = newStore(t, memstore.New(nil), scsstore.Config{Manager: own})
	if err := newImporter(t, own, nil).CheckQuiet(t.Context(), 0); !errors.Is(err, errors.ErrUnsupported) || errors.Is(err, cloakroom.ErrUnavailable) || strings.Contains(err.Error(), "HashTokenInStore") {
		t.Errorf("a Store of this package that keeps no tokens: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := newImporter(t, newOld(listedCtx{ctxOnly{newOldStore()}}, nil), nil).CheckQuiet(ctx, time.Hour); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}
