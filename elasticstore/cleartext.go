package elasticstore

import (
	"fmt"
	"net/netip"
	"strings"
)

// This file is logins that travel without TLS.

// inClear returns the hosts of nodes on other machines to which the client sends a
// login over plain HTTP.
func (c *client) inClear() (hosts []string) {
	for _, n := range c.nodes.nodes {
		if u := n.url; u.Scheme == "http" && (u.User != nil || c.logins.any()) && !isLoopback(u.Hostname()) {
			hosts = append(hosts, u.Host)
		}
	}
	return hosts
}

func isLoopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || strings.HasSuffix(host, ".localhost") || err == nil && ip.Unmap().IsLoopback()
}

// tellInClear warns, once for a store, of a login that others can read on the way.
func (s *Store) tellInClear() {
	if hosts := s.inClear(); len(hosts) > 0 {
		s.cfg.Logger.Warn("elasticstore: the login goes to other machines over plain HTTP, where whoever is on the way reads it; use https", "nodes", hosts)
	}
}

// inClear is that of the client, which others may have made.
func (s *Store) inClear() []string {
	if c, ok := s.client.(*client); ok {
		return c.inClear()
	}
	return nil
}

func inClearMeaning(hosts []string) string {
	return fmt.Sprintf("The login goes over plain HTTP to %s, where whoever is on the way reads it, and every session with it.", strings.Join(hosts, ", "))
}
