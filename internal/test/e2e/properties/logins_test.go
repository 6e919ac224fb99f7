package properties

import (
	"slices"

	"pgregory.net/rapid"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/history"
	"github.com/cloakroom-go/cloakroom/internal/test/e2e/workload"
)

// This file is sign-ins, and those that are repeated.

// Login signs in from any session, or from none.
func (d *driver) Login(t *rapid.T) {
	op := workload.Op{Kind: history.Login, Principal: d.who(t), How: workload.InRequest}
	var k *token
	if len(d.tokens) > 0 && rapid.IntRange(0, 3).Draw(t, "from a session") > 0 {
		k = d.token(t)
		op.Token, op.How = k.text, how(t, workload.InRequest, workload.Outside)
		op.Again = op.How == workload.InRequest && rapid.Bool().Draw(t, "again")
	}
	d.login(t, k, op)
}

// LoginRepeated signs in with a token of a session that another sign-in has replaced.
func (d *driver) LoginRepeated(t *rapid.T) {
	all := slices.DeleteFunc(slices.Clone(d.tokens), func(k *token) bool { return k.of.next == nil || k.of.expired })
	if len(all) == 0 {
		d.Login(t)
		return
	}
	k := all[len(all)-1-rapid.IntRange(0, min(len(all), 4)-1).Draw(t, "token")]
	op := workload.Op{Kind: history.Login, Principal: k.of.next.principal, How: workload.InRequest, Token: k.text, Again: true}
	if rapid.IntRange(0, 3).Draw(t, "another principal") == 0 {
		op.Principal = d.who(t)
	}
	d.login(t, k, op)
}

// login signs in with a token, or none.
func (d *driver) login(t *rapid.T, k *token, op workload.Op) {
	if rapid.Bool().Draw(t, "with a value") {
		op.Key = key(t)
	}
	late := false
	if len(d.attempts) > 0 && rapid.Bool().Draw(t, "with an attempt") {
		x := rapid.SampledFrom(d.attempts).Draw(t, "attempt")
		op.Principal, op.Attempt, late = x.principal, x.raw, x.revoked < d.revoked[x.principal]
	}
	r := d.do(t, op)
	if k != nil && op.How == workload.Outside {
		k.use()
	}
	var values history.Values
	keep := true
	switch {
	case k != nil && !k.opens() && !op.Again:
		want(t, "signing in from what has ended", r, history.NotFound)
		return
	case k != nil && k.of.next != nil && !k.of.expired && k != k.of.current:
		want(t, "signing in again by a token that was renewed", r, history.Gone)
		return
	case k != nil && k.opens() && k != k.of.current:
		want(t, "signing in by a token that was renewed", r, history.Conflict)
		return
	case late:
		want(t, "signing in by an attempt from before a sign-out everywhere", r, history.Revoked)
		if k != nil && k.opens() { // that the token came is recorded after the answer: from now on, for certain
			d.compare(t, k, d.do(t, workload.Op{Kind: history.Get, Token: k.text, How: workload.InRequest}))
			k.use()
		}
		return
	}
	want(t, "signing in", r, history.Done)
	var replaces *session
	switch {
	case k == nil:
	case k.opens():
		replaces = k.of
		if keep = k.of.principal == "" || k.of.principal == op.Principal; keep {
			values = k.of.values
		}
	case k.of.next != nil && !k.of.expired:
		if h := k.of.head(); !h.over && h.unused && h.principal == op.Principal {
			replaces, h.repeated, values = h, true, h.carried
			d.repeated++
		}
	}
	if keep {
		values = changed(values, history.Login, op.Key, d.n)
	}
	if replaces != nil {
		d.end(replaces)
	}
	s := d.add(r.ID, r.Token, op.Principal, values)
	if replaces != nil {
		replaces.next = s
	}
	if l := d.live[op.Principal]; len(l) > limit {
		d.end(l[0])
	}
}
