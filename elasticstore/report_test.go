package elasticstore

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests each problem that Report tells: it is made on a real engine, seen,
// mended, and gone.

// problemsOf returns the problems of a store, by their codes.
func problemsOf(t testing.TB, s *Store) map[string]driver.Problem {
	t.Helper()
	r, err := s.Report(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]driver.Problem{}
	for _, p := range r.Problems {
		if p.Code == "" || p.Severity == "" || p.Meaning == "" || p.Remedy == "" {
			t.Errorf("a problem lacks something: %+v", p)
		}
		all[p.Code] = p
	}
	return all
}

// codesOf returns the codes of a store's problems, sorted.
func codesOf(t testing.TB, s *Store) []string {
	t.Helper()
	return slices.Sorted(maps.Keys(problemsOf(t, s)))
}

// reported makes a trouble, and checks that Report tells it, with the texts, and tells
// nothing once it is mended.
func reported(t *testing.T, s *Store, code string, how driver.Severity, begin, end func(), texts ...string) {
	t.Helper()
	if p, there := problemsOf(t, s)[code]; there {
		t.Errorf("%s is told without a reason: %v", code, p)
	}
	begin()
	p, there := problemsOf(t, s)[code]
	if !there || p.Severity != how {
		t.Errorf("%s: told %v, as %q, want %q", code, there, p.Severity, how)
	}
	for _, text := range texts {
		if !strings.Contains(p.String(), text) {
			t.Errorf("%s doesn't say %q: %v", code, text, p)
		}
	}
	end()
	// Health follows an engine's work, which takes its time.
	eventually(t, func() error {
		if p, there := problemsOf(t, s)[code]; there {
			return fmt.Errorf("%s is told although it was mended: %v", code, p)
		}
		return nil
	})
}

// healthyStore makes a store about which Report tells no problem.
func healthyStore(t *testing.T) (*lab, *Store, string) {
	t.Helper()
	l, s := newStore(t)
	r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	mustCreate(t, s, session(driver.LayoutLedger, time.Now()))
	l.refresh(t)
	if all := problemsOf(t, s); len(all) > 0 {
		t.Fatalf("problems of a healthy store: %v", all)
	}
	return l, s, s.names.of(r.ID)
}

func TestReportedOfIndices(t *testing.T) {
	t.Parallel()
	l, s, index := healthyStore(t)
	set := func(index, settings string) func() { return func() { l.settings(t, index, settings) } }
	do := func(method, path, body string) func() { return func() { l.call(t, method, path, body) } }

	reported(t, s, "health-yellow", driver.SeverityWarn,
		set(index, `{"index":{"auto_expand_replicas":false,"number_of_replicas":3}}`),
		set(index, `{"index":{"auto_expand_replicas":"0-1"}}`), index, "3 unassigned", "The engine says")
	tomorrow, _ := s.names.holding(driver.LayoutDay, time.Now().Add(24*time.Hour))
	reported(t, s, "health-red", driver.SeverityFail,
		do(http.MethodPut, "/"+tomorrow.index+"?wait_for_active_shards=0", `{"settings":{"index.routing.allocation.require._name":"nobody"}}`),
		set(tomorrow.index, `{"index.routing.allocation.require._name":null}`), tomorrow.index, "unassigned", "The engine says", "nobody")
	for _, block := range []string{"write", "read", "read_only", "read_only_allow_delete"} {
		reported(t, s, "index-blocked", driver.SeverityFail, set(index, `{"index.blocks.`+block+`":true}`),
			set(index, `{"index.blocks.`+block+`":null}`), index, "index.blocks."+block)
	}
	reported(t, s, "index-blocked", driver.SeverityFail, set(index, `{"index.blocks.metadata":true}`),
		set(index, `{"index.blocks.metadata":null}`), index, "index.blocks.metadata")
	reported(t, s, "index-closed", driver.SeverityFail, do(http.MethodPost, "/"+index+"/_close", ""),
		do(http.MethodPost, "/"+index+"/_open", ""), index, "_open")

	foreign := l.index + "-2020.01.01"
	template := "/_index_template/" + l.index + "-zz" // whose mapping replaces ours
	reported(t, s, "index-foreign", driver.SeverityFail, func() {
		do(http.MethodPut, template, `{"index_patterns":["`+foreign+`"],"priority":9999}`)()
		do(http.MethodPut, "/"+foreign, "")()
	}, do(http.MethodDelete, "/"+foreign, ""), foreign)
	do(http.MethodDelete, template, "")()

	ours := "/_index_template/" + s.names.template()
	reported(t, s, "template-missing", driver.SeverityWarn, do(http.MethodDelete, ours, ""), func() {
		if err := s.Setup(testContext(t)); err != nil {
			t.Error(err)
		}
	}, "Run setup")
	reported(t, s, "template-foreign", driver.SeverityFail,
		do(http.MethodPut, ours, `{"index_patterns":["`+l.index+`-*"],"priority":500}`), func() {
			do(http.MethodDelete, ours, "")()
			if err := s.Setup(testContext(t)); err != nil {
				t.Error(err)
			}
		})
	reported(t, s, "index-missing", driver.SeverityFail, do(http.MethodDelete, "/"+s.names.ledgers(), ""), func() {
		if err := s.Setup(testContext(t)); err != nil {
			t.Error(err)
		}
	}, s.names.ledgers())
}

