package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is "cloakroom setup".

// engineFlags are the settings of an engine's store, as in elasticstore.Config.
type engineFlags struct {
	Shards     int               `group:"engine" placeholder:"N" help:"Config.Shards. Default: 1."`
	Replicas   *int              `group:"engine" placeholder:"N" help:"Config.Replicas: copies beside the primary; 0 for none. Default: one as soon as there is a second node."`
	Refresh    duration          `group:"engine" placeholder:"TIME" help:"Config.RefreshInterval. Default: 5s."`
	Setting    map[string]string `group:"engine" placeholder:"NAME=VALUE" mapsep:"none" help:"A member of Config.Settings, such as index.codec=best_compression. Can be given several times."`
	Priority   int               `group:"engine" placeholder:"N" help:"Config.TemplatePriority. Default: 500."`
	NoTemplate bool              `group:"engine" help:"Config.NoTemplate: make no index template."`
	Dashboards bool              `group:"engine" help:"Config.Dashboards: new indices are such as Kibana and OpenSearch Dashboards can draw."`
	OneIndex   bool              `group:"engine" help:"Config.OneIndex: keep everything in one index."`
}

// adjust puts the settings that were given into a configuration.
func (f *engineFlags) adjust(c *elasticstore.Config) {
	if f.Shards != 0 {
		c.Shards = f.Shards
	}
	if f.Replicas != nil {
		c.Replicas = *f.Replicas
		if c.Replicas == 0 {
			c.Replicas = -1 // none
		}
	}
	if f.Refresh != 0 {
		c.RefreshInterval = time.Duration(f.Refresh)
	}
	for name, text := range f.Setting {
		if c.Settings == nil {
			c.Settings = map[string]any{}
		}
		c.Settings[name] = settingValue(text)
	}
	if f.Priority != 0 {
		c.TemplatePriority = f.Priority
	}
	c.Dashboards = c.Dashboards || f.Dashboards
	c.NoTemplate = c.NoTemplate || f.NoTemplate
	c.OneIndex = c.OneIndex || f.OneIndex
}

// settingValue returns a number or a bool as such, so that it is written as the
// application writes it.
func settingValue(text string) any {
	if b, err := strconv.ParseBool(text); err == nil && (text == "true" || text == "false") {
		return b
	}
	if n := json.Number(text); json.Valid([]byte(text)) {
		if _, err := n.Float64(); err == nil {
			return n
		}
	}
	return text
}

type setupCommand struct {
	DryRun bool `name:"dry-run" help:"Tell what would be made or changed, and change nothing."`
	engineFlags
	placeFlags
}

// Help implements kong.HelpProvider.
func (*setupCommand) Help() string {
	return `Makes the file, or the engine's index template and the index of ledgers. An application does the same when it starts, if its login may: so it is for a login that may do more, and to see what would be done. The settings of an engine's store have to be the application's. Those of a store that is there stay as they are, unless flags say otherwise. Existing indices aren't changed: "cloakroom doctor --fix" does that.

Examples:

    cloakroom setup --store sqlite:sessions.db
    cloakroom setup --store https://engine:9200 --user admin --password-file password --dry-run
    cloakroom setup --store https://engine:9200 --replicas 2 --setting index.codec=best_compression`
}

// changeLine is something that was changed, or would be, in JSON.
type changeLine struct {
	Type   string          `json:"type"` // change
	Text   string          `json:"text"`
	Method string          `json:"method,omitempty"`
	Path   string          `json:"path,omitempty"`
	Body   json.RawMessage `json:"body,omitempty"`
}

// setupResult is the command's members of the result.
type setupResult struct {
	Changes int  `json:"changes"`
	DryRun  bool `json:"dryRun"`
}

// Run sets a store up.
func (c *setupCommand) Run(t *terminal, flags *kong.Context) error {
	where, _, err := c.find(flags)
	if err != nil {
		return err
	}
	for _, name := range given(flags) {
		if f := flagNamed(flags, name); f.Group != nil && f.Group.Key == "engine" && !where.IsEngine() {
			return misuse("--" + name + " is a setting of an engine's store, and --store names a file")
		}
	}
	ctx, cancel := context.WithTimeout(t.ctx, 2*openPatience)
	defer cancel()
	changes, err := where.SetUp(ctx, c.access(), c.DryRun, c.adjust, t.warnings())
	for _, change := range changes {
		if t.json {
			t.emit(changeLine{"change", change.Text, change.Method, change.Path, change.Body})
			continue
		}
		would := "Done: "
		if c.DryRun {
			would = "It would be done: "
		}
		t.say("%s%s.", would, human.Printable(change.Text))
	}
	t.result(setupResult{len(changes), c.DryRun})
	if err != nil {
		return openError(t.ctx, where, err)
	}
	switch {
	case t.json:
	case len(changes) == 0:
		t.say("Nothing has to be done: %s.", human.Printable(where.String()))
	case c.DryRun:
		t.say("Nothing was changed: %s.", human.Printable(where.String()))
	default:
		t.say("It is set up: %s.", human.Printable(fmt.Sprint(where)))
	}
	return nil
}
