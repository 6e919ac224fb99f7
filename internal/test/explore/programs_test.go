package explore

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing/cryptotest"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// The programs of clients. Each does what an application does, and notes what
// it was told.

func saveName(n int) string { return fmt.Sprintf("n%d", n) }

// increment counts one save.
func increment(s *cloakroom.Session, c caller, n int) error {
	return s.Update(c.ctx, func(tx *cloakroom.Tx) error {
		cloakroom.NewKey[int](saveName(n)).Update(tx, func(v int) int { return v + 1 })
		return nil
	})
}

func (c *client) saved(n int, err error) {
	switch {
	case err == nil:
		c.note(effSaved, 1<<n)
	case !errors.Is(err, cloakroom.ErrUnknown):
		c.note(effNotApplied, 1<<n)
	default:
		c.unknown(err)
	}
}

// unknown tells of an outcome that is unknown, where the store vouches for its answers.
func (c *client) unknown(err error) {
	if c.x.sc.certain && errors.Is(err, cloakroom.ErrUnknown) {
		c.note(effUnknown)
	}
}

// save loads the session, increments a number and saves.
func save(n int) program {
	return func(c caller) {
		s, err := c.Retrieve(c.ctx, c.tok)
		if err == nil {
			err = increment(s, c, n)
		}
		c.saved(n, err)
	}
}

// saveKey is save with a key of the session and a save of its own.
func saveKey(n int) program {
	return func(c caller) {
		s, err := c.Retrieve(c.ctx, c.tok)
		if err == nil {
			cloakroom.NewKey[int](saveName(n)).Update(s, func(v int) int { return v + 1 })
			err = s.Save(c.ctx)
		}
		c.saved(n, err)
	}
}

var theFlag = cloakroom.NewKey[bool]("flag")

// raise sets the flag.
func raise(c caller) {
	s, err := c.Retrieve(c.ctx, c.tok)
	if err == nil {
		theFlag.Set(s, true)
		_ = s.Save(c.ctx) // whether it happened is seen by who reads it
	}
}

// lower has read the session before the flag was raised, if it was, sees that
// another has raised it, and unsets it: what equals what it had read. Nobody raises
// it twice. So once that is acknowledged the flag is down.
func lower(c caller) {
	early, err1 := c.Retrieve(c.ctx, c.tok)
	later, err2 := c.Retrieve(c.ctx, c.tok)
	if err1 != nil || err2 != nil || theFlag.Get(early) || !theFlag.Get(later) {
		return
	}
	theFlag.Delete(early)
	if early.Save(c.ctx) != nil {
		return
	}
	if again, err := c.Retrieve(c.ctx, c.tok); err == nil && theFlag.Get(again) {
		c.note(effUndone)
	}
}

var theNote = cloakroom.NewKey[int]("note")

// leave leaves a numbered note, in the place of what is there.
func leave(n int) program {
	return func(c caller) {
		s, err := c.Retrieve(c.ctx, c.tok)
		if err == nil {
			theNote.Set(s, n)
			err = s.Save(c.ctx)
		}
		switch {
		case err == nil:
			c.note(effLeft, 1<<n)
		case errors.Is(err, cloakroom.ErrUnknown):
			c.note(effDoubt)
		}
	}
}

// take takes the note that is there.
func take(c caller) {
	s, err := c.Retrieve(c.ctx, c.tok)
	if err != nil {
		return
	}
	switch n, ok, err := theNote.Take(c.ctx, s); {
	case ok:
		c.note(effTaken, 1<<n)
	case errors.Is(err, cloakroom.ErrUnknown):
		c.note(effDoubt)
	}
}

var errTaken = errors.New("explore: somebody saved it before")

// claim increments a number unless another has been: whoever is refused may rely
// on what it saw.
func claim(unless, n int) program {
	return saveUnless(unless, n, func(c caller) { c.note(effSaved, 1<<unless) })
}

