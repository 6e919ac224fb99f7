package elasticstore

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is what a Report tells of the store's indices: which there are, their sizes,
// and what keeps them from being written.

// list reads the indices.
func (x *examination) list(ctx context.Context, f *findings) {
	var err error
	x.indices, err = x.listIndices(ctx, x.names.pattern())
	if bad, ok := errors.AsType[*fault](err); ok && bad.blocked {
		// Such a block hides all indices from whoever lists them, and itself.
		f.problem("index-blocked", driver.SeverityFail, "Set index.blocks.metadata of the index to null, and ask again.",
			"An index can't be looked at, so this report lacks all indices. A process that starts doesn't use it, and a sweep drops nothing: %v.", err)
		return
	}
	x.listed = f.learned("the indices, with their blocks and settings", right{"view_index_metadata", "indices:admin/get"}, err)
	x.found = x.byName(x.indices)
	for _, name := range slices.Sorted(maps.Keys(x.found)) {
		if x.found[name].mark != nil {
			x.ours = append(x.ours, name)
		}
	}
}

// reportIndices tells which indices are missing, foreign, closed or blocked, and which keep
// a cluster from being upgraded.
func (x *examination) reportIndices(_ context.Context, f *findings) {
	if !x.listed {
		return
	}
	for _, name := range slices.Sorted(maps.Keys(x.found)) {
		switch info := x.found[name]; {
		case info.several != nil:
			f.problem("alias-of-several", driver.SeverityFail, "Remove the alias from all but the one that has the documents.",
				"The name %q is an alias of %s: nobody could say which of them has a record, so its sessions can be neither read nor saved, which is answered as an outage.",
				name, few(info.several))
		case info.mark == nil:
			f.problem("index-foreign", driver.SeverityFail, "Remove it if there is nothing in it that matters, and it is made anew with the next save; "+
				"or move its documents into an index with our mapping, as docs/operations.md says; or choose another Config.Index.",
				"The index %q has one of our names, but was not made by this package, or not with its template.", name)
		}
	}
	var periods []string
	for _, name := range x.ours {
		if _, periodic := x.names.parse(name); periodic {
			periods = append(periods, name)
		}
		x.reportIndex(name, f)
	}
	if index := x.names.ledgers(); x.found[index] == nil || x.found[index].mark == nil && x.found[index].several == nil {
		remedy := "Run setup, which makes it. If it was there before, rebuild the ledgers then, as docs/operations.md says (A lost index)."
		if x.names.one {
			remedy = "If it was there before, restore it from a snapshot. Otherwise run setup, which makes it."
		}
		f.problem("index-missing", driver.SeverityFail, remedy, "The index %q is missing.", index)
	}
	f.fact("indices", strconv.Itoa(len(x.ours)))
	if n := len(periods); n > 0 {
		f.fact("periods", fmt.Sprintf("%d, %s to %s", n, periods[0], periods[n-1]))
	}
	named := map[*indexInfo]bool{}
	for _, i := range x.found {
		named[i] = true
	}
	if foreign := len(x.indices) - len(named); foreign > 0 {
		f.fact("indices of others that match", strconv.Itoa(foreign))
	}
}

// reportIndex tells what keeps one of the store's indices from being used.
func (x *examination) reportIndex(name string, f *findings) {
	i := x.found[name]
	if i.name != name {
		reportAlias(name, i, f)
	}
	if i.closed() {
		f.problem("index-closed", driver.SeverityFail, "Open the index again (POST /"+name+"/_open), or restore it.",
			"The index %q is closed: its sessions can be neither read nor written, which is answered as an outage.", name)
	}
	for _, block := range []string{"read", "write", "read_only", "read_only_allow_delete"} {
		setting := "index.blocks." + block
		if i.settings[setting] != "true" || setting == keyBlock && x.fence.has(i.name) {
			continue
		}
		means := "its sessions can't be saved or signed out"
		remedy := "Set " + setting + " of the index to null. A lifecycle policy (ILM, ISM) must not make the store's indices read-only: they are written until they are dropped."
		switch block {
		case "read":
			means = "its sessions can't be read"
		case "read_only_allow_delete":
			remedy = "Free disk space; then set " + setting + " of the index to null, if the engine doesn't by itself."
		}
		f.problem("index-blocked", driver.SeverityFail, remedy, "The index %q has the block %s: %s.", name, setting, means)
	}
	if !slices.Contains(x.names.lasting(), name) || x.engine.Number == "" {
		return
	}
	created := i.number("index.version.created")
	if made, now := madeBy(created, x.engine.openSearch()), majorOf(x.engine.Number); created > 0 && made < now {
		f.problem("index-of-old-version", driver.SeverityWarn,
			"Reindex it before the engine's next major version, as docs/operations.md describes: an engine of that version refuses to start with it.",
			"The index %q was made by the major version before the engine's, and no sweep ever drops it.", name)
	}
}

// reportAlias tells that an alias of our name stands before an index. One that takes writes
// takes them from a process that hasn't looked at it yet, at the versions of the index
// before.
func reportAlias(name string, i *indexInfo, f *findings) {
	if i.aliases[name] {
		f.problem("index-alias", driver.SeverityWarn, `Set "is_write_index": false of the alias (POST /_aliases), as docs/operations.md says.`,
			"The name %q is an alias of the index %q, which holds its documents, and takes writes: "+
				"a process that hasn't used it yet may replace a newer state of a session by an older one.", name, i.name)
		return
	}
	f.problem("index-alias", driver.SeverityInfo, "None is needed.", "The name %q is an alias of the index %q, which holds its documents.", name, i.name)
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
	sized := x.learn(ctx, f, "the sizes of the indices", right{"monitor", "indices:monitor/stats"}, r, &body)
	var total int64
	for _, name := range x.ours {
		stats, there := body.Indices[x.found[name].name]
		p := driver.Period{Name: name, Documents: stats.Primaries.Docs.Count, Bytes: stats.Total.Store.Bytes}
		if there {
			total += p.Bytes
		} else {
			p.Documents, p.Bytes = -1, -1
		}
		if period, ok := x.names.parse(name); ok {
			p.DropFrom = period.dropFrom(x.found[name].mark.Lifetime)
		}
		f.periods = append(f.periods, p)
	}
	if sized && x.listed {
		f.fact("size", fmt.Sprintf("%.1f MB", float64(total)/1e6))
	}
}

// reportCounts counts the sessions, ledgers and graves.
func (x *examination) reportCounts(ctx context.Context, f *findings) {
	if x.listed && x.found[x.names.ledgers()] == nil {
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
