package storetest

import "github.com/cloakroom-go/cloakroom/driver"

// This file is driver.Refresher, the optional interface by which a search sees all that
// was acknowledged.

// testRefresh checks Refresh: what was acknowledged before is found, and what was
// buried isn't.
func testRefresh(e *env, store driver.Refresher) {
	ctx, cancel := e.context()
	defer cancel()
	for range 3 {
		a, b := e.record(driver.LayoutDay), e.record(driver.LayoutWeek)
		a, b = e.mustCreate(a), e.mustCreate(b)
		e.mustBury(b.ID, e.grave(b), b.Version)
		if err := store.Refresh(ctx); err != nil {
			e.Fatalf("Refresh: %v", err)
		}
		found := map[driver.ID]bool{}
		for _, r := range e.mustSearch(driver.Query{App: e.app}) {
			found[r.ID] = true
		}
		if !found[a.ID] || found[b.ID] {
			e.Errorf("after Refresh, Search yields what was created before: %t, what was buried: %t", found[a.ID], found[b.ID])
		}
	}
}
