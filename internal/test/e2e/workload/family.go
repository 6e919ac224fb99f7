package workload

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"sync"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
)

// family is a visitor's sessions, as those who work on them know them.
type family struct {
	number int
	prefix string // of its principals
	left   int    // operations to be begun; guarded by run.mu, like inside
	inside int

	mu       sync.Mutex
	last     int
	ops      []history.Op
	sessions []member
	tokens   []heldToken
	attempts []heldAttempt
}

// member is a session; its number is its place, from 1.
type member struct {
	id        cloakroom.ID
	principal string
	newest    int // token
	over      bool
	replaced  bool // by a sign-in, perhaps
	from      int  // the session that its sign-in replaced
	unheard   bool // nobody uses it, as if the answer of its sign-in had been lost
}

// heldToken is a token; its number is its place, from 1.
type heldToken struct {
	text    string
	session int
}

type heldAttempt struct {
	n         int
	principal string
	attempt   json.RawMessage
}

// drawn is an operation to be done, and what there is to record of it already.
type drawn struct {
	op     Op
	record history.Op
}

func newFamily(number int, prefix string, ops int) *family {
	return &family{number: number, prefix: prefix, left: ops}
}

// next returns the number of another operation.
func (f *family) next() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	return f.last
}

// draw chooses an operation.
func (f *family) draw(rng *rand.Rand, o *Options) drawn {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	d := drawn{}
	d.op.N, d.op.Kind = f.last, pick(rng, o.Mix)
	d.op.How = [...]How{InRequest, InRequest, Outside, InTx}[rng.IntN(4)]
	d.op.Key = history.Keys()[rng.IntN(len(history.Keys()))]
	d.op.Principal = [...]string{"p1", "p1", "p1", "p1", "p2"}[rng.IntN(5)]
	token := f.choose(rng)
	if token == 0 {
		switch d.op.Kind {
		case history.Get, history.Set, history.Unset, history.Update, history.Renew, history.Destroy:
			d.op.Kind = history.Create
			if o.Mix[history.Login] > 0 && rng.IntN(3) == 0 {
				d.op.Kind = history.Login
			}
		}
	}
	token = f.fit(rng, &d, token)
	d.op.HangUp = d.op.How == InRequest && (d.op.Kind != history.Login || d.op.Attempt != nil) && rng.IntN(8) == 0
	d.op.Quiet = o.Idle > 0 && d.op.Kind == history.Get
	if d.op.Quiet {
		d.op.How = InRequest
	}
	if d.op.Kind == history.Revoke && rng.IntN(3) == 0 {
		d.record.Except = f.newestOf(d.op.Principal)
	}
	f.fill(&d, token)
	return d
}

// fit draws the rest that an operation of its kind has, with mu held. It returns the
// token that it comes with.
func (f *family) fit(rng *rand.Rand, d *drawn, token int) int {
	switch d.op.Kind {
	case history.Create:
		if token = 0; d.op.How != InRequest {
			d.op.How, d.op.Key = Outside, ""
		}
	case history.Get, history.Renew, history.Destroy:
		d.op.Key = ""
		if d.op.How == InTx {
			d.op.How = InRequest
		}
	case history.Update:
		d.op.Key = ""
		if rng.IntN(8) == 0 {
			d.op.How = ByAdmin
			if u := f.unheard(); u > 0 && rng.IntN(2) == 0 {
				token = f.sessions[u-1].newest
			}
		}
	case history.Login:
		if d.op.How == InTx || token == 0 {
			d.op.How = InRequest
		}
		if d.op.How == InRequest && rng.IntN(3) == 0 {
			if u := f.unheard(); u > 0 && rng.IntN(2) == 0 {
				token = f.sessions[f.sessions[u-1].from-1].newest
			} else if t := f.replaced(rng); t > 0 && rng.IntN(3) > 0 {
				token = t
			}
			d.op.Again = token > 0
		}
		if rng.IntN(8) == 0 {
			d.op.How, token, d.op.Again = InRequest, 0, false
		}
		if rng.IntN(2) == 0 {
			d.op.Key = ""
		}
		if len(f.attempts) > 0 && rng.IntN(2) == 0 {
			a := f.attempts[rng.IntN(len(f.attempts))]
			d.op.Principal, d.op.Attempt, d.record.Attempt = a.principal, a.attempt, a.n
		}
	case history.Begin, history.Revoke, history.Sweep:
		d.op.How, d.op.Key, token = "", "", 0
	}
	return token
}

// fill completes what the numbers stand for, with mu held.
func (f *family) fill(d *drawn, token int) {
	h := &d.record
	h.N, h.Kind, h.Key, h.Quiet, h.Again = d.op.N, d.op.Kind, d.op.Key, d.op.Quiet || d.op.How == ByAdmin, d.op.Again
	switch d.op.Kind {
	case history.Login, history.Begin, history.Revoke:
		h.Principal = d.op.Principal
		d.op.Principal = f.prefix + "-" + d.op.Principal
	default:
		d.op.Principal = ""
	}
	if h.Except > 0 {
		d.op.Except = f.sessions[h.Except-1].id
	}
	if token > 0 {
		t := f.tokens[token-1]
		h.Session = t.session
		if d.op.How == ByAdmin {
			d.op.ID = f.sessions[t.session-1].id
		} else {
			d.op.Token, h.Token = t.text, token
		}
	}
}

