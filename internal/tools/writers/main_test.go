package main

import (
	"bytes"
	"os"
	"testing"
)

func TestGeneratedFileIsUpToDate(t *testing.T) {
	want, err := source()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../../writers_generated.go")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("writers_generated.go isn't what this generator writes: run go generate in the root")
	}
}
