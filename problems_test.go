package cloakroom_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/memstore"
)

// This file is the tests of Admin.Report and Admin.Summarize.

// TestReport checks the problems in Admin.Report, by code, beside those of the store.
func TestReport(t *testing.T) {
	soon := time.Now().Add(time.Hour)
	for _, tt := range []struct {
		name   string
		config cloakroom.Config
		want   []string // codes, "!" in front of those that are failures
	}{
		{"by default", cloakroom.Config{}, nil},
		{"plain HTTP", cloakroom.Config{Transport: cloakroom.Cookie{Insecure: true}}, []string{"cookie-insecure"}},
		{"a name without a prefix", cloakroom.Config{Transport: cloakroom.Cookie{Name: "sid"}}, []string{"cookie-unprefixed"}},
		{"a name with a prefix", cloakroom.Config{Transport: cloakroom.Cookie{Name: "__Host-sid"}}, nil},
		{"a prefix that siblings can have, too", cloakroom.Config{Transport: cloakroom.Cookie{Name: "__Secure-sid"}}, []string{"cookie-unprefixed"}},
		{"a prefix that older browsers don't know", cloakroom.Config{Transport: cloakroom.Cookie{Name: "__host-sid"}}, []string{"cookie-unprefixed"}},
		{"a path", cloakroom.Config{Transport: cloakroom.Cookie{Path: "/shop"}}, []string{"cookie-unprefixed"}},
		{"a domain", cloakroom.Config{Transport: cloakroom.Cookie{Domain: "example.com"}}, []string{"cookie-domain"}},
		{"a domain on plain HTTP", cloakroom.Config{Transport: cloakroom.Cookie{Domain: "example.com", Insecure: true}}, []string{"cookie-insecure", "cookie-domain"}},
		{"bearer", cloakroom.Config{Transport: cloakroom.Bearer{}}, nil},
		{"nobody sweeps", cloakroom.Config{SweepEvery: -1}, []string{"sweep-off"}},
		{"hardly any idle timeout", cloakroom.Config{IdleTimeout: driver.ClockTolerance}, []string{"idle-below-tolerance"}},
		{"no more than what goes by between touches", cloakroom.Config{IdleTimeout: driver.ClockTolerance + time.Second, TouchEvery: time.Second}, []string{"idle-below-tolerance"}},
		{"a little more", cloakroom.Config{IdleTimeout: driver.ClockTolerance + time.Second + 1, TouchEvery: time.Second}, nil},
		{"more, with a touch by every request", cloakroom.Config{IdleTimeout: driver.ClockTolerance + 1, TouchEvery: -1}, nil},
		{"hardly any lifetime", cloakroom.Config{Lifetime: driver.ClockTolerance, AnonymousLifetime: time.Minute}, []string{"lifetime-below-tolerance", "anonymous-lifetime-below-tolerance"}},
		{"settings that don't mind", cloakroom.Config{RenewGrace: time.Second, CacheFor: time.Second, SaveTimeout: time.Second}, nil},
		{"a name with another prefix", cloakroom.Config{Transport: cloakroom.Cookie{Name: "__Secure-sid"}}, []string{"cookie-unprefixed"}},
		{"all tokens are refused", cloakroom.Config{NotBefore: soon}, []string{"!not-before-future"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			store := memstore.New(&memstore.Config{MaxRecords: 1})
			defer store.Close()
			m, err := cloakroom.New(store, testKeyring(t), &tt.config)
			if err != nil {
				t.Fatal(err)
			}
			defer m.Close()
			wantProblems(t, m.Admin(), tt.want...)
			if _, err := m.Create(t.Context()); err != nil {
				t.Fatal(err)
			}
			wantProblems(t, m.Admin(), append([]string{"!store-full"}, tt.want...)...)
			wantProblems(t, cloakroom.NewAdmin(store, ""), "!store-full")
		})
	}
}

func wantProblems(t *testing.T, a *cloakroom.Admin, want ...string) {
	t.Helper()
	report, err := a.Report(t.Context())
	if err != nil || report.Engine == "" {
		t.Errorf("Report: %+v, %v", report, err)
	}
	var got []string
	for _, p := range report.Problems {
		code := p.Code
		if p.Severity == driver.SeverityFail {
			code = "!" + code
		}
		got = append(got, code)
		if p.Meaning == "" || p.Remedy == "" || p.Severity == "" {
			t.Errorf("the problem %+v is half told", p)
		}
	}
	if !slices.Equal(got, want) {
		t.Errorf("problems %q, want %q", got, want)
	}
}

// TestReportOfAStoreThatTellsNothing: a store needs no Inspector.
func TestReportOfAStoreThatTellsNothing(t *testing.T) {
	r := newRig(t, nil) // whose faulty store has none
	report, err := r.m.Admin().Report(t.Context())
	if err != nil || report.Engine == "" {
		t.Errorf("Report: %+v, %v", report, err)
	}
	if _, err := r.m.Admin().Summarize(t.Context(), driver.Query{}); !errors.Is(err, errors.ErrUnsupported) {
		t.Errorf("Summarize: %v, want ErrUnsupported", err)
	}
}

// TestSummarize counts the app's own sessions, without ledgers.
func TestSummarize(t *testing.T) {
	store := memstore.New(nil)
	defer store.Close()
	for _, app := range []string{"one", "other"} {
		m, err := cloakroom.New(store, testKeyring(t), &cloakroom.Config{App: app})
		if err != nil {
			t.Fatal(err)
		}
		defer m.Close()
		for _, principal := range []string{"", "alice"} {
			s, err := m.Create(t.Context())
			if err == nil && principal != "" {
				err = s.Login(t.Context(), principal, nil)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		sum, err := m.Admin().Summarize(t.Context(), driver.Query{App: "all", Kind: driver.KindLedger})
		if want := (driver.Summary{Records: 2, SignedIn: 1}); err != nil || sum != want {
			t.Errorf("app %q: %+v, %v, want %+v", app, sum, err, want)
		}
	}
}
