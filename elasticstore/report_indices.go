package elasticstore

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is what a Report tells of the store's indices: which there are, their sizes,
// and what keeps them from being written.

// reportIndex is an index whose name matches the pattern.
type reportIndex struct {
	name     string // ours, if it or an alias before it has one
	index    string // the engine's
	uuid     string
	made     int64
	mark     *markOfOurs
	shards   int
	replicas int
	blocks   map[string]string // set ones, by their names, such as "write"
	closed   bool
	created  int // the version that made it, as the engine keeps it
}

// ours reports whether a store made an index for this Index.
func (x *examination) ours(i *reportIndex) bool { return x.names.ours(i.name) && i.mark != nil }

// list reads the indices.
func (x *examination) list(ctx context.Context, f *findings) {
	var body map[string]struct {
		Aliases  map[string]struct{} `json:"aliases"`
		Mappings struct {
			Meta json.RawMessage `json:"_meta"`
		} `json:"mappings"`
		Settings struct {
			Index struct {
				UUID     string         `json:"uuid"`
				Made     int64          `json:"creation_date,string"`
				Shards   string         `json:"number_of_shards"`
				Replicas string         `json:"number_of_replicas"`
				Blocks   map[string]any `json:"blocks"`
				Closed   string         `json:"verified_before_close"`
				Version  struct {
					Created string `json:"created"`
				} `json:"version"`
			} `json:"index"`
		} `json:"settings"`
	}
	r := request{
		method: http.MethodGet, path: "/" + x.names.pattern(),
		query: "expand_wildcards=open,closed&filter_path=*.aliases,*.mappings._meta,*.settings.index.uuid,*.settings.index.creation_date," +
			"*.settings.index.number_of_shards,*.settings.index.number_of_replicas," +
			"*.settings.index.blocks,*.settings.index.verified_before_close,*.settings.index.version.created",
	}
	a, err := x.Store.ask(ctx, r, http.StatusNotFound)
	if err == nil {
		defer a.release()
		if a.status == http.StatusNotFound {
			err = x.checkMissing(&r, a)
		} else if bad := json.Unmarshal(a.body, &body); bad != nil {
			err = malformed(&r, "%v", bad)
		}
	}
	x.seen = f.learned("the indices, and the blocks on them", right{"view_index_metadata", "indices:admin/get"}, err)
	for name, i := range body {
		set := i.Settings.Index
		n := func(text string) int { v, _ := strconv.Atoi(text); return v }
		index := reportIndex{
			name: name, index: name, uuid: set.UUID, made: set.Made, mark: readMark(i.Mappings.Meta), shards: n(set.Shards), replicas: n(set.Replicas),
			closed: set.Closed == "true", created: n(set.Version.Created), blocks: map[string]string{},
		}
		for alias := range i.Aliases {
			if x.names.ours(alias) {
				index.name = alias
			}
		}
		for block, on := range set.Blocks {
			if fmt.Sprint(on) == "true" {
				index.blocks[block] = "index.blocks." + block
			}
		}
		x.indices = append(x.indices, index)
	}
	slices.SortFunc(x.indices, func(a, b reportIndex) int { return strings.Compare(a.name, b.name) })
}

// reportIndices tells which indices are missing, foreign, closed or blocked, and which keep
// a cluster from being upgraded.
func (x *examination) reportIndices(_ context.Context, f *findings) {
	if !x.seen {
		return
	}
	found := map[string]bool{}
	var periods []string
	foreign := 0
	for i := range x.indices {
		index := &x.indices[i]
		switch {
		case !x.names.ours(index.name):
			foreign++
		case index.mark == nil:
			f.problem("index-foreign", driver.SeverityFail, "Remove it if there is nothing in it that matters, and it is made anew with the next save; "+
				"or move its documents into an index with our mapping, as docs/operations.md says; or choose another Config.Index.",
				"The index %q has one of our names, but was not made by this package, or not with its template.", index.name)
		default:
			found[index.name] = true
			if _, periodic := x.names.parse(index.name); periodic {
				periods = append(periods, index.name)
			}
			x.reportIndex(index, f)
		}
	}
	if index := x.names.ledgers(); !found[index] {
		f.problem("index-missing", driver.SeverityFail, "Run setup, or if it was there before, restore it from a snapshot.",
			"The index %q is missing.", index)
	}
	f.fact("indices", strconv.Itoa(len(found)))
	if n := len(periods); n > 0 {
		f.fact("periods", fmt.Sprintf("%d, %s to %s", n, periods[0], periods[n-1]))
	}
	if foreign > 0 {
		f.fact("indices of others that match", strconv.Itoa(foreign))
	}
}

