package cloakroom_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/token"
)

// This file is the tests of several tokens on one request (invariant 4).

// bearers is a rig whose requests bring several tokens, by one transport.
type bearers struct {
	*rig
	transport cloakroom.Transport
	events    *deskEvents
	scope     token.Scope
	ended     map[string]string             // tokens of sessions that are over, by kind
	ids       map[string]cloakroom.ID       // of the sessions that tokens name
	live      map[string]*cloakroom.Session // the sessions that they open
}

var transports = map[string]cloakroom.Transport{"cookie": cloakroom.Cookie{Insecure: true}, "bearer": cloakroom.Bearer{}}

// eachTransport runs a test with each transport, on a rig some time after its start.
func eachTransport(t *testing.T, config cloakroom.Config, f func(*testing.T, *bearers)) {
	for name, transport := range transports {
		t.Run(name, func(t *testing.T) {
			b := &bearers{transport: transport, events: new(deskEvents), scope: token.NewScope("session", name),
				ended: map[string]string{}, ids: map[string]cloakroom.ID{}, live: map[string]*cloakroom.Session{}}
			c := config
			c.Transport, c.Events = transport, b.events.all()
			b.rig = newRig(t, &c)
			idle, out := b.stored(1), b.signedIn("ann")
			b.ended["idle"], b.ended["signed out"] = idle.Token(), out.Token()
			if err := out.Destroy(t.Context()); err != nil {
				t.Fatal(err)
			}
			b.clock.add(25 * time.Hour)
			if _, err := b.m.Retrieve(t.Context(), b.ended["idle"]); !errors.Is(err, cloakroom.ErrNotFound) {
				t.Fatalf("an idle session: %v", err)
			}
			f(t, b)
		})
	}
}

func (b *bearers) sign(id cloakroom.ID) string {
	return deskRing(b).Sign(b.scope, id, [16]byte{7})
}

// made makes a token of a kind.
func (b *bearers) made(kind string) string {
	b.Helper()
	now := b.clock.now()
	switch kind, _, _ := strings.Cut(kind, "#"); kind {
	case "junk":
		return "junk" + fmt.Sprint(rand.Uint32())
	case "forged":
		return strings.Repeat("A", token.TextLen)
	case "of another app":
		return deskRing(b).Sign(token.NewScope("shop", "cookie"), driver.NewID(driver.LayoutDay, now), [16]byte{7})
	case "too old":
		return b.sign(driver.NewID(driver.LayoutDay, now.Add(-401*24*time.Hour)))
	case "never stored":
		return b.sign(driver.NewID(driver.LayoutDay, now))
	case "idle", "signed out":
		return b.ended[kind]
	case "just signed out":
		s := b.signedIn("ann")
		tok := s.Token()
		if err := s.Destroy(context.Background()); err != nil {
			b.Error(err)
		}
		return tok
	case "revoked":
		s := b.signedIn("ann")
		if err := b.m.Admin().Revoke(context.Background(), s.ID()); err != nil {
			b.Error(err)
		}
		return s.Token()
	case "replaced":
		s := b.stored(1)
		tok := s.Token()
		if err := s.Login(context.Background(), "ann", nil); err != nil {
			b.Error(err)
		}
		return tok
	case "wrong secret":
		return b.sign(b.stored(1).ID())
	case "corrupt":
		s := b.stored(1)
		b.store.answer(isOn("get", s.ID()), fmt.Errorf("%w", driver.ErrCorrupt))
		b.ids["corrupt"] = s.ID()
		return s.Token()
	case "unreadable":
		s := b.stored(1)
		b.store.answer(isOn("get", s.ID()), errNoAnswer)
		return s.Token()
	case "of a newer version":
		s := b.stored(1)
		b.rewrite(s.ID(), func(r *driver.Record) { r.Verifier = append([]byte{2}, make([]byte, 40)...) })
		return s.Token()
	case "live":
	default:
		b.Fatalf("no kind %q", kind)
	}
	s := b.signedIn("ann")
	visits.Set(s, 5)
	b.save(s)
	b.live[kind] = s
	return s.Token()
}

