package cloakroom

import (
	"io"
	"net/http"
)

// This file is the optional interfaces of a ResponseWriter, such as http.Flusher.
// Handlers look for them, and some rely on one that is there. So their writer has each if
// and only if the writer has it that the server, or middleware around Manager.Handler,
// passes in.
//
// http.ResponseController looks further, through Unwrap. So that it finds no way around
// the save before the first byte, Flusher and Hijacker are there as well if it would find
// them, and FlushError always is.

//go:generate env GOWORK=off go -C internal/tools run ./writers -o ../../writers_generated.go

// optional is a set of optional interfaces.
type optional uint8

const (
	hasFlusher optional = 1 << iota
	hasHijacker
	hasPusher
	hasReaderFrom
	hasStringWriter
	hasCloseNotifier
)

// optionalOf returns the optional interfaces that the writer around w has to have.
func optionalOf(w http.ResponseWriter) (set optional) {
	if _, ok := w.(http.Flusher); ok || flushes(w) {
		set |= hasFlusher
	}
	if _, ok := w.(http.Hijacker); ok || hijacks(w) {
		set |= hasHijacker
	}
	if _, ok := w.(http.Pusher); ok {
		set |= hasPusher
	}
	if _, ok := w.(io.ReaderFrom); ok {
		set |= hasReaderFrom
	}
	if _, ok := w.(io.StringWriter); ok {
		set |= hasStringWriter
	}
	if _, ok := w.(http.CloseNotifier); ok { //nolint:staticcheck // deprecated, and gin's c.Stream calls it
		set |= hasCloseNotifier
	}
	return set
}

// flushes reports whether http.ResponseController could flush w. It passes over the
// FlushError of another manager's writer, which is always there.
func flushes(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case http.Flusher:
			return true
		case ours:
			w = t.Unwrap()
		case interface{ FlushError() error }:
			return true
		case unwrapper:
			w = t.Unwrap()
		default:
			return false
		}
	}
}

// hijacks reports whether http.ResponseController could hijack w.
func hijacks(w http.ResponseWriter) bool {
	for {
		switch t := w.(type) {
		case http.Hijacker:
			return true
		case unwrapper:
			w = t.Unwrap()
		default:
			return false
		}
	}
}

type unwrapper interface{ Unwrap() http.ResponseWriter }

// ours is the writer that Manager.Handler gives to handlers.
type ours interface {
	unwrapper
	refuse() error
}
