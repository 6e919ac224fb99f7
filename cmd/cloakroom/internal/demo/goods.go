package demo

import (
	"slices"

	"github.com/cloakroom-go/cloakroom"
)

// This file is the goods, the cart, and the values that the shop keeps in a session.

// item is something that the shop sells. Its picture is the template "art-ID".
type item struct {
	ID    string
	Name  string
	About string
	Price int // whole euros
}

var goods = []item{
	{"trench", "Trench coat", "Camel gabardine, belted", 240},
	{"duffel", "Duffel coat", "Navy wool, horn toggles", 190},
	{"umbrella", "Umbrella", "Eight ribs, cherry crook", 60},
	{"bowler", "Bowler hat", "Fur felt, silk band", 85},
	{"beanie", "Bobble hat", "Lambswool, large bobble", 25},
	{"scarf", "Striped scarf", "Merino, two metres", 40},
}

func find(id string) (item, bool) {
	i := slices.IndexFunc(goods, func(g item) bool { return g.ID == id })
	if i < 0 {
		return item{}, false
	}
	return goods[i], true
}

// line is one line of a cart.
type line struct {
	Item   string `json:"item"`
	Amount int    `json:"amount"`
}

const maxAmount = 99 // of one item

// The values that the shop keeps in a session.
var (
	visits = cloakroom.NewKey[int]("visits")
	cart   = cloakroom.NewKey[[]line]("cart")
	notice = cloakroom.NewKey[string]("notice") // shown once
)

// addTo returns a function for Key.Update. The function may run again on a cart that
// another tab changed meanwhile. So it makes the change, and doesn't hold the result.
func addTo(id string, n int) func([]line) []line {
	return func(lines []line) []line {
		i := slices.IndexFunc(lines, func(l line) bool { return l.Item == id })
		if i < 0 {
			i, lines = len(lines), append(lines, line{Item: id})
		}
		lines[i].Amount = min(lines[i].Amount+n, maxAmount)
		return slices.DeleteFunc(lines, func(l line) bool { return l.Amount <= 0 })
	}
}

// takeFrom returns a function for Key.Update that removes an item.
func takeFrom(id string) func([]line) []line {
	return func(lines []line) []line {
		return slices.DeleteFunc(lines, func(l line) bool { return l.Item == id })
	}
}

// mend removes values that the shop can't read, because somebody set its names to
// something else by /api/set. The session would rightly refuse to save a change of such
// a value.
func mend(s *cloakroom.Session) {
	if _, _, err := visits.Lookup(s); err != nil {
		visits.Delete(s)
	}
	if _, _, err := cart.Lookup(s); err != nil {
		cart.Delete(s)
	}
	if _, _, err := notice.Lookup(s); err != nil {
		notice.Delete(s)
	}
}
