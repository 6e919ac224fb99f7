package driver

import (
	"net/netip"
	"slices"
	"testing"
	"time"
)

// This file tests what a query selects, where storetest can't tell: it judges by Matches.

func TestMatchesAddress(t *testing.T) {
	for _, c := range []struct {
		prefix, address string
		want            bool
	}{
		{"192.0.2.7/32", "192.0.2.7", true},
		{"192.0.2.7/32", "::ffff:192.0.2.7", true},
		{"::ffff:192.0.2.7/128", "192.0.2.7", true},
		{"::ffff:192.0.2.0/120", "192.0.2.200", true},
		{"::ffff:0:0/96", "192.0.2.200", true},
		{"192.0.2.7/24", "192.0.2.9", true},
		{"192.0.2.0/24", "192.0.3.9", false},
		{"::/0", "192.0.2.7", false},
		{"::/0", "2001:db8::1", true},
		{"0.0.0.0/0", "2001:db8::1", false},
		{"2001:db8::/32", "2001:DB8:1::", true},
		{"fe80::/10", "fe80::1%eth0", true},
		{"0.0.0.0/0", "", false},
		{"0.0.0.0/0", "192.0.2.7:80", false},
	} {
		q := Query{Address: netip.MustParsePrefix(c.prefix)}
		if got := q.Matches(&Record{Kind: KindSession, Client: Client{Address: c.address}}); got != c.want {
			t.Errorf("%s in %s: %t", c.address, c.prefix, got)
		}
	}
}

func TestMatchesAgent(t *testing.T) {
	for _, c := range []struct {
		part, agent string
		want        bool
	}{
		{"chrome", "Mozilla Chrome/1", true}, {"CHROME/1", "Mozilla Chrome/1", true}, {"ä", "Ä", false}, {"Ä", "xÄx", true},
		{"x", "", false}, {"*", "abc", false}, {"abcd", "abc", false}, {"[", "{", false}, {"@", "`", false},
	} {
		q := Query{Agent: c.part}
		if got := q.Matches(&Record{Kind: KindSession, Client: Client{UserAgent: c.agent}}); got != c.want {
			t.Errorf("%q in %q: %t", c.part, c.agent, got)
		}
	}
}

// TestOrders: newest first is the exact reverse of oldest first, ties included, and a
// cursor's place is that of its record.
func TestOrders(t *testing.T) {
	at := time.UnixMilli(1_795_305_600_000)
	var records []*Record
	for i := range 8 {
		records = append(records, &Record{ID: ID{byte(37 * i), 6: byte(LayoutDay)}, Kind: KindSession,
			Created: at.Add(time.Duration(i%2) * time.Second), Seen: at.Add(time.Duration(i%3) * time.Minute)})
	}
	oldest, newest, seen := Query{}, Query{Order: OrderNewest}, Query{Order: OrderSeen}
	slices.SortFunc(records, oldest.Compare)
	down := slices.Clone(records)
	slices.Reverse(down)
	if !slices.IsSortedFunc(down, newest.Compare) {
		t.Error("the reverse of oldest first is not newest first")
	}
	slices.SortFunc(records, seen.Compare)
	for i, r := range records {
		if i > 0 && records[i-1].Seen.Before(r.Seen) {
			t.Errorf("%v is behind %v", r.Seen, records[i-1].Seen)
		}
		q := seen
		q.After = seen.Cursor(r)
		for j, other := range records {
			if q.Matches(other) != (j > i) {
				t.Errorf("behind place %d, place %d matches: %t", i, j, j <= i)
			}
		}
	}
	if oldest.Cursor(records[0]) != records[0].Cursor() {
		t.Error("Record.Cursor is not the place in the order of making")
	}
}
