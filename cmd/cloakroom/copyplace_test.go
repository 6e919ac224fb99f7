package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file tests the file of "cloakroom copy --resume".

func TestPlaceFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "place")
	from, to := placeAt(t, "https://ann:hunter2@engine:9200/coats"), placeAt(t, "sqlite:new.db")
	var stderr bytes.Buffer
	term := &terminal{stderr: &stderr, stdout: &output{w: &bytes.Buffer{}}}
	f, err := openPlaceFile(path, from, to)
	if err != nil || f.at != "" {
		t.Fatalf("%+v %v", f, err)
	}
	f.keep("first", term)
	f.keep("too soon", term)
	text, err := os.ReadFile(path)
	if err != nil || strings.Contains(string(text), "hunter2") {
		t.Errorf("%s %v", text, err)
	}
	if again, err := openPlaceFile(path, from, to); err != nil || again.at != "first" {
		t.Errorf("%+v %v", again, err)
	}
	if _, err := openPlaceFile(path, to, from); err == nil || !strings.Contains(err.Error(), "of another copy") {
		t.Error(err)
	}
	f.done()
	f.keep("later", term)
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("the file of a pass that is whole stays: %v", err)
	}
	missing, err := openPlaceFile(filepath.Join(path, "none"), from, to)
	if err != nil {
		t.Fatal(err)
	}
	missing.keep("a", term)
	missing.keep("b", term)
	if told := stderr.String(); strings.Count(told, "can't be kept") != 1 {
		t.Errorf("told: %q", told)
	}
}

// TestResume: it is told that what it counts isn't everything.
func TestResume(t *testing.T) {
	noVariables(t)
	folder := t.TempDir()
	path, file := filepath.Join(folder, "place"), filepath.Join(folder, "from.db")
	fileShop(t, file, false)
	store, err := sqlitestore.Open(t.Context(), file, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	part, err := store.List(t.Context(), "")
	if err != nil || part.Next == "" {
		t.Fatalf("%+v %v", part, err)
	}
	from, to := "sqlite:"+file, "sqlite:"+filepath.Join(folder, "to.db")
	text, err := json.Marshal(copyPlace{placeAt(t, from).String(), placeAt(t, to).String(), part.Next})
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	exit, stdout, stderr := command(t, "", "copy", "--from", from, "--to", to, "--resume", path)
	if exit != exitOK || !strings.Contains(stderr, "goes on where it was interrupted") {
		t.Errorf("exit %d\n%s%s", exit, stdout, stderr)
	}
	if exit, stdout, stderr = command(t, "", "compare", "--from", from, "--to", to); exit != exitOK {
		t.Errorf("exit %d\n%s%s", exit, stdout, stderr)
	}
}

func placeAt(t *testing.T, text string) place.Place {
	t.Helper()
	p, err := place.Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestCopyGoesOn: a copy that goes on counts all that the source has.
func TestCopyGoesOn(t *testing.T) {
	noVariables(t)
	folder := t.TempDir()
	source, target, path := filepath.Join(folder, "from.db"), filepath.Join(folder, "to.db"), filepath.Join(folder, "place")
	crowd(t, source, 50)
	from, err := place.Parse("sqlite:" + source)
	if err != nil {
		t.Fatal(err)
	}
	to, err := place.Parse("sqlite:" + target)
	if err != nil {
		t.Fatal(err)
	}
	f, err := openPlaceFile(path, from, to)
	if err != nil {
		t.Fatal(err)
	}
	f.keep("20."+strings.Repeat("A", 26), &terminal{})
	exit, stdout, stderr := command(t, "", "copy", "--from", "sqlite:"+source, "--to", "sqlite:"+target, "--resume", path)
	if exit != exitOK || !strings.Contains(stdout, "Copied 50 records of 50.") {
		t.Errorf("exit %d\n%s%s", exit, stdout, stderr)
	}
}

// TestPlaceIsNone: a file with a place that is none says what to do.
func TestPlaceIsNone(t *testing.T) {
	noVariables(t)
	folder := t.TempDir()
	from, to, path := filepath.Join(folder, "from.db"), filepath.Join(folder, "to.db"), filepath.Join(folder, "place")
	fileShop(t, from, false)
	text, err := json.Marshal(copyPlace{From: fmt.Sprintf("SQLite, %q", from), To: fmt.Sprintf("SQLite, %q", to), Place: "nowhere"})
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	var stdout, stderr bytes.Buffer
	exit := run(t.Context(), []string{"copy", "--from", "sqlite:" + from, "--to", "sqlite:" + to, "--resume", path}, nil, &stdout, &stderr)
	if exit != exitFailed || !strings.Contains(stderr.String(), "--resume: ") || !strings.Contains(stderr.String(), "remove the file") {
		t.Errorf("exit %d: %s", exit, &stderr)
	}
}
