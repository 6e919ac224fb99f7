package place

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/sqlitestore"
)

// This file opens a store that is there, for operators: it makes none, and works with the
// settings that the application gave it.

// ErrNoStore says that there is no store at a place.
var ErrNoStore = errors.New("there is no store")

// ErrOutdated says that a file's schema isn't up to date, so that it can't be opened
// without a change.
var ErrOutdated = errors.New("the file's schema is that of an earlier version, and who only looks doesn't change it")

// Intent is what a store is opened for.
type Intent int

// The intents.
const (
	Look   Intent = iota // nothing is written
	Modify               // sessions and ledgers are
	Tend                 // indices and templates are, too
	Judge                // nothing is written, and the login is judged as an application's
)

// Options say how an existing store is opened.
type Options struct {
	Access
	Why    Intent
	Logger *slog.Logger
	// Adjust changes the configuration of an engine's store, which is that of the store
	// that is there; nil: nothing is changed.
	Adjust func(*elasticstore.Config)
}

// Existing opens the store that is at the place. If none is there, it is ErrNoStore. If
// that of a file can't be looked at as it is, it is ErrOutdated.
//
// An engine's store is opened with the settings that its index template was made from, so
// that indices are made, and compared, as the application would.
func (p Place) Existing(ctx context.Context, o Options) (Store, error) {
	switch p.kind {
	case inData, inMemory:
		return nil, errors.New("the memory of another process can't be looked at")
	case inFile:
		return p.existingFile(ctx, o)
	}
	client, err := p.Client(o.Access)
	if err != nil {
		return nil, err
	}
	config, err := p.configOf(ctx, client)
	if err != nil {
		return nil, err
	}
	config.Logger, config.ReadOnly = o.Logger, o.Why == Look
	switch o.Why {
	case Look, Modify:
		config.NoTemplate = true
	case Judge:
		config.NoTemplate = false // that it is missing is worth telling
	}
	if o.Adjust != nil {
		o.Adjust(&config)
	}
	return opened(elasticstore.New(client, &config))
}

// existingFile opens the store of a file that is there.
func (p Place) existingFile(ctx context.Context, o Options) (Store, error) {
	switch info, err := os.Stat(p.path); {
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNoStore, err)
	case info.Size() == 0:
		return nil, fmt.Errorf("%w: the file %q is empty", ErrNoStore, p.path)
	}
	steps, err := sqlitestore.Pending(ctx, p.path, nil)
	if err != nil {
		return nil, err
	}
	if len(steps) > 0 && (o.Why == Look || o.Why == Judge) {
		return nil, fmt.Errorf("%w (%s)", ErrOutdated, strings.Join(steps, ", "))
	}
	return opened(sqlitestore.Open(ctx, p.path, &sqlitestore.Config{Logger: o.Logger}))
}

// Client returns a client of the engine.
func (p Place) Client(a Access) (elasticstore.Client, error) {
	c, err := p.clientConfig(a)
	if err != nil {
		return nil, err
	}
	return elasticstore.NewClient(c)
}

// IsEngine reports whether the place is an engine.
func (p Place) IsEngine() bool { return p.kind == inEngine }

// configOf returns the configuration of the store that is on the engine.
func (p Place) configOf(ctx context.Context, client elasticstore.Client) (elasticstore.Config, error) {
	config := p.store
	if config.Index == "" {
		config.Index = defaultIndex
	}
	config.OneIndex = false
	found := false
	for _, one := range []bool{false, true} {
		index := config.Index + "-principals"
		if one {
			index = config.Index
		}
		mark, err := markOf(ctx, client, index)
		if err != nil {
			return config, err
		}
		if found = mark != nil; found {
			config.OneIndex, config.Dashboards = one, mark.Dashboards
			break
		}
	}
	if !found {
		return config, fmt.Errorf("%w of cloakroom with the index %q", ErrNoStore, config.Index)
	}
	t, err := templateOf(ctx, client, config)
	if err != nil {
		return config, err
	}
	if !t.found {
		// It was deleted, or the application does without, or the login may not see it.
		// Then the index of ledgers tells the most important settings.
		if t.Settings, err = settingsOf(ctx, client, config); err != nil {
			return config, err
		}
	}
	t.adopt(&config)
	return config, nil
}

// settingsOf returns settings of the index of ledgers, as a template's are written.
func settingsOf(ctx context.Context, client elasticstore.Client, config elasticstore.Config) (string, error) {
	index := config.Index + "-principals"
	if config.OneIndex {
		index = config.Index
	}
	var all map[string]struct {
		Settings map[string]any `json:"settings"`
	}
	const known = "index.number_of_shards,index.number_of_replicas,index.auto_expand_replicas,index.refresh_interval"
	if status, err := ask(ctx, client, "/"+index+"/_settings/"+known+"?flat_settings=true", &all); err != nil && status != http.StatusForbidden {
		return "", err
	}
	for _, i := range all {
		if expand, ok := i.Settings["index.auto_expand_replicas"]; ok && expand != "false" {
			delete(i.Settings, "index.number_of_replicas") // the engine keeps it up to date
		}
		text, err := json.Marshal(i.Settings)
		return string(text), err
	}
	return "", nil
}

