package main

import (
	"bufio"
	"context"
	"errors"
	"io"
)

// This file reads lines of any length.

// maxLine bounds the bytes that are kept of a line.
const maxLine = 64 << 10

// inputLine is a line, or the error that ends the lines.
type inputLine struct {
	text string // without its line end, LF or CR LF
	long bool   // the line has more bytes than text
	err  error
}

// readLines sends the lines of r, of which the last may have no line end, and then
// io.EOF or another error. It stops when the context ends, but can't interrupt a read.
func readLines(ctx context.Context, r io.Reader) <-chan inputLine {
	lines := make(chan inputLine, 256)
	go func() {
		b := bufio.NewReaderSize(r, maxLine)
		for {
			l := readLine(b)
			select {
			case lines <- l:
			case <-ctx.Done():
				return
			}
			if l.err != nil {
				return
			}
		}
	}()
	return lines
}

// readLine reads one line, and drops its bytes beyond maxLine.
func readLine(b *bufio.Reader) inputLine {
	text, err := b.ReadSlice('\n')
	l := inputLine{text: string(text)}
	for errors.Is(err, bufio.ErrBufferFull) {
		l.long = true
		_, err = b.ReadSlice('\n')
	}
	switch {
	case errors.Is(err, io.EOF) && len(l.text) > 0: // the next read returns EOF again
	case err != nil:
		return inputLine{err: err}
	}
	l.text = withoutLineEnd(l.text)
	return l
}

// withoutLineEnd removes one line end, LF or CR LF.
func withoutLineEnd(text string) string {
	n := len(text)
	if n > 0 && text[n-1] == '\n' {
		if n--; n > 0 && text[n-1] == '\r' {
			n--
		}
	}
	return text[:n]
}
