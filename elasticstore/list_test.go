package elasticstore

import (
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests List beyond the contract: what it lists again, and what isn't a record.

// listAll lists up to the end, and returns where the next listing goes on.
func listAll(t *testing.T, s *Store, after string) (n int, next string) {
	t.Helper()
	for {
		p, err := s.List(testContext(t), after)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range p.Items {
			if item.Err != nil {
				t.Error(item.Err)
			}
		}
		n += len(p.Items)
		if after = p.Next; p.End {
			return n, after
		}
	}
}

// TestListUnderWay: where writes were under way, the next listing goes on before them, and
// not behind what could be found. Indices that are gone are forgotten.
func TestListUnderWay(t *testing.T) {
	l := newLab(t)
	f := newFaulty(l.client)
	s := l.open(t, f, nil)
	const n = firstListed + 20 // more than a page
	now := time.Now()
	var index string
	for range n {
		index = s.names.of(mustCreate(t, s, session(driver.LayoutDay, now)).ID)
	}
	f.set(func(req *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasPrefix(req.URL.Path, "/"+index+"/_stats") {
			return replyJSON(http.StatusOK, `{"indices":{"`+index+`":{"shards":{"0":[{"routing":{"primary":true,"node":"a"},"seq_no":{"global_checkpoint":3}}]}}}}`), nil
		}
		return send()
	})
	found, next := listAll(t, s, "")
	if found != n {
		t.Errorf("listed %d of %d", found, n)
	}
	f.set(nil)
	if found, next = listAll(t, s, next); found != n-4 {
		t.Errorf("listed %d, and 4 were done with", found)
	}
	if found, next = listAll(t, s, next); found != 0 {
		t.Errorf("listed %d, and nothing was written", found)
	}
	had := strings.Count(next, "/")
	l.remove(t, index)
	if found, next = listAll(t, s, next); found != 0 || strings.Count(next, "/") != had-1 {
		t.Errorf("listed %d, and goes on at %s", found, next)
	}
}

// TestListSince: the next listing has what was written since, whatever the number of
// shards. A login that may not see statistics gets everything again.
func TestListSince(t *testing.T) {
	l := newLab(t)
	f := newFaulty(l.client)
	s := l.open(t, f, func(c *Config) { c.Shards = 3 })
	list := func(after string) (int, string) { return listAll(t, s, after) }
	var all []*driver.Record
	for range 60 {
		all = append(all, mustCreate(t, s, session(driver.LayoutDay, time.Now())))
	}
	mustCreate(t, s, session(driver.LayoutLedger, time.Now()))
	n, next := list("")
	if n != len(all)+1 {
		t.Errorf("listed %d of %d: the register is no record", n, len(all)+1)
	}
	for range 3 {
		for i := range 7 {
			all[i] = mustUpdate(t, s, all[i])
		}
		if n, next = list(next); n != 7 {
			t.Errorf("listed %d, and 7 were written", n)
		}
	}
	f.set(func(req *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.Contains(req.URL.Path, "/_stats") {
			return replyJSON(http.StatusForbidden, `{"error":{"type":"security_exception","reason":"no permissions for [indices:monitor/stats]"},"status":403}`), nil
		}
		return send()
	})
	_, next = list("")
	if n, _ = list(next); n != len(all)+1 {
		t.Errorf("without statistics it listed %d of %d", n, len(all)+1)
	}
}

// TestListStrangers: documents of others in our indices are told. An index that is dropped
// meanwhile is passed over.
func TestListStrangers(t *testing.T) {
	l, s := newStore(t)
	now := time.Now()
	day, hour := mustCreate(t, s, session(driver.LayoutDay, now)), mustCreate(t, s, session(driver.LayoutHour, now))
	l.call(t, http.MethodPut, "/"+s.names.of(day.ID)+"/_doc/stranger", `{"kind":"session"}`)
	l.put(t, s, hour.ID, `{"kind":"session","id":7}`)
	misplaced := session(driver.LayoutDay, now.Add(-72*time.Hour))
	l.call(t, http.MethodPut, "/"+s.names.of(day.ID)+"/_doc/"+misplaced.ID.String(), `{"kind":"session","id":"`+misplaced.ID.String()+`"}`)
	var told []string
	var found []driver.ID
	after := ""
	for {
		p, err := s.List(testContext(t), after)
		if err != nil {
			t.Fatal(err)
		}
		for _, item := range p.Items {
			switch {
			case item.Err == nil:
				found = append(found, item.ID)
			case errors.Is(item.Err, driver.ErrCorrupt):
				told = append(told, item.Err.Error())
			default:
				t.Error(item.Err)
			}
		}
		if after = p.Next; p.End {
			break
		}
	}
	if !slices.Equal(found, []driver.ID{day.ID}) || len(told) != 3 {
		t.Errorf("found %v, told %q", found, told)
	}
	for _, text := range []string{"stranger", hour.ID.String(), misplaced.ID.String()} {
		if !strings.Contains(strings.Join(told, "\n"), text) {
			t.Errorf("%s isn't told: %q", text, told)
		}
	}

	p, err := s.List(testContext(t), "")
	if err != nil || p.End {
		t.Fatalf("%+v %v", p, err)
	}
	l.remove(t, s.names.of(hour.ID), s.names.of(day.ID))
	for !p.End {
		if p, err = s.List(testContext(t), p.Next); err != nil {
			t.Fatal(err)
		}
	}
}

// TestListForeignIndex: an index that has a name of ours and isn't ours isn't passed over,
// as it may hold records.
func TestListForeignIndex(t *testing.T) {
	l, s := newStore(t)
	now := time.Now()
	mustCreate(t, s, session(driver.LayoutDay, now))
	index := s.names.of(session(driver.LayoutMonth, now).ID)
	l.call(t, http.MethodDelete, "/_index_template/"+s.names.template(), "")
	l.call(t, http.MethodPut, "/"+index, `{}`)
	var err error
	for p := (driver.Part{}); !p.End && err == nil; {
		p, err = s.List(testContext(t), p.Next)
	}
	if err == nil || !strings.Contains(err.Error(), index) {
		t.Errorf("an index that isn't ours is passed over: %v", err)
	}
}
