package e2e

import (
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the acts of an operator's walk through the console.

// laptop and phone are devices of one visitor.
func laptop() shopper {
	return shopper{principal: "mila.novak", agent: chromeWindows, address: "203.0.113.24", came: 6 * time.Hour, seen: 11 * time.Minute}
}

func phone() shopper {
	return shopper{principal: "mila.novak", agent: safariPhone, address: "198.51.100.61", came: 3 * time.Hour, seen: 2 * time.Minute, remember: true, again: true}
}

// one looks at a session, reveals its values and ends it.
func (w *walk) one() {
	w.t.Helper()
	_, id := w.s.comes(phone())
	w.open("sessions?principal=mila.novak")
	w.follow(fmt.Sprintf(`a.id[href$="%v"]`, id), id.String())
	w.wantSaid("mila.novak", "198.51.100.61", "Safari on iPhone", "Made", "Signed in", "Last seen", "Deadline", "cart", "visits", "theme", "yes, its token outlives")
	w.wantUnsaid("umbrella")
	w.click(".ask button.plain") // without a reason the form isn't sent
	w.fill("#reveal-reason", "the visitor asks what is in the cart")
	w.click(".ask button.plain")
	w.until("the values", `document.querySelector("pre") !== null`)
	w.wantSaid("umbrella", `"amount": 2`)
	w.s.wantTold("reveal: olga: begun: the visitor asks what is in the cart")
	w.open("session/" + id.String())
	w.wantUnsaid("umbrella") // revealed once
	w.s.wantLive(id, true)
	w.fill("#end-reason", "a lost phone")
	w.follow("button.danger", "revoked")
	w.wantSaid("revoked, just now", "Grave kept until")
	w.wantUnsaid("umbrella", "End this session")
	w.s.wantTold("end: olga: done: a lost phone")
	w.s.wantLive(id, false)
}

// replaced goes from a session that a sign-in ended to its successor.
func (w *walk) replaced() {
	w.t.Helper()
	first, last := w.s.comes(laptop())
	w.open("session/" + first.String())
	w.wantSaid("replaced by a sign-in", "6h ago")
	w.follow(fmt.Sprintf(`.facts a.id[href$="%v"]`, last), last.String())
	w.wantSaid("live")
}

// endAll ends all that match a filter: the form is refused without the right number, and
// the job's progress and its result are on its page.
func (w *walk) endAll() {
	w.t.Helper()
	var ids []cloakroom.ID
	for i := range 9 {
		_, id := w.s.comes(shopper{principal: "pat", agent: "scraper/1.0", address: "192.0.2.9", came: time.Duration(20-i) * time.Minute, seen: time.Minute})
		ids = append(ids, id)
	}
	w.s.pass(time.Second)
	w.open("sessions?agent=scraper")
	w.follow("a.danger", "End 9 sessions?")
	w.wantSaid("Live sessions of the app shop, agent has “scraper”", "The newest of them.")
	if sample := w.rows(); len(sample) != 5 || sample[0] != ids[8].String() {
		w.t.Errorf("the sample is %q", sample)
	}
	w.s.pass(time.Second)
	_, later := w.s.comes(shopper{agent: "scraper/1.0", address: "192.0.2.9"})
	w.fill("#all-reason", "a scraper that pays no heed")
	w.fill("#all-typed", "10")
	w.follow("button.danger", "That can't be asked")
	w.wantSaid("type their number, 9. Nothing was ended.")
	w.wantComplaint("400")
	w.s.wantLive(ids[0], true)

	w.s.pass(time.Second)
	w.open("ending?agent=scraper")
	w.wantPage("End 10 sessions?") // the later one is counted, and confirmed, by now
	w.open("ending?agent=scraper&principal=pat")
	release := func() {}
	if w.file != nil {
		release = w.file.hold()
	}
	w.fill("#all-reason", "a scraper that pays no heed")
	w.fill("#all-typed", "9")
	w.follow("button.danger", "Ending sessions")
	if w.file != nil {
		w.wantSaid("under way", "of 9 ended", "It goes on without this page.", "a scraper that pays no heed", "Jobs 1")
	}
	release()
	w.awaits("the result", `document.querySelector("#job").textContent.includes("None is left")`)
	w.wantSaid("done 9 of 9 ended")
	if value := evaluate[float64](w.browser, `document.querySelector("progress").value`); value != 9 {
		w.t.Errorf("the bar stands at %v", value)
	}
	for _, id := range ids {
		w.s.wantLive(id, false)
	}
	w.s.wantLive(later, true)
	w.s.wantTold("end-all: olga: begun: a scraper that pays no heed")
	w.s.wantTold("end-all: olga: done: a scraper that pays no heed")
	w.follow(`nav a[href$="jobs"]`, "Jobs")
	w.wantSaid("done 9 ended")
	w.follow(`table a[href*="jobs/"]`, "Ending sessions") // again
	w.wantSaid("done 9 of 9 ended")
	w.s.searchable()
	w.follow(`.facts a[href*="sessions?"]`, "Sessions")
	w.wantSaid("No session matches.")
}

// stop stops a job.
func (w *walk) stop() {
	w.t.Helper()
	_, id := w.s.comes(shopper{principal: "quentin", agent: edgeWindows, address: "192.0.2.10", came: time.Minute})
	w.s.pass(time.Second)
	w.open("ending?principal=quentin")
	release := w.file.hold()
	defer release()
	w.fill("#all-reason", "by mistake")
	w.fill("#all-typed", "1")
	w.follow("button.danger", "Ending sessions")
	w.leave("#job form button")
	w.awaits("the end of the job", `document.querySelector("#job").textContent.includes("stopped by olga")`)
	w.s.wantLive(id, true)
	w.s.wantTold("end-all: olga: stopped: by mistake")
}

// principal signs a principal out everywhere.
func (w *walk) principal() {
	w.t.Helper()
	_, id := w.s.comes(phone())
	w.s.pass(time.Second)
	w.follow(`nav a[href$="principals"]`, "Principals")
	w.fill("#p-principal", "mila.novak")
	w.follow(".filter button", "mila.novak")
	w.wantSaid("3 sessions in the app shop", "Not signed out everywhere", "Ended of late")
	w.fill("#out-reason", "asked for by phone")
	w.fill("#out-typed", "3")
	w.follow("button.danger", "Signing out mila.novak")
	w.awaits("the result", `document.querySelector("#job").textContent.includes("None is left")`)
	w.wantSaid("done 3 sessions ended")
	w.s.wantLive(id, false)
	w.s.wantTold("sign-out: olga: done: asked for by phone")
	w.follow(`.facts a[href*="principals?"]`, "mila.novak")
	w.wantSaid("0 sessions in the app shop", "Signed out everywhere", "Signed in nowhere.")
}

func (w *walk) health() {
	w.t.Helper()
	w.follow(`nav a[href$="health"]`, "Health")
	w.awaits("the report", `document.querySelector("#live .facts") !== null`)
	w.wantSaid("No problem is known", "SQLite")
}
