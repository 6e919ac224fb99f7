package main

import (
	"errors"
	"fmt"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/place"
	"github.com/cloakroom-go/cloakroom/driver"
	"github.com/cloakroom-go/cloakroom/internal/transfer"
)

// This file is "cloakroom copy --dry-run".

// rehearse tells what would be copied.
func (x *copying) rehearse() error {
	var err error
	if x.from, err = x.openFrom(x.t, place.Look, toCopy); err != nil {
		return err
	}
	x.lookForFence()
	if err := x.rehearseTo(); err != nil {
		return err
	}
	l, ok := x.from.(driver.Lister)
	if !ok {
		return fmt.Errorf("%v can't list its records", x.endFlags.From)
	}
	p := x.t.progress("records read", x.total())
	defer p.stop()
	for after := ""; ; {
		part, err := l.List(x.t.ctx, after)
		if err != nil {
			return err
		}
		p.add(int64(len(part.Items)))
		for _, item := range part.Items {
			x.Listed++
			switch {
			case item.Err != nil:
				x.told.add(transfer.Finding{ID: item.ID, Reason: transfer.UnreadableSource, Cause: item.Err})
				x.Left++
			case item.Record.Grave != nil:
				x.Graves++
			}
		}
		if after = part.Next; part.End {
			break
		}
	}
	if !x.t.json {
		x.t.say("It would copy what the target doesn't have of %s, of which %s, into %v. %s",
			counted(x.Listed, "record"), counted(x.Graves, "grave"), x.endFlags.To, x.afterwards())
	}
	return x.partial()
}

// rehearseTo looks at the target: whether it can be reached and written to, and what would
// be made there.
func (x *copying) rehearseTo() (err error) {
	x.to, err = x.openTo(x.t, place.Look)
	switch {
	case errors.Is(err, place.ErrNoStore):
		changes, err := x.setUpTo(x.t, true)
		for _, c := range changes {
			x.t.note("it would be done: %s", c.Text)
		}
		return err
	case err != nil:
		return err
	}
	m, err := transfer.New(transfer.Config{From: x.from, To: x.to})
	if err != nil {
		return err
	}
	return m.Check(x.t.ctx)
}

// afterwards tells what would be done once everything is copied.
func (x *copying) afterwards() string {
	if !x.Cut {
		return "Nothing was copied."
	}
	ask, refused := ", ask", "from then on"
	if x.Yes {
		ask = ""
	}
	if x.Fenced {
		refused = "as they are"
	}
	return fmt.Sprintf("Then it would compare both%s, and cut over: writes at the source would be refused %s. Nothing was done.", ask, refused)
}
