package main

import (
	"fmt"
	"net/http"
	"time"
)

// This file is operations that change indices and keep what is in them.

func threeDaysAgo() time.Time { return time.Now().AddDate(0, 0, -3) }

func changed() []operation {
	put := func(name, title, settings, back string, codes ...string) operation {
		return operation{
			name: name, title: title,
			do:   func(s *stage) { s.settings(s.today(), settings) },
			end:  func(s *stage) { s.settings(s.today(), back) },
			want: want{report: append(codes, "settings-drift")},
		}
	}
	return []operation{
		{
			name: "forcemerge", title: "force-merge today's index",
			do: func(s *stage) { s.call(http.MethodPost, "/"+s.today()+"/_forcemerge?max_num_segments=1", "") },
		},
		put("replicas", "a replica more, and back", `{"index.auto_expand_replicas":false,"index.number_of_replicas":1}`, `{"index.auto_expand_replicas":"0-1"}`, "health-yellow"),
		put("refresh-60s", "`refresh_interval` of 60 s, and back", `{"index.refresh_interval":"60s"}`, `{"index.refresh_interval":"5000ms"}`),
		put("refresh-off", "`refresh_interval` of −1, and back", `{"index.refresh_interval":"-1"}`, `{"index.refresh_interval":"5000ms"}`),
		{
			name: "alias-clone", title: "block writes, clone today's index, put an alias in its place", hasty: true,
			do:   func(s *stage) { s.aliasInPlace(s.today(), "_clone") },
			want: want{see: everywhere("200 503"), recover: either, log: anything, report: anything, after: []string{"index-alias"}},
		},
		{
			name: "alias-principals", title: "the same with `session-principals`", hasty: true,
			do:   func(s *stage) { s.aliasInPlace(s.index+"-principals", "_clone") },
			want: want{see: everywhere("200 503"), recover: either, log: anything, report: anything, after: []string{"index-alias"}},
		},
	}
}

// aliasInPlace copies an index and puts an alias to the copy in its place.
func (s *stage) aliasInPlace(index, how string) {
	s.Helper()
	to := index + "-v2"
	s.settings(index, `{"index.blocks.write":true}`)
	s.call(http.MethodPost, "/"+index+"/"+how+"/"+to+"?wait_for_active_shards=1", `{"settings":{"index.blocks.write":null}}`)
	s.call(http.MethodGet, "/_cluster/health/"+to+"?wait_for_status=yellow", "")
	s.call(http.MethodPost, "/_aliases", fmt.Sprintf(
		`{"actions":[{"remove_index":{"index":%q}},{"add":{"index":%q,"alias":%q,"is_write_index":false}}]}`, index, to, index))
}
