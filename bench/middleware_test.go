package main

import (
	"log/slog"
	"testing"
)

// This file is a benchmark of our side, for profiles.

// BenchmarkMiddleware is our side of the cases about middleware, for profiles:
//
//	go test -run '^$' -bench Middleware/read -memprofile mem.out -memprofilerate 1
//	go tool pprof -sample_index alloc_objects mem.out
func BenchmarkMiddleware(b *testing.B) {
	for _, page := range []string{pageUntouched, pageRead, pageVisit, pageAll} {
		b.Run(page[1:], func(b *testing.B) {
			scope := &Bench{Context: b.Context(), quick: true, log: slog.New(slog.DiscardHandler)}
			defer func() {
				if err := scope.close(); err != nil {
					b.Error(err)
				}
			}()
			s, err := memorySite(scope)
			if err != nil {
				b.Fatal(err)
			}
			visitors, err := newCrowd(scope, 1, 100, s.inside)
			if err != nil {
				b.Fatal(err)
			}
			request, turn := visitors.at(page), 0
			b.ReportAllocs()
			for b.Loop() {
				turn++
				if err := request(scope, 0, turn); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
