package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/alecthomas/kong"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/ledgers"
	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/elasticstore"
	"github.com/cloakroom-go/cloakroom/internal/human"
)

// This file is "cloakroom doctor --fix" and "--acknowledge": all that the doctor changes.

// drifting is a store whose indices can have other settings than the configuration.
type drifting interface {
	Drift(context.Context) ([]elasticstore.Drift, error)
	ApplySettings(context.Context, []elasticstore.Drift) error
}

// losing is a store that remembers what it has lost.
type losing interface {
	Acknowledge(context.Context) ([]string, error)
}

// fixLine is something that was changed, in JSON.
type fixLine struct {
	Type string `json:"type"` // fix
	What string `json:"what"` // ledgers, settings or losses
	Text string `json:"text"`
}

// fix changes what --fix and --acknowledge are for, before the checks.
func (x *examination) fix(flags *kong.Context) error {
	o, err := x.openWith(x.t, flags, place.Modify, quietly)
	if err != nil {
		return err
	}
	defer o.close()
	if x.Fix {
		if err := x.fixLedgers(o); err != nil {
			return err
		}
		if err := x.fixSettings(flags); err != nil {
			return err
		}
	}
	if x.Acknowledge {
		return x.acknowledge(o)
	}
	return nil
}

// fixed tells what was changed.
func (x *examination) fixed(what, format string, args ...any) {
	x.Fixed++
	text := fmt.Sprintf(format, args...)
	if x.t.json {
		x.t.emit(fixLine{"fix", what, text})
		return
	}
	x.t.say("fixed %s: %s", what, oneLine(text))
}

// may asks whether something may be changed.
func (x *examination) may(question string) bool {
	if x.Yes {
		return true
	}
	err := x.t.confirm(question, "nothing was changed")
	if err != nil && x.t.ctx.Err() == nil {
		x.t.note("%v.", err)
	}
	return err == nil
}

// fixLedgers enters what ledgers lack. It takes nothing out, so it doesn't ask.
func (x *examination) fixLedgers(o *openedStore) error {
	p := x.t.progress("sessions compared", 0)
	mended, entered := 0, 0
	c := ledgers.Checker{
		Store: o.Store, App: o.app, Now: time.Now, Done: func(n int) { p.add(int64(n)) },
		Found: func(ctx context.Context, f ledgers.Finding) (bool, error) {
			if len(f.Lacks) == 0 {
				return false, nil
			}
			n, err := o.admin.RebuildLedger(ctx, f.Principal)
			if err != nil {
				x.t.note("the ledger of %q couldn't be rebuilt: %v", f.Principal, rebuildError(err))
				return false, ctx.Err()
			}
			mended, entered = mended+1, entered+n
			return true, nil
		},
	}
	err := c.Check(x.t.ctx, "")
	p.stop()
	if mended > 0 {
		x.fixed("ledgers", "%s entered into %s.", human.Counted(int64(entered), "session"), human.Counted(int64(mended), "ledger"))
	}
	return err
}

// fixSettings applies the configuration to indices that have other settings.
func (x *examination) fixSettings(flags *kong.Context) error {
	where, _, err := x.find(flags)
	if err != nil || !where.IsEngine() {
		return err
	}
	ctx, cancel := context.WithTimeout(x.t.ctx, 2*doctorPatience)
	defer cancel()
	store, err := where.Existing(ctx, place.Options{Access: x.access(), Why: place.Judge, Logger: quietly, Adjust: x.adjust})
	if err != nil {
		return openError(x.t.ctx, where, err)
	}
	defer func() { _ = store.Close() }() // always nil
	d, ok := store.(drifting)
	if !ok {
		return nil
	}
	drift, err := d.Drift(ctx)
	if err != nil || len(drift) == 0 {
		return err
	}
	var lines []string
	for _, one := range drift {
		lines = append(lines, "  "+one.String())
	}
	if !x.may(fmt.Sprintf("%s\nApply %s? Leave out what was set on purpose, such as by a lifecycle policy.", strings.Join(lines, "\n"), human.Counted(int64(len(drift)), "setting"))) {
		return x.t.ctx.Err()
	}
	if err := d.ApplySettings(ctx, drift); err != nil {
		return err
	}
	x.fixed("settings", "%s applied.", human.Counted(int64(len(drift)), "setting"))
	return nil
}

// acknowledge takes note of what was lost.
func (x *examination) acknowledge(o *openedStore) error {
	l, ok := o.Store.(losing)
	if !ok {
		x.t.note("%v remembers no losses.", o.where)
		return nil
	}
	if !x.may("Take note of all indices that were lost, made anew or restored? Nobody is told of them any more.") {
		return x.t.ctx.Err()
	}
	names, err := l.Acknowledge(x.t.ctx)
	if err != nil {
		return err
	}
	if len(names) == 0 {
		x.t.note("there was nothing to acknowledge.")
		return nil
	}
	x.fixed("losses", "acknowledged: %s.", strings.Join(names, ", "))
	return nil
}
