package elasticstore

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloakroom-go/cloakroom"
)

// decoder reads one document.
type decoder struct {
	scanner
	rec   *cloakroom.Record
	grave cloakroom.Grave
	id    cloakroom.ID
	raw   []byte
}

// decode reads a document: a record, or one with a grave. Nothing of what it
// returns is part of source. The error doesn't tell what the document holds.
func decode(id cloakroom.ID, source []byte, v cloakroom.Version) (*cloakroom.Record, error) {
	d := decoder{scanner: scanner{data: source}, rec: new(cloakroom.Record)}
	d.object(d.member)
	if err := d.end(); err != nil {
		return nil, err
	}
	if d.raw != nil {
		d.scanner = scanner{data: d.raw}
		d.values()
		if err := d.end(); err != nil {
			return nil, fmt.Errorf("in raw: %w", err)
		}
	}
	if d.id != id {
		return nil, errors.New("it has another id inside")
	}
	switch d.rec.Kind {
	case cloakroom.KindSession, cloakroom.KindLedger:
		d.rec.ID, d.rec.Version = id, v
		return d.rec, nil
	case kindGrave:
		g := d.grave
		g.Until, g.Writes, g.Revs = d.rec.Deadline, d.rec.Writes, d.rec.Revs
		return &cloakroom.Record{ID: id, Version: graveVersion(v), Grave: &g}, nil
	}
	return nil, errors.New("it is of no known kind")
}

// graveMark is set in the version that a grave is read with. The engine would
// let a compare-and-set at a grave's version overwrite it; with the mark we know
// such a version without asking.
const graveMark = 1 << 63

func graveVersion(v cloakroom.Version) cloakroom.Version {
	return cloakroom.Version{Term: v.Term | graveMark, Seq: v.Seq}
}

func (d *decoder) member(name []byte) {
	r := d.rec
	switch string(name) {
	case "kind":
		switch string(d.text()) {
		case string(cloakroom.KindSession):
			r.Kind = cloakroom.KindSession
		case string(cloakroom.KindLedger):
			r.Kind = cloakroom.KindLedger
		case string(kindGrave):
			r.Kind = kindGrave
		}
	case "app":
		r.App = d.str()
	case "principal":
		r.Principal = d.str()
	case "id":
		d.id = d.readID()
	case "created":
		r.Created = d.time()
	case "authenticated":
		r.Authenticated = d.time()
	case "seen":
		r.Seen = d.time()
	case "expires":
		r.Expires = d.time()
	case "deadline":
		r.Deadline = d.time()
	case "verifier":
		r.Verifier = d.bytes()
	case "previous":
		r.Previous = d.bytes()
	case "previousEnds":
		r.PreviousEnds = d.time()
	case "persistent":
		r.Persistent = d.boolean()
	case "client":
		d.object(d.client)
	case "writes":
		r.Writes = d.natural()
	case "revs":
		r.Revs = make([]cloakroom.Rev, 0, cloakroom.MaxRevs)
		d.array(d.rev)
	case "values":
		d.copyValues()
	case "raw":
		d.raw = d.bytes()
	case "at":
		d.grave.At = d.time()
	case "reason":
		d.grave.Reason = cloakroom.Reason(d.str())
	case "successor":
		d.grave.Successor = d.readID()
	default:
		d.skip() // of a later version, or somebody's own
	}
}

func (d *decoder) client(name []byte) {
	switch string(name) {
	case "address":
		d.rec.Client.Address = d.str()
	case "agent":
		d.rec.Client.UserAgent = d.str()
	default:
		d.skip()
	}
}

func (d *decoder) rev() {
	var r cloakroom.Rev
	if err := r.UnmarshalText(d.text()); err != nil {
		d.fail(err)
		return
	}
	if len(d.rec.Revs) < cloakroom.MaxRevs*8 { // more than anybody wrote
		d.rec.Revs = append(d.rec.Revs, r)
	}
}

func (d *decoder) time() time.Time {
	if d.null() {
		return time.Time{}
	}
	return time.UnixMilli(d.integer()).UTC()
}

func (d *decoder) bytes() []byte {
	if d.null() {
		return nil
	}
	text := d.text()
	b, err := base64.StdEncoding.AppendDecode(nil, text)
	if err != nil {
		d.fail(errors.New("bytes that are not base64"))
	}
	return b
}

func (d *decoder) readID() cloakroom.ID {
	id, err := cloakroom.ParseID(string(d.text()))
	if err != nil {
		d.fail(errors.New("an id that is none"))
	}
	return id
}

// copyValues reads values from a copy, so that a record kept for long doesn't
// keep the whole answer that it came in.
func (d *decoder) copyValues() {
	raw := d.skip()
	if d.err != nil {
		return
	}
	inner := decoder{scanner: scanner{data: bytes.Clone(raw)}, rec: d.rec}
	inner.values()
	if err := inner.end(); err != nil {
		d.fail(err)
	}
}

func (d *decoder) values() {
	if d.null() {
		return
	}
	d.rec.Values = make(map[string]json.RawMessage)
	d.object(func(name []byte) {
		d.rec.Values[string(name)] = slices.Clip(d.skip()) // nobody appends into the next value
	})
}
