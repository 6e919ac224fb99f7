package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
)

// This file is the ceiling of saves by compare-and-set: _bulk whose prepared bodies have a
// gap for each document's version.

// versionGap is the room for a number. JSON allows spaces before it.
const versionGap = 12

// casBody is a request with some documents, and the places of their gaps.
type casBody struct {
	docs []*place
	text []byte
	gaps []int
}

func newCASBody(docs []*place) (*casBody, error) {
	c := &casBody{docs: docs}
	for _, p := range docs {
		id, err := json.Marshal(p.id)
		if err != nil {
			return nil, err
		}
		c.text = fmt.Appendf(c.text, `{"index":{"_id":%s,"if_primary_term":%d,"if_seq_no":`, id, p.term)
		c.gaps = append(c.gaps, len(c.text))
		c.text = fmt.Appendf(c.text, "%*s}}\n%s\n", versionGap, "", p.source)
	}
	return c, nil
}

// fill puts the newest versions into the gaps.
func (c *casBody) fill() {
	for i, p := range c.docs {
		gap := c.text[c.gaps[i]:][:versionGap]
		var number [20]byte
		digits := strconv.AppendInt(number[:0], int64(p.seq), 10)
		n := copy(gap, bytes.Repeat([]byte{' '}, versionGap-len(digits)))
		copy(gap[n:], digits)
	}
}

var errNoVersion = errors.New("a document's answer has no version")

// take reads the new versions from the answer, which has them in the order of the request.
func (c *casBody) take(answer []byte) error {
	word := []byte(`"_seq_no":`)
	for _, p := range c.docs {
		_, rest, ok := bytes.Cut(answer, word)
		if !ok {
			return errNoVersion
		}
		end := bytes.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
		seq, err := strconv.Atoi(string(rest[:max(0, end)]))
		if err != nil {
			return errNoVersion
		}
		p.seq, answer = seq, rest
	}
	return nil
}

// cas lets requests in flight save documents of their own, size at a time.
func (s *single) cas(by batches) (load, error) {
	own := make([][]*casBody, by.inFlight)
	each := len(s.docs) / by.inFlight
	for i := range own {
		for part := range slices.Chunk(s.docs[i*each:(i+1)*each], by.size) {
			c, err := newCASBody(part)
			if err != nil {
				return nil, err
			}
			if len(part) == by.size {
				own[i] = append(own[i], c)
			}
		}
	}
	return func(ctx context.Context, caller, turn int) error {
		c := own[caller][turn%len(own[caller])]
		c.fill()
		buf := buffers.Get().(*[]byte)
		defer buffers.Put(buf)
		answer, err := s.ask(ctx, "POST", "/"+s.index+"/_bulk", c.text, (*buf)[:0])
		if err != nil {
			return err
		}
		*buf = answer
		if n := bytes.Count(answer, []byte(`"status":200`)); n != by.size {
			return fmt.Errorf("%d of %d documents were saved", n, by.size)
		}
		s.writes.Add(int64(by.size))
		return c.take(answer)
	}, nil
}

// casSides have documents of their own, whose versions nobody else changes.
func casSides(b *Bench, n int) ([]Side, error) {
	s, err := openSingle(b, n)
	if err != nil {
		return nil, err
	}
	check := once(s.check)
	var sides []Side
	for _, by := range fewBatches {
		op, err := s.cas(by)
		if err != nil {
			return nil, err
		}
		side := b.lots(by.of("cas"), engineSettings, by.inFlight, by.size, op, check)
		side.Series = "prepared compare-and-set _bulk"
		sides = append(sides, side)
	}
	return sides, nil
}
