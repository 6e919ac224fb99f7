package elasticstore

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file tests indices that were deleted, or that have another mapping.

// TestI8_LostIndex: somebody wipes the engine. A visitor whose session was in the index
// of a period that can't have been dropped isn't signed out, but told of an outage. That
// lasts until the operator follows the error's advice, or the period is two days past.
func TestI8_LostIndex(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	now := time.Now()
	s := l.open(t, nil, func(c *Config) {
		c.now = func() time.Time { return now }
		c.patience = 100 * time.Millisecond
	})
	yesterday := session(driver.LayoutDay, now.AddDate(0, 0, -1))
	warm(t, s, now, yesterday.Created)
	site := newSite(t, s, patient)
	old := site.visitor()
	token, err := managerAt(t, s, 24*time.Hour, patient).Create(testContext(t))
	if err != nil {
		t.Fatal(err)
	}
	old.cookie = &http.Cookie{Name: "__Host-Http-session", Value: token.Token()}
	old.want(t, "/add", " 1")
	index := s.names.of(yesterday.ID)

	for name := range l.getJSON(t, "/"+l.index+"*?filter_path=*.settings.index.uuid") {
		l.call(t, http.MethodDelete, "/"+name, "")
	}
	l.call(t, http.MethodDelete, "/_index_template/"+s.names.template(), "")
	old.outage(t, newSite(t, s, hasty), "/look")
	_, err = s.Get(testContext(t), yesterday.ID)
	wantError(t, err, driver.ErrUnavailable)
	for _, text := range []string{index, "snapshot", "run Setup", "PUT /" + index} {
		if !strings.Contains(err.Error(), text) {
			t.Errorf("the error doesn't tell %q: %v", text, err)
		}
	}
	// In two days the outage is over by itself.
	today := now
	now = now.AddDate(0, 0, 2)
	_, err = s.Get(testContext(t), yesterday.ID)
	wantError(t, err, driver.ErrNotFound)
	now = today
	// Other visitors are not affected: today's index is made again.
	site.visitor().want(t, "/add", " 1")
	// The operator follows the advice, and the visitor begins anew.
	if err := s.Setup(testContext(t)); err != nil {
		t.Fatal(err)
	}
	l.call(t, http.MethodPut, "/"+index, "")
	if list, err := s.listIndices(testContext(t), index); err != nil || len(list) != 1 || list[0].mark == nil {
		t.Errorf("the index that was made as told is not ours: %v, %v", list, err)
	}
	was := old.cookie.Value
	old.want(t, "/add", " 1")
	if old.cookie == nil || old.cookie.Value == was {
		t.Error("a visitor whose session is lost was not given another")
	}
}

// TestI8_ForeignMapping: a period's index has somebody else's mapping, or another
// release's, which doesn't take our documents. No record is called invalid for it.
// Visitors are told of an outage, and the operator is told the remedy.
func TestI8_ForeignMapping(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	s := l.open(t, nil, nil)
	now := time.Now()
	warm(t, s)
	index := s.names.of(driver.NewID(driver.LayoutDay, now))
	for name, mapping := range map[string]string{
		"another type": `"properties":{"kind":{"type":"long"}}`,
		"strict":       `"dynamic":"strict"`,
		"object":       `"properties":{"client":{"type":"keyword"},"app":{"properties":{"name":{"type":"keyword"}}}}`,
	} {
		t.Run(name, func(t *testing.T) {
			l.call(t, http.MethodDelete, "/_index_template/"+s.names.template(), "")
			l.call(t, http.MethodPut, "/"+index, fmt.Sprintf(`{"mappings":{"_meta":{"cloakroom":{"format":1}},%s}}`, mapping))
			site := newSite(t, s, hasty)
			for _, values := range []bool{true, false} {
				r := session(driver.LayoutDay, now)
				if !values {
					r.Values = nil
				}
				_, err := s.Create(testContext(t), r)
				wantError(t, err, driver.ErrUnavailable)
				for _, text := range []string{index, "mapping", s.names.template(), "reindex"} {
					if !strings.Contains(err.Error(), text) {
						t.Errorf("the error doesn't tell %q: %v", text, err)
					}
				}
				if text := err.Error(); strings.Contains(text, "coat") || strings.Contains(text, "alice") {
					t.Errorf("the error tells what is in the record: %v", err)
				}
			}
			v := site.visitor()
			v.outage(t, site, "/add")
			l.call(t, http.MethodDelete, "/"+index, "")
			if err := s.Setup(testContext(t)); err != nil {
				t.Fatal(err)
			}
			v.site = newSite(t, s, patient)
			v.want(t, "/add", " 1")
			l.call(t, http.MethodDelete, "/"+index, "")
		})
	}
}
