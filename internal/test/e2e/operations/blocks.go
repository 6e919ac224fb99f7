package main

import "net/http"

// This file is operations that close or block indices for a while.

func blocked() []operation {
	block := func(name, title, codes string, w want) operation {
		o := operation{
			name: name, title: title, want: w,
			do:  func(s *stage) { s.settings(s.today(), `{"index.blocks.`+codes+`":true}`) },
			end: func(s *stage) { s.settings(s.today(), `{"index.blocks.`+codes+`":null}`) },
		}
		o.want.recover = itWill
		return o
	}
	writes := seeing("200", "503", "503", "503")
	blockTold := []string{"index-blocked"}
	tells := func(text string) []string { return []string{"ERROR " + text} }
	return []operation{
		block("read-only", "`index.blocks.read_only` on today's index, taken away again", "read_only",
			want{see: writes, log: tells("read-only"), report: blockTold}),
		block("disk-full", "`index.blocks.read_only_allow_delete` on it, as for a full disk", "read_only_allow_delete",
			want{see: writes, log: tells("free disk space"), report: blockTold}),
		block("write-block", "`index.blocks.write` on it, as of a lifecycle's read-only step", "write",
			want{see: writes, log: tells("index write"), report: blockTold}),
		{
			name: "close", title: "close today's index, open it again",
			do:  func(s *stage) { s.call(http.MethodPost, "/"+s.today()+"/_close", "") },
			end: func(s *stage) { s.call(http.MethodPost, "/"+s.today()+"/_open", "") },
			want: want{
				see: everywhere("503"), recover: itWill,
				log: tells("open the index"), report: []string{"index-closed", "*"},
			},
		},
		{
			name: "ledger-block", title: "`index.blocks.write` on `session-principals`", hasty: true,
			do:  func(s *stage) { s.settings(s.index+"-principals", `{"index.blocks.write":true}`) },
			end: func(s *stage) { s.settings(s.index+"-principals", `{"index.blocks.write":null}`) },
			want: want{
				see: seeing("200", "200", "200", "200 503"), recover: itWill, // signing out works
				log: []string{"ERROR"}, report: blockTold,
			},
		},
		{
			name: "old-block", title: "`index.blocks.write` on an index of 3 days ago", days: 3,
			do:  func(s *stage) { s.settings(s.indexOf(threeDaysAgo()), `{"index.blocks.write":true}`) },
			end: func(s *stage) { s.settings(s.indexOf(threeDaysAgo()), `{"index.blocks.write":null}`) },
			want: want{
				see: seeing("200 503", "503", "200", "200"), recover: itWill,
				log: []string{"ERROR"}, report: blockTold,
			},
		},
	}
}