// TestReportedOfAnswers: what no test can make on this engine is made by altering answers.
func TestReportedOfAnswers(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	f := newFaulty(l.client)
	s := l.open(t, f, nil)
	mustCreate(t, s, session(driver.LayoutLedger, time.Now()))
	old := func(req *http.Request, _ []byte, send func() (*http.Response, error)) (*http.Response, error) {
		res, err := send()
		if err == nil && strings.HasSuffix(req.URL.Path, "-*") {
			res = edit(res, func(b string) string {
				return strings.ReplaceAll(b, `"created":"`, `"created":"1","was":"`)
			})
		}
		return res, err
	}
	reported(t, s, "index-of-old-version", driver.SeverityWarn, func() { f.set(old) }, func() { f.set(nil) }, "Reindex")
	reported(t, s, "count-failed", driver.SeverityWarn, func() { f.set(onKind("_count", broken)) }, func() { f.set(nil) })
	for _, kind := range []string{"docs,store", "health", l.index + "-*", "settings", s.names.template()} {
		forbid := instead(func() *http.Response {
			return replyJSON(403, `{"error":{"type":"security_exception","reason":"no permissions"},"status":403}`)
		})
		reported(t, s, "rights-to-see", driver.SeverityInfo, func() { f.set(onKind(kind, forbid)) }, func() { f.set(nil) }, "The client's login may not see: ", " (")
		reported(t, s, "report-incomplete", driver.SeverityWarn, func() { f.set(onKind(kind, broken)) }, func() { f.set(nil) }, "reset")
	}
}

// TestReportedLoginInClear: the nodes are named, and not the login.
func TestReportedLoginInClear(t *testing.T) {
	cl, err := newClient(ClientConfig{URLs: []string{"http://engine.example:9200"}, User: "ann", Password: secret})
	if err != nil {
		t.Fatal(err)
	}
	x := &examination{Store: &Store{client: cl, names: names{"session", false}}}
	all := x.merge(nil).Problems
	if len(all) != 1 || all[0].Code != "login-in-clear" || !strings.Contains(all[0].Meaning, "engine.example") || strings.Contains(all[0].Meaning, secret) {
		t.Errorf("the problems are %v", all)
	}
}

