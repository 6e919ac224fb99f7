package cloakroom

import (
	"maps"
	"net/http"
)

// This file is what becomes of the headers of a response that an error takes the place
// of.

// takeBack puts headers back to what they were outside of Handler: what was set inside
// speaks of a response that isn't sent.
func takeBack(h, outside http.Header) {
	clear(h)
	maps.Copy(h, outside)
	delete(h, "Content-Length") // whose ever it was, an error has another
}

// takeBackAny deletes the headers that speak of a response that isn't sent. It is for
// where nobody knows who set which, so it leaves those that may be right for any
// response.
func takeBackAny(h http.Header) {
	for _, name := range []string{
		"Accept-Ranges", "Cache-Control", "Content-Digest", "Content-Disposition", "Content-Encoding", "Content-Language",
		"Content-Length", "Content-Location", "Content-Range", "Content-Type", "Etag", "Expires", "Last-Modified", "Link",
		"Location", "Refresh", "Repr-Digest", "Set-Cookie", "Trailer",
	} {
		delete(h, name)
	}
}
