package elasticstore

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file decodes documents into records and graves.

// decoder reads the documents of one answer, one after the other. Words that several
// of them share are kept once.
type decoder struct {
	words []string
	spans []span // of one document's values
	extra []span // of its unknown members
	texts texts
}

// texts are the strings of one document. They are set once all are read, as parts of
// one string: one allocation for all of them.
type texts struct {
	bytes []byte // of all, one after the other
	parts []part
}

// part is one string of texts: its destination, and its end among the bytes of all.
type part struct {
	into *string
	end  int
}

// add appends a string, for into.
func (t *texts) add(text []byte, into *string) {
	t.bytes = append(t.bytes, text...)
	t.parts = append(t.parts, part{into, len(t.bytes)})
}

// set sets all strings, and forgets them.
func (t *texts) set() {
	all, from := string(t.bytes), 0
	for _, p := range t.parts {
		*p.into, from = all[from:p.end], p.end
	}
	t.bytes, t.parts = t.bytes[:0], t.parts[:0]
}

// span is the place of a value in an answer.
type span struct {
	name     string
	from, to int
}

// document is a document as a decoder read it. Of its slices only id is part of the
// answer.
type document struct {
	rec   *driver.Record
	grave driver.Grave
	id    []byte // as it is written
	raw   []byte
}

// room is the memory for a record and for the slices that nearly every record has, in
// one allocation.
type room struct {
	rec      driver.Record
	writeIDs [driver.MaxWriteIDs]driver.WriteID
	verifier [36]byte // base64 needs these to decode 34
}

// decode reads a single document.
func decode(id driver.ID, source []byte, v driver.Version) (*driver.Record, error) {
	sc := scanner{data: source}
	var d document
	new(decoder).read(&sc, &d)
	if err := sc.end(); err != nil {
		return nil, cantRead(source, err)
	}
	return d.record(id, v)
}

// cantRead returns the reason why a document can't be read. err is the decoder's error
// somewhere in it. A document of a newer format may differ anywhere from the known
// ones, so cantRead looks for its format first.
func cantRead(source []byte, err error) error {
	sc := scanner{data: source}
	var raw []byte
	sc.object(func(name []byte) {
		value := sc.skip()
		if string(name) == driver.ExtraFormat {
			raw = value
		}
	})
	if sc.end() != nil || raw == nil {
		return err
	}
	if newer := driver.CheckFormat(driver.ValueList{{Name: driver.ExtraFormat, JSON: raw}}); errors.Is(newer, driver.ErrNewer) {
		return newer
	}
	return err
}

// record makes a record of a document, or a record with a grave. Its error is
// driver.ErrNewer, or names the fault without the document's contents.
func (d *document) record(id driver.ID, v driver.Version) (*driver.Record, error) {
	if d.rec == nil {
		return nil, errors.New("it is empty")
	}
	if d.rec.Kind != kindGrave {
		if err := driver.CheckFormat(d.rec.Extra); err != nil {
			return nil, err
		}
	}
	if d.raw != nil {
		sc := scanner{data: d.raw}
		d.rec.Values = new(decoder).values(&sc)
		if err := sc.end(); err != nil {
			return nil, fmt.Errorf("in raw: %w", err)
		}
	}
	if !spells(d.id, id) {
		return nil, errors.New("it has another id inside")
	}
	switch d.rec.Kind {
	case driver.KindSession, driver.KindLedger:
		d.rec.ID, d.rec.Version = id, v
		return d.rec, nil
	case kindGrave:
		g := d.grave
		g.Until, g.App, g.Principal = d.rec.Deadline, d.rec.App, d.rec.Principal
		g.Writes, g.WriteIDs, g.Extra = d.rec.Writes, d.rec.WriteIDs, d.rec.Extra
		return &driver.Record{ID: id, Version: graveVersion(v), Grave: &g}, nil
	}
	return nil, errors.New("it is of no known kind")
}

// graveMark is set in the version of a grave that was read. The engine would let a
// compare-and-set at a grave's version overwrite the grave; the mark tells such a
// version without asking.
const graveMark = 1 << 63

func graveVersion(v driver.Version) driver.Version {
	return driver.Version{Term: v.Term | graveMark, Seq: v.Seq}
}

// read reads one document. Its faults are the scanner's error.
func (d *decoder) read(s *scanner, into *document) {
	keep := new(room)
	*into = document{rec: &keep.rec}
	d.extra = d.extra[:0]
	s.object(func(name []byte) { d.member(s, name, into, keep) })
	if len(d.extra) > 0 && s.err == nil {
		keep.rec.Extra = copyExtra(s.data, d.extra)
	}
	d.texts.set()
}

