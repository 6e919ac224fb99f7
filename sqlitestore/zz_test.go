package sqlitestore

import (
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

func BenchmarkSummarize(b *testing.B) {
	s, _ := filled(b, benchRecords(b))
	for _, c := range []struct {
		n string
		q cloakroom.Query
	}{{"all", cloakroom.Query{}}, {"app", cloakroom.Query{App: "shop"}}, {"live", cloakroom.Query{App: "shop", ExpiresFrom: time.Now()}}, {"principal", cloakroom.Query{Principal: "user77"}}} {
		b.Run(c.n, func(b *testing.B) {
			for b.Loop() {
				if _, err := s.Summarize(b.Context(), c.q); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
	b.Run("report", func(b *testing.B) {
		for b.Loop() {
			if _, err := s.Report(b.Context()); err != nil {
				b.Fatal(err)
			}
		}
	})
}
