package e2e

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the visitors of the console's application: some who come by requests, and a
// crowd of invented ones, which is the same each time but for its ids.

// The browsers of visitors.
const (
	chromeWindows = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36"
	safariPhone   = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_7 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Mobile/15E148 Safari/604.1"
	firefoxLinux  = "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0"
	safariMac     = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.1 Safari/605.1.15"
	chromeAndroid = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Mobile Safari/537.36"
	edgeWindows   = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36 Edg/142.0.0.0"
	curl          = "curl/8.15.0"
)

// shopper is a visitor, who came and was seen last so long before the clock's time.
type shopper struct {
	principal, agent, address string
	came, seen                time.Duration
	remember                  bool
	again                     bool // signs in again when seen last
}

// comes makes a visitor's session by requests, and returns the id of the session that they
// first had, which nobody had signed in to, and that of the last one.
func (s *consoleSite) comes(v shopper) (first, last cloakroom.ID) {
	s.t.Helper()
	now := s.clock.Load()
	defer func() { s.clock.Store(now) }()
	token := ""
	visit := func(ago time.Duration, h func(r *http.Request, session *cloakroom.Session) error) {
		s.t.Helper()
		s.clock.Store(now - ago.Milliseconds())
		r := httptest.NewRequest(http.MethodGet, "/", nil)
		r.RemoteAddr = v.address + ":1234"
		r.Header.Set("User-Agent", v.agent)
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
		w := httptest.NewRecorder()
		s.m.Handler(s.m.With(func(_ http.ResponseWriter, r *http.Request, session *cloakroom.Session) error {
			if err := h(r, session); err != nil {
				return err
			}
			last, token = session.ID(), session.Token()
			return nil
		})).ServeHTTP(w, r)
		if w.Code != http.StatusOK {
			s.t.Fatalf("%+v: %d %s", v, w.Code, w.Body)
		}
	}
	visit(v.came, func(r *http.Request, session *cloakroom.Session) error {
		cloakroom.NewKey[[]cartLine]("cart").Set(session, []cartLine{{"trench", 1}, {"umbrella", 2}})
		cloakroom.NewKey[int]("visits").Set(session, 7)
		return session.Save(r.Context())
	})
	first = last
	if v.principal != "" {
		visit(v.came-min(v.came, 40*time.Second), func(r *http.Request, session *cloakroom.Session) error {
			return session.Login(r.Context(), v.principal, &cloakroom.LoginOptions{Remember: v.remember})
		})
	}
	visit(v.seen, func(r *http.Request, session *cloakroom.Session) error {
		cloakroom.NewKey[string]("theme").Set(session, "dark")
		if v.again {
			if err := session.Login(r.Context(), v.principal, &cloakroom.LoginOptions{Remember: v.remember}); err != nil {
				return err
			}
		}
		return session.Save(r.Context())
	})
	s.searchable()
	return first, last
}

// cartLine is what is in a cart.
type cartLine struct {
	Item   string `json:"item"`
	Amount int    `json:"amount"`
}

// crowd puts the records of many sessions into the store, and returns them. Those that have
// ended have a Grave. Nobody can come back to one: they have another's secret.
func (s *consoleSite) crowd(n int) []*driver.Record {
	s.t.Helper()
	_, like := s.comes(shopper{principal: "mila.novak", agent: chromeWindows, address: "203.0.113.24", came: 2 * time.Hour, seen: 4 * time.Minute})
	model, err := s.store.Get(s.t.Context(), like)
	if err != nil {
		s.t.Fatal(err)
	}
	random, now := rand.New(rand.NewPCG(22, 11)), s.now()
	list := make([]*driver.Record, n)
	for i := range list {
		list[i] = invented(random, model, now)
	}
	var all sync.WaitGroup
	errs := make(chan error, n)
	for _, rec := range list {
		all.Go(func() {
			r := *rec
			r.Grave = nil
			version, err := s.store.Create(s.t.Context(), &r)
			if err == nil && rec.Grave != nil {
				err = s.store.Bury(s.t.Context(), rec.ID, *rec.Grave, version)
			}
			errs <- err
		})
	}
	all.Wait()
	for range list {
		if err := <-errs; err != nil {
			s.t.Fatal(err)
		}
	}
	return list
}

// invented returns a session of the last day and a half.
func invented(random *rand.Rand, model *driver.Record, now time.Time) *driver.Record {
	const day, minute = 24 * time.Hour, time.Minute
	names := []string{"jonas.weber", "ines.costa", "tom.baker", "aiko.sato", "noah.martin", "lea.dubois", "omar.haddad", "freya.olsen",
		"luca.rossi", "sara.lind", "ivan.horvat", "nina.kowal", "paul.meyer", "zoe.carter", "emma.janssen", "raj.patel"}
	agents := []string{chromeWindows, chromeWindows, safariPhone, safariPhone, chromeAndroid, chromeAndroid, safariMac, edgeWindows, firefoxLinux, curl}
	rec := *model
	const longest = 34 * time.Hour
	age := time.Duration(random.Int64N(int64(longest)))
	for random.Float64() > []float64{1, .8, .4, .1, .4, .8}[age/(4*time.Hour)%6] { // fewer come by night
		age = time.Duration(random.Int64N(int64(longest)))
	}
	rec.Created = now.Add(-age).Truncate(time.Millisecond)
	rec.ID, rec.Version = driver.NewID(driver.LayoutDay, rec.Created), driver.Version{}
	stayed := min(time.Duration(random.Float64()*float64(age)), time.Duration(random.ExpFloat64()*float64(60*minute)))
	rec.Seen = rec.Created.Add(stayed).Truncate(time.Millisecond)
	rec.Principal, rec.Authenticated, rec.Persistent = "", time.Time{}, false
	rec.Deadline, rec.Expires = rec.Created.Add(7*day), rec.Seen.Add(day)
	if random.IntN(5) > 1 {
		rec.Principal, rec.Authenticated = names[random.IntN(len(names))], rec.Created
		rec.Deadline = rec.Created.Add(30 * day)
		if rec.Persistent = random.IntN(3) == 0; rec.Persistent {
			rec.Expires = rec.Deadline
		}
	}
	rec.Client = driver.Client{
		Address:   fmt.Sprintf("%s.%d", []string{"203.0.113", "198.51.100", "192.0.2"}[random.IntN(3)], 1+random.IntN(250)),
		UserAgent: agents[random.IntN(len(agents))],
	}
	if random.IntN(12) == 0 {
		rec.Client.Address = fmt.Sprintf("2001:db8:%x::%x", random.IntN(9000), random.IntN(9000))
	}
	rec.Values = driver.NewValueList(map[string]json.RawMessage{
		"cart": json.RawMessage(`[` + strings.TrimSuffix(strings.Repeat(`{"item":"scarf","amount":1},`, 1+random.IntN(4)), ",") + `]`), "visits": json.RawMessage(fmt.Sprint(1 + random.IntN(40))),
	})
	if random.IntN(3) == 0 {
		reasons := []driver.EndReason{driver.EndDestroyed, driver.EndDestroyed, driver.EndDestroyed, driver.EndReplaced, driver.EndReplaced, driver.EndRevoked, driver.EndExpired}
		rec.Grave = &driver.Grave{Reason: reasons[random.IntN(len(reasons))], At: rec.Seen, Until: rec.Deadline, App: rec.App, Principal: rec.Principal, Writes: rec.Writes + 1}
	}
	return &rec
}
