package elasticstore

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests documents that somebody edited by hand.

// TestI12_EditedByHand edits a visitor's document in every way. An edited document opens
// nothing that it didn't open before, and the next visitor notices nothing. One that
// can't be understood is an error of its own, and the cookie stays.
func TestI12_EditedByHand(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := l.open(t, nil, nil)
	warm(t, s, time.Now())
	site := newSite(t, s, patient)
	beside := site.visitor()
	beside.want(t, "/add", " 1")
	const (
		corrupt = http.StatusInternalServerError // and the cookie stays
		outage  = http.StatusServiceUnavailable  // the same
		same    = http.StatusOK                  // as if nothing had happened
		nobody  = http.StatusNoContent           // it opens nothing: a new visitor
	)
	type document = map[string]any
	set := func(member string, v any) func(document) { return func(d document) { d[member] = v } }
	without := func(member string) func(document) { return func(d document) { delete(d, member) } }
	for name, c := range map[string]struct {
		edit func(document)
		want int
	}{
		"no kind":           {without("kind"), corrupt},
		"unknown kind":      {set("kind", "coat"), corrupt},
		"of a ledger":       {set("kind", "ledger"), corrupt},
		"no id":             {without("id"), corrupt},
		"other id":          {set("id", driver.NewID(driver.LayoutDay, time.Now()).String()), corrupt},
		"no app":            {without("app"), corrupt},
		"other app":         {set("app", "another"), corrupt},
		"time as text":      {set("seen", "yesterday"), corrupt},
		"app as a list":     {set("app", []string{"session"}), corrupt},
		"values as a list":  {set("values", []int{1}), corrupt},
		"revs no base64":    {set("revs", []string{"!"}), corrupt},
		"writes negative":   {set("writes", -1), corrupt},
		"nothing":           {func(d document) { clear(d) }, corrupt},
		"no verifier":       {without("verifier"), nobody},
		"other verifier":    {set("verifier", "AAAA"), nobody},
		"other principal":   {set("principal", "mallory"), nobody},
		"longer deadline":   {func(d document) { d["deadline"] = d["deadline"].(float64) + 1e9 }, nobody},
		"other making":      {func(d document) { d["created"] = d["created"].(float64) - 1 }, nobody},
		"no deadline":       {without("deadline"), nobody},
		"no activity":       {without("seen"), nobody},
		"no values":         {without("values"), same},
		"members of others": {set("note", document{"by": "hand", "n": []int{1}}), same},
		"a later version": {func(d document) {
			d["format"], d["labels"] = 1, []string{"new"}
			d["client"] = document{"address": "192.0.2.1", "country": "xx"}
		}, same},
		"a newer format": {func(d document) {
			d["format"], d["labels"] = 99, []string{"new"}
		}, outage},
		"a newer format in all": {func(d document) {
			clear(d)
			d["kind"], d["format"], d["seen"] = "robot", 2, "yesterday"
		}, outage},
		"no history": {func(d document) { delete(d, "writes"); delete(d, "revs") }, same},
		"no client":  {without("client"), same},
	} {
		t.Run(name, func(t *testing.T) {
			v := site.visitor()
			v.want(t, "/add", " 1")
			id := idOf(t, site.m, v.cookie.Value)
			var was struct {
				Source document `json:"_source"`
			}
			path := "/" + s.names.of(id) + "/_doc/" + id.String()
			if err := json.Unmarshal(l.call(t, http.MethodGet, path, ""), &was); err != nil {
				t.Fatal(err)
			}
			edited := maps.Clone(was.Source)
			c.edit(edited)
			text, err := json.Marshal(edited)
			if err != nil {
				t.Fatal(err)
			}
			l.call(t, http.MethodPut, path, string(text))
			token := v.cookie.Value
			status, body, cookie := v.ask(t, "/look")
			said := site.told()
			switch c.want {
			case corrupt, outage:
				if status != c.want || cookie || !strings.Contains(said, id.String()) || strings.Contains(said, token) {
					t.Errorf("%d %q, a cookie: %v; the error %s", status, body, cookie, said)
				}
				if status, _, cookie := v.ask(t, "/add"); status != c.want || cookie {
					t.Errorf("a save: %d, a cookie: %v", status, cookie)
				}
				// Mended, it is as before.
				text, err := json.Marshal(was.Source)
				if err != nil {
					t.Fatal(err)
				}
				l.call(t, http.MethodPut, path, string(text))
				v.want(t, "/add", " 2")
			case nobody:
				if status != http.StatusOK || body != " 0" {
					t.Errorf("%d %q: %s", status, body, said)
				}
				if v.want(t, "/add", " 1"); v.cookie == nil || v.cookie.Value == token {
					t.Error("what is set is not in a new session")
				}
			case same:
				n := 1
				if name == "no values" {
					n = 0
				}
				if v.want(t, "/look", fmt.Sprintf(" %d", n)); v.cookie.Value != token {
					t.Error("the cookie has changed")
				}
				v.want(t, "/add", fmt.Sprintf(" %d", n+1))
				// Members that aren't ours are still there after the save.
				var saved struct {
					Source document `json:"_source"`
				}
				if err := json.Unmarshal(l.call(t, http.MethodGet, path, ""), &saved); err != nil {
					t.Fatal(err)
				}
				for _, member := range []string{"note", "labels", "format"} {
					if want, ok := edited[member]; ok && fmt.Sprint(saved.Source[member]) != fmt.Sprint(want) {
						t.Errorf("%s is %v after a save, was %v", member, saved.Source[member], want)
					}
				}
			}
			beside.want(t, "/look", " 1")
		})
	}
}
