package main

import (
	"net"
	"net/http"
	"net/netip"
	"strings"
)

// This file refuses requests that name the server by a foreign name. A page elsewhere
// can have a name of its own point to this machine (DNS rebinding); its scripts could
// then read the server's answers. A page can't do that with an address, or with
// localhost.

// onlyTo passes on requests that name the server by an address, by localhost, or as addr
// does, which has the form HOST:PORT. It refuses all others.
func onlyTo(addr string, h http.Handler) http.Handler {
	own, _, _ := net.SplitHostPort(addr) // addr has that form
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host := hostOf(r); !isAddress(host) && !isLocalhost(host) && (own == "" || !strings.EqualFold(host, own)) {
			http.Error(w, "This server isn't known by that name. Open it by its address, or by the name in --addr.", http.StatusMisdirectedRequest)
			return
		}
		h.ServeHTTP(w, r)
	})
}

// hostOf returns the host that a request names, without port and brackets.
func hostOf(r *http.Request) string {
	if host, _, err := net.SplitHostPort(r.Host); err == nil {
		return host
	}
	return strings.Trim(r.Host, "[]")
}

func isAddress(host string) bool {
	_, err := netip.ParseAddr(host)
	return err == nil
}

func isLocalhost(host string) bool {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
