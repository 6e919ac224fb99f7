package explore

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/test/brokenstore"
)

const (
	app       = "explore"
	principal = "ann"
)

// scenario is a cast of clients, and what may happen to them.
type scenario struct {
	name, about string
	clients     []spec
	// signedIn says which of the first sessions are signed in; session 0 is S1.
	signedIn  []bool
	ledger    bool // the principal was signed out everywhere before,
	ledgerAge int  // so many ticks ago

	tick       time.Duration
	idle, life int // of sessions, in ticks
	limit      int // Config.MaxPerPrincipal; 0: the default

	faults, crashes, maxTime uint8
	costly                   bool   // one fault less will do for every day, as all take ten seconds and more
	sweep                    uint16 // slots of what is swept
	lag                      bool   // reads may be answered by a lagging copy
	phantoms                 bool   // or by a node that was cut off, with a phantom: a write that it alone has
	slow                     bool   // answers may arrive later than their requests are executed
	vouches                  bool   // the store vouches for its reads
	certain                  bool   // and for its answers, so it carries out nothing twice before it answers
	search                   bool   // searches find what is there; else they are blind
	lost                     bool   // the ledger was deleted
	ended                    uint16 // the slot of a session that was ended, and is in the ledger still
	successor                bool   // what was saved in S1 has to be in the session that a sign-in made
	note                     bool   // note 0 was left in the first sessions
	prompt                   bool   // no time passes during an operation
	foreign                  bool   // there is a foreign session, to be imported as S1
	hour                     bool   // what has to hold holds for an hour, and one tick more would be that
	props                    string
	keep                     uint16 // sessions that nobody ends

	broken *brokenstore.Variant
	// sweepUnchecked has a sweep end whatever is there after it judged.
	sweepUnchecked bool
}

// spec is a client of a scenario.
type spec struct {
	programs []program
	token    int   // the session that it works on
	touches  bool  // each look at a session is recorded as activity
	ahead    uint8 // of its clock, in ticks
}

type program func(c caller)

type (
	recIndex  uint32 // of a record or a grave; 0: nothing
	reqIndex  uint32
	ansIndex  uint32
	nodeIndex uint32
)

// explorer keeps what scenarios are made of once, and by number.
type explorer struct {
	t       *testing.T
	sc      *scenario
	keyring *cloakroom.Keyring

	tokens    []string
	tokenSlot []uint16       // of the first tokens: the session
	slots     []cloakroom.ID // the ids of records; the ledger's first
	ids       map[cloakroom.ID]uint16

	records  []recordInfo
	byRecord map[string]recIndex
	requests []requestInfo
	byReq    map[string]reqIndex
	answers  []answer
	byAnswer map[answer]ansIndex
	nodes    []node
	children map[childKey]nodeIndex
	applied  map[applyKey]applied
	opened   map[openKey]bool

	runs, strayed int
}

// node is a client after some answers.
type node struct {
	client   uint8
	parent   nodeIndex
	answered reqIndex   // the parent's request
	answer   ansIndex   // that led here
	requests []reqIndex // at the same time; none: the client is done
	effects  []effect   // of the last answer
}

type childKey struct {
	node     nodeIndex
	answered reqIndex
	answer   ansIndex
}

// Nodes that stand for clients at their end, whatever they went through.
const (
	nodeDone    nodeIndex = 1
	nodeCrashed nodeIndex = 2
)

type requestInfo struct {
	request
	key  string
	slot uint16
}

// recordInfo is a record with what the checker wants to know of it.
type recordInfo struct {
	*driver.Record
	live      bool
	session   bool
	counts    [maxSaves]uint8 // how often each numbered increment is in it
	note      uint16          // the set of the note that is in it
	reason    cloakroom.EndReason
	successor uint16 // slot, of a replaced session
	heard     bool   // it was imported, and its token has been presented
}

func newExplorer(t *testing.T, sc *scenario) *explorer {
	keyring, err := cloakroom.NewKeyring([]byte("a secret of a test: 32 bytes, no more"))
	if err != nil {
		t.Fatal(err)
	}
	x := &explorer{
		t: t, sc: sc, keyring: keyring,
		ids: map[cloakroom.ID]uint16{}, byRecord: map[string]recIndex{}, byReq: map[string]reqIndex{}, byAnswer: map[answer]ansIndex{},
		children: map[childKey]nodeIndex{}, applied: map[applyKey]applied{}, opened: map[openKey]bool{},
		records: make([]recordInfo, 1), requests: make([]requestInfo, 1), answers: make([]answer, 1), nodes: make([]node, 3),
	}
	x.slot(driver.LedgerID(app, principal))
	if sc.foreign {
		x.importSlots()
	}
	return x
}

