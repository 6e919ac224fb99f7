package cloakroom

import (
	"maps"
	"net/http"
)

// This file is the headers of an error page: those of the response whose place it takes
// are taken back.

// takeBack puts headers back to those that were set outside of Handler. Headers set
// inside are about a response that isn't sent.
func takeBack(h, outside http.Header) {
	clear(h)
	maps.Copy(h, outside)
	delete(h, "Content-Length") // whoever set it, an error has another length
}

// takeBackAny deletes the headers that are about a response that isn't sent. It is for a
// call outside of Handler, where nobody knows who set which, so it leaves those that may
// be right for any response. Those for caches are forbidCaching's.
func takeBackAny(h http.Header) {
	for _, name := range []string{
		"Accept-Ranges", "Content-Digest", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Length",
		"Content-Location", "Content-Range", "Content-Type", "Etag", "Last-Modified", "Link", "Location", "Refresh",
		"Repr-Digest", "Set-Cookie", "Trailer",
		"X-Accel-Redirect", "X-Sendfile", // a proxy would send a file in the error's place
	} {
		delete(h, name)
	}
}
