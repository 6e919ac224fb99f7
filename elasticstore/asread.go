package elasticstore

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the copy of a record that was written: what a read of its document would
// return, made without decoding the document.

// readsAsIs reports whether a record's document decodes to what asRead returns. Texts
// that aren't UTF-8, and JSON with spaces around it or line breaks in it, come back
// changed. So does a list that isn't in order. They are rare.
func readsAsIs(r *driver.Record) bool {
	return len(r.WriteIDs) <= driver.MaxWriteIDs && r.Grave == nil &&
		utf8.ValidString(r.Client.Address) && utf8.ValidString(r.Client.UserAgent) &&
		listReadsAsIs(r.Values) && listReadsAsIs(r.Extra) && driver.CheckFormat(r.Extra) == nil
}

func listReadsAsIs(l driver.ValueList) bool {
	for i, v := range l {
		n := len(v.JSON)
		switch {
		case n == 0 || v.JSON[0] <= ' ' || v.JSON[n-1] <= ' ',
			bytes.IndexByte(v.JSON, '\n') >= 0, bytes.IndexByte(v.JSON, '\r') >= 0,
			i > 0 && l[i-1].Name >= v.Name:
			return false
		}
	}
	return true
}

// asRead returns a record as a read at v would. It shares no memory with r but the names
// of values and of the app. What r points to may be a part of something larger: a
// verifier of the whole record that was read before, a principal of a form that was
// sent. The copy would keep all that in memory without counting it.
func asRead(r *driver.Record, v driver.Version) *driver.Record {
	keep := &room{rec: *r}
	c := &keep.rec
	c.Version = v
	for _, t := range []*time.Time{&c.Created, &c.Authenticated, &c.Seen, &c.Expires, &c.Deadline, &c.PreviousEnds} {
		*t = time.UnixMilli(t.UnixMilli()).UTC()
	}
	c.Verifier, c.Previous, c.WriteIDs = nil, nil, nil // as empty ones are read
	if len(r.Verifier) > 0 {
		c.Verifier = append(keep.verifier[:0], r.Verifier...)
	}
	if len(r.Previous) > 0 {
		c.Previous = bytes.Clone(r.Previous)
	}
	if len(r.WriteIDs) > 0 {
		c.WriteIDs = append(keep.writeIDs[:0], r.WriteIDs...)
	}
	c.Principal, c.Client = ownTexts(r.Principal, r.Client)
	c.Values, c.Extra = packed(r.Values), packed(r.Extra)
	return c
}

// ownTexts returns copies of these texts, in one piece of memory. (A sum of strings is one of
// them itself if the others are empty.)
func ownTexts(principal string, client driver.Client) (string, driver.Client) {
	var b strings.Builder
	b.Grow(len(principal) + len(client.Address) + len(client.UserAgent))
	b.WriteString(principal)
	b.WriteString(client.Address)
	b.WriteString(client.UserAgent)
	all := b.String()
	address := len(principal) + len(client.Address)
	return all[:len(principal)], driver.Client{Address: all[len(principal):address], UserAgent: all[address:]}
}

// packed returns a list whose values are in one piece of memory; nil if it is empty.
func packed(l driver.ValueList) driver.ValueList {
	if len(l) == 0 {
		return nil
	}
	n := 0
	for _, v := range l {
		n += len(v.JSON)
	}
	all := make([]byte, 0, n)
	next := make(driver.ValueList, len(l))
	for i, v := range l {
		from := len(all)
		all = append(all, v.JSON...)
		next[i] = driver.Value{Name: v.Name, JSON: all[from:len(all):len(all)]} // nobody appends into the next value
	}
	return next
}
