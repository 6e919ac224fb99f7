package cloakroom

import (
	"net/http"
	"net/http/httptest"
	"reflect"
	"testing"

	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file compares refusals with the answers in whose place they are.

// TestRefusalIsTheErrorPage: a refusal has the headers and the text of any other 503.
func TestRefusalIsTheErrorPage(t *testing.T) {
	refused, page := httptest.NewRecorder(), httptest.NewRecorder()
	for _, w := range []*httptest.ResponseRecorder{refused, page} {
		w.Header().Set("Expires", "0")
	}
	f := newRefusal(true)
	f.write(refused)
	forbidCaching(page.Header(), "no-store")
	page.Header().Set("Retry-After", retryAfter)
	plainError(page, nil, http.StatusServiceUnavailable, protocol.ErrTooMany)
	if refused.Code != page.Code || refused.Body.String() != page.Body.String() || !reflect.DeepEqual(refused.Header(), page.Header()) {
		t.Errorf("a refusal: %d %v %q; the page: %d %v %q", refused.Code, refused.Header(), refused.Body, page.Code, page.Header(), page.Body)
	}
	if kindOf(protocol.ErrTooMany) != kindOverloaded {
		t.Errorf("refusals are logged as %q, and are of the kind %q", kindOverloaded, kindOf(protocol.ErrTooMany))
	}
}
