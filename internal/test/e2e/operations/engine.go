package main

import "net/http"

// This file is operations on the engine as a whole.

func engines() []operation {
	cluster := func(s *stage, settings string) {
		s.call(http.MethodPut, "/_cluster/settings", `{"persistent":{`+settings+`}}`)
	}
	return []operation{
		{
			name: "flood-stage", title: "the disk's flood stage is reached, and left", where: itself,
			do: func(s *stage) {
				cluster(s, `"cluster.info.update.interval":"10s","cluster.routing.allocation.disk.threshold_enabled":true,`+
					`"cluster.routing.allocation.disk.watermark.low":"900000gb","cluster.routing.allocation.disk.watermark.high":"900000gb","cluster.routing.allocation.disk.watermark.flood_stage":"900000gb"`)
				s.await(patient, func() bool {
					return len(s.get("/"+s.today()+"/_settings?filter_path=*.settings.index.blocks.read_only_allow_delete")) > 0
				})
			},
			end: func(s *stage) {
				cluster(s, `"cluster.info.update.interval":null,"cluster.routing.allocation.disk.threshold_enabled":null,`+
					`"cluster.routing.allocation.disk.watermark.low":null,"cluster.routing.allocation.disk.watermark.high":null,"cluster.routing.allocation.disk.watermark.flood_stage":null`)
				// OpenSearch blocks new indices, too, for some time more.
				s.call(http.MethodPut, "/_cluster/settings", `{"persistent":{"cluster.blocks.create_index":null}}`, http.StatusBadRequest)
				s.settings("*", `{"index.blocks.read_only_allow_delete":null}`)
			},
			want: want{see: seeing("200", "503", "503", "503"), recover: itWill, log: []string{"ERROR free disk space"}, report: []string{"disk-full", "index-blocked", "*"}, after: anything},
		},
		{
			name: "auto-create", title: "`action.auto_create_index: false`", where: itself,
			do:   func(s *stage) { cluster(s, `"action.auto_create_index":"false"`) },
			end:  func(s *stage) { cluster(s, `"action.auto_create_index":null`) },
			want: want{},
		},
		{
			name: "shards-used-up", title: "the cluster's shards are used up", where: itself,
			do:   func(s *stage) { cluster(s, `"cluster.max_shards_per_node":1`) },
			end:  func(s *stage) { cluster(s, `"cluster.max_shards_per_node":null`) },
			want: want{report: []string{"shards-short"}},
		},
		{
			name: "kill", title: "`kill -9` of the only node, started again", where: itself,
			do:   func(s *stage) { s.engine.Kill() },
			end:  func(s *stage) { s.engine.Restart(s) },
			want: want{see: everywhere("503"), recover: itWill, log: []string{"ERROR"}, report: []string{noReport}, after: anything},
		},
		{
			name: "restart", title: "the only node is stopped, and started again", where: itself,
			do:   func(s *stage) { s.engine.Stop() },
			end:  func(s *stage) { s.engine.Restart(s) },
			want: want{see: everywhere("503"), recover: itWill, log: []string{"ERROR"}, report: []string{noReport}, after: anything},
		},
		{
			name: "hang", title: "the only node hangs, and goes on", where: itself,
			do:   func(s *stage) { s.engine.Pause() },
			end:  func(s *stage) { s.engine.Resume() },
			want: want{see: everywhere("503"), recover: itWill, log: []string{"ERROR"}, report: []string{noReport}, after: anything},
		},
	}
}