// member reads one member of a document by its name.
func (d *decoder) member(s *scanner, name []byte, into *document, keep *room) { //nolint:funlen // a table of the members
	r := into.rec
	switch string(name) {
	case "kind":
		switch string(s.text()) {
		case string(driver.KindSession):
			r.Kind = driver.KindSession
		case string(driver.KindLedger):
			r.Kind = driver.KindLedger
		case string(kindGrave):
			r.Kind = kindGrave
		}
	case "app":
		if !s.null() {
			r.App = d.word(s.text())
		}
	case "principal":
		d.str(s, &r.Principal)
	case "id":
		into.id = s.text()
	case "created":
		r.Created = s.time()
	case "authenticated":
		r.Authenticated = s.time()
	case "seen":
		r.Seen = s.time()
	case "expires":
		r.Expires = s.time()
	case "deadline":
		r.Deadline = s.time()
	case "verifier":
		r.Verifier = s.bytes(keep.verifier[:0])
	case "previous":
		r.Previous = s.bytes(nil)
	case "previousEnds":
		r.PreviousEnds = s.time()
	case "persistent":
		r.Persistent = s.boolean()
	case "client":
		s.object(func(name []byte) {
			switch string(name) {
			case "address":
				d.str(s, &r.Client.Address)
			case "agent":
				d.str(s, &r.Client.UserAgent)
			default:
				s.skip()
			}
		})
	case "writes":
		r.Writes = s.natural()
	case "revs":
		r.WriteIDs = keep.writeIDs[:0]
		s.array(func() {
			w := s.writeID()
			if len(r.WriteIDs) < driver.MaxWriteIDs*8 { // more than any version writes
				r.WriteIDs = append(r.WriteIDs, w)
			}
		})
	case "values":
		r.Values = d.values(s)
	case "raw":
		into.raw = s.bytes(nil)
	case "at":
		into.grave.At = s.time()
	case "reason":
		into.grave.Reason = driver.EndReason(s.str())
	case "successor":
		into.grave.Successor = s.id()
	default: // a later version's, or an operator's
		word := d.word(name)
		s.peek()
		from := s.pos
		s.skip()
		d.extra = append(d.extra, span{word, from, s.pos})
	}
}

// copyExtra returns members as a list, in a copy of their own, as values does. They
// may stand anywhere in the document.
func copyExtra(data []byte, spans []span) driver.ValueList {
	n := 0
	for _, p := range spans {
		n += p.to - p.from
	}
	all := make([]byte, 0, n)
	extra := make([]driver.Value, len(spans))
	for i, p := range spans {
		from := len(all)
		all = append(all, data[p.from:p.to]...)
		extra[i] = driver.Value{Name: p.name, JSON: all[from:len(all):len(all)]}
	}
	return driver.SortValues(extra)
}

// str reads a string, "" for null. It sets into once the whole document is read.
func (d *decoder) str(s *scanner, into *string) {
	var text []byte
	if !s.null() {
		text = s.text()
	}
	d.texts.add(text, into)
}

// word returns text as a string, and keeps it, since other documents are likely to
// have the same.
func (d *decoder) word(text []byte) string {
	for _, w := range d.words {
		if w == string(text) {
			return w
		}
	}
	w := string(text)
	const most = 16
	if len(d.words) < most {
		d.words = append(d.words, w)
	}
	return w
}

// values reads values into a copy of their own, so that a record doesn't keep the
// whole answer in memory.
func (d *decoder) values(s *scanner) driver.ValueList {
	if s.null() {
		return nil
	}
	start := s.pos
	d.spans = d.spans[:0]
	s.object(func(name []byte) {
		word := d.word(name)
		s.peek()
		from := s.pos
		s.skip()
		d.spans = append(d.spans, span{word, from, s.pos})
	})
	if s.err != nil {
		return nil
	}
	all := bytes.Clone(s.data[start:s.pos])
	values := make([]driver.Value, len(d.spans))
	for i, p := range d.spans {
		from, to := p.from-start, p.to-start
		values[i] = driver.Value{Name: p.name, JSON: all[from:to:to]} // nobody appends into the next value
	}
	return driver.SortValues(values)
}

// str reads a string, "" for null.
func (s *scanner) str() string {
	if s.null() {
		return ""
	}
	return string(s.text())
}

// time reads Unix milliseconds, the zero time for null.
func (s *scanner) time() time.Time {
	if s.null() {
		return time.Time{}
	}
	return time.UnixMilli(s.integer()).UTC()
}

// bytes reads base64 and appends it to b, nil for null.
func (s *scanner) bytes(b []byte) []byte {
	if s.null() {
		return nil
	}
	b, err := base64.StdEncoding.AppendDecode(b, s.text())
	if err != nil {
		s.fail(errors.New("bytes that are not base64"))
	}
	return b
}

func (s *scanner) writeID() (w driver.WriteID) {
	text := s.text()
	// One more character completes the groups of four, which decodes faster. It adds
	// zeros, unless the text has bits that no write id has.
	var padded [12]byte
	var decoded [16]byte // the decoder wants room
	copy(padded[:], text)
	padded[11] = 'A'
	n, err := base64.RawURLEncoding.Decode(decoded[:], padded[:])
	if len(text) != 11 || err != nil || n != 9 || decoded[8] != 0 {
		s.fail(errors.New("a write id that is none"))
		return w
	}
	copy(w[:], decoded[:])
	return w
}

func (s *scanner) id() driver.ID {
	id, err := driver.ParseID(string(s.text()))
	if err != nil {
		s.fail(errors.New("an id that is none"))
	}
	return id
}
