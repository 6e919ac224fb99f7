package main

import (
	"crypto/rand"
	"net/http"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// This file is operations of the application's configuration.

func applications() []operation {
	all := []operation{
		{
			name: "restart-app", title: "restart the application",
			do: func(s *stage) { s.reopen(nil) },
		},
		{
			name: "two-apps", title: "a second application (`Config.App`) on the same index, with other lifetimes",
			do: func(s *stage) {
				other := newSite(s, func(o *siteOptions) {
					o.manager.App, o.manager.Lifetime, o.manager.AnonymousLifetime = "another", time.Hour, time.Hour
				})
				v := s.fresh(0)
				if a, err := v.fetch(other.server.URL + "/in?who=alice"); err != nil || a.principal != "alice" {
					s.Errorf("a sign-in to the other application: %v, %v", a, err)
				}
			},
		},
		{
			name: "keys-changed", title: "other keys, without the old ones",
			do: func(s *stage) {
				keyring, err := cloakroom.NewKeyring([]byte(rand.Text() + rand.Text()))
				if err != nil {
					s.Fatal(err)
				}
				s.reopen(func(o *siteOptions) { o.keyring = keyring })
			},
			want: want{out: "alice, bob, somebody", recover: itWill, lost: "all are signed out"},
		},
		{
			name: "app-renamed", title: "`Config.App` is renamed",
			do:   func(s *stage) { s.reopen(func(o *siteOptions) { o.manager.App = "another" }) },
			want: want{out: "alice, bob, somebody", recover: itWill, lost: "all are signed out"},
		},
		{
			name: "index-renamed", title: "`Config.Index` is renamed, nothing is moved",
			do:   func(s *stage) { s.reopen(func(o *siteOptions) { o.store.Index = "of-" + s.index }) },
			want: want{see: seeing("200 503", "200 503", "200", "200"), log: anything, out: "alice, bob, somebody", recover: itWill, lost: "all are signed out", report: anything, after: anything},
		},
	}
	return append(all, largeValues()...)
}

func largeValues() []operation {
	return []operation{
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
			name: "huge-value", title: "`MaxBytes: -1`, and a visitor saves 30 MB", where: itself,
			do: func(s *stage) {
				s.reopen(func(o *siteOptions) { o.manager.MaxBytes = -1 })
				v := s.fresh(0)
				if a, err := v.fetch(s.sites[0].server.URL + "/large?size=30000000"); err != nil || a.status != http.StatusOK {
					s.Errorf("30 MB in a session: %d, %v", a.status, err)
				}
			},
			want: want{see: everywhere("200 503"), recover: either, log: anything},
		},
		{
			name: "beyond-queues", title: "the same with 70 MB, which is more than `Config.QueueBytes`", where: itself,
			do: func(s *stage) {
				s.reopen(func(o *siteOptions) { o.manager.MaxBytes = -1 })
				v := s.fresh(0)
				if a, err := v.fetch(s.sites[0].server.URL + "/large?size=70000000"); err != nil || a.status != http.StatusRequestEntityTooLarge {
					s.Errorf("70 MB in a session: %d, %v; 413 is wanted", a.status, err)
				}
			},
			want: want{see: everywhere("200 503"), recover: either, log: anything},
		},
	}
}
