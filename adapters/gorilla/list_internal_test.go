package gorilla

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// This file is the check of edits of lists: made on the list that they were made of, they
// give the other; made on another one, nothing of it is lost but what they take in front.

func TestEdits(t *testing.T) {
	const seed = 19
	r := rand.New(rand.NewPCG(seed, seed))
	list := func() (l []json.RawMessage) {
		for range r.IntN(5) {
			l = append(l, fmt.Append(nil, r.IntN(3)))
		}
		return l
	}
	for range 20000 {
		was, now, added := list(), list(), list()
		e := editOf(was, now)
		if got := string(e.apply(joinList(was))); got != string(joinList(now)) {
			t.Fatalf("%s to %s gives %s", joinList(was), joinList(now), got)
		}
		// Another request adds to the list meanwhile.
		theirs := append(append([]json.RawMessage{}, was...), added...)
		want := joinList(append(append(append([]json.RawMessage{}, was[len(e.taken):]...), added...), e.added...))
		if got := e.apply(joinList(theirs)); string(got) != string(want) {
			t.Fatalf("%s to %s, made on %s, gives %s, want %s", joinList(was), joinList(now), joinList(theirs), got, want)
		}
	}
	if e := editOf(nil, list()); !strings.HasPrefix(string(e.apply(json.RawMessage(`"no list"`))), "[") {
		t.Error("a list isn't set over what is none")
	}
}