// TestIndexThatIsBeingMade: an engine calls a new index yellow until its primaries have
// started. No copy is missing.
func TestIndexThatIsBeingMade(t *testing.T) {
	for name, c := range map[string]struct {
		indexHealth
		made bool
	}{
		"its primary starts":       {indexHealth{"yellow", 0, map[string]shardHealth{"0": {}}}, true},
		"one of several starts":    {indexHealth{"yellow", 0, map[string]shardHealth{"0": {PrimaryActive: true}, "1": {}}}, true},
		"a copy starts":            {indexHealth{"yellow", 0, map[string]shardHealth{"0": {PrimaryActive: true}}}, false},
		"its primary has no place": {indexHealth{"yellow", 1, map[string]shardHealth{"0": {Unassigned: 1}}}, false},
		"its primary is lost":      {indexHealth{"red", 0, map[string]shardHealth{"0": {}}}, false},
	} {
		if got := c.beingMade(); got != c.made {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// TestRightsInTheEnginesTerms: a right has the name that it has in the engine that is
// there; both where that isn't known.
func TestRightsInTheEnginesTerms(t *testing.T) {
	r := right{"monitor", "cluster:monitor/health"}
	for v, want := range map[engineVersion]string{
		{"2.19.1", "opensearch"}: "cluster:monitor/health", {"8.19.21", ""}: "monitor",
		{}: "Elasticsearch: monitor; OpenSearch: cluster:monitor/health",
	} {
		if got := r.of(v); got != want {
			t.Errorf("in %v it is %q, want %q", v, got, want)
		}
	}
}

func TestMadeBy(t *testing.T) {
	for _, c := range []struct {
		created, want int
		openSearch    bool
	}{
		{7_10_02_99, 7, false}, {8_536_000, 8, false}, {9_009_000, 9, false}, {8_19_21_99, 8, false},
		{7_10_02_99, 0, true}, {136_407_927, 2, true}, {openSearchBit | 1_031_399, 1, true}, {openSearchBit | 3_080_099, 3, true},
	} {
		if got := madeBy(c.created, c.openSearch); got != c.want {
			t.Errorf("%d is of version %d, want %d", c.created, got, c.want)
		}
	}
}

// TestReportedPeriods: each index has its documents, its size, and the day from which it
// is dropped.
func TestReportedPeriods(t *testing.T) {
	t.Parallel()
	_, s, index := healthyStore(t)
	r, err := s.Report(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(r.Periods, func(p driver.Period) bool { return p.Name == index })
	if i < 0 || len(r.Periods) != 2 {
		t.Fatalf("periods: %+v", r.Periods)
	}
	p, _ := s.names.parse(index)
	if got := r.Periods[i]; got.Documents != 1 || got.Bytes <= 0 || !got.DropFrom.Equal(p.end.Add(24*time.Hour).Add(24*time.Hour)) {
		t.Errorf("the period is %+v", got)
	}
	for _, p := range r.Periods {
		if p.Name != index && !p.DropFrom.IsZero() {
			t.Errorf("%s is dropped from %v on", p.Name, p.DropFrom)
		}
	}
	if !slices.ContainsFunc(r.Facts, func(f driver.Fact) bool { return f.Name == "size" }) {
		t.Errorf("no size among the facts: %v", r.Facts)
	}
}

func TestLeastFree(t *testing.T) {
	const gb = 1 << 30
	for _, c := range []struct {
		mark, headroom string
		want           float64
	}{
		{"85%", "", 15 * gb}, {"0.85", "", 15 * gb}, {"10gb", "", 10 * gb}, {"85%", "5GB", 5 * gb}, {"85%", "-1", 15 * gb},
		{"85%", "500gb", 15 * gb}, {"", "", 0}, {"1024b", "", 1024},
	} {
		set := clusterSettings{"cluster.routing.allocation.disk.watermark.low": c.mark, "cluster.routing.allocation.disk.watermark.low.max_headroom": c.headroom}
		if got := set.leastFree("low", 100*gb); got < c.want-1000 || got > c.want+1000 {
			t.Errorf("%q with %q wants %v free, want %v", c.mark, c.headroom, got, c.want)
		}
	}
}

// TestShardsToCome counts the shards of the next week.
func TestShardsToCome(t *testing.T) {
	now := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	x := &examination{Store: &Store{names: names{"session", false}, cfg: Config{Shards: 1}}, found: map[string]*indexInfo{}}
	index := func(name string, shards, replicas int) {
		x.found[name] = &indexInfo{
			name: name, mark: &markOfOurs{Lifetime: 24 * 3600 * 1000}, shards: shards, settings: flat{keyReplicas: strconv.Itoa(replicas)},
		}
		x.ours = append(x.ours, name)
	}
	check := func(next, week int) {
		t.Helper()
		if n, w := x.shardsToCome(now); n != next || w != week {
			t.Errorf("next %d, in a week %d, want %d and %d", n, w, next, week)
		}
	}
	check(1, 1)
	index("session-2026.11.22", 1, 1) // dropped on the 25th
	check(2, 12)                      // 7 days' of 2, without its own
	index("session-2026.11.23", 2, 1) // dropped on the 26th
	check(4, 7*4-2-4)
	index("session-2026.w47", 1, 1) // lasts
	check(4, 7*4-2-4+2)
}