// saveUnless increments a number unless another has been, of which refused is told.
func saveUnless(unless, n int, refused func(c caller)) program {
	return func(c caller) {
		s, err := c.Retrieve(c.ctx, c.tok)
		if err == nil {
			err = s.Update(c.ctx, func(tx *cloakroom.Tx) error {
				if cloakroom.NewKey[int](saveName(unless)).Get(tx) > 0 {
					return errTaken
				}
				cloakroom.NewKey[int](saveName(n)).Update(tx, func(v int) int { return v + 1 })
				return nil
			})
		}
		if errors.Is(err, errTaken) && !errors.Is(err, cloakroom.ErrUnknown) {
			refused(c)
		}
		c.saved(n, err)
	}
}

// together runs programs in one process at a time. The saves of one wait while
// those of another are in flight.
func together(programs ...program) program {
	return func(c caller) {
		var all sync.WaitGroup
		for i, p := range programs {
			all.Go(func() { p(c.as(i + 1)) })
		}
		all.Wait()
	}
}

// touch only looks at the session, which is recorded as activity.
func touch(c caller) {
	_, _ = c.Retrieve(c.ctx, c.tok) // the look is all
}

// visit is a visitor who comes, and has to find the session live if that is less than
// the idle timeout after the last time, where operations are prompt.
func visit(c caller) {
	c.start()
	now := c.now
	_, err := c.Retrieve(c.ctx, c.tok)
	switch {
	case err == nil:
		c.visited = now
		c.note(effCame, uint16(now))
	case errors.Is(err, cloakroom.ErrNotFound) && c.x.sc.prompt && int(now-c.visited) < c.x.sc.idle:
		c.note(effIdle)
	}
}

// count is a console that increments a number in session S1, which is no activity.
func count(n int) program {
	return func(c caller) {
		c.start()
		c.saved(n, c.Admin().Update(c.ctx, c.x.slots[1], func(tx *cloakroom.Tx) error {
			cloakroom.NewKey[int](saveName(n)).Update(tx, func(v int) int { return v + 1 })
			return nil
		}))
	}
}

// manage is a console that looks at session S1, sweeps, and increments a number in S1.
// None of it is activity.
func manage(n int) program {
	return func(c caller) {
		c.start()
		_, _ = c.Admin().Find(c.ctx, c.x.slots[1]) // the look is all
		_, _ = c.Admin().Sweep(c.ctx)              // it is refused, or ends what is over
		c.saved(n, c.Admin().Update(c.ctx, c.x.slots[1], func(tx *cloakroom.Tx) error {
			cloakroom.NewKey[int](saveName(n)).Update(tx, func(v int) int { return v + 1 })
			return nil
		}))
	}
}

// whenever is a program that begins at any time.
func whenever(p program) program {
	return func(c caller) {
		c.start()
		p(c)
	}
}

// look tells the visitor when the session is over.
func look(c caller) {
	c.start()
	c.saw, c.missing = false, false
	_, err := c.Retrieve(c.ctx, c.tok)
	if errors.Is(err, cloakroom.ErrNotFound) && c.saw && !c.missing {
		c.note(effExpired, c.slotOf(c.tok))
	}
}

func create(c caller) {
	_, _ = c.Create(c.ctx) // it succeeds or not
}

// destroy signs out.
func destroy(c caller) {
	s, err := c.Retrieve(c.ctx, c.tok)
	if err != nil {
		return
	}
	slot := c.x.slot(s.ID())
	if s.Destroy(c.ctx) == nil {
		c.note(effEnded, slot)
	}
}

// createAndDestroy signs out what it has made.
func createAndDestroy(c caller) {
	s, err := c.Create(c.ctx)
	if err != nil {
		return
	}
	slot := c.x.slot(s.ID())
	if s.Destroy(c.ctx) == nil {
		c.note(effEnded, slot)
	}
}

// end is a console that ends session S1, without its token.
func end(c caller) {
	if c.Admin().Revoke(c.ctx, c.x.slots[1]) == nil {
		c.note(effEnded, 1)
	}
}

