package place

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
)

// This file is the folder where the program keeps its data.

// dataPath returns the path of the folder where the program keeps its data.
func dataPath() (string, error) {
	home, _ := os.UserHomeDir() // "" if there is none
	return dataPathOf(runtime.GOOS, home, os.Getenv)
}

// dataPathOf follows each system's conventions. It takes absolute paths only, as the XDG
// specification asks.
func dataPathOf(system, home string, getenv func(string) string) (string, error) {
	var base string
	switch system {
	case "windows":
		base = getenv("LocalAppData")
	case "darwin", "ios":
		base = under(home, "Library", "Application Support")
	default:
		if base = getenv("XDG_DATA_HOME"); !filepath.IsAbs(base) {
			base = under(home, ".local", "share")
		}
	}
	if !filepath.IsAbs(base) {
		return "", errors.New("there is no home folder to keep data in: set HOME, or name a place with --store")
	}
	return filepath.Join(base, "cloakroom"), nil
}

func under(home string, parts ...string) string {
	if home == "" {
		return ""
	}
	return filepath.Join(append([]string{home}, parts...)...)
}