// slot returns the number of an id. What a client makes at one time or at another
// differs in the time alone, and takes the same slot.
func (x *explorer) slot(id cloakroom.ID) uint16 {
	if i, ok := x.ids[id]; ok {
		return i
	}
	i := slices.IndexFunc(x.slots, func(s cloakroom.ID) bool { return bytes.Equal(s[6:], id[6:]) })
	if i < 0 {
		i = len(x.slots)
		x.slots = append(x.slots, id)
		if i >= maxSlots {
			x.t.Fatalf("%s: more than %d records", x.sc.name, maxSlots)
		}
	}
	x.ids[id] = uint16(i)
	return uint16(i)
}

// token returns the number of a token.
func (x *explorer) token(text string) uint16 {
	i := slices.Index(x.tokens, text)
	if i < 0 {
		i = len(x.tokens)
		x.tokens = append(x.tokens, text)
		if i >= maxTokens {
			x.t.Fatalf("%s: more than %d tokens", x.sc.name, maxTokens)
		}
	}
	return uint16(i)
}

func (x *explorer) record(i recIndex) *driver.Record { return x.records[i].Record }

func toJSON(v any) string {
	// What is exported hides values where it is encoded: here all of it counts.
	type record driver.Record
	type grave driver.Grave
	var of struct {
		Record        *record
		Grave         *grave
		Values, Extra map[string]json.RawMessage
	}
	switch v := v.(type) {
	case *driver.Record:
		plain := record(*v)
		of.Record, of.Values, of.Extra = &plain, maps.Collect(v.Values.All()), maps.Collect(v.Extra.All())
		if g := v.Grave; g != nil {
			plain := grave(*g)
			of.Grave, of.Extra = &plain, maps.Collect(g.Extra.All())
		}
	case driver.Grave:
		plain := grave(v)
		of.Grave, of.Extra = &plain, maps.Collect(v.Extra.All())
	default:
		panic(fmt.Sprintf("explore: %T has no key", v))
	}
	b, err := json.Marshal(of)
	if err != nil {
		panic(err) // records can always be encoded
	}
	return string(b)
}

// intern returns the number of a record.
func (x *explorer) intern(r *driver.Record) recIndex {
	if r == nil {
		return 0
	}
	key := toJSON(r)
	if i, ok := x.byRecord[key]; ok {
		return i
	}
	info := recordInfo{Record: r, live: r.Grave == nil, session: r.ID.Layout() != driver.LayoutLedger}
	for n := range info.counts {
		if raw := r.Values.Get(saveName(n)); raw != nil {
			if err := json.Unmarshal(raw, &info.counts[n]); err != nil {
				panic(err)
			}
		}
	}
	if raw := r.Values.Get(theNote.Name()); raw != nil {
		var n int
		if err := json.Unmarshal(raw, &n); err != nil {
			panic(err)
		}
		info.note = 1 << n
	}
	info.heard = bytes.Contains(r.Extra.Get(driver.ExtraImport), []byte("used"))
	if r.Grave != nil {
		info.reason = r.Grave.Reason
		if info.reason == cloakroom.EndReplaced {
			info.successor = x.slot(r.Grave.Successor)
		}
	}
	x.records = append(x.records, info)
	i := recIndex(len(x.records) - 1)
	x.byRecord[key] = i
	return i
}

// ofRecord reports whether a request is for one record.
func (q request) ofRecord() bool {
	switch q.op {
	case opStart, opSearch, opClock, opSweep:
		return false
	}
	return true
}

func (q request) key() string {
	switch q.op {
	case opCreate, opUpdate:
		return fmt.Sprint(q.id, q.op, q.by, toJSON(q.rec))
	case opBury:
		return fmt.Sprint(q.id, q.op, q.by, q.at, toJSON(q.grave))
	case opSweep:
		return fmt.Sprint(q.id, q.op, q.by, q.tick)
	}
	return fmt.Sprint(q.id, q.op, q.by)
}

func (x *explorer) internRequest(q request, key string) reqIndex {
	if i, ok := x.byReq[key]; ok {
		return i
	}
	info := requestInfo{request: q, key: key}
	if q.ofRecord() {
		info.slot = x.slot(q.id)
	}
	x.requests = append(x.requests, info)
	i := reqIndex(len(x.requests) - 1)
	x.byReq[key] = i
	return i
}