// endDevice is a page of devices that ends session S2. Who is told that there is none
// takes it for over.
func endDevice(c caller) {
	c.missing = false
	c.request(c.tok, func(ctx context.Context, s *cloakroom.Session) error {
		if s.Principal() == "" {
			return nil
		}
		switch err := c.EndDevice(ctx, c.x.slots[2]); {
		case err == nil:
			c.note(effEnded, 2)
		case errors.Is(err, cloakroom.ErrNotFound) && !c.missing:
			c.note(effExpired, 2)
		}
		return nil
	})
}

// loginLater signs in after the principal has been signed out everywhere, if it was:
// whoever did that has to leave the session alone.
func loginLater(c caller) {
	beginLogin(c)
	var a struct{ Generation driver.WriteID }
	if text, err := c.attempt.MarshalJSON(); err != nil || json.Unmarshal(text, &a) != nil {
		panic("explore: an attempt isn't JSON")
	}
	c.made = cloakroom.ID{}
	login(c)
	if a.Generation != (driver.WriteID{}) && c.made != (cloakroom.ID{}) {
		c.note(effLater, c.x.slot(c.made))
	}
}

// revokeAll signs the principal out everywhere, but for the sessions of some
// slots.
func revokeAll(except ...uint16) program {
	return func(c caller) {
		var ids []cloakroom.ID
		var spared uint16
		for _, slot := range except {
			ids = append(ids, c.x.slots[slot])
			spared |= 1 << slot
		}
		c.start()
		c.note(effRevoking, spared)
		if c.Admin().RevokeAll(c.ctx, principal, ids...) == nil {
			c.note(effRevoked)
		}
	}
}

// beginLogin begins an attempt to sign in.
func beginLogin(c caller) {
	if c.x.sc.maxTime > 0 {
		c.start()
	}
	a, err := c.BeginLogin(c.ctx, principal)
	if err == nil {
		c.attempt, c.begun = a, c.x.sc.time(c.now)
		c.note(effBegun)
	}
}

// login signs the visitor in.
func login(c caller) {
	if (c.attempt == cloakroom.LoginAttempt{}) {
		return
	}
	if c.x.sc.maxTime > 0 {
		c.start()
	}
	s, err := c.Retrieve(c.ctx, c.tok)
	if err == nil {
		old := c.x.slot(s.ID())
		err = s.Login(c.ctx, principal, &cloakroom.LoginOptions{Attempt: c.attempt})
		if err == nil {
			c.note(effSignedIn, c.x.slot(s.ID()), old)
			return
		}
	}
	// An attempt is good for half an hour.
	if errors.Is(err, cloakroom.ErrRevoked) && c.x.sc.time(c.now).Sub(c.begun) <= 30*time.Minute {
		c.note(effRefused)
		return
	}
	c.unknown(err)
	c.note(effLoginFailed)
}

// afterLogin is the number that is saved after a sign-in.
const afterLogin = maxSaves - 1

// visit makes a request with a token, and reports whether it was answered well.
func (c caller) visit(tok string, f func(*cloakroom.Session) error) bool {
	return c.request(tok, func(_ context.Context, s *cloakroom.Session) error { return f(s) })
}

// request is visit for what needs the request's context.
func (c caller) request(tok string, f func(context.Context, *cloakroom.Session) error) bool {
	req := httptest.NewRequestWithContext(c.ctx, http.MethodGet, "/", nil)
	req.AddCookie(&http.Cookie{Name: "__Host-Http-session", Value: tok})
	w := httptest.NewRecorder()
	c.Manager.With(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error { return f(r.Context(), s) }).ServeHTTP(w, req)
	return w.Code == http.StatusOK
}

// loginUnheard signs in with the token of S1, by then replaced or not, and saves
// something afterwards. The browser has the new token as well: a response may come
// late. The random numbers are those of the client's nth sign-in, so that its session
// has one id however the client came here.
func loginUnheard(n int) program { return func(c caller) { c.loginUnheard(n) } }

