package elasticstore

import (
	"cmp"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests the fence beyond the contract: what it leaves behind on the engine.

var fenceTime = time.Date(2026, 12, 1, 10, 0, 0, 0, time.UTC)

func mustFence(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Fence(testContext(t), fenceTime); err != nil {
		t.Fatal(err)
	}
}

func mustUnfence(t *testing.T, s *Store) {
	t.Helper()
	if err := s.Unfence(testContext(t)); err != nil {
		t.Fatal(err)
	}
}

// blocked returns the lab's indices that take no writes.
func (l *lab) blocked(t *testing.T) (names []string) {
	t.Helper()
	for name := range l.getJSON(t, "/"+l.index+"*/_settings/index.blocks.write?flat_settings=true") {
		names = append(names, strings.TrimPrefix(name, l.index))
	}
	slices.Sort(names)
	return names
}

// TestFenceLeavesNothing: after a fence all is as it was before, also blocks that somebody
// else had set.
func TestFenceLeavesNothing(t *testing.T) {
	l, s := newStore(t)
	now := time.Now()
	mustCreate(t, s, session(driver.LayoutDay, now))
	old := mustCreate(t, s, session(driver.LayoutMonth, now))
	frozen := s.names.of(old.ID)
	l.call(t, http.MethodPut, "/"+frozen+"/_settings", `{"index.blocks.write":true}`)
	template := string(l.call(t, http.MethodGet, "/_index_template/"+s.names.template(), ""))
	mustFence(t, s)
	if got := l.blocked(t); len(got) != 3 {
		t.Errorf("blocked: %q", got)
	}
	// An index that is made meanwhile, by a process that knows nothing of the fence.
	other := l.open(t, nil, nil)
	hour := session(driver.LayoutHour, now)
	if _, err := other.Create(testContext(t), hour); !errors.Is(err, driver.ErrUnavailable) || !strings.Contains(err.Error(), "cloakroom copy") {
		t.Errorf("a write into a new index: %v", err)
	}
	if got := l.blocked(t); len(got) != 4 {
		t.Errorf("blocked: %q", got)
	}
	mustUnfence(t, s)
	if got := l.blocked(t); !slices.Equal(got, []string{strings.TrimPrefix(frozen, l.index)}) {
		t.Errorf("still blocked: %q", got)
	}
	mustCreate(t, other, hour)
	if again := string(l.call(t, http.MethodGet, "/_index_template/"+s.names.template(), "")); again != template {
		t.Errorf("the template was\n%s\nand is\n%s", template, again)
	}
	l.call(t, http.MethodGet, "/_index_template/"+s.names.fence(), "", http.StatusNotFound)
	if info := l.getJSON(t, "/"+s.names.of(hour.ID)+"/_mapping"); len(info) != 1 {
		t.Errorf("the index that was made meanwhile: %v", info)
	}
	index := s.names.of(hour.ID)
	if list, err := s.listIndices(testContext(t), index); err != nil || list[0].mark == nil {
		t.Errorf("the index that was made meanwhile isn't ours: %+v %v", list, err)
	}
}

// TestFenceInPart: wherever a process that fences, or ends a fence, is killed, another one
// completes either.
func TestFenceInPart(t *testing.T) {
	l := newLab(t)
	plain := l.open(t, nil, nil)
	r := mustCreate(t, plain, session(driver.LayoutDay, time.Now()))
	f := newFaulty(l.client)
	s := l.open(t, f, nil)
	if _, err := s.Fenced(testContext(t)); err != nil {
		t.Fatal(err)
	}
	killed := false
	killAt := func(n int) {
		killed = false
		f.set(func(req *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
			if req.Method != http.MethodGet {
				if n--; n < 0 {
					killed = true
					return nil, errors.New("killed")
				}
			}
			return send()
		})
	}
	for n, whole := 0, false; !whole; n++ {
		killAt(n)
		err := s.Fence(testContext(t), fenceTime)
		if whole = !killed; whole != (err == nil) {
			t.Fatalf("killed %v: %v", killed, err)
		}
		f.set(nil)
		if n%2 == 0 { // given up
			mustUnfence(t, plain)
			r = mustUpdate(t, plain, r)
			continue
		}
		mustFence(t, plain)
		if since, err := plain.Fenced(testContext(t)); err != nil || !since.Equal(fenceTime) {
			t.Errorf("%v %v", since, err)
		}
		if _, err := plain.Update(testContext(t), r); !errors.Is(err, driver.ErrUnavailable) {
			t.Error(err)
		}
		mustUnfence(t, plain)
	}
	for n, whole := 0, false; !whole; n++ {
		mustFence(t, plain)
		killAt(n)
		err := s.Unfence(testContext(t))
		if whole = !killed; whole != (err == nil) {
			t.Fatalf("killed %v: %v", killed, err)
		}
		f.set(nil)
		if n%2 == 0 {
			mustFence(t, plain)
			if _, err := plain.Update(testContext(t), r); !errors.Is(err, driver.ErrUnavailable) {
				t.Errorf("killed at request %d of Unfence, and fenced again: %v", n, err)
			}
		}
		mustUnfence(t, plain)
		r = mustUpdate(t, plain, r)
		if got := l.blocked(t); len(got) != 0 {
			t.Errorf("still blocked: %q", got)
		}
	}
}

// TestFenceAgain: a fence that is set anew, while one is ended in part, knows the blocks
// that somebody else had set before the first.
func TestFenceAgain(t *testing.T) {
	l := newLab(t)
	now := time.Now()
	plain := l.open(t, nil, nil)
	mustCreate(t, plain, session(driver.LayoutDay, now))
	frozen := plain.names.of(mustCreate(t, plain, session(driver.LayoutMonth, now)).ID)
	l.call(t, http.MethodPut, "/"+frozen+"/_settings", `{"index.blocks.write":true}`)
	f := newFaulty(l.client)
	s := l.open(t, f, nil)
	mustFence(t, s)
	f.set(func(req *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if req.Method == http.MethodDelete {
			return nil, errors.New("killed")
		}
		return send()
	})
	if err := s.Unfence(testContext(t)); err == nil {
		t.Fatal("it wasn't killed")
	}
	f.set(nil)
	mustFence(t, s)
	mustUnfence(t, s)
	if got := l.blocked(t); !slices.Equal(got, []string{strings.TrimPrefix(frozen, l.index)}) {
		t.Errorf("blocked: %q", got)
	}
}

// TestFenceIsSure: a block that is in an index's settings isn't believed, as somebody may
// have begun it just now: the engine has to say that writes under way have ended.
func TestFenceIsSure(t *testing.T) {
	l := newLab(t)
	plain := l.open(t, nil, nil)
	index := plain.names.of(mustCreate(t, plain, session(driver.LayoutDay, time.Now())).ID)
	f := newFaulty(l.client)
	s := l.open(t, f, nil)
	sure := false
	f.set(func(req *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasSuffix(req.URL.Path, "/_block/write") && strings.Contains(req.URL.Path, index) {
			sure = true
		}
		resp, err := send()
		if strings.HasPrefix(req.URL.Path, "/_index_template/") && req.Method == http.MethodPut { // the fence is remembered, and no block is set yet
			l.call(t, http.MethodPut, "/"+index+"/_settings", `{"index.blocks.write":true}`)
		}
		return resp, err
	})
	mustFence(t, s)
	f.set(nil)
	if !sure {
		t.Error("a setting was believed")
	}
	mustUnfence(t, s)
	if got := l.blocked(t); len(got) != 0 {
		t.Errorf("still blocked: %q", got)
	}
}

// TestFenceEndsBesideNewIndices: an index that is made while a fence is being ended takes
// writes afterwards.
func TestFenceEndsBesideNewIndices(t *testing.T) {
	l := newLab(t)
	now := time.Now()
	plain := l.open(t, nil, nil)
	mustCreate(t, plain, session(driver.LayoutDay, now))
	f := newFaulty(l.client)
	s := l.open(t, f, nil)
	mustFence(t, s)
	made := false
	f.set(func(req *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if req.Method == http.MethodDelete && !made { // all else is done
			made = true
			mustCreate(t, plain, session(driver.LayoutHour, now))
		}
		return send()
	})
	mustUnfence(t, s)
	if got := l.blocked(t); !made || len(got) != 0 {
		t.Errorf("made an index: %v; blocked: %q", made, got)
	}
}

func mustUpdate(t *testing.T, s *Store, r *driver.Record) *driver.Record {
	t.Helper()
	v, err := s.Update(testContext(t), r)
	if err != nil {
		t.Fatal(err)
	}
	c := *r
	c.Version = v
	return &c
}

// TestFenceWithAHole: an index that takes writes all the same doesn't go unnoticed.
func TestFenceWithAHole(t *testing.T) {
	l, s := newStore(t)
	r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	mustFence(t, s)
	l.call(t, http.MethodPut, "/"+s.names.of(r.ID)+"/_settings", `{"index.blocks.write":null}`)
	if since, err := s.Fenced(testContext(t)); !errors.Is(err, driver.ErrUnavailable) || !strings.Contains(err.Error(), s.names.of(r.ID)) {
		t.Errorf("%v %v", since, err)
	}
	mustFence(t, s)
	if _, err := s.Fenced(testContext(t)); err != nil {
		t.Error(err)
	}
	mustUnfence(t, s)

	f := newFaulty(l.client)
	silent := l.open(t, f, nil)
	f.set(func(req *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if strings.HasSuffix(req.URL.Path, "/_block/write") {
			return replyJSON(http.StatusOK, `{"acknowledged":true,"shards_acknowledged":true,"indices":[]}`), nil
		}
		return send()
	})
	if err := silent.Fence(testContext(t), fenceTime); err == nil || !strings.Contains(err.Error(), "doesn't say that it blocks") {
		t.Error(err)
	}
	mustUnfence(t, s)

	l.call(t, http.MethodPut, "/_index_template/"+s.names.fence(), `{"index_patterns":["`+l.index+`-nothing"]}`)
	if err := s.Fence(testContext(t), fenceTime); err == nil || !strings.Contains(err.Error(), "not one of this package") {
		t.Error(err)
	}
}

// TestFenceIsReported: Report tells of the fence, and of nothing that is its doing.
func TestFenceIsReported(t *testing.T) {
	_, s := newStore(t)
	mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	before, err := s.Report(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	mustFence(t, s)
	defer mustUnfence(t, s)
	after, err := s.Report(testContext(t))
	if err != nil || len(after.Problems) != len(before.Problems)+1 {
		t.Errorf("%v\n%v\n%v", before.Problems, after.Problems, err)
	}
	if !slices.ContainsFunc(after.Problems, func(p driver.Problem) bool {
		return p.Code == "writes-fenced" && p.Severity == driver.SeverityFail && strings.Contains(p.Meaning, "2026-12-01T10:00:00Z")
	}) {
		t.Errorf("%v", after.Problems)
	}
}

// TestFenceOfReader: a store that only reads neither fences nor ends a fence.
func TestFenceOfReader(t *testing.T) {
	l, s := newStore(t)
	mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	reader := l.open(t, nil, func(c *Config) { c.ReadOnly = true })
	if err := reader.Fence(testContext(t), fenceTime); !errors.Is(err, errReadOnly) {
		t.Error(err)
	}
	if since, err := s.Fenced(testContext(t)); err != nil || !since.IsZero() {
		t.Errorf("a reader has fenced the store since %v, %v", since, err)
	}
	mustFence(t, s)
	defer mustUnfence(t, s)
	if err := reader.Unfence(testContext(t)); !errors.Is(err, errReadOnly) {
		t.Error(err)
	}
	if since, err := reader.Fenced(testContext(t)); err != nil || !since.Equal(fenceTime) {
		t.Errorf("%v %v", since, err)
	}
}

// TestFencedTwice: of two that fence at the same time, neither takes the other's blocks for
// those of somebody else, which would stay.
func TestFencedTwice(t *testing.T) {
	l := newLab(t)
	plain := l.open(t, nil, nil)
	r := mustCreate(t, plain, session(driver.LayoutDay, time.Now()))
	f := newFaulty(l.client)
	s := l.open(t, f, nil)
	if _, err := s.Fenced(testContext(t)); err != nil {
		t.Fatal(err)
	}
	first := true
	f.set(func(req *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if first && req.Method == http.MethodGet && strings.HasSuffix(req.URL.Path, "/_settings") {
			first = false
			mustFence(t, plain)
		}
		return send()
	})
	if err := s.Fence(testContext(t), fenceTime.Add(time.Second)); err != nil {
		t.Fatal(err)
	}
	if first {
		t.Fatal("nothing came between")
	}
	if since, err := s.Fenced(testContext(t)); err != nil || !since.Equal(fenceTime) {
		t.Errorf("a fence that was there is replaced: %v %v", since, err)
	}
	mustUnfence(t, s)
	if got := l.blocked(t); len(got) != 0 {
		t.Errorf("still blocked: %q", got)
	}
	mustUpdate(t, plain, r)
}

// TestFenceUnderWay: what was given up before the engine carried it out is ended too.
func TestFenceUnderWay(t *testing.T) {
	l := newLab(t)
	plain := l.open(t, nil, nil)
	mustCreate(t, plain, session(driver.LayoutDay, time.Now()))
	f := newFaulty(l.client)
	s := l.open(t, f, nil)
	template := "/_index_template/" + s.names.fence()
	if _, err := s.Fenced(testContext(t)); err != nil {
		t.Fatal(err)
	}
	late := ""
	f.set(func(req *http.Request, body []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if req.URL.Path == template && (req.Method == http.MethodPut || late != "") {
			late = cmp.Or(late, string(body))
			return nil, errors.New("no answer")
		}
		return send()
	})
	if err := s.Fence(testContext(t), fenceTime); err == nil || late == "" {
		t.Fatalf("a fence without an answer: %v", err)
	}
	f.set(func(req *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		res, err := send()
		if req.URL.Path == template && req.Method == http.MethodGet { // the engine carries it out just then
			l.call(t, http.MethodPut, template, late)
		}
		return res, err
	})
	mustUnfence(t, s)
	l.call(t, http.MethodGet, template, "", http.StatusNotFound)

	// A login that may do neither has nothing to end.
	f.set(func(req *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		if req.URL.Path == template && req.Method != http.MethodGet {
			return replyJSON(http.StatusForbidden, `{"error":{"type":"security_exception","reason":"no permissions"},"status":403}`), nil
		}
		return send()
	})
	if err := s.Fence(testContext(t), fenceTime); err == nil {
		t.Error("no error of a fence that the engine doesn't permit")
	}
	mustUnfence(t, s)
}
