package sqlitestore

import (
	"bytes"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/batch"
	"github.com/cloakroom-go/cloakroom/internal/lru"
)

// This file is the copies of records that a Store read or wrote lately.
//
// A read may take a copy if no other connection has changed the file since the copies
// were begun: see current.go for how that is known. The writer's own transactions keep
// the copies right by themselves. Before it commits, it drops the copies of the ids that
// it writes, and until the commit has ended nobody may keep a copy of them. Afterwards it
// keeps what it wrote.
//
// A read that found no copy keeps what it read in the file. In between, the record may
// have been written. So it asks before it reads, and what it read is kept only if it is
// still the last that asked: writes of the id, and changes by others, end its asking.

// copies are the copies of one Store. They may be used concurrently.
type copies struct {
	none bool // no copies are kept, and nothing below is used

	mu      sync.Mutex
	all     *lru.Cache[driver.ID, *kept]
	era     uint64                 // counts how often all copies were dropped
	held    bool                   // the file's write lock is ours, and nobody wrote in this era
	writing map[driver.ID]struct{} // by the transaction under way
	opaque  bool                   // the transaction under way may write any id
	asking  map[driver.ID]uint64   // the last question for an id
	asked   uint64                 // counts the questions
}

// kept is the copy of a record. Its first reader decodes the values.
type kept struct {
	rec   *driver.Record
	data  []byte // the values as they were read; nil: see text
	text  string // the values as they were written
	extra string // as it was written; "": rec has it already
	size  int

	once sync.Once
	err  error
}

// record returns the record, which nobody may change.
func (k *kept) record() (*driver.Record, error) {
	k.once.Do(func() {
		if k.data == nil {
			k.data = []byte(k.text)
		}
		if k.rec.Values, k.err = decodeValues(k.data); k.err == nil && k.extra != "" {
			k.rec.Extra, k.err = decodeValues([]byte(k.extra))
		}
		k.data, k.text, k.extra = nil, "", ""
	})
	return k.rec, k.err
}

// question is a read's question for the copy of an id.
type question struct {
	id     driver.ID
	copy   *kept  // nil: there is none
	number uint64 // 0: the answer isn't to be kept
	answer *kept  // what was read
}

// newCopies returns room for copies of at most bound bytes; for none if bound isn't positive.
func newCopies(bound int) *copies {
	return &copies{
		none: bound <= 0, all: lru.New[driver.ID, *kept](bound),
		writing: map[driver.ID]struct{}{}, asking: map[driver.ID]uint64{},
	}
}

// ask looks for the copies, and returns the era that they are of, and whether there is
// any. A question without one is noted, so that keep can keep its answer.
func (c *copies) ask(questions []question) (era uint64, found bool) {
	if c.none {
		return 0, false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.opaque {
		return c.era, false
	}
	for i := range questions {
		q := &questions[i]
		if k, ok := c.all.Get(q.id); ok {
			q.copy, found = k, true
		} else if _, ok := c.writing[q.id]; !ok {
			c.asked++
			q.number = c.asked
			c.asking[q.id] = q.number
		}
	}
	return c.era, found
}

// keep keeps the answers to questions that found no copy.
func (c *copies) keep(questions []question) {
	if c.none {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, q := range questions {
		if q.number == 0 || c.asking[q.id] != q.number {
			continue
		}
		delete(c.asking, q.id)
		if q.answer != nil {
			c.all.Put(q.id, q.answer, q.answer.size)
		}
	}
}

// begin is called by the transaction of some items, once it has the file's write lock.
// If others may have written in this era, a new one begins.
func (c *copies) begin(items []item, alone bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !alone {
		c.dropAll()
	}
	c.held = true
	for _, i := range items {
		switch {
		case !i.id.IsZero():
			c.write(i.id)
		case !i.tells:
			c.opaque = true
		}
	}
	if c.opaque {
		c.dropAll()
	}
}

// writes tells of an id that the transaction writes.
func (c *copies) writes(id driver.ID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.write(id)
}

func (c *copies) write(id driver.ID) {
	c.writing[id] = struct{}{}
	c.all.Remove(id)
	delete(c.asking, id)
}

// release is called before the transaction gives up the write lock, or when it may have
// lost it.
func (c *copies) release() {
	if c.none {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = false
}

// committed is called when the transaction is in the file. It keeps what was written.
func (c *copies) committed(items []item, results []batch.Result[outcome]) {
	if c.none {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, o := range items {
		switch k := o.copy; {
		case o.id.IsZero() || results[i].Err != nil:
		case k == nil: // or an earlier item's copy would stay
			c.all.Remove(o.id)
		default:
			k.rec.Version = results[i].Value.version
			if !c.opaque { // which may have written it, too
				c.all.Put(o.id, k, k.size)
			}
		}
	}
	clear(c.writing)
	c.opaque = false
}

// failed is called in place of committed: after a rollback, a commit whose outcome is
// unknown, or a panic.
func (c *copies) failed() {
	if c.none {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held, c.opaque = false, false
	clear(c.writing)
	c.dropAll()
}

// drop begins a new era, and returns it.
func (c *copies) drop() uint64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropAll()
	return c.era
}

func (c *copies) dropAll() {
	c.all.Purge()
	clear(c.asking)
	c.era++
}

// heldIn reports whether nobody else has written in an era up to now.
func (c *copies) heldIn(era uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.held && c.era == era
}

// isIn reports whether an era is the present one.
func (c *copies) isIn(era uint64) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.era == era
}

// copyOfRow returns the copy of a record that was read.
func copyOfRow(r *driver.Record, data []byte) *kept {
	return &kept{rec: r, data: data, size: lru.LeastBytes + r.Size() + len(data) + listBytes(data)}
}

// listBytes is the most memory that the list takes to which values decode, beside their
// text: a name and a slice for each, and room to grow. Members within values count as well.
func listBytes(data []byte) int {
	const each = 80
	return each * bytes.Count(data, []byte(`":`))
}

// copyOfWrite returns the copy of a record that is to be written, as a read of its row
// would have it; nil if the row may read otherwise. Its version is still to come.
func copyOfWrite(w *row) *kept {
	c := *w.rec
	for _, text := range []string{string(c.Kind), c.App, c.Principal, c.Client.Address, c.Client.UserAgent, w.data, w.extra} {
		if !plainText(text) {
			return nil
		}
	}
	if c.Grave != nil || len(c.WriteIDs) > driver.MaxWriteIDs || driver.CheckFormat(c.Extra) != nil {
		return nil
	}
	c.Created = fromMillis(c.Created.UnixMilli())
	for _, t := range []*time.Time{&c.Authenticated, &c.Seen, &c.Expires, &c.Deadline, &c.PreviousEnds} {
		if !t.IsZero() {
			*t = fromMillis(t.UnixMilli())
		}
	}
	// The caller may change its lists afterwards, and its texts may be parts of larger ones.
	for _, text := range []*string{&c.Principal, &c.Client.Address, &c.Client.UserAgent} {
		*text = strings.Clone(*text)
	}
	c.Verifier = append([]byte(nil), c.Verifier...)
	c.Previous = append([]byte(nil), c.Previous...)
	c.WriteIDs = append([]driver.WriteID(nil), c.WriteIDs...)
	c.Values, c.Extra = nil, nil
	return &kept{rec: &c, text: w.data, extra: w.extra, size: lru.LeastBytes + w.rec.Size() + w.size()}
}

// plainText reports whether SQLite is sure to give a text back as it is.
func plainText(s string) bool { return utf8.ValidString(s) && strings.IndexByte(s, 0) < 0 }
