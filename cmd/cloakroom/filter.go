package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/protocol"
)

// This file is the flags that select sessions.

// filterFlags select sessions. All that are given have to hold.
type filterFlags struct {
	Principal  string   `group:"filter" placeholder:"NAME" help:"Sessions that are signed in as this principal."`
	Address    string   `group:"filter" placeholder:"ADDRESS" help:"Sessions last used from this IP address, or from one in this network, such as 203.0.113.0/24."`
	Agent      string   `group:"filter" placeholder:"TEXT" help:"Sessions last used by a client whose User-Agent contains this."`
	OlderThan  duration `group:"filter" placeholder:"TIME" help:"Sessions made longer ago than this, such as 30d or 12h."`
	NewerThan  duration `group:"filter" placeholder:"TIME" help:"Sessions made within this time."`
	IdleFor    duration `group:"filter" placeholder:"TIME" help:"Sessions not used for longer than this."`
	UsedWithin duration `group:"filter" placeholder:"TIME" help:"Sessions used within this time."`
	Scan       int      `group:"filter" default:"100000" placeholder:"N" help:"Look at so many sessions in vain at most, as there may be no index for what is asked; 0 for all. Default: 100000."`
}

// isEmpty reports whether the flags select everything.
func (f *filterFlags) isEmpty() bool {
	rest := *f
	rest.Scan = 0
	return rest == filterFlags{}
}

// query returns what the flags select, at a time.
func (f *filterFlags) query(flags *kong.Context, now time.Time) (q driver.Query, err error) {
	for _, name := range given(flags) {
		if empty := map[string]bool{"principal": f.Principal == "", "address": f.Address == "", "agent": f.Agent == ""}; empty[name] {
			return q, misuse(fmt.Sprintf("--%s is empty: leave it out for all", name))
		}
	}
	if err := protocol.CheckPrincipal(f.Principal); f.Principal != "" && err != nil {
		return q, misuse("--principal: " + strings.TrimPrefix(err.Error(), "cloakroom: "))
	}
	q.Principal, q.Agent, q.Scan = f.Principal, f.Agent, max(f.Scan, 0)
	if f.Address != "" {
		if q.Address, err = network(f.Address); err != nil {
			return q, err
		}
	}
	before := func(d duration) (t time.Time) {
		if d != 0 {
			t = now.Add(-time.Duration(d))
		}
		return t
	}
	q.CreatedFrom, q.CreatedTo = before(f.NewerThan), before(f.OlderThan)
	q.SeenFrom, q.SeenTo = before(f.UsedWithin), before(f.IdleFor)
	for _, span := range []struct {
		from, to time.Time
		names    string
	}{{q.CreatedFrom, q.CreatedTo, "--older-than and --newer-than"}, {q.SeenFrom, q.SeenTo, "--idle-for and --used-within"}} {
		if !span.from.IsZero() && !span.to.IsZero() && !span.from.Before(span.to) {
			return q, misuse(span.names + " exclude each other: no session is both")
		}
	}
	return q, nil
}

// network reads an address, or a network.
func network(text string) (netip.Prefix, error) {
	if p, err := netip.ParsePrefix(text); err == nil {
		return p.Masked(), nil
	}
	a, err := netip.ParseAddr(text)
	if err != nil {
		return netip.Prefix{}, misuse(fmt.Sprintf("--address: %q is neither an IP address nor a network, such as 203.0.113.7 or 203.0.113.0/24", text))
	}
	a = a.WithZone("").Unmap()
	return netip.PrefixFrom(a, a.BitLen()), nil
}
