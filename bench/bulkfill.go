package main

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/driver"
)

// This file fills an engine with millions of sessions.

// mould makes a store's documents without the store, so that millions of them get into
// an engine in minutes. It copies a document that the store made, and replaces the parts
// that differ.
type mould struct {
	index  string
	source []byte
	id     string
	who    string
	drawn  [][]byte // the random parts of each
}

// fill makes n sessions of one time. The store makes the first.
func (e *raw) fill(ctx context.Context, store cloakroom.Store, name string, n int, made time.Time) ([]cloakroom.ID, error) {
	r := newRecord(0, made)
	if _, err := store.Create(ctx, r); err != nil {
		return nil, err
	}
	docs, err := e.documents(ctx, name+"-2*")
	if err != nil {
		return nil, err
	}
	if len(docs) != 1 || docs[0].ID != r.ID.String() {
		return nil, fmt.Errorf("%s holds %d documents in place of the one that was made", name, len(docs))
	}
	m := &mould{
		index: docs[0].Index, source: docs[0].Source, id: docs[0].ID, who: `"principal":"` + r.Principal + `"`,
		drawn: [][]byte{[]byte(base64.StdEncoding.EncodeToString(r.Verifier)), []byte(csrf)},
	}
	for _, rev := range r.WriteIDs {
		m.drawn = append(m.drawn, []byte(base64.RawURLEncoding.EncodeToString(rev[:])))
	}
	for _, part := range append([][]byte{[]byte(m.id), []byte(m.who)}, m.drawn...) {
		if bytes.Count(m.source, part) != 1 {
			return nil, fmt.Errorf("a document has another form than is known: %.200s", m.source)
		}
	}
	ids := make([]cloakroom.ID, n)
	ids[0] = r.ID
	for i := 1; i < n; i++ {
		ids[i] = driver.NewID(r.ID.Layout(), r.ID.Time())
	}
	return ids, e.pour(ctx, m, ids[1:])
}

// rest waits until an engine has finished its merges, a minute at most, and returns the
// bytes of a pattern's indices.
func (e *raw) rest(ctx context.Context, pattern string) (int64, error) {
	tick := time.NewTicker(500 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(time.Minute); ; {
		if err := e.json(ctx, http.MethodPost, "/"+pattern+"/_flush?wait_if_ongoing=true", nil, nil); err != nil {
			return 0, err
		}
		var answer struct {
			All struct {
				Total struct {
					Merges struct {
						Current int `json:"current"`
					} `json:"merges"`
					Store struct {
						Bytes int64 `json:"size_in_bytes"`
					} `json:"store"`
				} `json:"total"`
			} `json:"_all"`
		}
		if err := e.json(ctx, http.MethodGet, "/"+pattern+"/_stats/store,merge", nil, &answer); err != nil {
			return 0, err
		}
		total := answer.All.Total
		if total.Merges.Current == 0 || time.Now().After(end) {
			return total.Store.Bytes, nil
		}
		select {
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-tick.C:
		}
	}
}

const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"

// append appends a document, as a line of a bulk request.
func (m *mould) append(b []byte, id cloakroom.ID, i int) []byte {
	text := id.String()
	b = append(b, `{"create":{"_id":"`...)
	b = append(b, text...)
	b = append(b, "\"}}\n"...)
	doc := bytes.Replace(m.source, []byte(m.id), []byte(text), 1)
	doc = bytes.Replace(doc, []byte(m.who), []byte(`"principal":"`+principal(i)+`"`), 1)
	at := len(b)
	b = append(append(b, doc...), '\n')
	for _, part := range m.drawn {
		place := b[at+bytes.Index(b[at:], part):]
		for j := range len(part) - 3 { // the end of a text in base64 stays
			place[j] = letters[rand.IntN(len(letters))]
		}
	}
	return b
}

// pour makes documents with these ids, of the principals from 1 on.
func (e *raw) pour(ctx context.Context, m *mould, ids []cloakroom.ID) error {
	const each, parallel = 2000, 3
	fast := object{"index": object{"refresh_interval": "-1", "translog.durability": "async"}}
	if err := e.json(ctx, http.MethodPut, "/"+m.index+"/_settings", fast, nil); err != nil {
		return err
	}
	err := share(ctx, parallel, (len(ids)+each-1)/each, func(ctx context.Context, part int) error {
		first := part * each
		last := min(first+each, len(ids))
		b := make([]byte, 0, (last-first)*(len(m.source)+64))
		for i := first; i < last; i++ {
			b = m.append(b, ids[i], i+1)
		}
		answer, err := e.ask(ctx, http.MethodPost, "/"+m.index+"/_bulk?filter_path=errors", b, nil)
		if err == nil && !bytes.Contains(answer, []byte(`"errors":false`)) {
			err = fmt.Errorf("filling %s: %.300s", m.index, answer)
		}
		return err
	})
	if err != nil {
		return err
	}
	// Restore the settings, and sync to the disk.
	slow := object{"index": object{"refresh_interval": "5s", "translog.durability": "request"}}
	if err := e.json(ctx, http.MethodPut, "/"+m.index+"/_settings", slow, nil); err != nil {
		return err
	}
	return e.json(ctx, http.MethodPost, "/"+m.index+"/_flush?wait_if_ongoing=true", nil, nil)
}
