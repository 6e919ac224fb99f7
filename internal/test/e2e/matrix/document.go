package main

import (
	"bytes"
	_ "embed"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"text/template"
	"time"
)

//go:embed engines.md.tmpl
var page string

// document is the page about a run of all engines.
func document(results []result, began time.Time, seed int64, beside int) []byte {
	functions := template.FuncMap{"oneline": func(err error) string {
		return strings.Join(strings.Fields(err.Error()), " ")
	}}
	var b bytes.Buffer
	t := template.Must(template.New("").Funcs(functions).Parse(page))
	err := t.Execute(&b, map[string]any{
		"Results": results, "Beside": fmt.Sprintf("%d engines at a time", beside), "Date": began.UTC().Format(time.DateOnly), "Seed": seed,
		"Minutes": time.Since(began).Round(time.Minute).Minutes(),
		"Go":      runtime.Version(), "System": runtime.GOOS + "/" + runtime.GOARCH, "CPUs": runtime.NumCPU(),
	})
	if err != nil {
		panic(err)
	}
	return b.Bytes()
}

// The cells of a row.

// Engine is what the engine calls itself, or what it would be.
func (r result) Engine() string {
	if r.engine == "" {
		return r.name + ", which did not start"
	}
	return r.engine
}

// Security says how the store got in.
func (r result) Security() string {
	if r.role == nil {
		return "off"
	}
	return "TLS, least rights"
}

// Suite counts the tests of the conformance suite.
func (r result) Suite() string { return r.suite.String() }

// Imports counts the tests of imports of Dancer's sessions.
func (r result) Imports() string {
	if r.role != nil {
		return "—"
	}
	return r.imports.String()
}

// Operations counts those of the workload.
func (r result) Operations() string {
	if r.history == nil {
		return "not run"
	}
	return strconv.Itoa(r.history.Ops)
}

// Unknown counts the operations whose outcome nobody was told.
func (r result) Unknown() string {
	if r.history == nil {
		return "—"
	}
	return strconv.Itoa(r.history.Unknown())
}

// Violations counts the families of sessions that broke a promise.
func (r result) Violations() string {
	if r.history == nil {
		return "—"
	}
	return strconv.Itoa(r.history.Failed)
}

// Seconds is how long everything took, the start included.
func (r result) Seconds() string { return strconv.Itoa(int(r.took.Round(time.Second).Seconds())) }

// Verdict is one word.
func (r result) Verdict() string {
	if r.err != nil {
		return "**failed**"
	}
	return "passed"
}

// Err is what went wrong, or nil.
func (r result) Err() error { return r.err }
