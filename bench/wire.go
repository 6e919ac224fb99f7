package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// This file is a small HTTP client.

// wire is a browser on a connection of its own that stays open. It is as small as
// possible, since it shares the machine with the measured sides.
type wire struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
	body []byte
}

// online starts the site on loopback, and returns a function that opens browsers for it.
func (s *site) online(b *Bench) (open func() (browser, error), err error) {
	ln, err := loopback(b)
	if err != nil {
		return nil, err
	}
	b.Cleanup(s.serve(ln))
	var dialer net.Dialer
	return func() (browser, error) {
		conn, err := dialer.DialContext(b, "tcp", ln.Addr().String())
		if err != nil {
			return nil, err
		}
		b.Cleanup(conn.Close)
		return newWire(conn), nil
	}, nil
}

func newWire(conn net.Conn) *wire { return &wire{conn: conn, in: bufio.NewReader(conn)} }

func (w *wire) ask(_ context.Context, page, cookie string) (status int, set string, body []byte, err error) {
	w.out = append(w.out[:0], "GET "...)
	w.out = append(w.out, page...)
	w.out = append(w.out, " HTTP/1.1\r\nHost: localhost\r\nUser-Agent: "+userAgent...)
	if cookie != "" {
		w.out = append(w.out, "\r\nCookie: "...)
		w.out = append(w.out, cookie...)
	}
	w.out = append(w.out, "\r\n\r\n"...)
	if _, err := w.conn.Write(w.out); err != nil {
		return 0, "", nil, err
	}
	return w.answer()
}

var (
	headLength = []byte("content-length:")
	headSet    = []byte("set-cookie:")
)

func (w *wire) answer() (status int, set string, body []byte, err error) {
	line, err := w.in.ReadSlice('\n')
	if err != nil {
		return 0, "", nil, err
	}
	if len(line) < len("HTTP/1.1 200") {
		return 0, "", nil, fmt.Errorf("a status line of %d bytes", len(line))
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, "", nil, fmt.Errorf("status line: %w", err)
	}
	length := -1
	for {
		if line, err = w.in.ReadSlice('\n'); err != nil {
			return 0, "", nil, err
		}
		line = bytes.TrimRight(line, "\r\n")
		if len(line) == 0 {
			break
		}
		if v, ok := header(line, headLength); ok {
			if length, err = strconv.Atoi(string(v)); err != nil {
				return 0, "", nil, fmt.Errorf("content-length: %w", err)
			}
		} else if v, ok := header(line, headSet); ok && set == "" {
			pair, _, _ := bytes.Cut(v, []byte(";"))
			set = string(pair)
		}
	}
	if length < 0 {
		return 0, "", nil, errors.New("an answer without Content-Length")
	}
	w.body = append(w.body[:0], make([]byte, length)...)
	_, err = io.ReadFull(w.in, w.body)
	return status, set, w.body, err
}

func header(line, name []byte) ([]byte, bool) {
	if len(line) < len(name) || !bytes.EqualFold(line[:len(name)], name) {
		return nil, false
	}
	return bytes.TrimSpace(line[len(name):]), true
}
