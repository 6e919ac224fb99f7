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

// TestAcknowledgedLossIsNoNews: a loss was acknowledged before the index is made anew, as
// the next visitor has it. It is not told once more.
func TestAcknowledgedLossIsNoNews(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	var heard listener
	s := l.open(t, nil, func(c *Config) {
		c.Logger = heard.logger()
		c.patience = 100 * time.Millisecond
	})
	warm(t, s)
	r := mustCreate(t, s, session(driver.LayoutDay, time.Now()))
	index := s.names.of(r.ID)
	l.call(t, http.MethodDelete, "/"+index, "")
	if known, err := s.Acknowledge(testContext(t)); err != nil || !slices.Equal(known, []string{index}) {
		t.Fatalf("acknowledged: %v, %v", known, err)
	}
	_, err := s.Get(testContext(t), r.ID)
	wantError(t, err, driver.ErrNotFound)
	if codes := codesOf(t, s); len(codes) != 0 || heard.has("ERROR", "made anew") {
		t.Errorf("Report: %v; logged: %q", codes, heard.lines)
	}
}
