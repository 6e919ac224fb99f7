package dancer

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file is the old module's index: reading and deleting its documents, telling how
// many are left, and deleting the index. No request names a type, so engines with mapping
// types do as well, from Elasticsearch 7 on.

const (
	// maxAnswer is the most bytes that are read of an answer.
	maxAnswer = 16 << 20
	// askTimeout bounds a request to the engine if the setting timeout doesn't.
	askTimeout = 5 * time.Second
)

// OldIndex is the index of the old module's sessions. It is safe for concurrent use.
type OldIndex struct {
	name    string
	client  elasticstore.Client
	timeout time.Duration // of one request
}

// OldIndex returns the old module's index, asked through a client: Store.Client, or that
// of elasticstore.NewClient(c.ClientConfig()).
func (c *Config) OldIndex(client elasticstore.Client) *OldIndex {
	return &OldIndex{c.Index, client, cmp.Or(c.Timeout, askTimeout)}
}

// Importer returns the name of the Importer of this index's sessions, for
// cloakroom.Admin.ImportEnd.
func (x *OldIndex) Importer() string { return importerName(x.name) }

// oldDocument is one of its documents.
type oldDocument struct {
	version string
	values  map[string]json.RawMessage
}

// get reads a document.
//
// cloakroom.ErrNotFound: there is none. A missing index is cloakroom.ErrUnavailable.
func (x *OldIndex) get(ctx context.Context, id string) (d oldDocument, err error) {
	body, err := json.Marshal(map[string]any{"docs": []any{map[string]any{"_index": x.name, "_id": id}}})
	if err != nil {
		return d, err
	}
	// The id is in the body, since it may be any text.
	status, answer, err := x.ask(ctx, http.MethodPost, "/_mget", body)
	if errors.Is(err, cloakroom.ErrUnavailable) && ctx.Err() == nil { // another node may be well
		status, answer, err = x.ask(ctx, http.MethodPost, "/_mget", body)
	}
	if err != nil {
		return d, err
	}
	var a struct {
		Docs []struct {
			Found       bool                       `json:"found"`
			SeqNo       *int64                     `json:"_seq_no"`
			PrimaryTerm *int64                     `json:"_primary_term"`
			Source      map[string]json.RawMessage `json:"_source"`
			Error       *struct{ Type string }     `json:"error"`
		} `json:"docs"`
	}
	if status != http.StatusOK || json.Unmarshal(answer, &a) != nil || len(a.Docs) != 1 {
		return d, fmt.Errorf("dancer: reading a document of %q: the engine's answer, of status %d, has none: %w", x.name, status, cloakroom.ErrUnavailable)
	}
	switch doc := a.Docs[0]; {
	case doc.Error != nil && doc.Error.Type == "index_not_found_exception":
		return d, fmt.Errorf("dancer: there is no index %q: see the setting index: %w", x.name, cloakroom.ErrUnavailable)
	case doc.Error != nil:
		return d, fmt.Errorf("dancer: reading a document of %q: the engine's error is %.100q: %w", x.name, doc.Error.Type, cloakroom.ErrUnavailable)
	case !doc.Found:
		return d, fmt.Errorf("dancer: a session's document is missing: %w", cloakroom.ErrNotFound)
	case doc.SeqNo == nil || doc.PrimaryTerm == nil || doc.Source == nil:
		return d, fmt.Errorf("dancer: reading a document of %q: the engine's answer has no version, or no _source: %w", x.name, cloakroom.ErrUnavailable)
	default:
		return oldDocument{fmt.Sprintf("%d.%d", *doc.PrimaryTerm, *doc.SeqNo), doc.Source}, nil
	}
}

// remove deletes a document at a version. The old module never deleted any, so one that
// is missing was deleted here, perhaps by a try whose answer was lost: that is no error.
//
// cloakroom.ErrConflict: it is at another version.
func (x *OldIndex) remove(ctx context.Context, id, version string) error {
	var term, seq int64
	if _, err := fmt.Sscanf(version, "%d.%d", &term, &seq); err != nil {
		return fmt.Errorf("dancer: %q is no version of a document", version)
	}
	action, err := json.Marshal(map[string]any{"delete": map[string]any{"_index": x.name, "_id": id, "if_seq_no": seq, "if_primary_term": term}})
	if err != nil {
		return err
	}
	status, answer, err := x.ask(ctx, http.MethodPost, "/_bulk", append(action, '\n'))
	if err != nil {
		return err
	}
	var a struct {
		Items []struct {
			Delete struct {
				Status int `json:"status"`
			} `json:"delete"`
		} `json:"items"`
	}
	if status != http.StatusOK || json.Unmarshal(answer, &a) != nil || len(a.Items) != 1 {
		return fmt.Errorf("dancer: deleting a document of %q: the engine answered with status %d: %w", x.name, status, cloakroom.ErrUnavailable)
	}
	switch status := a.Items[0].Delete.Status; status {
	case http.StatusOK, http.StatusNotFound:
		return nil
	case http.StatusConflict: // the engine may answer so to its own second try, after the first has deleted it
		if _, err := x.get(ctx, id); errors.Is(err, cloakroom.ErrNotFound) {
			return nil
		}
		return fmt.Errorf("dancer: a document of %q has changed: %w", x.name, cloakroom.ErrConflict)
	default:
		return fmt.Errorf("dancer: deleting a document of %q: the engine answered with status %d: %w", x.name, status, cloakroom.ErrUnavailable)
	}
}