// with puts tokens on a request.
func (b *bearers) with(tokens ...string) *http.Request {
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	for i, tok := range tokens {
		switch {
		case b.transport == cloakroom.Bearer{}:
			r.Header["Authorization"] = append(r.Header["Authorization"], "Bearer "+tok)
		case i%3 == 1: // in the line before
			r.Header["Cookie"][len(r.Header["Cookie"])-1] += "; a=b; session=" + tok
		default:
			r.Header["Cookie"] = append(r.Header["Cookie"], "session="+tok)
		}
	}
	return r
}

// send answers a request by f and returns the status, and its message about the token:
// a token, "forget" or "".
func (b *bearers) send(f page, tokens ...string) (status int, handed string) {
	w := httptest.NewRecorder()
	b.m.With(f).ServeHTTP(w, b.with(tokens...))
	values, told := w.Header()["Session-Token"]
	for _, c := range w.Result().Cookies() {
		values, told = append(values, c.Value), true
	}
	switch {
	case !told:
		return w.Code, ""
	case len(values) != 1:
		b.Errorf("the response hands out %q", values)
	case values[0] == "":
		return w.Code, "forget"
	}
	return w.Code, values[0]
}

// outcome returns what a request with some tokens reads and may do, as a text.
func (b *bearers) outcome(tokens []string) string {
	b.store.since()
	b.events.take()
	var saw string
	status, handed := b.send(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
		saw = fmt.Sprintf("%q, %d visits, new %v", s.Principal(), visits.Get(s), s.IsNew())
		return nil
	}, tokens...)
	ops, events := b.store.since(), b.events.take()
	if handed != "" {
		b.Errorf("a look hands out %q", handed)
	}
	if *cacheFlag > 0 {
		ops = gets(0)
	}
	return fmt.Sprint(status, ": ", saw, "; ", ops, "; ", events)
}

// gets returns outcome's text for reads. Reads from memory aren't in it.
func gets(n int) string {
	if n == 0 || *cacheFlag > 0 {
		return "nothing"
	}
	return fmt.Sprint("get ", n)
}

// permutations calls f with a list in each order.
func permutations(list []string, f func([]string)) {
	var permute func(n int)
	list = slices.Clone(list)
	permute = func(n int) {
		if n <= 1 {
			f(slices.Clone(list))
			return
		}
		for i := range n {
			list[i], list[n-1] = list[n-1], list[i]
			permute(n - 1)
			list[i], list[n-1] = list[n-1], list[i]
		}
	}
	permute(len(list))
}

