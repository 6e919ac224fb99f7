package devices_test

import (
	"context"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/devices"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the tests of what the page does: it lists and ends sessions.

func TestList(t *testing.T) {
	each(t, func(t *testing.T, open func(*cloakroom.Config, *devices.Config) *site) {
		s := open(nil, &devices.Config{Place: func(_ context.Context, a string) string { return "near " + a }})
		phone := s.signedIn("ann", iphone, "203.0.113.9")
		s.add(time.Hour)
		s.signedIn("bob", chrome, "198.51.100.7")
		laptop := s.signedIn("ann", chrome, "192.0.2.1")
		s.signedIn("ann", "curl/8.5.0", "192.0.2.2")
		s.add(3 * time.Minute)
		page := laptop.list()
		s.wantIn(page, "Chrome on Windows", "Safari on iPhone", "curl", "near 203.0.113.9", "Last active 1 hour ago", "Active now", "Signed in 1 hour ago", "Signed in 3 minutes ago", "Active within the last 3 minutes")
		s.wantNotIn(page, "198.51.100.7")
		if i, j, k := strings.Index(page, "Chrome on"), strings.Index(page, "curl"), strings.Index(page, "Safari on"); i > j || j > k {
			t.Errorf("the own session, then the latest: they are at %d, %d and %d", i, j, k)
		}
		if n := strings.Count(page, "This device"); n != 1 {
			t.Errorf("%d devices are this one", n)
		}
		s.wantIn(phone.list(), `<h2><bdi>Safari on iPhone</bdi> <span class="mark">This device</span>`)
	})
}

func TestEndOne(t *testing.T) {
	each(t, func(t *testing.T, open func(*cloakroom.Config, *devices.Config) *site) {
		s := open(nil, nil)
		phone, laptop := s.signedIn("ann", iphone, "203.0.113.9"), s.signedIn("ann", chrome, "192.0.2.1")
		id := phone.id().String()
		page := s.wantPage(200, laptop.post("end", id))
		s.wantIn(page, "That session has ended.")
		s.wantNotIn(page, "Safari", id)
		if who := phone.who(); who != "" {
			t.Errorf("the phone is still signed in as %q", who)
		}
		if who := laptop.who(); who != "ann" {
			t.Errorf("the laptop is signed in as %q", who)
		}
		// It has ended meanwhile, as where somebody clicks twice.
		page = s.wantPage(404, laptop.post("end", id))
		s.wantIn(page, "You have no such session.", "Chrome on Windows")
	})
}

// Another's session isn't found, as one that never was, and lives on.
func TestEndAnothers(t *testing.T) {
	each(t, func(t *testing.T, open func(*cloakroom.Config, *devices.Config) *site) {
		s := open(nil, nil)
		bob, ann := s.signedIn("bob", chrome, "198.51.100.7"), s.signedIn("ann", chrome, "192.0.2.1")
		unknown := driver.NewID(driver.LayoutDay, s.now())
		pages := map[string]string{}
		for what, id := range map[string]string{"bob's": bob.id().String(), "unknown": unknown.String(), "no id": "x", "none": "", "a ledger": driver.LedgerID("session", "bob").String()} {
			pages[what] = s.wantPage(404, ann.post("end", id))
			if pages[what] != pages["bob's"] && pages["bob's"] != "" {
				t.Errorf("the page of %s differs from bob's", what)
			}
		}
		if who := bob.who(); who != "bob" {
			t.Errorf("bob was signed out: %q", who)
		}
		s.wantLive("ann", 1)
	})
}

func TestEndOthers(t *testing.T) {
	each(t, func(t *testing.T, open func(*cloakroom.Config, *devices.Config) *site) {
		s := open(nil, nil)
		phone, bob, laptop := s.signedIn("ann", iphone, "203.0.113.9"), s.signedIn("bob", chrome, "198.51.100.7"), s.signedIn("ann", chrome, "192.0.2.1")
		s.wantIn(s.wantPage(200, laptop.post("end-others", "")), "No other session is left", "Chrome on Windows")
		s.wantIn(s.wantPage(200, laptop.post("end-others", "")), "No other session is left")
		if phone.who() != "" || laptop.who() != "ann" || bob.who() != "bob" {
			t.Errorf("signed in are %q, %q and %q", phone.who(), laptop.who(), bob.who())
		}
		s.wantSignedOut("ann", time.Time{}) // she is still signed in here
	})
}

func TestEndAll(t *testing.T) {
	each(t, func(t *testing.T, open func(*cloakroom.Config, *devices.Config) *site) {
		s := open(nil, nil)
		phone, laptop := s.signedIn("ann", iphone, "203.0.113.9"), s.signedIn("ann", chrome, "192.0.2.1")
		old := *laptop
		page := s.wantPage(200, laptop.post("end-all", ""))
		s.wantIn(page, "Signed out everywhere", "2 sessions were open, and have ended.", "is empty: no session of yours opens any more", `href="/sign-in?back=%2Faccount%2Fdevices"`)
		if laptop.cookie != nil {
			t.Error("the browser keeps its token")
		}
		if phone.who() != "" || old.who() != "" {
			t.Error("a token still opens a session")
		}
		s.wantLive("ann", 0)
		s.wantSignedOut("ann", s.now())
		s.wantIn(s.wantPage(401, laptop.post("end-all", "")), "You are not signed in") // sent once more
	})
}

// If all have ended and that couldn't be kept for operators, the visitor gets the proof all
// the same, and the log has it.
func TestEndAllUnkept(t *testing.T) {
	var s *site
	s = memory(t, &cloakroom.Config{SaveTimeout: 500 * time.Millisecond, Events: &cloakroom.Events{Ended: func(_ context.Context, e cloakroom.Ending) {
		s.store.full.Store(e.Reason == cloakroom.EndDestroyed)
	}}}, nil)
	phone, laptop := s.signedIn("ann", iphone, "203.0.113.9"), s.signedIn("ann", chrome, "192.0.2.1")
	s.wantIn(s.wantPage(200, laptop.post("end-all", "")), "2 sessions were open, and have ended.", "is empty: no session of yours opens any more")
	if phone.who() != "" || laptop.cookie != nil {
		t.Error("somebody is still signed in")
	}
	s.wantIn(s.log.String(), "a sign-out everywhere isn't kept")
	s.wantSignedOut("ann", time.Time{})
}

// A session that somebody signs in to while all are ended isn't hidden.
func TestEndAllProvesOnlyWhatIsTrue(t *testing.T) {
	var s *site
	s = memory(t, &cloakroom.Config{Events: &cloakroom.Events{SignedOut: func(context.Context, string) {
		s.signedIn("ann", iphone, "203.0.113.9")
	}}}, nil)
	ann := s.signedIn("ann", chrome, "192.0.2.1")
	page := s.wantPage(200, ann.post("end-all", ""))
	s.wantIn(page, "1 session was open, and has ended.", "it has 1 session, signed in since")
	s.wantNotIn(page, "is empty")
}

func TestOwnSignOut(t *testing.T) {
	s := memory(t, nil, nil)
	phone, laptop := s.signedIn("ann", iphone, "203.0.113.9"), s.signedIn("ann", chrome, "192.0.2.1")
	s.add(time.Hour) // which needs no recent sign-in
	s.wantIn(s.wantPage(200, laptop.post("end", laptop.id().String())), "Signed out", "opens nothing any more")
	if laptop.cookie != nil || phone.who() != "ann" {
		t.Error("the own session alone should have ended")
	}
}

// Who signed in too long ago ends nothing, stays signed in, and can after a new sign-in.
func TestSignInAgain(t *testing.T) {
	each(t, func(t *testing.T, open func(*cloakroom.Config, *devices.Config) *site) {
		s := open(nil, &devices.Config{SignInAgain: "/again?next={back}"})
		phone, laptop := s.signedIn("ann", iphone, "203.0.113.9"), s.signedIn("ann", chrome, "192.0.2.1")
		s.add(15 * time.Minute)
		s.wantIn(laptop.list(), "Sign out all others")
		s.add(time.Millisecond)
		page := laptop.list()
		s.wantIn(page, "To end sessions, sign in again first: you signed in 15 minutes ago.", `href="/again?next=%2Faccount%2Fdevices"`)
		s.wantNotIn(page, "Sign out all others", "Sign out everywhere", phone.id().String())
		for _, form := range [][2]string{{"end", phone.id().String()}, {"end-others", ""}, {"end-all", ""}} {
			page := s.wantPage(403, laptop.post(form[0], form[1]))
			s.wantIn(page, "Sign in again first", `href="/again?next=%2Faccount%2Fdevices"`, "Nothing was ended yet. You stay signed in here.")
		}
		if phone.who() != "ann" || laptop.who() != "ann" {
			t.Error("somebody was signed out")
		}
		laptop.signIn("ann")
		s.wantPage(200, laptop.post("end", phone.id().String()))
		if phone.who() != "" {
			t.Error("the phone is still signed in")
		}
	})
}

func TestMaxAge(t *testing.T) {
	s := memory(t, nil, &devices.Config{MaxAge: -1})
	s.signedIn("ann", iphone, "203.0.113.9")
	laptop := s.signedIn("ann", chrome, "192.0.2.1")
	s.add(5 * time.Hour)
	s.wantPage(200, laptop.post("end-others", ""))
	s.wantLive("ann", 1)
}

func TestNobodySignedIn(t *testing.T) {
	s := memory(t, nil, nil)
	b := s.browser(chrome, "192.0.2.1")
	a := b.do(http.MethodGet, path, nil)
	if a.Code != 303 || a.Header().Get("Location") != "/sign-in?back=%2Faccount%2Fdevices" {
		t.Errorf("%d to %q", a.Code, a.Header().Get("Location"))
	}
	for _, do := range []string{"end", "end-others", "end-all", "x"} {
		s.wantIn(s.wantPage(401, b.post(do, "")), "You are not signed in", `href="/sign-in?back=%2Faccount%2Fdevices"`)
	}
	s.wantPage(401, b.do(http.MethodGet, path+"?ended=others", nil))
}

// Ending that isn't certain is told, and repeating it makes it so.
func TestUncertain(t *testing.T) {
	each(t, func(t *testing.T, open func(*cloakroom.Config, *devices.Config) *site) {
		s := open(&cloakroom.Config{SaveTimeout: 500 * time.Millisecond}, nil)
		phone, laptop := s.signedIn("ann", iphone, "203.0.113.9"), s.signedIn("ann", chrome, "192.0.2.1")
		id := phone.id().String()
		s.store.all.Store(true)
		for _, form := range [][2]string{{"end", id}, {"end-others", ""}, {"end-all", ""}} {
			a := laptop.post(form[0], form[1])
			page := s.wantPage(503, a)
			s.wantIn(page, "may have ended or not", `name="do" value="`+form[0]+`"`, `name="id" value="`+form[1]+`"`, "Try again")
			if a.Header().Get("Retry-After") == "" {
				t.Error("no Retry-After")
			}
		}
		s.store.all.Store(false)
		// The own session is the last, so what didn't succeed can be repeated.
		stays := phone.id()
		s.store.one.Store(&stays)
		s.wantPage(503, laptop.post("end-all", ""))
		s.wantIn(laptop.list(), "Is being ended")
		s.store.one.Store(nil)
		s.wantPage(200, laptop.post("end-all", ""))
		if phone.who() != "" || laptop.who() != "" {
			t.Error("somebody is still signed in")
		}
	})
}

// The token of a session that was ended elsewhere, and one that was renewed, end nothing,
// also where a cache still opens them.
func TestStandingIsTheStores(t *testing.T) {
	s := memory(t, &cloakroom.Config{CacheFor: time.Minute}, nil)
	phone, thief := s.signedIn("ann", iphone, "203.0.113.9"), s.signedIn("ann", chrome, "192.0.2.1")
	thief.list()
	elsewhere := cloakroom.NewAdmin(s.store, "")
	if err := elsewhere.Revoke(t.Context(), thief.id()); err != nil {
		t.Fatal(err)
	}
	for _, do := range []string{"end-others", "end-all"} {
		s.wantPage(401, thief.post(do, ""))
	}
	s.wantPage(401, thief.post("end", phone.id().String()))
	if phone.who() != "ann" {
		t.Error("a session that had ended signed the phone out")
	}

	laptop := s.signedIn("ann", chrome, "192.0.2.1")
	old := *laptop
	renew := s.m.Handler(s.m.With(func(_ http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
		return session.Renew(r.Context())
	}))
	r := httptest.NewRequest(http.MethodGet, "/", nil)
	r.AddCookie(laptop.cookie)
	renew.ServeHTTP(httptest.NewRecorder(), r)
	for _, form := range [][2]string{{"end-others", ""}, {"end-all", ""}, {"end", phone.id().String()}} {
		s.wantIn(s.wantPage(409, old.post(form[0], form[1])), "Your session changed meanwhile")
	}
	if phone.who() != "ann" {
		t.Error("a token that was renewed signed the phone out")
	}
}

// Parallel forms end what they are to end, whichever comes first.
func TestParallelForms(t *testing.T) {
	each(t, func(t *testing.T, open func(*cloakroom.Config, *devices.Config) *site) {
		s := open(nil, nil)
		laptop := s.signedIn("ann", chrome, "192.0.2.1")
		var ids []string
		for range 6 {
			ids = append(ids, s.signedIn("ann", iphone, "203.0.113.9").id().String())
		}
		var all sync.WaitGroup
		codes := make([]int, 12)
		for i := range codes {
			all.Go(func() {
				b := *laptop
				codes[i] = b.do(http.MethodPost, path, form("end", ids[i%6])).Code
			})
		}
		all.Wait()
		if slices.ContainsFunc(codes, func(c int) bool { return c != 303 && c != 404 }) {
			t.Errorf("answers: %v", codes)
		}
		s.wantLive("ann", 1)
	})
}

// A principal with many sessions gets a page that shows the latest, and has the others.
func TestManySessions(t *testing.T) {
	s := memory(t, &cloakroom.Config{MaxPerPrincipal: -1}, nil)
	const n = 120
	for range n - 1 {
		session, err := s.m.Create(t.Context())
		if err == nil {
			err = session.Login(t.Context(), "ann", nil)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	laptop := s.signedIn("ann", chrome, "192.0.2.1")
	page := laptop.list()
	s.wantIn(page, "Show 100 more")
	if got := strings.Count(page, "<li"); got != n {
		t.Errorf("%d sessions are listed", got)
	}
	if size := len(page); size > n<<10 {
		t.Errorf("the page has %d bytes", size)
	}
	s.wantIn(s.wantPage(200, laptop.post("end-others", "")), "No other session is left")
	s.wantLive("ann", 1)
}

// wantPage checks an answer's status, and returns its page.
func (s *site) wantPage(status int, a *httptest.ResponseRecorder) string {
	s.Helper()
	if a.Code != status {
		s.Fatalf("status %d, want %d: %s\n%s", a.Code, status, body(a.Body.String()), fmt.Sprint(a.Header()))
	}
	return a.Body.String()
}

// Of thousands of sessions the page shows those of the latest sign-ins, and says that there
// are others; to end all others ends these too.
func TestManyDevices(t *testing.T) {
	s := memory(t, &cloakroom.Config{MaxPerPrincipal: -1}, nil)
	first := s.signedIn("ann", iphone, "203.0.113.9")
	for range 209 {
		s.signedIn("ann", chrome, "192.0.2.1")
	}
	page := first.list()
	s.wantIn(page, `<h2><bdi>Safari on iPhone</bdi> <span class="mark">This device</span>`, "Up to 10 sessions of older sign-ins aren&#39;t shown.")
	if n := strings.Count(page, "<li"); n != 200 {
		t.Errorf("%d are shown", n)
	}
	s.wantIn(s.wantPage(200, first.post("end-others", "")), "No other session is left")
	s.wantLive("ann", 1)
}
