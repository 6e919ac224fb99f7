package elasticstore

import (
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests that what Report tells can be acknowledged.

// TestAcknowledgeWhatReportTells: an index was deleted, and no sweep has come by since.
// Report tells the loss at once, so Acknowledge has to know it, too.
func TestAcknowledgeWhatReportTells(t *testing.T) {
	t.Parallel()
	l, s := newStore(t)
	warm(t, s)
	r := mustCreate(t, s, session(driver.LayoutDay, time.Now().AddDate(0, 0, -1)))
	index := s.names.of(r.ID)
	l.call(t, http.MethodDelete, "/"+index, "")
	if codes := codesOf(t, s); !slices.Contains(codes, "index-lost") {
		t.Fatalf("Report: %v", codes)
	}
	if known, err := s.Acknowledge(testContext(t)); err != nil || !slices.Equal(known, []string{index}) {
		t.Errorf("acknowledged: %v, %v", known, err)
	}
	if codes := codesOf(t, s); slices.Contains(codes, "index-lost") {
		t.Errorf("Report after it was acknowledged: %v", codes)
	}
}