// TestI4I6_SeveralTokens: tokens that don't verify are passed over at no cost. Of the
// others each session is read once; sessions that are over don't count. One that is
// left is used, and of two none. The order makes no difference.
func TestI4I6_SeveralTokens(t *testing.T) {
	const (
		used = `200: "ann", 5 visits, new false`
		none = `200: "", 0 visits, new true`
	)
	for _, tt := range []struct {
		kinds []string
		want  string
		get   int    // reads
		event string // how the events begin
		save  int    // the status of a request that sets a value
	}{
		{[]string{"live"}, used, 1, "", 200},
		{[]string{"junk", "live"}, used, 1, "", 200},
		{[]string{"junk#1", "forged", "of another app", "live"}, used, 1, "", 200},
		{[]string{"too old", "live"}, used, 1, "", 200},
		{[]string{"never stored", "live"}, used, 2, "", 200},
		{[]string{"idle", "signed out", "live"}, used, 3, "", 200},
		{[]string{"just signed out", "live"}, used, 2, "", 200},
		{[]string{"replaced", "live"}, used, 2, "", 200},
		{[]string{"revoked", "live"}, used, 2, "", 200},
		{[]string{"wrong secret", "live"}, used, 2, "refused secret", 200},
		{[]string{"junk", "too old", "idle", "live"}, used, 2, "", 200},

		{[]string{"junk", "forged"}, none, 0, "refused forged", 200},
		{[]string{"junk", "too old", "too old#2"}, none, 0, "refused age", 200},
		{[]string{"idle", "signed out"}, none, 2, "", 200},
		{[]string{"idle", "never stored", "junk"}, none, 2, "", 200},
		{[]string{"revoked", "signed out"}, none, 2, "", 200},
		{[]string{"wrong secret", "wrong secret#2"}, none, 2, "refused secret", 200},
		// As for one of them alone.
		{[]string{"just signed out", "idle"}, none, 2, "", 409},
		{[]string{"replaced", "never stored"}, none, 2, "", 409},

		{[]string{"live", "live#2"}, none, 2, "refused ambiguous", 409},
		{[]string{"live", "live#2", "live#3"}, none, 3, "refused ambiguous", 409},
		{[]string{"junk", "live", "idle", "live#2"}, none, 3, "refused ambiguous", 409},
		{[]string{"live", "corrupt"}, none, 2, "refused ambiguous", 409},
		{[]string{"corrupt", "corrupt#2"}, none, 2, "refused ambiguous", 409},
		{[]string{"corrupt", "idle"}, "500: ", 2, "", 500},
		{[]string{"live", "unreadable"}, "503: ", 2, "", 503},
		{[]string{"idle", "unreadable"}, "503: ", 2, "", 503},
		{[]string{"corrupt", "unreadable"}, "503: ", 2, "", 503},
		{[]string{"live", "of a newer version"}, "503: ", 2, "", 503},
		{[]string{"live", "live#2", "unreadable"}, "503: ", 3, "", 503},
	} {
		t.Run(strings.Join(tt.kinds, ", "), func(t *testing.T) {
			eachTransport(t, cloakroom.Config{}, func(t *testing.T, b *bearers) {
				var tokens []string
				for _, kind := range tt.kinds {
					tokens = append(tokens, b.made(kind))
				}
				want := fmt.Sprint(tt.want, "; ", gets(tt.get), "; ", tt.event)
				permutations(tokens, func(tokens []string) {
					if got := b.outcome(tokens); !strings.HasPrefix(got, want) || tt.event == "" && got != want || strings.Count(got, "ambiguous") > 1 {
						t.Errorf("%v: got %s, want %s", tt.kinds, got, want)
					}
					twice := append(slices.Clone(tokens), tokens...) // a token that comes again is no other
					if got := b.outcome(twice); !strings.HasPrefix(got, want) {
						t.Errorf("%v, each twice: got %s, want %s", tt.kinds, got, want)
					}
				})
				status, handed := b.send(visit, tokens...)
				if begins := tt.want == none && tt.save == 200; status != tt.save || (handed != "") != begins {
					t.Errorf("%v: a save gets %d and the token %q, want %d and a token: %v", tt.kinds, status, handed, tt.save, begins)
				}
			})
		})
	}
}

// TestI4_TokensOfOneSession: two tokens of one session aren't two. The current
// secret's is used, and the previous one's in its grace.
func TestI4_TokensOfOneSession(t *testing.T) {
	eachTransport(t, cloakroom.Config{}, func(t *testing.T, b *bearers) {
		first := b.made("live")
		var second string
		if status, handed := b.send(renew, first); status != 200 || len(handed) != token.TextLen {
			t.Fatalf("renewing: %d, %q", status, handed)
		} else {
			second = handed
		}
		wrong, dead := b.sign(b.live["live"].ID()), b.made("idle")
		check := func(gets string, old bool, tokens ...string) {
			t.Helper()
			permutations(tokens, func(tokens []string) {
				b.store.since()
				b.events.take()
				b.send(func(_ http.ResponseWriter, _ *http.Request, s *cloakroom.Session) error {
					if s.Principal() != "ann" || (s.Token() == "") != old || !old && s.Token() != second {
						t.Errorf("the request is %q with the token %q", s.Principal(), s.Token())
					}
					if *cacheFlag == 0 {
						b.wantOps(gets)
					}
					return nil
				}, tokens...)
				if got := b.events.take(); got != "" {
					t.Errorf("events: %q", got)
				}
			})
		}
		check("get 1", true, first, wrong)
		check("get 2", true, first, wrong, dead)
		b.send(look, second)
		b.await("the first use of the new secret is noted", func() bool {
			rec, err := b.kept(b.live["live"].ID())
			return err == nil && rec.PreviousEnds.Before(b.clock.now().Add(time.Minute))
		})
		check("get 1", true, first, wrong)
		check("get 1", false, first, second)
		check("get 1", false, first, second, wrong)
		check("get 2", false, first, second, wrong, dead)
	})
}

