package elasticstore

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"
)

// TestLoginInClear: a login that goes to another machine over plain HTTP is told once,
// with the node and without the login.
func TestLoginInClear(t *testing.T) {
	for _, c := range []struct {
		config ClientConfig
		want   string // the nodes that are told; "": none
	}{
		{ClientConfig{URLs: []string{"http://engine.example:9200"}, User: "ann", Password: "hidden"}, "engine.example:9200"},
		{ClientConfig{URLs: []string{"http://ann:hidden@192.0.2.7:9200"}}, "192.0.2.7:9200"},
		{ClientConfig{URLs: []string{"http://[2001:db8::7]:9200"}, APIKey: "hidden"}, "[2001:db8::7]:9200"},
		{ClientConfig{URLs: []string{"https://a.example", "http://b.example", "http://127.0.0.1:9200"}, APIKey: "hidden"}, "b.example"},
		{ClientConfig{URLs: []string{"https://engine.example"}, APIKey: "hidden"}, ""},
		{ClientConfig{URLs: []string{"http://engine.example"}}, ""}, // no login
		{ClientConfig{URLs: []string{"http://localhost:9200", "http://127.7.7.7", "http://[::1]:9200", "http://[::ffff:127.0.0.1]"}, APIKey: "hidden"}, ""},
	} {
		client, err := NewClient(c.config)
		if err != nil {
			t.Fatal(err)
		}
		var log bytes.Buffer
		s, err := New(client, &Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		told := log.String()
		if strings.Contains(told, "hidden") || strings.Contains(told, "ann") {
			t.Errorf("%v: the login is told: %s", c.config.URLs, told)
		}
		if strings.Count(told, "\n") != min(len(c.want), 1) || !strings.Contains(told, c.want) {
			t.Errorf("%v: told %q, want %q", c.config.URLs, told, c.want)
		}
	}
}
