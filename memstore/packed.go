package memstore

import (
	"bytes"
	"encoding/binary"
	"time"
	"unique"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file packs records into little memory.

// packed is a record or a grave in little memory. Most of it is one piece without
// pointers, over which the garbage collector passes. Its text begins with a byte of
// flags and the version; the rest is in pack's form.
type packed struct {
	text   []byte
	common unique.Handle[common]
}

// common is the fields that many records share, kept once.
type common struct {
	kind       driver.Kind
	app, agent string
	reason     driver.EndReason // of a grave
}

const (
	isGrave byte = 1 << iota
	isPersistent
	hasExtra // for few records
)

// pack packs a record. Times are kept to the millisecond, as distances to each other.
func pack(r *driver.Record) packed {
	var room [2048]byte // most records fit
	b, c := room[:0], common{kind: r.Kind, app: r.App, agent: r.Client.UserAgent}
	if g := r.Grave; g != nil {
		b, c = append(b, isGrave), common{reason: g.Reason, app: g.App}
		if len(g.Extra) > 0 {
			b[0] |= hasExtra
		}
		b = binary.AppendUvarint(b, r.Version.Seq)
		b = appendTime(b, g.Until, 0)
		b = appendTime(b, g.At, g.Until.UnixMilli())
		b = append(b, g.Successor[:]...)
		b = appendBytes(b, g.Principal)
		b = appendHistory(b, g.Writes, g.WriteIDs)
		if len(g.Extra) > 0 {
			b = appendValues(b, g.Extra)
		}
		return packed{bytes.Clone(b), unique.Make(c)}
	}
	var flags byte
	if r.Persistent {
		flags = isPersistent
	}
	if len(r.Extra) > 0 {
		flags |= hasExtra
	}
	b = binary.AppendUvarint(append(b, flags), r.Version.Seq)
	b = appendTime(b, r.Created, 0)
	for _, t := range []time.Time{r.Expires, r.Deadline, r.Authenticated, r.Seen, r.PreviousEnds} {
		b = appendTime(b, t, r.Created.UnixMilli())
	}
	b = appendBytes(b, r.Principal)
	b = appendBytes(b, r.Client.Address)
	b = appendBytes(b, r.Verifier)
	b = appendBytes(b, r.Previous)
	b = appendHistory(b, r.Writes, r.WriteIDs)
	b = appendValues(b, r.Values)
	if len(r.Extra) > 0 {
		b = appendValues(b, r.Extra)
	}
	return packed{bytes.Clone(b), unique.Make(c)}
}

func appendValues(b []byte, list driver.ValueList) []byte {
	b = binary.AppendUvarint(b, uint64(len(list)))
	for _, v := range list {
		b = appendBytes(b, v.Name)
		b = appendBytes(b, v.JSON)
	}
	return b
}

func appendBytes[T ~string | ~[]byte](b []byte, t T) []byte {
	return append(binary.AppendUvarint(b, uint64(len(t))), t...)
}

// appendTime appends a time as its distance to another; 0 stands for no time.
func appendTime(b []byte, t time.Time, from int64) []byte {
	if t.IsZero() {
		return append(b, 0)
	}
	d := t.UnixMilli() - from
	if d >= 0 {
		d++
	}
	return binary.AppendVarint(b, d)
}

func appendHistory(b []byte, writes uint64, ids []driver.WriteID) []byte {
	b = binary.AppendUvarint(binary.AppendUvarint(b, writes), uint64(len(ids)))
	for _, w := range ids {
		b = append(b, w[:]...)
	}
	return b
}

// state returns the state that a compare-and-set asks for.
func (p packed) state() state {
	u := unpacker(p.text[1:])
	return state{grave: p.text[0]&isGrave != 0, version: version(u.number())}
}

// unpack returns the record of an id.
func (p packed) unpack(id driver.ID) *driver.Record {
	r := new(driver.Record)
	u := p.head(id, r)
	if g := r.Grave; g != nil {
		g.Writes, g.WriteIDs = u.history()
		if p.text[0]&hasExtra != 0 {
			g.Extra = u.values()
		}
		return r
	}
	r.Verifier, r.Previous = u.bytes(), u.bytes()
	r.Writes, r.WriteIDs = u.history()
	r.Values = u.values()
	if p.text[0]&hasExtra != 0 {
		r.Extra = u.values()
	}
	return r
}

// head sets the fields that queries and sweeps need: all but the lists, the verifiers and
// the history. The unpacker that it returns has the rest.
func (p packed) head(id driver.ID, r *driver.Record) unpacker {
	flags, u, c := p.text[0], unpacker(p.text[1:]), p.common.Value()
	*r = driver.Record{ID: id, Version: version(u.number())}
	if flags&isGrave != 0 {
		g := &driver.Grave{Reason: c.reason, App: c.app, Until: u.time(0)}
		g.At = u.time(g.Until.UnixMilli())
		g.Successor = driver.ID(u.take(len(g.Successor)))
		g.Principal = string(u.bytes())
		r.Grave = g
		return u
	}
	r.Kind, r.App, r.Persistent = c.kind, c.app, flags&isPersistent != 0
	r.Created = u.time(0)
	for _, t := range []*time.Time{&r.Expires, &r.Deadline, &r.Authenticated, &r.Seen, &r.PreviousEnds} {
		*t = u.time(r.Created.UnixMilli())
	}
	r.Principal = string(u.bytes())
	r.Client = driver.Client{Address: string(u.bytes()), UserAgent: c.agent}
	return u
}

// unpacker is the text that hasn't been unpacked yet.
type unpacker []byte

// take returns the next n bytes. An append to them copies them.
func (u *unpacker) take(n int) []byte {
	b := (*u)[:n:n]
	*u = (*u)[n:]
	return b
}

func (u *unpacker) number() uint64 {
	v, n := binary.Uvarint(*u)
	*u = (*u)[n:]
	return v
}

// bytes reads a list of bytes, nil for none.
func (u *unpacker) bytes() []byte {
	n := int(u.number()) //nolint:gosec // a length that appendBytes wrote
	if n == 0 {
		return nil
	}
	return u.take(n)
}

func (u *unpacker) time(from int64) time.Time {
	d, n := binary.Varint(*u)
	*u = (*u)[n:]
	switch {
	case d == 0:
		return time.Time{}
	case d > 0:
		d--
	}
	return time.UnixMilli(from + d).UTC()
}

func (u *unpacker) history() (writes uint64, ids []driver.WriteID) {
	writes = u.number()
	n := u.number()
	if n == 0 {
		return writes, nil
	}
	ids = make([]driver.WriteID, n)
	for i := range ids {
		copy(ids[i][:], u.take(len(ids[i])))
	}
	return writes, ids
}

func (u *unpacker) values() driver.ValueList {
	list := make(driver.ValueList, u.number())
	for i := range list {
		list[i] = driver.Value{Name: string(u.bytes()), JSON: u.bytes()}
	}
	return list
}
