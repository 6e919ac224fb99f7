package main

import (
	"testing"

	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file measures the operators' console on an engine with a million sessions.

// TestMillionOnEngine: each page of the console comes within a second.
func TestMillionOnEngine(t *testing.T) {
	path := millionFile(t)
	e := newEngineStore(t)
	if exit, stdout, stderr := command(t, "", "copy", "--from", "sqlite:"+path, "--to", e.engine+"/"+e.index); exit != exitOK {
		t.Fatal(exit, stdout, stderr)
	}
	store := e.open(elasticstore.Config{})
	e.refresh(store)
	measureConsole(t, store)
}
