package demo

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"html/template"
	"io/fs"
	"net/http"
	"strings"
)

// This file is the embedded files: style sheet, script and pictures.

//go:embed assets
var assets embed.FS

//go:embed templates
var templates embed.FS

// assetHash changes with any of the assets.
var assetHash = hashOf(assets)

func hashOf(files fs.FS) string {
	h := sha256.New()
	// Reading embedded files never fails.
	_ = fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		content, err := fs.ReadFile(files, path)
		h.Write([]byte(path))
		h.Write(content)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// assetPath returns the path of an asset, which changes with its content.
func assetPath(name string) string { return "/assets/" + name + "?v=" + assetHash }

// assetServer serves the assets. Browsers keep each as long as its path stays the same.
// It never touches a session.
func assetServer() http.Handler {
	files := http.FileServerFS(assets)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/") { // no listings
			http.NotFound(w, r)
			return
		}
		cache := "no-cache"
		if r.URL.Query().Get("v") == assetHash {
			cache = "public, max-age=31536000, immutable"
		}
		w.Header().Set("Cache-Control", cache)
		files.ServeHTTP(w, r)
	})
}

var pages = template.Must(template.New("").
	Funcs(template.FuncMap{"asset": assetPath, "art": art}).
	ParseFS(templates, "templates/*.html"))

// art returns an item's picture, which is a trusted file of ours.
func art(id string) (template.HTML, error) {
	svg, err := templates.ReadFile("templates/art/" + id + ".svg")
	return template.HTML(svg), err
}
