package testengine

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"syscall"
	"time"
)

// This file asks an engine for its name and health.

// info is an engine's answer to GET /.
type info struct {
	Cluster string `json:"cluster_name"`
	Version struct {
		Number       string `json:"number"`
		Distribution string `json:"distribution"`
	} `json:"version"`
}

// String returns the engine's name and version, such as "OpenSearch 2.19.1".
func (i info) String() string {
	if i.Version.Distribution == "opensearch" {
		return "OpenSearch " + i.Version.Number
	}
	return "Elasticsearch " + i.Version.Number
}

// client keeps no connections between requests, and so no goroutines. It uses no proxy.
var client = &http.Client{
	Transport: &http.Transport{DisableKeepAlives: true},
	Timeout:   10 * time.Second,
}

// getJSON asks as the administrator of an engine with security; sec is nil for one
// without.
func getJSON(ctx context.Context, sec *security, url string, into any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	via := client
	if sec != nil {
		via = sec.client
		req.SetBasicAuth(sec.admin.User, sec.admin.Password)
	}
	res, err := via.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	body, err := io.ReadAll(io.LimitReader(res.Body, 1<<20))
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("GET %s: %s: %.200s", req.URL.Redacted(), res.Status, body)
	}
	if err := json.Unmarshal(body, into); err != nil {
		return fmt.Errorf("GET %s: %w", req.URL.Redacted(), err)
	}
	return nil
}

// ask gets the engine's info.
func ask(ctx context.Context, sec *security, url string) (info, error) {
	var i info
	if err := getJSON(ctx, sec, url+"/", &i); err != nil {
		return info{}, err
	}
	if i.Version.Number == "" {
		return info{}, fmt.Errorf("what answers is neither Elasticsearch nor OpenSearch: it says no version")
	}
	return i, nil
}

// health is an engine's report on its cluster.
type health struct {
	Cluster  string `json:"cluster_name"`
	Status   string `json:"status"`
	TimedOut bool   `json:"timed_out"`
	Nodes    int    `json:"number_of_nodes"`
}

// healthy returns nil if the engine at url is the one of s, and serves.
func healthy(ctx context.Context, url string, s *spec) error {
	query := "wait_for_status=yellow&timeout=2s"
	if s.member {
		query = "timeout=2s" // time to elect a manager
	}
	var h health
	if err := getJSON(ctx, s.security, url+"/_cluster/health?"+query, &h); err != nil {
		return err
	}
	switch cluster := s.clusterName(); {
	case h.Cluster != cluster:
		return fmt.Errorf("another engine answers at %s: cluster %q instead of %q", url, h.Cluster, cluster)
	case h.TimedOut || h.Status == "red" && !s.member:
		return fmt.Errorf("health is %q", h.Status)
	}
	return nil
}

// refused reports whether nobody listens at the engine's address.
func refused(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