// reportIndex tells what keeps one of the store's indices from being used.
func (x *examination) reportIndex(i *reportIndex, f *findings) {
	if i.index != i.name {
		f.problem("index-alias", driver.SeverityInfo, "None is needed.", "The name %q is an alias of the index %q, which holds its documents.", i.name, i.index)
	}
	if i.closed {
		f.problem("index-closed", driver.SeverityFail, "Open the index again (POST /"+i.name+"/_open), or restore it.",
			"The index %q is closed: its sessions can be neither read nor written, which is answered as an outage.", i.name)
	}
	for _, block := range []string{"read", "write", "read_only", "read_only_allow_delete", "metadata"} {
		name := i.blocks[block]
		if name == "" {
			continue
		}
		how, means := driver.SeverityFail, "its sessions can't be saved or signed out"
		remedy := "Set " + name + " of the index to null. A lifecycle policy (ILM, ISM) must not make the store's indices read-only: they are written until they are dropped."
		switch block {
		case "read":
			means = "its sessions can't be read"
		case "read_only_allow_delete":
			remedy = "Free disk space; then set " + name + " of the index to null, if the engine doesn't by itself."
		case "metadata":
			how, means = driver.SeverityWarn, "the store can't see whether the index is its own, nor drop it"
		}
		f.problem("index-blocked", how, remedy, "The index %q has the block %s: %s.", i.name, name, means)
	}
	if !slices.Contains(x.names.lasting(), i.name) || x.engine.Number == "" {
		return
	}
	if made, now := madeBy(i.created, x.engine.openSearch()), majorOf(x.engine.Number); i.created > 0 && made < now {
		f.problem("index-of-old-version", driver.SeverityWarn,
			"Reindex it before the engine's next major version, as docs/operations.md describes: an engine of that version refuses to start with it.",
			"The index %q was made by the major version before the engine's, and no sweep ever drops it.", i.name)
	}
}

// openSearchBit is set in the versions that OpenSearch keeps; without it they are
// Elasticsearch's.
const openSearchBit = 1 << 27

// madeBy returns the major version that made an index, as the engine counts it: to
// OpenSearch, all of Elasticsearch is older than its first version.
func madeBy(created int, openSearch bool) int {
	switch {
	case !openSearch:
		return created / 1_000_000
	case created&openSearchBit == 0:
		return 0
	}
	return (created &^ openSearchBit) / 1_000_000
}

func majorOf(number string) int {
	major, _, _ := strings.Cut(number, ".")
	n, _ := strconv.Atoi(major) // 0: not understood, older than everything
	return n
}

// reportSizes tells the documents and bytes of each index, and when a sweep drops it.
func (x *examination) reportSizes(ctx context.Context, f *findings) {
	var body struct {
		Indices map[string]struct {
			Primaries struct {
				Docs struct {
					Count int64 `json:"count"`
				} `json:"docs"`
			} `json:"primaries"`
			Total struct {
				Store struct {
					Bytes int64 `json:"size_in_bytes"`
				} `json:"store"`
			} `json:"total"`
		} `json:"indices"`
	}
	r := request{
		method: http.MethodGet, path: "/" + x.names.pattern() + "/_stats/docs,store",
		query: "expand_wildcards=open&filter_path=indices.*.primaries.docs.count,indices.*.total.store.size_in_bytes",
	}
	sized := x.ask(ctx, f, "the sizes of the indices", right{"monitor", "indices:monitor/stats"}, r, &body)
	var total int64
	for i := range x.indices {
		index := &x.indices[i]
		if !x.ours(index) {
			continue
		}
		stats := body.Indices[index.index]
		p := driver.Period{Name: index.name, Documents: stats.Primaries.Docs.Count, Bytes: stats.Total.Store.Bytes, DropFrom: x.dropFrom(index)}
		if _, there := body.Indices[index.index]; !there {
			p.Documents, p.Bytes = -1, -1
		} else {
			total += p.Bytes
		}
		f.periods = append(f.periods, p)
	}
	if sized && x.seen {
		f.fact("size", fmt.Sprintf("%.1f MB", float64(total)/1e6))
	}
}

// dropFrom returns the time from which a sweep drops a period's index, if no deadline in
// it lies ahead; the zero time for the others.
func (x *examination) dropFrom(i *reportIndex) time.Time {
	p, ok := x.names.parse(i.name)
	if !ok || i.mark == nil {
		return time.Time{}
	}
	return p.end.Add(p.end.Sub(p.start)).Add(time.Duration(i.mark.Lifetime) * time.Millisecond)
}

// reportCounts counts the sessions, ledgers and graves.
func (x *examination) reportCounts(ctx context.Context, f *findings) {
	if x.seen && !slices.ContainsFunc(x.indices, func(i reportIndex) bool { return i.name == x.names.ledgers() }) {
		return // a count would fail
	}
	if x.red { // a count fails for long, as the shard may come back
		limited, cancel := context.WithTimeout(ctx, time.Second)
		defer cancel()
		ctx = limited
	}
	for _, kind := range []struct {
		name string
		kind driver.Kind
	}{{"sessions", driver.KindSession}, {"ledgers", driver.KindLedger}, {"graves", kindGrave}} {
		n, err := x.count(ctx, x.names.searched(), term("kind", string(kind.kind)))
		switch {
		case isForbidden(err):
			f.learned("the records", right{"read", "read"}, err)
			return
		case err != nil:
			f.problem("count-failed", driver.SeverityWarn, "See to the engine's health.", "The %s can't be counted: %v.", kind.name, err)
			return
		}
		f.fact(kind.name, strconv.FormatInt(n, 10))
	}
}
