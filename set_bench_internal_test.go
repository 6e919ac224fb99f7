package cloakroom

import (
	"strings"
	"testing"
	"time"
)

// This file is the benchmark of setting a value.

// BenchmarkSet measures Key.Set and Key.Update before anything is saved.
func BenchmarkSet(b *testing.B) {
	type cart struct {
		Items []string
		Until time.Time
		Note  string
	}
	b.Run("string", benchmarkSet("alice@example.com"))
	b.Run("string, not plain", benchmarkSet("Müller & Söhne"))
	b.Run("string, 4 KB", benchmarkSet(strings.Repeat("coat", 1000)))
	b.Run("int", benchmarkSet(7))
	b.Run("bool", benchmarkSet(true))
	b.Run("struct", benchmarkSet(cart{Items: []string{"coat", "hat"}, Note: "größer"}))
	b.Run("map", benchmarkSet(map[string]int{"coat": 1, "hat": 2}))
	b.Run("list, 8 KB", benchmarkSet(strings.Split(strings.Repeat("a coat,", 1000), ",")))
}

func benchmarkSet[T any](t T) func(b *testing.B) {
	return func(b *testing.B) {
		key := NewKey[T]("key")
		tx := &Tx{&txState{}}
		b.ReportAllocs()
		for b.Loop() {
			key.Set(tx, t)
		}
	}
}
