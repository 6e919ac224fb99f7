package main

import (
	"bytes"
	"os"
	"testing"
)

// What the page is sent is what its sources make.
func TestBundleIsCurrent(t *testing.T) {
	want, err := bundle("..")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile("../page/app.js"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("page/app.js isn't what app.jsx makes (%v): run go generate in its folder", err)
	}
}
