package cloakroom

import (
	"net/http"
	"testing"
)

// This file is the test that there is a type of writer for each set of optional
// interfaces.

// Each set of optional interfaces has its type, which has these and no others.
func TestWritersOfEachSet(t *testing.T) {
	for set := range optional(1 << 6) {
		w := withOptional(&struct{ response }{response{ResponseWriter: nothing{}}}, set)
		if got := optionalOf(w); got != set {
			t.Errorf("%T of the set %06b has %06b", w, set, got)
		}
		if _, ok := w.(interface{ FlushError() error }); !ok {
			t.Errorf("%T has no FlushError", w)
		}
	}
}

// nothing is a ResponseWriter without any.
type nothing struct{ http.ResponseWriter }
