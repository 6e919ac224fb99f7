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
	e.want("copy --from sqlite:"+path+" --to "+e.engine+"/"+e.index, exitOK, "Copied *\nNothing is promised *", "*")
	store := e.open(elasticstore.Config{})
	e.refresh(store)
	measureConsole(t, store)
}