// OldState is the state of the old index.
type OldState struct {
	// Exists says that there is an index of the name, or an alias.
	Exists bool
	// Behind are the names of the indices, if the name is an alias.
	Behind []string
	// Documents is the number of documents that are left: of sessions that nobody has
	// come with yet. Most are of visitors who had left. It may trail by a second.
	Documents int64
}

// State asks the engine for the index's state.
func (x *OldIndex) State(ctx context.Context) (s OldState, err error) {
	status, answer, err := x.ask(ctx, http.MethodGet, "/"+x.name+"?filter_path=*.settings.index.uuid", nil)
	if err != nil || status == http.StatusNotFound {
		return s, err
	}
	var indices map[string]json.RawMessage
	if status != http.StatusOK || json.Unmarshal(answer, &indices) != nil || len(indices) == 0 {
		return s, fmt.Errorf("dancer: looking for the index %q: the engine answered with status %d: %w", x.name, status, cloakroom.ErrUnavailable)
	}
	if names := slices.Sorted(maps.Keys(indices)); !slices.Equal(names, []string{x.name}) {
		s.Behind = names
	}
	status, answer, err = x.ask(ctx, http.MethodGet, "/"+x.name+"/_count", nil)
	if err != nil {
		return s, err
	}
	var a struct {
		Count  *int64               `json:"count"`
		Shards struct{ Failed int } `json:"_shards"`
	}
	if status != http.StatusOK || json.Unmarshal(answer, &a) != nil || a.Count == nil || a.Shards.Failed > 0 {
		return s, fmt.Errorf("dancer: counting the documents of %q: the engine answered with status %d, or for some shards only: %w", x.name, status, cloakroom.ErrUnavailable)
	}
	s.Exists, s.Documents = true, *a.Count
	return s, nil
}

// Delete deletes the index with all of its documents, whether or not imports have ended.
// A missing index is no error. An alias is one: the indices behind it may hold more.
func (x *OldIndex) Delete(ctx context.Context) error {
	if strings.ContainsAny(x.name, "*,") || x.name == "" || x.name == "_all" {
		return fmt.Errorf("dancer: %q isn't the name of one index", x.name)
	}
	s, err := x.State(ctx)
	switch {
	case err != nil:
		return err
	case !s.Exists:
		return nil
	case s.Behind != nil:
		return fmt.Errorf("dancer: %q is an alias of %q: only an index is deleted here", x.name, s.Behind)
	}
	status, answer, err := x.ask(ctx, http.MethodDelete, "/"+x.name, nil)
	var a struct{ Acknowledged bool }
	switch {
	case err != nil, status == http.StatusNotFound:
		return err
	case status != http.StatusOK, json.Unmarshal(answer, &a) != nil, !a.Acknowledged:
		return fmt.Errorf("dancer: deleting the index %q: the engine answered with status %d, and hasn't acknowledged it", x.name, status)
	}
	return nil
}

// ask sends a request and returns the answer. An answer that may be another one later is
// cloakroom.ErrUnavailable.
func (x *OldIndex) ask(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, x.timeout)
	defer cancel()
	fail := func(err error) (int, []byte, error) {
		return 0, nil, fmt.Errorf("dancer: asking the engine for the index %q: %w: %w", x.name, cloakroom.ErrUnavailable, err)
	}
	req, err := http.NewRequestWithContext(ctx, method, path, bytes.NewReader(body))
	if err != nil {
		return fail(err)
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
		if path == "/_bulk" {
			req.Header.Set("Content-Type", "application/x-ndjson")
		}
	}
	res, err := x.client.Perform(req)
	if err != nil {
		return fail(err)
	}
	defer func() { _ = res.Body.Close() }()
	answer, err = io.ReadAll(io.LimitReader(res.Body, maxAnswer+1))
	switch {
	case err != nil:
		return fail(err)
	case len(answer) > maxAnswer:
		return fail(fmt.Errorf("its answer has more than %d bytes", maxAnswer))
	case res.StatusCode == http.StatusUnauthorized, res.StatusCode == http.StatusForbidden:
		return fail(fmt.Errorf("it answered with status %d: the login is wrong, or lacks a privilege", res.StatusCode))
	case res.StatusCode >= 500, res.StatusCode == http.StatusTooManyRequests:
		return fail(fmt.Errorf("it answered with status %d", res.StatusCode))
	}
	return res.StatusCode, answer, nil
}
