package main

import (
	"bufio"
	"context"
	"errors"
	"io"
)

// This file reads lines of any length.

// maxLine is how many bytes of a line are kept.
const maxLine = 64 << 10

// inputLine is a line, or the error that there are no more for.
type inputLine struct {
	text string // without its line end, LF or CR LF
	long bool   // there is more of it
	err  error
}

// readLines reads the lines of r, of which the last may have no line end. At the end
// comes io.EOF or another error. It stops when the context ends, but for a read that
// is under way.
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

// readLine reads one line. What is too much of it is read and dropped.
func readLine(b *bufio.Reader) inputLine {
	text, err := b.ReadSlice('\n')
	l := inputLine{text: string(text)}
	for errors.Is(err, bufio.ErrBufferFull) {
		l.long = true
		_, err = b.ReadSlice('\n')
	}
	switch {
	case errors.Is(err, io.EOF) && len(l.text) > 0: // the next read says so again
	case err != nil:
		return inputLine{err: err}
	}
	l.text = withoutLineEnd(l.text)
	return l
}

// withoutLineEnd takes one line end off, LF or CR LF.
func withoutLineEnd(text string) string {
	n := len(text)
	if n > 0 && text[n-1] == '\n' {
		if n--; n > 0 && text[n-1] == '\r' {
			n--
		}
	}
	return text[:n]
}
