package demo

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

func text(pieces []piece) string {
	var b strings.Builder
	for _, p := range pieces {
		b.WriteString(p.Text)
	}
	return b.String()
}

func TestPretty(t *testing.T) {
	const in = `{"id":"x","empty":{},"none":[],"list":["aaaaaaaaaaaaaaaaaaaaaaaa","bbbbbbbbbbbbbbbbbbbbbbbbbbb","c"],
		"small":{"a":1,"b":[true,null]},"large":[{"item":"trench","amount":1},{"item":"umbrella","amount":2}],"<":"</script>"}`
	const want = `{
  "id": "x",
  "empty": {},
  "none": [],
  "list": ["aaaaaaaaaaaaaaaaaaaaaaaa", "bbbbbbbbbbbbbbbbbbbbbbbbbbb", "c"],
  "small": {"a": 1, "b": [true, null]},
  "large": [
    {"item": "trench", "amount": 1},
    {"item": "umbrella", "amount": 2}
  ],
  "<": "</script>"
}`
	got := text(pretty([]byte(in)))
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if !json.Valid([]byte(got)) {
		t.Error("it is no JSON any more")
	}
}

func TestPrettyIsBounded(t *testing.T) {
	for name, in := range map[string]string{
		"long string":  `{"a":"` + strings.Repeat("x", 60<<10) + `"}`,
		"long name":    `{"` + strings.Repeat("x", 60<<10) + `":1}`,
		"long list":    `{"a":[` + strings.Repeat("1,", 30<<10) + `1]}`,
		"deep":         strings.Repeat("[", 9000) + strings.Repeat("]", 9000),
		"no JSON":      `{"a"`,
		"nothing":      ``,
		"cut in two":   `[1,`,
		"many members": `{` + strings.Repeat(`"a":1,`, 10<<10) + `"b":2}`,
	} {
		if n := len(text(pretty([]byte(in)))); n > 64<<10 {
			t.Errorf("%s: %d characters", name, n)
		}
	}
}

func TestWords(t *testing.T) {
	now := time.Now()
	for _, c := range []struct{ got, want string }{
		{ago(now, now), "just now"},
		{ago(now, now.Add(time.Minute)), "just now"},
		{ago(now, now.Add(-30*time.Second)), "30\u00a0s ago"},
		{ago(now, now.Add(-90*time.Minute)), "1\u00a0h ago"},
		{ago(now, now.Add(-59*time.Minute)), "59\u00a0min ago"},
		{ago(now, now.Add(-50*time.Hour)), "2\u00a0days ago"},
		{ahead(now, now.Add(-time.Hour)), "in 0\u00a0s"},
		{ahead(now, now.Add(time.Minute)), "in 60\u00a0s"},
		{ahead(now, now.Add(30*time.Minute)), "in 30\u00a0min"},
		{ahead(now, now.Add(24*time.Hour-time.Millisecond)), "in 24\u00a0h"},
		{ahead(now, now.Add(30*24*time.Hour-time.Second)), "in 30\u00a0days"},
		{brief(70 * time.Microsecond), "0.07 ms"},
		{brief(12 * time.Millisecond), "12 ms"},
		{brief(1500 * time.Millisecond), "1.5 s"},
	} {
		if c.got != c.want {
			t.Errorf("got %q, want %q", c.got, c.want)
		}
	}
}

// TestPromises: what the page says of the cart and of staying signed in is what the
// cookie and the store do.
func TestPromises(t *testing.T) {
	for _, c := range []struct {
		name            string
		info            cloakroom.Info
		lasting         bool
		kept, neverSays string
	}{
		{"anonymous", cloakroom.Info{}, true, "start it again: the cart is kept. Closing the browser drops its ticket", "Signing out"},
		{"anonymous in memory", cloakroom.Info{}, false, "ends with the demo. Closing the browser drops its ticket", "is kept"},
		{"signed in", cloakroom.Info{Principal: "ann"}, true, "drops its ticket, and so the cart. Signing out ends it.", "no harm"},
		{"remembered", cloakroom.Info{Principal: "ann", Persistent: true}, true, "Closing the browser does it no harm. Signing out ends it.", "drops"},
	} {
		if got := kept(c.info, c.lasting); !strings.Contains(got, c.kept) || strings.Contains(got, c.neverSays) {
			t.Errorf("%s: %s", c.name, got)
		}
	}
}

// TestTrace: the log attributes operations to the request that they were for, whether
// they carry its context or not.
func TestTrace(t *testing.T) {
	mem := memstore.New(nil)
	defer mem.Close()
	m := newMeter(mem, nil)
	now := time.Now().UTC()
	rec := &driver.Record{ID: driver.NewID(driver.LayoutDay, now), Kind: driver.KindSession, App: App, Created: now, Writes: 1}
	ctx, r := enter(t.Context(), "GET /")
	v, err := m.Create(ctx, rec)
	if err != nil {
		t.Fatal(err)
	}
	next := *rec
	next.Version, next.Writes = v, 2
	if _, err := m.Update(t.Context(), &next); err != nil { // as the manager's own goroutine does
		t.Fatal(err)
	}
	if _, err := m.Update(t.Context(), &next); err == nil {
		t.Fatal("an old version was written")
	}
	r.over.Store(true)
	if _, err := m.Get(t.Context(), rec.ID); err != nil {
		t.Fatal(err)
	}
	if r.reads.Load() != 0 || r.writes.Load() != 3 {
		t.Errorf("the request cost %d reads, %d writes", r.reads.Load(), r.writes.Load())
	}
	if got := m.trace.record(rec.ID); got.Writes != 2 || got.Version == v {
		t.Errorf("the record is remembered as %+v", got)
	}
	groups := viewLog(time.Now(), r, rec.ID, m.trace.last(logLength, rec.ID))
	var got []string
	for _, g := range groups {
		for _, o := range g.Ops {
			got = append(got, fmt.Sprintf("%s: %s %s %s", g.Label, o.Verb, o.What, o.Result))
		}
	}
	want := "in the background: read this session |GET /: create this session |GET /: update this session |GET /: update this session conflict"
	if strings.Join(got, "|") != want {
		t.Errorf("log %q, want %q", strings.Join(got, "|"), want)
	}
}

func TestTraceIsBounded(t *testing.T) {
	tr := newTrace()
	first := driver.NewID(driver.LayoutDay, time.Now())
	for range 3 * maxTrackOps {
		tr.add(op{id: first}, nil)
	}
	if n := len(tr.last(1<<20, first)); n != maxTrackOps {
		t.Errorf("%d operations of one id are remembered", n)
	}
	for range 2 * maxTracks {
		tr.add(op{id: driver.NewID(driver.LayoutDay, time.Now())}, nil)
	}
	if len(tr.tracks) != maxTracks || tr.order.Len() != maxTracks {
		t.Errorf("%d and %d ids are remembered", len(tr.tracks), tr.order.Len())
	}
	tr.follow(first, first) // a circle must not be followed for ever
	if n := len(tr.last(1<<20, first)); n != 0 {
		t.Errorf("%d operations of an id that was forgotten", n)
	}
}

func TestAllGoodsHaveArt(t *testing.T) {
	for _, g := range goods {
		if svg, err := art(g.ID); err != nil || !strings.HasPrefix(string(svg), "<svg") {
			t.Errorf("%s: %v", g.ID, err)
		}
	}
}
