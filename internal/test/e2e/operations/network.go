package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"time"
)

// This file is operations of networks, proxies and logins, which a client plays.

func networks() []operation {
	const elastic = "application/json"
	down := want{see: everywhere("503"), recover: itWill, log: []string{"ERROR"}, report: []string{noReport}}
	over := (*stage).direct
	return []operation{
		{
			name: "status-401", title: "the engine answers 401: the password was changed", do: says(401, elastic,
				`{"error":{"root_cause":[{"type":"security_exception","reason":"unable to authenticate user [app]"}],"type":"security_exception","reason":"unable to authenticate user [app]"},"status":401}`),
			end: over, want: down,
		},
		{
			name: "status-403", title: "403: rights were taken away", do: says(403, elastic,
				`{"error":{"root_cause":[{"type":"security_exception","reason":"no permissions for [indices:data/write/bulk]"}],"type":"security_exception","reason":"no permissions for [indices:data/write/bulk]"},"status":403}`),
			end: over, want: want{see: everywhere("503"), recover: itWill, log: []string{"ERROR"}, report: []string{"rights-to-see", "*"}, after: anything},
		},
		{
			name: "status-429", title: "429: the engine's queues are full", do: says(429, elastic,
				`{"error":{"root_cause":[{"type":"es_rejected_execution_exception","reason":"rejected execution"}],"type":"es_rejected_execution_exception","reason":"rejected execution"},"status":429}`),
			end: over, want: down,
		},
		{name: "status-502", title: "502 of a proxy", do: says(502, "text/html", "<html>Bad gateway</html>"), end: over, want: down},
		{name: "html", title: "200 with a page for people, of a proxy", do: says(200, "text/html", "<html>Please log in</html>"), end: over, want: down},
		{name: "status-413", title: "413 of a proxy", do: says(413, "text/html", "<html>Too large</html>"), end: over, want: want{
			see: everywhere("413 503"), recover: itWill, log: anything, report: anything,
		}},
		{name: "http-to-tls", title: "`http://` to a port that has TLS", do: func(s *stage) {
			server := httptest.NewUnstartedServer(http.NotFoundHandler())
			server.Config.ErrorLog = log.New(io.Discard, "", 0)
			server.StartTLS()
			s.Cleanup(server.Close)
			s.reopen(func(o *siteOptions) { o.client = newBetween(s, strings.Replace(server.URL, "https:", "http:", 1)) })
		}, end: func(s *stage) { s.reopen(nil) }, want: down},
		{name: "dropped", title: "connections are dropped before the answer", do: broken, end: over, want: down},
		{
			name: "late-1s", title: "the engine answers 1 s late", where: itself, do: late(time.Second), end: over,
			want: want{see: everywhere("200 503"), recover: either, log: anything, report: anything},
		},
		{
			name: "late-8s", title: "the engine answers 8 s late", where: itself, do: late(8 * time.Second), end: over,
			want: want{see: everywhere("503"), recover: itWill, log: []string{"ERROR"}, report: anything},
		},
	}
}