// TestI4_TooManyTokens: of the sessions of well-signed tokens eight are read. Of more
// none is used, and a session that isn't known to have ended isn't called so.
func TestI4_TooManyTokens(t *testing.T) {
	eachTransport(t, cloakroom.Config{}, func(t *testing.T, b *bearers) {
		tokens := []string{b.made("live")}
		for range 7 {
			tokens = append(tokens, b.made("never stored"))
		}
		for range 20 {
			tokens = append(tokens, b.made("junk"), b.made("too old"))
		}
		if got, want := b.outcome(tokens), fmt.Sprintf(`200: "ann", 5 visits, new false; %s; `, gets(8)); got != want {
			t.Errorf("eight: got %s, want %s", got, want)
		}
		tokens = append(tokens, b.made("never stored"))
		if got, want := b.outcome(tokens), `200: "", 0 visits, new true; nothing; refused many`; got != want {
			t.Errorf("nine: got %s, want %s", got, want)
		}
		for name, f := range map[string]page{"visit": visit, "logout": logout, "login": loginAs("ann", nil)} {
			if status, handed := b.send(f, tokens...); status != 409 || handed != "" {
				t.Errorf("%s with nine: %d, %q", name, status, handed)
			}
		}
		b.wantVisits(b.live["live"].ID(), 5)
	})
}

// TestI4_OrderOfTokens: the outcome never depends on the order.
func TestI4_OrderOfTokens(t *testing.T) {
	kinds := []string{"junk", "forged", "of another app", "too old", "never stored", "idle", "signed out", "just signed out", "revoked", "replaced", "wrong secret", "corrupt", "unreadable", "live", "live"}
	for range 10 {
		seed := *seedFlag
		if seed == 0 {
			seed = rand.Uint64()
		}
		r := rand.New(rand.NewPCG(seed, 0))
		eachTransport(t, cloakroom.Config{}, func(t *testing.T, b *bearers) {
			var tokens, made []string
			for range 1 + r.IntN(12) {
				kind := kinds[r.IntN(len(kinds))]
				made = append(made, kind)
				tokens = append(tokens, b.made(kind))
			}
			first := b.outcome(tokens)
			for range 5 {
				r.Shuffle(len(tokens), func(i, j int) { tokens[i], tokens[j] = tokens[j], tokens[i] })
				if got := b.outcome(tokens); got != first {
					t.Errorf("seed %d, %v: got %s, and in another order %s", seed, made, first, got)
				}
			}
		})
	}
}

// TestI4_SignOutOfSeveral: a sign-out with the tokens of two live sessions ends both.
func TestI4_SignOutOfSeveral(t *testing.T) {
	eachTransport(t, cloakroom.Config{}, func(t *testing.T, b *bearers) {
		one, two, dead := b.made("live"), b.made("live#2"), b.made("idle")
		first, second := b.idIn(one), b.idIn(two)
		b.store.fate(isOn("bury", second), dropped)
		b.events.take()
		if status, handed := b.send(logout, one, dead, two); status != 200 || handed != "forget" {
			t.Errorf("a sign-out: %d, %q", status, handed)
		}
		b.wantGrave(first, cloakroom.EndDestroyed)
		b.wantGrave(second, cloakroom.EndDestroyed)
		if got := b.events.take(); !strings.HasSuffix(got, ", ended destroyed, ended destroyed") {
			t.Errorf("events: %q", got)
		}
		if l := b.ledger("ann"); len(l.Live) != 0 {
			t.Errorf("the ledger keeps %v", l.Live)
		}
	})
	t.Run("a corrupt one", func(t *testing.T) {
		eachTransport(t, cloakroom.Config{}, func(t *testing.T, b *bearers) {
			one, two := b.made("live"), b.made("corrupt")
			if status, handed := b.send(logout, one, two); status != 200 || handed != "forget" {
				t.Errorf("a sign-out: %d, %q", status, handed)
			}
			b.store.heal()
			b.wantGrave(b.idIn(one), cloakroom.EndDestroyed)
			b.wantGrave(b.ids["corrupt"], cloakroom.EndRevoked)
		})
	})
	t.Run("an outage", func(t *testing.T) {
		eachTransport(t, cloakroom.Config{}, func(t *testing.T, b *bearers) {
			one, two := b.made("live"), b.made("live#2")
			b.store.answer(isOn("bury", b.idIn(two)), errNoAnswer)
			patient := b.m
			b.m = b.manager(&cloakroom.Config{Transport: b.transport, SaveTimeout: 50 * time.Millisecond})
			if status, handed := b.send(logout, one, two); status != 503 || handed != "" {
				t.Errorf("a sign-out that can't end one: %d, %q", status, handed)
			}
			b.store.heal()
			b.m = patient
			if status, handed := b.send(logout, one, two); status != 200 || handed != "forget" {
				t.Errorf("again: %d, %q", status, handed)
			}
			b.wantGrave(b.idIn(two), cloakroom.EndDestroyed)
		})
	})
	t.Run("a message for the next page", func(t *testing.T) {
		eachTransport(t, cloakroom.Config{}, func(t *testing.T, b *bearers) {
			one, two := b.made("live"), b.made("live#2")
			status, handed := b.send(func(_ http.ResponseWriter, r *http.Request, s *cloakroom.Session) error {
				err := s.Destroy(r.Context())
				visits.Set(s, 7)
				return err
			}, one, two)
			if status != 200 || len(handed) != token.TextLen {
				t.Fatalf("%d, %q", status, handed)
			}
			if got := b.outcome([]string{two, handed}); !strings.HasPrefix(got, `200: "", 7 visits, new false`) {
				t.Errorf("the next page: %s", got)
			}
		})
	})
}