// choose returns the number of a token: mostly that of the newest session, now
// and then a late one. 0: there is no live session.
func (f *family) choose(rng *rand.Rand) int {
	live := 0
	for i := range f.sessions {
		if !f.sessions[i].over && !f.sessions[i].unheard {
			live = i + 1
		}
	}
	switch n := rng.IntN(20); {
	case len(f.tokens) > 0 && n == 0:
		return 1 + rng.IntN(len(f.tokens))
	case live == 0:
		return 0
	case n < 4:
		return 1 + max(len(f.tokens)-4, rng.IntN(len(f.tokens)))
	}
	return f.sessions[live-1].newest
}

// newestOf returns the number of a principal's newest session, or 0.
func (f *family) newestOf(principal string) int {
	for i, s := range slices.Backward(f.sessions) {
		if s.principal == principal {
			return i + 1
		}
	}
	return 0
}

// pick draws a kind by weight.
func pick(rng *rand.Rand, mix map[history.Kind]int) history.Kind {
	sum := 0
	for _, k := range history.Kinds() {
		sum += mix[k]
	}
	n := rng.IntN(sum)
	for _, k := range history.Kinds() {
		if n -= mix[k]; n < 0 {
			return k
		}
	}
	panic("unreachable")
}

// record notes what became of an operation.
func (f *family) record(h history.Op, res *Result) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if h.Outcome == history.Done || h.Outcome == history.NotFound {
		switch h.Kind {
		case history.Create, history.Login:
			if slices.ContainsFunc(f.sessions, func(m member) bool { return m.id == res.ID }) {
				h.Outcome, h.Note = history.Failed, "an id was used twice"
				break
			}
			f.over(h.Session)
			if h.Outcome == history.Done {
				f.replacing(h.Session)
				f.sessions = append(f.sessions, member{id: res.ID, principal: h.Principal, from: h.Session, unheard: h.Session > 0 && h.N%3 == 0})
				h.NewSession = len(f.sessions)
				h.NewToken = f.hold(res.Token, h.NewSession)
			}
		case history.Renew:
			if h.Outcome == history.Done {
				h.NewToken = f.hold(res.Token, h.Session)
			}
		case history.Begin:
			f.attempts = append(f.attempts, heldAttempt{h.N, h.Principal, res.Attempt})
		case history.Destroy:
			f.over(h.Session)
		case history.Revoke:
			for i := range f.sessions {
				if f.sessions[i].principal == h.Principal && i+1 != h.Except {
					f.sessions[i].over = true
				}
			}
		}
	}
	if h.Outcome == history.Gone || h.Outcome == history.NotFound && h.Session > 0 && h.Token == f.sessions[h.Session-1].newest {
		f.over(h.Session)
	}
	if h.Kind == history.Login && h.Outcome == history.Unknown {
		f.replacing(h.Session)
	}
	f.ops = append(f.ops, h)
}

// replacing notes that a sign-in has replaced a session, and perhaps the one that had
// taken over from it.
func (f *family) replacing(session int) {
	if session == 0 {
		return
	}
	f.sessions[session-1].replaced = true
	for i := range f.sessions {
		if s := &f.sessions[i]; s.from == session && s.unheard {
			s.unheard, s.over, s.replaced = false, true, true
		}
	}
}

// unheard returns the number of the last session that nobody uses, as if the answer of
// its sign-in had been lost; 0: there is none.
func (f *family) unheard() int {
	for i := range slices.Backward(f.sessions) {
		if f.sessions[i].unheard && !f.sessions[i].over {
			return i + 1
		}
	}
	return 0
}

// replaced returns the number of the last token of one of the three sessions that
// sign-ins have replaced last; 0: there is none.
func (f *family) replaced(rng *rand.Rand) int {
	var tokens []int
	for i := range f.sessions {
		if f.sessions[i].replaced {
			tokens = append(tokens, f.sessions[i].newest)
		}
	}
	if len(tokens) == 0 {
		return 0
	}
	return tokens[max(len(tokens)-3, rng.IntN(len(tokens)))]
}

func (f *family) over(session int) {
	if session > 0 {
		f.sessions[session-1].over = true
	}
}

// hold keeps a token and returns its number.
func (f *family) hold(text string, session int) int {
	f.tokens = append(f.tokens, heldToken{text, session})
	f.sessions[session-1].newest = len(f.tokens)
	return len(f.tokens)
}

// reads returns a Get of each token.
func (f *family) reads(quiet bool) []drawn {
	f.mu.Lock()
	defer f.mu.Unlock()
	var all []drawn
	for i := range f.tokens {
		f.last++
		d := drawn{op: Op{Kind: history.Get, N: f.last, How: InRequest, Quiet: quiet}}
		f.fill(&d, i+1)
		all = append(all, d)
	}
	return all
}

// lastRevoke returns the operation that signs everybody out.
func (f *family) lastRevoke() drawn {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.last++
	d := drawn{op: Op{Kind: history.Revoke, N: f.last, Principal: "p1"}}
	f.fill(&d, 0)
	return d
}
