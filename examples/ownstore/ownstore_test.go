package ownstore_test

import (
	"encoding/json"
	"errors"
	"os/exec"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/examples/ownstore"
	"github.com/cloakroom-go/cloakroom/storetest"
)

// TestStore is a store's whole test. One that keeps its records somewhere sets
// Second and Corrupt too.
func TestStore(t *testing.T) {
	storetest.Run(t, storetest.Harness{
		Open: func(testing.TB) driver.Store { return ownstore.New() },
	})
}

// TestImports checks that a store needs no more of cloakroom than package driver,
// its test no more than package storetest, and both nothing else but the standard
// library.
func TestImports(t *testing.T) {
	const module = "github.com/cloakroom-go/cloakroom/"
	for list, allowed := range map[string][]string{
		".Imports":      {module + "driver"},
		".TestImports":  nil,
		".XTestImports": {module + "driver", module + "storetest", module + "examples/ownstore"},
	} {
		out, err := exec.Command("go", "list", "-f", `{{join `+list+` "\n"}}`, ".").Output()
		if err != nil {
			t.Fatalf("go list: %v", err)
		}
		for path := range strings.FieldsSeq(string(out)) {
			domain, _, _ := strings.Cut(path, "/") // the standard library has none
			if strings.Contains(domain, ".") && !slices.Contains(allowed, path) {
				t.Errorf("%s has %s", list, path)
			}
		}
	}
}

// TestNewer checks that what newer versions put into records and graves comes
// back, and what becomes of records that only those can work with.
func TestNewer(t *testing.T) {
	ctx, now := t.Context(), time.Now().UTC().Truncate(time.Millisecond)
	s := ownstore.New()
	extra := driver.ValueList{{Name: driver.ExtraLevel, JSON: json.RawMessage(`2`)}, {Name: "note", JSON: json.RawMessage(`"é"`)}}
	r := &driver.Record{
		ID: driver.NewID(driver.LayoutDay, now), Kind: driver.KindSession, App: "shop", Principal: "ann",
		Created: now.Add(-time.Hour), Expires: now.Add(-time.Minute), Deadline: now.Add(time.Hour), Extra: extra,
	}
	v, err := s.Create(ctx, r)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(ctx, r.ID); err != nil || !reflect.DeepEqual(got.Extra, extra) {
		t.Errorf("Get: %+v, error %v, want Extra %s", got, err, extra)
	}

	// Its format is raised: it is there, but not for this version.
	u := *r
	u.Extra, u.Version = extra.With(driver.ExtraFormat, json.RawMessage(`2`)), v
	if v, err = s.Update(ctx, &u); err != nil {
		t.Fatal(err)
	}
	if got, err := s.Get(ctx, r.ID); got != nil || !errors.Is(err, driver.ErrNewer) {
		t.Errorf("Get: %v, error %v, want ErrNewer", got, err)
	}
	for r, err := range s.Search(ctx, driver.Query{}) {
		t.Errorf("Search yields %v, error %v", r, err)
	}
	if report, err := s.Sweep(ctx, now); err != nil || report != (driver.SweepReport{}) {
		t.Errorf("Sweep while it is idle: %+v, error %v", report, err)
	}

	// It can be ended, and a grave is a grave in every format.
	grave := u.GraveFor(driver.EndRevoked, now, driver.NewWriteID())
	grave.Extra = u.Extra
	if err := s.Bury(ctx, r.ID, grave, v); err != nil {
		t.Errorf("Bury at its version: %v", err)
	}
	got, err := s.Get(ctx, r.ID)
	if !driver.IsGone(got, err) || !reflect.DeepEqual(*got.Grave, grave) {
		t.Errorf("Get of its grave: %+v, error %v, want %+v", got, err, grave)
	}
	if report, err := s.Sweep(ctx, grave.Until.Add(driver.ClockTolerance+1)); err != nil || report.Removed != 1 {
		t.Errorf("Sweep past its end: %+v, error %v, want it removed", report, err)
	}
}
