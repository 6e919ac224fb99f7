package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/cmd/cloakroom/internal/keyfile"
)

// This file is "cloakroom key new" and "cloakroom key rotate".

// keyCommands is "cloakroom key".
type keyCommands struct {
	New    keyNewCommand    `cmd:"" help:"Make a file of keys with one new key."`
	Rotate keyRotateCommand `cmd:"" help:"Go a step further in the rotation of keys, and tell the next."`
}

type keyNewCommand struct {
	File string `arg:"" placeholder:"FILE" help:"The file to make; - prints the secret alone, for a store of secrets."`
}

// Help implements kong.HelpProvider.
func (*keyNewCommand) Help() string {
	return `The file is as cloakroom.KeyringFile reads it, and readable by its owner only. A file that is there is never written over. Of all processes of an application each needs the same keys.

Examples:

    cloakroom key new session.keys
    cloakroom key new - | vault kv put secret/shop session=-`
}

// keyLine is a key, in JSON. It has the secret only if that was asked for.
type keyLine struct {
	Type        string     `json:"type"` // key
	Hint        string     `json:"hint"`
	Signs       bool       `json:"signs"`
	Waits       bool       `json:"waits,omitempty"` // to sign later
	Made        *time.Time `json:"made,omitempty"`
	SignsSince  *time.Time `json:"signsSince,omitempty"`
	SignedUntil *time.Time `json:"signedUntil,omitempty"`
}

type secretLine struct {
	Type   string `json:"type"` // secret
	Secret string `json:"secret"`
}

// Run makes the file.
func (c *keyNewCommand) Run(t *terminal) error {
	if c.File == "-" {
		if secret := keyfile.NewSecret(); t.json {
			t.emit(secretLine{"secret", secret})
		} else {
			t.say("%s", secret)
		}
		return nil
	}
	if strings.HasPrefix(c.File, "-") {
		return misuse(fmt.Sprintf("%q looks like a flag: for a file of that name give ./%[1]s", c.File))
	}
	f, err := keyfile.New(c.File, time.Now())
	if err != nil {
		return err
	}
	if !t.json {
		t.say("Made %q.", c.File)
	}
	tellKeys(t, f)
	return nil
}

// keyRotateCommand is "cloakroom key rotate".
type keyRotateCommand struct {
	File     string   `arg:"" placeholder:"FILE" help:"The file of keys."`
	Sign     bool     `xor:"step" help:"The second step: the key that was added signs from now on."`
	Drop     bool     `xor:"step" help:"The third step: take the keys out whose tokens are all over."`
	AtOnce   bool     `xor:"step" help:"For an application of one process: add a key that signs at once, in place of the first two steps."`
	Lifetime duration `default:"30d" placeholder:"TIME" help:"The longest lifetime of a session (Config.MaxLifetime), after which --drop takes a key out. Default: 30d."`
	asker
}

// Help implements kong.HelpProvider.
func (*keyRotateCommand) Help() string {
	return `A key is put in another's place in three steps, so that no process signs a token that another can't verify. Without a flag it is the first step: a new key is added, which verifies and doesn't sign yet. After each step the file goes to all machines, and the processes there are restarted (or call Keyring.Replace) before the next step. Comments in the file tell from when until when a key signed.

Nobody is signed out: tokens that are met are signed anew. --drop takes out no key whose tokens could still be in use.

Examples:

    cloakroom key rotate session.keys
    cloakroom key rotate --sign session.keys
    cloakroom key rotate --drop session.keys`
}

// rotateResult is the command's members of the result.
type rotateResult struct {
	Step    string `json:"step"` // add, sign, both or drop
	Changed bool   `json:"changed"`
	DryRun  bool   `json:"dryRun"`
}

// stepLine is a step that is to follow, in JSON.
type stepLine struct {
	Type string `json:"type"` // next
	Text string `json:"text"`
}

