package cloakroom

import "net/http"

// This file is the refusal: the answer to a request that is turned down, because more of
// them come than the store can serve. In a rush most answers are refusals, and what they
// cost is taken from the requests that could be served. So they cost next to nothing: the
// answer allocates nothing, unless Config.OnError writes it. Before that, a request that is
// turned down when it asks for its session has allocated its place in Handler.

// refusal is what each refusal sends. It is made once and only read: nobody is to write
// into the values of a header, which net/http doesn't, nor does http.Header.
type refusal struct {
	plain bool // OnError is the default, and this takes its place

	cacheControl, retryAfter, contentType, noSniff []string
	text                                           []byte
}

// retryAfter is the Retry-After of an answer of 503, in seconds.
const retryAfter = "2"

func newRefusal(plain bool) refusal {
	return refusal{
		plain:        plain,
		cacheControl: []string{"no-store"}, retryAfter: []string{retryAfter},
		contentType: []string{"text/plain; charset=utf-8"}, noSniff: []string{"nosniff"},
		text: []byte(textUnavailable + "\n"),
	}
}

// write answers a request that was turned down, as answer and plainError would.
func (f *refusal) write(w http.ResponseWriter) {
	h := w.Header()
	deleteCaching(h)
	h["Cache-Control"], h["Retry-After"] = f.cacheControl, f.retryAfter
	h["Content-Type"], h["X-Content-Type-Options"] = f.contentType, f.noSniff
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = w.Write(f.text)
}
