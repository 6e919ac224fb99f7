package console

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"hash/fnv"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strconv"
	"time"
)

// This file is the embedded files: style sheets, scripts and pictures. Their addresses
// change with their content, so browsers keep them for ever.

//go:embed assets
var embedded embed.FS

//go:embed templates
var templates embed.FS

// assets serves the files.
type assets struct {
	path  string            // of the console
	names map[string]string // name to name with a hash
	files map[string][]byte // by that
}

func newAssets(path, environment, colour string) *assets {
	a := &assets{path, map[string]string{}, map[string][]byte{}}
	entries, _ := fs.ReadDir(embedded, "assets") // embedded files are always there
	for _, e := range entries {
		content, _ := fs.ReadFile(embedded, "assets/"+e.Name())
		a.add(e.Name(), content)
	}
	a.add("environment.css", environmentStyle(environment, colour))
	return a
}

func (a *assets) add(name string, content []byte) {
	sum := sha256.Sum256(content)
	ext := path.Ext(name)
	hashed := name[:len(name)-len(ext)] + "-" + hex.EncodeToString(sum[:6]) + ext
	a.names[name], a.files[hashed] = hashed, content
}

// link returns the address of a file.
func (a *assets) link(name string) (string, error) {
	hashed, ok := a.names[name]
	if !ok {
		return "", fmt.Errorf("there is no file %q", name)
	}
	return a.path + "assets/" + hashed, nil
}

// ServeHTTP serves a file to anybody: it says nothing of sessions.
func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("file")
	content, ok := a.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", typeOf(name))
	http.ServeContent(w, r, name, time.Time{}, bytes.NewReader(content))
}

// typeOf returns a file's type; the system's tables may lack it.
func typeOf(name string) string {
	switch path.Ext(name) {
	case ".css":
		return "text/css; charset=utf-8"
	case ".js":
		return "text/javascript; charset=utf-8"
	case ".svg":
		return "image/svg+xml"
	case ".md", ".txt":
		return "text/plain; charset=utf-8"
	}
	return mime.TypeByExtension(path.Ext(name))
}

// environmentStyle is the style sheet of an environment's colour. Its text is black or
// white, whichever is easier to read.
func environmentStyle(name, colour string) []byte {
	if colour == "" {
		palette := []string{"#2f5d8a", "#5a4a8f", "#2c6e62", "#8a5a1c", "#7a3b6b", "#4c6a2a"}
		h := fnv.New32a()
		h.Write([]byte(name))
		colour = palette[h.Sum32()%uint32(len(palette))]
	}
	text := "#ffffff"
	if luminance(colour) > 0.18 {
		text = "#000000"
	}
	return fmt.Appendf(nil, ":root { --environment: %s; --on-environment: %s; }\n", colour, text)
}

// luminance returns the relative luminance of #rrggbb, nearly as WCAG has it.
func luminance(colour string) float64 {
	part := func(i int) float64 {
		n, _ := strconv.ParseUint(colour[i:i+2], 16, 8) // New has checked it
		f := float64(n) / 255
		return f * f
	}
	return 0.2126*part(1) + 0.7152*part(3) + 0.0722*part(5)
}