// defaultIndex is that of elasticstore.
const defaultIndex = "session"

// markOf returns the mark of a store in an index, or in what an alias stands for; nil if
// there is none.
func markOf(ctx context.Context, client elasticstore.Client, index string) (*template, error) {
	var all map[string]struct {
		Mappings struct {
			Meta struct {
				Cloakroom *template `json:"cloakroom"`
			} `json:"_meta"`
		} `json:"mappings"`
	}
	if _, err := ask(ctx, client, "/"+index+"/_mapping", &all); err != nil {
		return nil, err
	}
	for _, i := range all {
		if i.Mappings.Meta.Cloakroom != nil {
			return i.Mappings.Meta.Cloakroom, nil
		}
	}
	return nil, nil //nolint:nilnil // there is none
}

// template is what the index template says of the settings that it was made from. An index
// says less.
type template struct {
	found      bool
	Settings   string `json:"settings"`
	Priority   int    `json:"priority"`
	Dashboards bool   `json:"dashboards"`
}

func templateOf(ctx context.Context, client elasticstore.Client, config elasticstore.Config) (template, error) {
	name := config.Index + "-periods"
	if config.OneIndex {
		name = config.Index
	}
	var list struct {
		Templates []struct {
			Template struct {
				Template struct {
					Mappings struct {
						Meta struct {
							Cloakroom *template `json:"cloakroom"`
						} `json:"_meta"`
					} `json:"mappings"`
				} `json:"template"`
			} `json:"index_template"`
		} `json:"index_templates"`
	}
	status, err := ask(ctx, client, "/_index_template/"+name, &list)
	if err != nil && status != http.StatusForbidden {
		return template{}, err
	}
	for _, t := range list.Templates {
		if t := t.Template.Template.Mappings.Meta.Cloakroom; t != nil {
			t.found = true
			return *t, nil
		}
	}
	return template{}, nil
}

// adopt puts the settings that the template was made from into a configuration. Without a
// template the application does without, or its login may not see it.
func (t template) adopt(config *elasticstore.Config) {
	config.NoTemplate = !t.found
	config.TemplatePriority = t.Priority
	if t.found {
		config.Dashboards = t.Dashboards
	}
	var settings map[string]any
	d := json.NewDecoder(strings.NewReader(t.Settings))
	d.UseNumber()
	if d.Decode(&settings) != nil {
		return
	}
	for name, value := range settings {
		text := fmt.Sprint(value)
		switch name = strings.TrimPrefix(name, "index."); name {
		case "number_of_shards":
			config.Shards, _ = strconv.Atoi(text)
		case "number_of_replicas":
			config.Replicas, _ = strconv.Atoi(text)
			if config.Replicas == 0 {
				config.Replicas = -1
			}
		case "refresh_interval":
			config.RefreshInterval, _ = time.ParseDuration(text)
		case "translog.durability", "default_pipeline", "final_pipeline": // the store's own
		case "auto_expand_replicas":
			if text != "0-1" && text != "false" { // which are the default, and none
				setting(config, name, value)
			}
		default:
			setting(config, name, value)
		}
	}
}

func setting(config *elasticstore.Config, name string, value any) {
	if config.Settings == nil {
		config.Settings = map[string]any{}
	}
	config.Settings[name] = value
}

// ask asks the engine, and decodes its answer. What isn't there leaves into as it is.
func ask(ctx context.Context, client elasticstore.Client, path string, into any) (status int, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
	if err != nil {
		return 0, err
	}
	res, err := client.Perform(r)
	if err != nil {
		return 0, fmt.Errorf("asking the engine: %w", err)
	}
	defer func() { _ = res.Body.Close() }()
	const most = 16 << 20
	body, err := io.ReadAll(io.LimitReader(res.Body, most))
	switch {
	case err != nil:
		return res.StatusCode, fmt.Errorf("asking the engine: %w", err)
	case res.StatusCode == http.StatusNotFound:
		return res.StatusCode, nil
	case res.StatusCode != http.StatusOK:
		return res.StatusCode, fmt.Errorf("asking the engine for %s: it answers with status %d%s", path, res.StatusCode, reasonIn(body))
	}
	if err := json.Unmarshal(body, into); err != nil {
		return res.StatusCode, fmt.Errorf("asking the engine for %s: its answer can't be understood: %w", path, err)
	}
	return res.StatusCode, nil
}

// reasonIn returns the reason that an engine gives for an error.
func reasonIn(body []byte) string {
	var e struct {
		Error struct {
			Reason string `json:"reason"`
		} `json:"error"`
	}
	if json.Unmarshal(body, &e) != nil || e.Error.Reason == "" {
		return ""
	}
	const most = 200
	if len(e.Error.Reason) > most {
		e.Error.Reason = e.Error.Reason[:most]
	}
	return ": " + e.Error.Reason
}
