package explore

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"strconv"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the import of a foreign session, and the programs that take part in one.
// The foreign session is a record of the same store, so all faults happen to it as well.
// A cookie names it, and all that it has is the increments of the old library.

// The slots of a scenario with a foreign session. That of the session that it becomes is
// 1, so that this is S1.
const foreignSlot = 2

const foreignCookie = "foreign"

// foreignID is the id of the foreign session's record. It is no session to the checker.
func foreignID() cloakroom.ID {
	return driver.DerivedID(driver.LayoutLedger, "explore foreign session")
}

// importSlots gives the records of an import their slots.
func (x *explorer) importSlots() {
	x.slot(driver.DerivedID(driver.LayoutImport, "cloakroom import v1", app, foreignCookie, foreignCookie))
	x.slot(foreignID())
}

// recordImportEnd has the store keep the end of imports, as after the first one.
func (x *explorer) recordImportEnd(ctx context.Context, store *modelStore) error {
	id := driver.DerivedID(driver.LayoutLedger, "cloakroom import end v1", app, foreignCookie)
	x.slot(id)
	_, err := store.Create(ctx, &driver.Record{
		ID: id, Kind: driver.KindLedger, App: app,
		Values: driver.ValueList{{Name: "end", JSON: fmt.Appendf(nil, `{"until":%d}`, x.importsEnd().UnixMilli())}},
	})
	return err
}

// importsEnd is when imports end.
func (x *explorer) importsEnd() time.Time { return x.sc.time(0).Add(30 * x.sc.tick) }

// oldLibrary is the importer of a client.
type oldLibrary struct{ c *client }

func (l oldLibrary) config() *cloakroom.Import {
	return &cloakroom.Import{
		From: l, Until: l.c.x.importsEnd(),
		Principal: func(context.Context, cloakroom.Reader) (string, error) { return principal, nil },
	}
}

func (l oldLibrary) Name() string { return foreignCookie }

func (l oldLibrary) Find(r *http.Request) (cloakroom.ForeignToken, error) {
	if _, err := r.Cookie(foreignCookie); err != nil {
		return cloakroom.ForeignToken{}, cloakroom.ErrNotFound
	}
	return cloakroom.ForeignToken{ID: foreignCookie, Credential: foreignCookie}, nil
}

func (l oldLibrary) Load(ctx context.Context, _ cloakroom.ForeignToken) (*cloakroom.ForeignSession, error) {
	rec, err := scripted{c: l.c}.Get(ctx, foreignID())
	switch {
	case errors.Is(err, cloakroom.ErrGone):
		return nil, cloakroom.ErrNotFound
	case err != nil:
		return nil, err
	}
	return &cloakroom.ForeignSession{Version: strconv.FormatUint(rec.Version.Seq, 10), Values: maps.Collect(rec.Values.All())}, nil
}

func (l oldLibrary) Retire(ctx context.Context, _ cloakroom.ForeignToken, version string) error {
	seq, err := strconv.ParseUint(version, 10, 64)
	if err != nil {
		panic(err) // of Load
	}
	err = scripted{c: l.c}.Bury(ctx, foreignID(), driver.Grave{Reason: cloakroom.EndReplaced}, driver.Version{Term: 1, Seq: seq})
	switch {
	case !errors.Is(err, cloakroom.ErrGone):
		return err
	case l.c.x.sc.certain:
		return cloakroom.ErrNotFound
	}
	return nil // this call may have done it, before it was executed again
}

func (l oldLibrary) Forget(h http.Header) {
	h.Add("Set-Cookie", foreignCookie+"=; Max-Age=0")
}

// arrive is a request with the foreign cookie, that increments a number. The browser has
// the token that it is told.
func arrive(n int) program {
	return arriveTo(func(c caller, s *cloakroom.Session) error {
		err := increment(s, c, n)
		c.saved(n, err)
		return err
	})
}

// arriveOnly is arrive without the increment.
func arriveOnly(c caller) {
	arriveTo(func(caller, *cloakroom.Session) error { return nil })(c)
}

func arriveTo(f func(caller, *cloakroom.Session) error) program {
	return func(c caller) {
		c.start()
		began := c.now
		req := httptest.NewRequestWithContext(c.ctx, http.MethodGet, "/", nil)
		req.AddCookie(&http.Cookie{Name: foreignCookie, Value: foreignCookie})
		stranger := false
		w := httptest.NewRecorder()
		c.Manager.With(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
			if stranger = s.IsNew(); stranger {
				return nil
			}
			c.note(effByForeign, uint16(began))
			return f(c, s)
		}).ServeHTTP(w, req)
		if w.Code != http.StatusOK {
			return
		}
		if stranger {
			c.note(effStranger)
		}
		for _, k := range w.Result().Cookies() {
			if k.Name != foreignCookie {
				c.tok = k.Value
				c.note(effHanded, c.x.token(k.Value))
			}
		}
	}
}

// goOnWith is a request with the token that the client was told, if it was. Once it is
// answered the foreign session is no longer needed.
func goOnWith(n int) program {
	return func(c caller) {
		if c.tok == "" {
			return
		}
		answered := c.visit(c.tok, func(s *cloakroom.Session) error {
			if s.IsNew() {
				c.note(effStranger)
				return nil
			}
			err := increment(s, c, n)
			c.saved(n, err)
			return err
		})
		if answered {
			c.note(effHeard, uint16(c.now))
		}
	}
}

// leaveWith signs out with the token that the client was told, if it was.
func leaveWith(c caller) {
	if c.tok == "" {
		return
	}
	c.note(effLeaving)
	c.request(c.tok, func(ctx context.Context, s *cloakroom.Session) error {
		err := s.Destroy(ctx)
		if err == nil {
			c.note(effEnded, 1)
		}
		return err
	})
}

// oldSave increments a number in the foreign session, as a process of the old library
// does.
func oldSave(n int) program {
	return func(c caller) {
		c.start()
		store := scripted{c: c.client}
		rec, err := store.Get(c.ctx, foreignID())
		if err != nil {
			return
		}
		next := *rec
		next.Values = rec.Values.With(saveName(n), json.RawMessage("1"))
		if _, err := store.Update(c.ctx, &next); err == nil {
			c.note(effOldSaved, 1<<n)
		}
	}
}

// oldEnd signs out at the old library.
func oldEnd(c caller) {
	c.start()
	store := scripted{c: c.client}
	rec, err := store.Get(c.ctx, foreignID())
	if err != nil {
		return
	}
	c.note(effLeaving)
	if store.Bury(c.ctx, foreignID(), driver.Grave{Reason: cloakroom.EndDestroyed}, rec.Version) == nil {
		c.note(effOldEnded)
	}
}