func (c caller) loginUnheard(n int) {
	cryptotest.SetGlobalRandom(c.t, uint64(100*(c.i+1)+n))
	attempt, err := c.BeginLogin(c.ctx, principal)
	if err != nil {
		return
	}
	c.visit(c.tok, func(s *cloakroom.Session) error {
		if err := s.Login(c.ctx, principal, &cloakroom.LoginOptions{Attempt: attempt}); err != nil {
			return err
		}
		slot := c.x.slot(s.ID())
		c.note(effSignedIn, slot, 1)
		c.note(effHanded, c.x.token(s.Token()))
		c.note(effAfterwards, slot)
		return increment(s, c, afterLogin)
	})
}

// useNewest comes with the newest token that the browser has, and relies on what it is
// told.
func useNewest(c caller) {
	tok := c.start()
	slot := c.x.slot(idOf(tok))
	if slot == 1 {
		return
	}
	c.note(effUsing, slot)
	var used *cloakroom.Session
	answered := c.visit(tok, func(s *cloakroom.Session) error { used = s; return nil })
	if answered && used.Token() != "" { // it is open still, now that the answer is out
		c.note(effUsed, slot)
	}
}

// idOf returns the id in a token.
func idOf(tok string) (id cloakroom.ID) {
	b, err := base64.RawURLEncoding.DecodeString(tok)
	if err != nil {
		panic("explore: a token isn't base64")
	}
	copy(id[:], b[2:])
	return id
}

// loginAndDestroy signs in and out at the same time, with one Session: as
// requests do that share it. Whoever signed out is out, also of the new session, unless the sign-in came after.
func loginAndDestroy(c caller) {
	s, err := c.Retrieve(c.ctx, c.tok)
	if err != nil {
		return
	}
	old := c.x.slot(s.ID())
	var login, destroy error
	var all sync.WaitGroup
	all.Go(func() { login = s.Login(c.as(1).ctx, principal, &cloakroom.LoginOptions{Attempt: c.attempt}) })
	all.Go(func() { destroy = s.Destroy(c.as(2).ctx) })
	all.Wait()
	switch {
	case destroy == nil:
		c.note(effEnded, old)
		if login == nil && s.IsNew() { // else it signed in after it had signed out
			c.note(effEnded, c.x.slot(c.made))
		}
	case login == nil:
		c.note(effSignedIn, c.x.slot(c.made), old)
	}
}

// renew changes the token.
func renew(c caller) {
	s, err := c.Retrieve(c.ctx, c.tok)
	if err != nil || s.Renew(c.ctx) != nil {
		return
	}
	if tok := s.Token(); tok != "" && tok != c.tok {
		c.note(effRenewed, c.x.token(tok), c.x.token(c.tok))
	}
}

// renewOn is renew, and the client goes on with the token that it gets.
func renewOn(c caller) {
	s, err := c.Retrieve(c.ctx, c.tok)
	if err == nil && s.Renew(c.ctx) == nil {
		c.goOn(s)
	}
}

// renewStrict is renewOn, and ends all secrets before.
func renewStrict(c caller) {
	s, err := c.Retrieve(c.ctx, c.tok)
	if err == nil && s.RenewStrict(c.ctx) == nil {
		c.goOn(s)
		c.note(effStrict, c.x.token(c.tok))
	}
}

// goOn takes a session's token over.
func (c *client) goOn(s *cloakroom.Session) {
	if tok := s.Token(); tok != "" && tok != c.tok {
		c.note(effRenewed, c.x.token(tok), c.x.token(c.tok))
		c.tok = tok
	}
}

// late is save with a token that has to open the session.
func late(n int) program {
	return func(c caller) {
		if s, err := c.Retrieve(c.ctx, c.tok); errors.Is(err, cloakroom.ErrNotFound) {
			c.note(effTurnedAway)
		} else if err == nil {
			c.saved(n, increment(s, c, n))
		}
	}
}

// use comes with the newest token that the browser has.
func use(c caller) {
	_, _ = c.Retrieve(c.ctx, c.start()) // whether it opens is checked elsewhere
}

// slotOf returns the slot of the session of a token.
func (c *client) slotOf(tok string) uint16 { return c.x.tokenSlot[c.x.token(tok)] }
