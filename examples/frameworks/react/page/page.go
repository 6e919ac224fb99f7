// Package page is what browsers get of the React example. app.js is made by go generate, in
// the folder above.
package page

import "embed"

// Files are the page's.
//
//go:embed app.js index.html style.css
var Files embed.FS
