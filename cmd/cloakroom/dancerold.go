package main

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom"
	"github.com/cloakroom-go/cloakroom/dancer"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/elasticstore"
)

// This file looks at the old module's index, and at the end of imports, for "cloakroom
// dancer status" and "cloakroom dancer purge".

// oldFlags are the flags that say where the old sessions are, and the new ones.
type oldFlags struct {
	Config      string `required:"" placeholder:"FILE" help:"The application's config.yml."`
	Environment string `placeholder:"NAME" help:"The environment. Default: as Dancer chooses it."`
	CAFile      string `name:"ca-file" placeholder:"FILE" help:"Certificates in PEM of the authorities that signed the engine's. Default: the system's."`
	Index       string `placeholder:"NAME" help:"The Index of the new sessions, if OpenOptions.AdjustStore sets one. Default: that of config.yml."`
}

// oldPatience bounds the time to look.
const oldPatience = 30 * time.Second

// oldSessions is what is left of the old module's sessions.
type oldSessions struct {
	config *dancer.Config
	index  *dancer.OldIndex
	state  dancer.OldState
	end    time.Time // of imports, as the store keeps it; zero: nothing has been imported
}

// look asks the engine for both. It changes nothing.
func (c *oldFlags) look(ctx context.Context) (*oldSessions, error) {
	if c.Config == "" {
		return nil, misuse("--config: the path of the config.yml is missing")
	}
	config, err := loadDancer(c.Config, c.Environment)
	if err != nil {
		return nil, err
	}
	engine, settings := config.ClientConfig(), config.StoreConfig()
	engine.CAFile, settings.Logger = c.CAFile, slog.New(slog.DiscardHandler)
	if c.Index != "" {
		settings.Index = c.Index
	}
	client, err := elasticstore.NewClient(engine)
	if err != nil {
		return nil, flagError("--ca-file", c.CAFile, err)
	}
	store, err := elasticstore.New(client, &settings)
	if err != nil {
		return nil, flagError("--index", c.Index, err)
	}
	defer func() { _ = store.Close() }() // never fails
	ctx, cancel := context.WithTimeout(ctx, oldPatience)
	defer cancel()
	o := &oldSessions{config: config, index: config.OldIndex(client)}
	if o.state, err = o.index.State(ctx); err != nil {
		return nil, err
	}
	// Without the indices of new sessions the store would make them.
	switch made, err := exists(ctx, client, settings.Index+"-principals"); {
	case err != nil:
		return nil, err
	case made:
		if o.end, err = cloakroom.NewAdmin(store, config.ManagerConfig().App).ImportEnd(ctx, o.index.Importer()); err != nil {
			return nil, fmt.Errorf("reading the end of imports: %w", err)
		}
	}
	return o, nil
}

// flagError names the flag that an error is about, if it was given.
func flagError(flag, value string, err error) error {
	if value == "" {
		return err
	}
	return fmt.Errorf("%s: %w", flag, err)
}

// exists reports whether there is an index.
func exists(ctx context.Context, client elasticstore.Client, index string) (bool, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodHead, "/"+index, nil)
	if err != nil {
		return false, err
	}
	res, err := client.Perform(r)
	if err != nil {
		return false, fmt.Errorf("looking for the index %q: %w", index, err)
	}
	_ = res.Body.Close() // it is empty
	switch res.StatusCode {
	case http.StatusOK:
		return true, nil
	case http.StatusNotFound:
		return false, nil
	}
	return false, fmt.Errorf("looking for the index %q: the engine answered with status %d", index, res.StatusCode)
}

// kept returns why the old index can't be deleted now; "" if it can.
func (o *oldSessions) kept(now time.Time) string {
	switch over := o.end.Add(driver.ClockTolerance); {
	case !o.state.Exists:
		return "there is no such index"
	case o.end.IsZero():
		return "nothing has been imported, so it isn't known when imports end"
	case now.Before(over):
		return fmt.Sprintf("imports go on until %s", moment(over))
	case o.state.Behind != nil:
		return fmt.Sprintf("it is an alias of %s, and only an index is deleted here", strings.Join(o.state.Behind, ", "))
	}
	return ""
}

// moment writes a time for people.
func moment(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// documents writes a number of documents for people.
func documents(n int64) string {
	if n == 1 {
		return "1 document"
	}
	return fmt.Sprintf("%d documents", n)
}

// oldIndexLine is what is left, in JSON.
type oldIndexLine struct {
	Type      string     `json:"type"` // oldIndex
	Index     string     `json:"index"`
	Exists    bool       `json:"exists"`
	AliasOf   []string   `json:"aliasOf,omitempty"`
	Documents int64      `json:"documents"`
	Importer  string     `json:"importer"`
	End       *time.Time `json:"importsEnd,omitempty"` // not there: nothing has been imported
	MayPurge  bool       `json:"mayPurge"`
	Reason    string     `json:"reason,omitempty"` // why not
}

func (o *oldSessions) line(now time.Time) oldIndexLine {
	why := o.kept(now)
	l := oldIndexLine{
		Type: "oldIndex", Index: o.config.Index, Exists: o.state.Exists, AliasOf: o.state.Behind, Documents: o.state.Documents,
		Importer: o.index.Importer(), MayPurge: why == "", Reason: why,
	}
	if !o.end.IsZero() {
		l.End = &o.end
	}
	return l
}
