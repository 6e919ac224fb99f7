package main

import (
	"net/http"
)

// This file is operations of the application's configuration.

func applications() []operation {
	return []operation{
		{
			name: "restart-app", title: "restart the application",
			do: func(s *stage) { s.reopen(nil) },
		},
		{
			name: "large-value", title: "a visitor saves 1 MB into a session", where: itself,
			do: func(s *stage) {
				v := s.fresh(0)
				if a, err := v.fetch(s.sites[0].server.URL + "/large?size=1000000"); err != nil || a.status != http.StatusRequestEntityTooLarge {
					s.Errorf("1 MB in a session: %d, %v; 413 is wanted", a.status, err)
				}
			},
			want: want{log: []string{"WARN"}},
		},
		{
			name: "app-renamed", title: "`Config.App` is renamed",
			do:   func(s *stage) { s.reopen(func(o *siteOptions) { o.manager.App = "another" }) },
			want: want{out: "alice, bob, somebody", recover: itWill, lost: "all are signed out"},
		},
		{
			name: "index-renamed", title: "`Config.Index` is renamed, nothing is moved",
			do:   func(s *stage) { s.reopen(func(o *siteOptions) { o.store.Index = "of-" + s.index }) },
			want: want{out: "alice, bob, somebody", recover: itWill, lost: "all are signed out", report: []string{"*"}, after: []string{"*"}},
		},
	}
}
