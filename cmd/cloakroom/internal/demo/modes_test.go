package demo

import (
	"fmt"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file tests the shop in each mode of saving.

// TestSaveModes: the shop works in each mode of saving, with the name and the cookie
// that it is given.
func TestSaveModes(t *testing.T) {
	for _, mode := range []cloakroom.SaveMode{cloakroom.SaveOnce, cloakroom.SaveEach, cloakroom.SaveManual} {
		t.Run(fmt.Sprint(mode), func(t *testing.T) {
			s := openSiteAs(t, memstore.New(nil), "Saved when & where it must.", &cloakroom.Config{
				App: "shop", Save: mode, Transport: cloakroom.Cookie{Name: "ticket", Insecure: true},
			})
			b := s.browser()
			a := b.do("GET", "/", nil)
			if got := a.header.Get("Set-Cookie"); !strings.HasPrefix(got, "ticket=") {
				t.Errorf("cookie %q", got)
			}
			wantIn(t, a.body, "Saved when &amp; where it must.")
			b.post("/cart", "item", "bowler", "do", "add")
			wantIn(t, b.post("/cart", "item", "bowler", "do", "more"), `<b class="count">2</b>`)
			b.api("POST", "/api/set?key=cart&value=wrong", 200)
			wantIn(t, b.post("/cart", "item", "scarf", "do", "add"), `<b class="count">1</b>`)
			page := b.post("/signin", "name", "Ann")
			wantIn(t, page, "Welcome, Ann.")
			wantIn(t, page, `<b class="count">1</b>`)
			page = b.page()
			wantNotIn(t, page, "Welcome, Ann.")
			wantIn(t, page, `<span>visit</span><b>6</b>`)
			named := 0
			for rec, err := range s.gate.Search(t.Context(), driver.Query{App: "shop", Principal: "Ann"}) {
				if err != nil {
					t.Fatal(err)
				}
				if rec.Principal == "Ann" {
					named++
				}
			}
			if named != 1 {
				t.Errorf("%d sessions of Ann are kept under the name shop", named)
			}
			wantIn(t, b.post("/signout"), "You are signed out.")
			b.api("POST", "/api/incr?key=n", 200)
			if v := b.api("POST", "/api/incr?key=n", 200); v["value"] != 2.0 {
				t.Errorf("the count is %v", v)
			}
		})
	}
}

// TestSaveEachCosts: a request costs as many operations as the mode needs.
func TestSaveEachCosts(t *testing.T) {
	s := openSiteAs(t, memstore.New(nil), "", &cloakroom.Config{Save: cloakroom.SaveEach, Transport: cloakroom.Cookie{Insecure: true}})
	b := s.browser()
	b.api("POST", "/api/set?key=colour&value=red", 200)
	// Looking the value up, updating it and answering it are a read each, beside the
	// session's own read.
	s.wantCost("a counting request", 4, 1, func() { b.api("POST", "/api/incr?key=n", 200) })
}