// TestI4_SignInWithSeveral: a sign-in with the tokens of two live sessions takes
// nothing over from them, and ends both.
func TestI4_SignInWithSeveral(t *testing.T) {
	eachTransport(t, cloakroom.Config{}, func(t *testing.T, b *bearers) {
		one, two := b.made("live"), b.made("live#2")
		b.events.take()
		var created atomic.Bool // the sessions are ended at the same time
		b.store.hook(func(c *call) fate {
			if c.op == "create" {
				created.Store(true)
			}
			if c.op == "bury" && !created.Load() {
				t.Error("a session is ended before the new one exists")
			}
			return pass
		})
		status, fresh := b.send(loginAs("bob", nil), one, two)
		if status != 200 || len(fresh) != token.TextLen {
			t.Fatalf("a sign-in: %d, %q", status, fresh)
		}
		if got := b.events.take(); !strings.HasPrefix(got, "refused ambiguous ") || !strings.HasSuffix(got, ", ended destroyed, ended destroyed, signed in bob") {
			t.Errorf("events: %q", got)
		}
		b.wantGrave(b.idIn(one), cloakroom.EndDestroyed)
		b.wantGrave(b.idIn(two), cloakroom.EndDestroyed)
		if got := b.outcome([]string{fresh, two}); !strings.HasPrefix(got, `200: "bob", 0 visits, new false`) { // as the other is still sent
			t.Errorf("the next page: %s", got)
		}
		if l := b.ledger("ann"); len(l.Live) != 0 {
			t.Errorf("the ledger keeps %v", l.Live)
		}
	})
	// The others leave the ledger: no device has to go for them.
	t.Run("at the limit", func(t *testing.T) {
		eachTransport(t, cloakroom.Config{MaxPerPrincipal: 3}, func(t *testing.T, b *bearers) {
			device, one, two := b.made("live"), b.made("live#2"), b.made("live#3")
			if status, _ := b.send(loginAs("ann", nil), one, two); status != 200 {
				t.Fatalf("a sign-in: %d", status)
			}
			b.openBy(b.m, device)
			if l := b.ledger("ann"); len(l.Live) != 2 || len(l.Ending) != 0 {
				t.Errorf("the ledger keeps %v, %v", l.Live, l.Ending)
			}
		})
	})
	t.Run("an outage", func(t *testing.T) {
		eachTransport(t, cloakroom.Config{}, func(t *testing.T, b *bearers) {
			one, two := b.made("live"), b.made("live#2")
			b.store.answer(isOn("bury", b.idIn(two)), errNoAnswer)
			b.m = b.manager(&cloakroom.Config{Transport: b.transport, SaveTimeout: 50 * time.Millisecond})
			if status, handed := b.send(loginAs("bob", nil), one, two); status != 503 || handed != "" {
				t.Errorf("a sign-in that can't end one: %d, %q", status, handed)
			}
			if l := b.ledger("bob"); len(l.Live) != 0 {
				t.Errorf("the ledger keeps %v", l.Live)
			}
		})
	})
}

// idIn returns the id in a token.
func (b *bearers) idIn(tok string) cloakroom.ID {
	b.Helper()
	parsed, ok := deskRing(b).Parse(b.scope, tok)
	if !ok {
		b.Fatalf("no token: %q", tok)
	}
	return parsed.ID
}
