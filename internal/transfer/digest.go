package transfer

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the digest of a record or grave. It is the same in every store: it leaves
// out the version and the mark of copying, and whatever stores may spell otherwise.

// digest is a hash of all that a record or grave has.
type digest [16]byte

// digester makes digests. It keeps memory, and is one goroutine's.
type digester struct {
	text, compact bytes.Buffer
}

func (d *digester) of(r *driver.Record) digest {
	d.text.Reset()
	d.text.Write(r.ID[:])
	if g := r.Grave; g != nil {
		d.words("grave", string(g.Reason), g.App, g.Principal)
		d.times(g.At, g.Until)
		d.text.Write(g.Successor[:])
	} else {
		d.words(string(r.Kind), r.App, r.Principal, string(r.Verifier), string(r.Previous),
			string([]rune(r.Client.Address)), string([]rune(r.Client.UserAgent))) // what isn't UTF-8 is U+FFFD in some stores
		d.times(r.Created, r.Authenticated, r.Seen, r.Expires, r.Deadline, r.PreviousEnds)
		if r.Persistent {
			d.words("persistent")
		}
		d.list(r.Values)
	}
	writes, ids := history(r)
	d.number(writes)
	d.number(uint64(len(ids)))
	for _, w := range ids {
		d.text.Write(w[:])
	}
	if r.Grave != nil {
		d.list(r.Grave.Extra)
	} else {
		d.list(r.Extra)
	}
	sum := sha256.Sum256(d.text.Bytes())
	return digest(sum[:16])
}

func (d *digester) number(n uint64) {
	var b [8]byte
	binary.BigEndian.PutUint64(b[:], n)
	d.text.Write(b[:])
}

func (d *digester) words(words ...string) {
	for _, w := range words {
		d.number(uint64(len(w)))
		d.text.WriteString(w)
	}
}

func (d *digester) times(times ...time.Time) {
	for _, t := range times {
		if t.IsZero() {
			d.number(1 << 63)
		} else {
			d.number(uint64(t.UnixMilli()))
		}
	}
}

// list adds names and values. Space between the parts of JSON has no meaning.
func (d *digester) list(l driver.ValueList) {
	for name, raw := range l.All() {
		if name == driver.ExtraCopied {
			continue
		}
		if bytes.ContainsAny(raw, " \t\r\n") {
			d.compact.Reset()
			if json.Compact(&d.compact, raw) == nil {
				raw = d.compact.Bytes()
			}
		}
		d.words(name, string(raw))
	}
	d.words("")
}
