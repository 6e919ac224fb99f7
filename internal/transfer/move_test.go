package transfer_test

import (
	"fmt"
	"net/http"
	"slices"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests a move as a whole, from one kind of store to another.

// kinds are the stores that the tests move between.
var kinds = []struct {
	name string
	open func(*testing.T) driver.Store
}{
	{"memory", func(t *testing.T) driver.Store {
		s := memstore.New(nil)
		t.Cleanup(func() { s.Close() })
		return s
	}},
	{"sqlite", func(t *testing.T) driver.Store { return newFile(t) }},
}

func eachPair(t *testing.T, f func(t *testing.T, from, to driver.Store)) {
	for _, from := range kinds {
		for _, to := range kinds {
			t.Run(from.name+" to "+to.name, func(t *testing.T) { f(t, from.open(t), to.open(t)) })
		}
	}
}

// TestMove moves an application with visitors. Who is signed in stays so, with the cart;
// who is signed out between the passes stays out.
func TestMove(t *testing.T) {
	eachPair(t, testMove)
}

func testMove(t *testing.T, from, to driver.Store) {
	old := newSite(t, from)
	const n = 40
	guests := make([]*visitor, n)
	for i := range guests {
		guests[i] = new(visitor)
		old.must(guests[i], buy("coat"))
		if i%2 == 0 {
			old.must(guests[i], login(fmt.Sprintf("user%d", i%6)))
		}
	}
	leaving := guests[:4] // at different times
	old.must(leaving[0], logout)
	stale := *leaving[1]

	m, found := mover(t, from, to, nil)
	first, err := m.Pass(t.Context())
	if err != nil || first.Copied < n || first.Left != 0 {
		t.Fatalf("%+v %v\n%v", first, err, found)
	}
	old.must(leaving[1], logout)
	for _, v := range guests[4:] {
		for range 1 + len(v.cookie.Value)%12 { // some more often than write ids are kept
			old.must(v, visit)
		}
		old.must(v, buy("hat"))
	}
	late := new(visitor)
	old.must(late, buy("scarf"))
	catchUp(t, m)
	old.must(leaving[2], logout)
	old.must(guests[5], visit)

	cut := mustCut(t, m, found)
	if code := hastySite(t, from).do(guests[6], visit); code != http.StatusServiceUnavailable {
		t.Errorf("a write behind the fence: status %d", code)
	}
	if is, _, _, _ := old.opens(guests[6]); !is {
		t.Error("a read behind the fence found no session")
	}
	if cut.From.Sessions == 0 || cut.From.Ledgers == 0 || cut.From.Graves == 0 {
		t.Errorf("the cut compared %+v", cut.Comparison)
	}

	site := newSite(t, to)
	for i, v := range guests[4:] {
		is, _, principal, bought := site.opens(v)
		if !is || !slices.Equal(bought, []string{"coat", "hat"}) || (principal == "") != (i%2 == 1) {
			t.Fatalf("visitor %d: %v, %q, %q", i, is, principal, bought)
		}
		site.must(v, visit)
	}
	if is, _, _, bought := site.opens(late); !is || len(bought) != 1 {
		t.Error("the session that began late isn't there")
	}
	for i, v := range append(leaving[:3:3], &stale) {
		if code := site.do(v, func(_ *http.Request, s *cloakroom.Session) error {
			if !s.IsNew() || len(cart.Get(s)) > 0 {
				t.Errorf("visitor %d, who was signed out, is back", i)
			}
			return nil
		}); code != http.StatusOK {
			t.Errorf("status %d", code)
		}
	}
	// Signing out everywhere ends the sessions that were copied.
	if err := site.m.Admin().RevokeAll(t.Context(), "user0"); err != nil {
		t.Fatal(err)
	}
	for i, v := range guests[4:] {
		is, _, _, _ := site.opens(v)
		if revoked := (i+4)%6 == 0; is == revoked {
			t.Errorf("visitor %d: open %v after user0 was signed out everywhere", i+4, is)
		}
	}
}

// TestBack moves to another store, uses that, and moves back into the first.
func TestBack(t *testing.T) {
	eachPair(t, func(t *testing.T, from, to driver.Store) {
		site := newSite(t, from)
		guests := make([]*visitor, 30)
		for i := range guests {
			guests[i] = new(visitor)
			site.must(guests[i], buy("coat"))
			if i%2 == 0 {
				site.must(guests[i], login("ann"))
			}
		}
		for round := range 4 {
			m, found := mover(t, from, to, nil)
			if _, err := m.Pass(t.Context()); err != nil {
				t.Fatal(err)
			}
			mustCut(t, m, found)
			if s := found.String(); s != "" {
				t.Fatalf("round %d: %s", round, s)
			}
			site = newSite(t, to)
			for i, v := range guests {
				if is, n, _, _ := site.opens(v); !is || n != round*(i%14) {
					t.Fatalf("round %d: visitor %d: %v, %d visits", round, i, is, n)
				}
				for range i % 14 { // some more often than write ids are kept, some not at all
					site.must(v, visit)
				}
			}
			last := guests[len(guests)-1]
			site.must(last, logout)
			guests = guests[:len(guests)-1]
			if _, err := transfer.Unfence(t.Context(), from); err != nil {
				t.Fatal(err)
			}
			from, to = to, from
		}
	})
}

// TestAgain: whoever runs it again, with nothing remembered, finds everything done.
func TestAgain(t *testing.T) {
	from, to := newFile(t), newFile(t)
	old := newSite(t, from)
	for i := range 300 {
		v := new(visitor)
		old.must(v, visit)
		if i%3 == 0 {
			old.must(v, login(fmt.Sprint(i%20)))
		}
		if i%7 == 0 {
			old.must(v, logout)
		}
	}
	m, found := mover(t, from, to, nil)
	first, err := m.Pass(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	again, err := m.Pass(t.Context())
	if err != nil || again.Copied != 0 || again.Listed != 0 { // the file's store tells that nothing was written
		t.Errorf("the second pass: %+v %v", again, err)
	}
	m, found2 := mover(t, from, to, nil)
	again, err = m.Pass(t.Context())
	if err != nil || again.Copied != 0 || again.Listed != first.Listed {
		t.Errorf("the pass of another run: %+v %v", again, err)
	}
	mustCut(t, m, found2)
	m, found3 := mover(t, from, to, nil)
	mustCut(t, m, found3)
	if s := found.String() + found2.String() + found3.String(); s != "" {
		t.Error(s)
	}
}
