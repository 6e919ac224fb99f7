package elasticstore

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file reports settings that differ from the configuration, or break a promise.

// reportSettings reports settings of indices that differ from the configuration, and
// what of the configuration the template overrides.
func (x *examination) reportSettings(_ context.Context, f *findings) {
	wanted := x.settingsBy(x.template)
	x.reportEdits(wanted, f)
	there := openOnes(x.found)
	reportReplication(there, f)
	var plain, unsafe []Drift
	for _, d := range differences(there, changeable(wanted)) {
		if _, ok := promised[d.Setting]; ok {
			unsafe = append(unsafe, d)
		} else {
			plain = append(plain, d)
		}
	}
	if len(unsafe) > 0 {
		f.problem("settings-unsafe", driver.SeverityFail, "Apply the configuration to these indices (Store.Drift, Store.ApplySettings).",
			"Indices have settings that break a promise. An acknowledged save may be lost (%s), or documents be changed or refused (pipelines): %s.",
			keyDurability, summarized(unsafe))
	}
	if len(plain) > 0 {
		f.problem("settings-drift", driver.SeverityWarn, "Apply the configuration to these indices (Store.Drift, Store.ApplySettings), "+
			"or leave what was set on purpose: indices of periods go by themselves.",
			"Indices have other settings than the configuration, or the template, has for new ones: %s.", summarized(plain))
	}
}

// reportEdits reports what of the configuration the template overrides.
func (x *examination) reportEdits(wanted object, f *findings) {
	ours := x.indexSettings()
	var changed []string
	for name, value := range wanted {
		if was := textOf(ours[name]); !sameSetting(was, textOf(value)) {
			changed = append(changed, fmt.Sprintf("%s is %q instead of %q", name, textOf(value), was))
		}
		delete(ours, name)
	}
	for name, value := range ours {
		changed = append(changed, fmt.Sprintf("%s is not set instead of %q", name, textOf(value)))
	}
	if slices.Sort(changed); len(changed) > 0 {
		f.problem("template-edited", driver.SeverityInfo, "If it is meant to stay, put it into the configuration: Config.Replicas, RefreshInterval or Settings.",
			"The index template %q was edited, and new indices have it so: %s.", x.names.template(), strings.Join(changed, "; "))
	}
}

// reportReplication reports indices whose copies may lag behind.
func reportReplication(there []*indexInfo, f *findings) {
	var found []string
	for _, i := range there {
		if kind := i.settings[keyReplication]; kind != "" && kind != byDocument {
			found = append(found, i.name)
		}
	}
	if len(found) > 0 {
		f.problem("segment-replication", driver.SeverityFail,
			fmt.Sprintf("Set Config.Settings %q to %s, for new indices, and reindex the lasting ones.", keyReplication, byDocument),
			"OpenSearch replicates segments of indices, and not documents: %s. So a read may miss an acknowledged write, where there are replicas.", quoted(found))
	}
}

// summarized lists differences for people: the indices of each, and three of them by
// name.
func summarized(drift []Drift) string {
	indices := map[string][]string{}
	for _, d := range drift {
		_, text, _ := strings.Cut(d.String(), ": ")
		indices[text] = append(indices[text], d.Index)
	}
	var list []string
	for _, text := range slices.Sorted(maps.Keys(indices)) {
		names, more := indices[text], ""
		if n := len(names) - 3; n > 0 {
			names, more = names[:3], fmt.Sprintf(" and %d more", n)
		}
		list = append(list, fmt.Sprintf("%s in %s%s", text, quoted(names), more))
	}
	return strings.Join(list, "; ")
}
