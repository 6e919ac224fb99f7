// Command bundle makes page/app.js of app.jsx and React's sources, which third_party has as
// npm serves them. Run it by go generate, in the folder above; it needs neither Node nor
// npm.
package main

import (
	"errors"
	"log"
	"os"
	"path/filepath"

	"github.com/evanw/esbuild/pkg/api"
)

func main() {
	text, err := bundle(".")
	if err == nil {
		err = os.WriteFile("page/app.js", text, 0o644)
	}
	if err != nil {
		log.Fatal(err)
	}
}

// bundle returns the program of the page that is in a folder.
func bundle(dir string) ([]byte, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, err
	}
	result := api.Build(api.BuildOptions{
		AbsWorkingDir:     dir,
		EntryPoints:       []string{"app.jsx"},
		NodePaths:         []string{filepath.Join(dir, "third_party")},
		Bundle:            true,
		JSX:               api.JSXAutomatic,
		Define:            map[string]string{"process.env.NODE_ENV": `"production"`},
		Target:            api.ES2022,
		Format:            api.FormatIIFE,
		MinifyWhitespace:  true,
		MinifyIdentifiers: true,
		MinifySyntax:      true,
		LegalComments:     api.LegalCommentsEndOfFile, // React's license
	})
	for _, e := range result.Errors {
		return nil, errors.New(e.Text)
	}
	return result.OutputFiles[0].Contents, nil
}