func (x *explorer) internAnswer(a answer) ansIndex {
	if i, ok := x.byAnswer[a]; ok {
		return i
	}
	x.answers = append(x.answers, a)
	i := ansIndex(len(x.answers) - 1)
	x.byAnswer[a] = i
	return i
}

// begin returns the node of a client that has had no answer yet.
func (x *explorer) begin(i int) nodeIndex {
	return x.grow(node{client: uint8(i)}, x.replay(i, nil, nil))
}

func (x *explorer) grow(n node, out outcome) nodeIndex {
	n.effects = out.effects
	for _, a := range out.asked {
		n.requests = append(n.requests, x.internRequest(a.request, a.key))
	}
	x.nodes = append(x.nodes, n)
	return nodeIndex(len(x.nodes) - 1)
}

// step returns the node of a client after one more answer.
func (x *explorer) step(at nodeIndex, q reqIndex, a answer) nodeIndex {
	key := childKey{at, q, x.internAnswer(a)}
	if next, ok := x.children[key]; ok {
		return next
	}
	child := node{client: x.nodes[at].client, parent: at, answered: q, answer: key.answer}
	var keys []string
	var answers []answer
	for n := &child; n.parent != 0; n = &x.nodes[n.parent] {
		keys = append(keys, x.requests[n.answered].key)
		answers = append(answers, x.answers[n.answer])
	}
	slices.Reverse(keys)
	slices.Reverse(answers)
	next := x.grow(child, x.replay(int(child.client), keys, answers))
	x.children[key] = next
	return next
}

// applyKey is all that the execution of a request depends on.
type applyKey struct {
	req  reqIndex
	rec  recIndex // what is there
	last uint8    // the last version of the id
}

type applied struct {
	rec  recIndex
	last uint8
	code code
	got  recIndex // what a read returned
	ver  driver.Version
}

// apply executes a request on the record that it is for.
func (x *explorer) apply(key applyKey) applied {
	if done, ok := x.applied[key]; ok {
		return done
	}
	q := &x.requests[key.req]
	base := newModelStore()
	base.last = uint64(key.last)
	if key.rec != 0 {
		base.records[q.id] = x.record(key.rec)
	}
	store := x.wrap(base)
	var done applied
	var err error
	ctx := context.Background()
	switch q.op {
	case opGet:
		var r *driver.Record
		r, err = store.Get(ctx, q.id)
		done.got = x.intern(r)
	case opCreate:
		done.ver, err = store.Create(ctx, q.rec)
	case opUpdate:
		done.ver, err = store.Update(ctx, q.rec)
	case opBury:
		err = store.Bury(ctx, q.id, q.grave, q.at)
	}
	done.code = x.codeOf(err)
	done.rec = x.intern(base.records[q.id])
	done.last = uint8(base.last)
	x.applied[key] = done
	return done
}

func (x *explorer) wrap(s *modelStore) cloakroom.Store {
	if x.sc.broken == nil {
		return s
	}
	return x.sc.broken.Wrap(s)
}

func (x *explorer) codeOf(err error) code {
	if err == nil {
		return codeOK
	}
	for _, c := range []code{codeConflict, codeExists, codeNotFound, codeGone} {
		if errors.Is(err, c.err()) {
			return c
		}
	}
	x.t.Fatal(err)
	return 0
}

type openKey struct {
	rec   recIndex
	now   uint8
	token uint16 // anyToken: whatever the token
}

const anyToken = 0xff

// opens reports whether real code opens the session of a record: for a console,
// or for the holder of a token.
func (x *explorer) opens(key openKey) bool {
	if open, ok := x.opened[key]; ok {
		return open
	}
	r := x.record(key.rec)
	base := newModelStore()
	base.records[r.ID] = r
	base.last = r.Version.Seq
	config := x.sc.config()
	config.Now = func() time.Time { return x.sc.time(key.now) }
	m, err := cloakroom.New(base, x.keyring, config)
	if err != nil {
		x.t.Fatal(err)
	}
	if key.token == anyToken {
		_, err = m.Admin().Find(context.Background(), r.ID)
	} else {
		_, err = m.Retrieve(context.Background(), x.tokens[key.token])
	}
	_ = m.Close() // never fails
	if err != nil && !errors.Is(err, cloakroom.ErrNotFound) {
		x.t.Fatal(err)
	}
	x.opened[key] = err == nil
	return err == nil
}