// Run goes a step further.
func (c *keyRotateCommand) Run(t *terminal) error {
	now := time.Now()
	f, err := keyfile.Read(c.File)
	if err != nil {
		return err
	}
	r := rotateResult{Step: "add", DryRun: c.DryRun}
	defer func() { t.result(r) }()
	switch {
	case c.Drop:
		r.Step = "drop"
		if err := c.ready(t); err != nil {
			return err
		}
		dropped, err := f.Drop(now, time.Duration(c.Lifetime))
		if err != nil {
			return fmt.Errorf("nothing is dropped: %w", err)
		}
		if err := c.askToDrop(t, dropped); err != nil {
			return err
		}
	case c.Sign:
		r.Step = "sign"
		err = f.Sign(now)
	case c.AtOnce:
		r.Step = "both"
		if err = f.Add(now); err == nil {
			err = f.Sign(now)
		}
	default:
		err = f.Add(now)
	}
	if err != nil {
		return err
	}
	if !c.DryRun {
		if err := f.Save(); err != nil {
			return err
		}
		r.Changed = true
	}
	c.tell(t, f)
	return nil
}

// askToDrop asks before keys are taken out.
func (c *keyRotateCommand) askToDrop(t *terminal, dropped []keyfile.Key) error {
	if c.DryRun || c.Yes {
		return nil
	}
	var names []string
	for _, k := range dropped {
		names = append(names, fmt.Sprintf("%s, which signed until %s", k.Name(), moment(k.SignedUntil)))
	}
	return t.confirm("Take out the key "+strings.Join(names, ", and ")+"? Tokens of it that are still in use are refused then.", "nothing was dropped")
}

// tell tells what the file has now, and the steps that are to follow.
func (c *keyRotateCommand) tell(t *terminal, f *keyfile.File) {
	if !t.json {
		now := "There are now"
		if c.DryRun {
			now = "Nothing was written. There would be"
		}
		t.say("%s, in %q:", now, c.File)
	}
	tellKeys(t, f)
	steps := c.next(f)
	if !t.json {
		t.say("\nIn this order:")
	}
	for i, s := range steps {
		if t.json {
			t.emit(stepLine{"next", s})
		} else {
			t.say("  %d. %s", i+1, s)
		}
	}
}

// next returns the steps that are to follow.
func (c *keyRotateCommand) next(f *keyfile.File) (steps []string) {
	file := plain(c.File)
	deploy := "Give the file to all machines, and restart all processes there."
	if c.AtOnce {
		deploy = "Restart the process."
	}
	steps = append(steps, deploy)
	if !c.Drop && !c.Sign && !c.AtOnce {
		steps = append(steps, fmt.Sprintf("When all of them have it: cloakroom key rotate --sign %s", file), deploy)
	}
	if !c.Drop {
		return append(steps, fmt.Sprintf("When the old tokens are over, after %s: cloakroom key rotate --drop %s", span(time.Duration(c.Lifetime)), file), deploy)
	}
	if len(f.Keys) > 1 {
		steps = append(steps, "There are other keys, which stay for now.")
	}
	return steps
}

// tellKeys tells which keys a file has.
func tellKeys(t *terminal, f *keyfile.File) {
	for i, k := range f.Keys {
		at := func(m time.Time) *time.Time {
			if m.IsZero() {
				return nil
			}
			m = m.UTC().Truncate(time.Second)
			return &m
		}
		if t.json {
			t.emit(keyLine{"key", k.Name(), i == 0, k.Waits(), at(k.Made), at(k.SignsSince), at(k.SignedUntil)})
			continue
		}
		what := "verifies"
		switch {
		case i == 0:
			what = "signs and verifies"
		case k.Waits():
			what = "verifies, and is to sign"
		case !k.SignedUntil.IsZero():
			what += "; it signed until " + moment(k.SignedUntil)
		}
		t.say("  key %s  %s", k.Name(), what)
	}
}
