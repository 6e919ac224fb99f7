package main

import (
	"fmt"
	"net/http"
	"strings"
)

// This file is operations that move indices, and bring them back from a snapshot.

func moved() []operation {
	to := func(s *stage) func(*siteOptions) {
		return func(o *siteOptions) { o.store.Index = "of-" + s.index }
	}
	return []operation{
		{
			name: "another-prefix", title: "block writes, clone all to another prefix, switch `Config.Index`", hasty: true,
			do: func(s *stage) {
				indices := s.list(s.index + "-*")
				s.call(http.MethodPut, "/"+strings.Join(indices, ",")+"/_block/write", "")
				for _, index := range indices {
					s.call(http.MethodPost, "/"+index+"/_clone/of-"+index+"?wait_for_active_shards=1", `{"settings":{"index.blocks.write":null}}`)
				}
				s.reopen(to(s))
			},
			want: want{see: seeing("200", "200 503", "200 503", "200 503"), recover: either, log: anything, report: anything, after: anything},
		},
		{
			name: "restore-running", title: "close all, restore a snapshot of a minute ago, while the application runs", where: itself,
			do: func(s *stage) {
				s.snapshot()
				s.outlast(s.next())
				indices := strings.Join(s.list(s.index+"-*"), ",")
				s.call(http.MethodPost, "/"+indices+"/_close", "")
				s.call(http.MethodPost, "/_snapshot/backup/"+s.index+"/_restore?wait_for_completion=true", `{"include_global_state":false}`)
			},
			want: want{
				see: everywhere("200 503"), recover: either, opens: maybe, older: true, lost: "what was saved since the snapshot",
				log: anything, report: anything, after: []string{"index-restored", "*"},
			},
		},
		{
			name: "restore-beside", title: "delete today's index, restore it beside, reindex into what was made anew", where: openSearch,
			do: func(s *stage) {
				s.snapshot()
				s.call(http.MethodDelete, "/"+s.today(), "")
				s.outlast(s.next())
				s.call(http.MethodPost, "/_snapshot/backup/"+s.index+"/_restore?wait_for_completion=true", fmt.Sprintf(
					`{"indices":%q,"include_global_state":false,"rename_pattern":"(.+)","rename_replacement":"restored-$1"}`, s.today()))
				s.call(http.MethodPost, "/_reindex?refresh=true", fmt.Sprintf(
					`{"conflicts":"proceed","source":{"index":"restored-%s"},"dest":{"index":%q,"op_type":"create"}}`, s.today(), s.today()))
				s.call(http.MethodDelete, "/restored-"+s.today(), "")
			},
			want: want{
				see: everywhere("200 503"), out: "?", recover: either, opens: maybe, older: true, lost: "what was saved since the snapshot",
				log: anything, report: anything, after: anything,
			},
		},
	}
}

// snapshot takes one of the store's indices, of the name of the stage's index.
func (s *stage) snapshot() {
	s.Helper()
	s.call(http.MethodPut, "/_snapshot/backup", fmt.Sprintf(`{"type":"fs","settings":{"location":%q}}`, s.repo))
	s.call(http.MethodPut, "/_snapshot/backup/"+s.index+"?wait_for_completion=true", `{"indices":"`+s.index+`-*","include_global_state":false}`)
}
