package main

import (
	"cmp"
	"runtime"
	"runtime/debug"
)

// This file is "cloakroom version".

type versionCommand struct{}

// versionLine is the version, in JSON.
type versionLine struct {
	Type     string `json:"type"` // version
	Version  string `json:"version"`
	Revision string `json:"revision,omitempty"` // of the source
	Modified bool   `json:"modified,omitempty"` // the source was changed since
	Go       string `json:"go"`
	System   string `json:"system"`
}

// Run tells the version.
func (*versionCommand) Run(t *terminal) error { //nolint:unparam // kong wants an error
	l := versionLine{Type: "version", Version: programVersion(), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH}
	l.Revision, l.Modified = buildSetting("vcs.revision"), buildSetting("vcs.modified") == "true"
	if t.json {
		t.emit(l)
		return nil
	}
	source := l.Revision
	if l.Modified {
		source += ", modified"
	}
	t.say("cloakroom %s", l.Version)
	if source != "" {
		t.say("source    %s", source)
	}
	t.say("built by  %s for %s", l.Go, l.System)
	return nil
}

// programVersion returns the version of the module that the program was built from.
func programVersion() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	return cmp.Or(info.Main.Version, "unknown")
}

// buildSetting returns a setting that the program was built with; "" if it isn't known.
func buildSetting(key string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return ""
	}
	for _, s := range info.Settings {
		if s.Key == key {
			return s.Value
		}
	}
	return ""
}
