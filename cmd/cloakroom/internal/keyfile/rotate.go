package keyfile

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the steps of a rotation. Each changes the File alone; Save writes it.

// Add puts a new key behind the others: it verifies, and signs nothing yet. So the file can
// be given to one process after the other, and none signs what another can't verify.
func (f *File) Add(now time.Time) error {
	for i := range f.Keys {
		if k := &f.Keys[i]; i > 0 && k.Waits() {
			return fmt.Errorf("the key %s, of %s, doesn't sign yet: have it sign before another is added", k.Name(), day(k.Made))
		}
	}
	k, err := newKey(now)
	if err != nil {
		return err
	}
	f.Keys = append(f.Keys, k)
	return nil
}

// Sign has the key that was added sign: it is put in front.
func (f *File) Sign(now time.Time) error {
	i := slices.IndexFunc(f.Keys, func(k Key) bool { return k.Waits() })
	if i <= 0 {
		return errors.New("no key waits to sign: add one first. A key that was added by hand is moved to the front by hand")
	}
	f.Keys[0].SignedUntil = now
	k := f.Keys[i]
	k.SignsSince = now
	f.Keys = slices.Insert(slices.Delete(f.Keys, i, i+1), 0, k)
	return nil
}

// deployment is the time that it may take until all processes have a file that was changed.
// Until then some still sign with the key of before.
const deployment = 24 * time.Hour

// Drop takes the keys out whose tokens are all over: they signed last longer ago than the
// longest lifetime, and a day for the deployment. It returns them.
func (f *File) Drop(now time.Time, lifetime time.Duration) (dropped []Key, err error) {
	var keep []string
	left := f.Keys[:1:1]
	for _, k := range f.Keys[1:] {
		over := k.SignedUntil.Add(lifetime + deployment + driver.ClockTolerance)
		switch {
		case k.Waits():
		case k.SignedUntil.IsZero():
			keep = append(keep, fmt.Sprintf("of the key %s the file doesn't say when it last signed, so only you can tell", k.Name()))
		case now.Before(over):
			keep = append(keep, fmt.Sprintf("the key %s signed until %s: its tokens last until %s", k.Name(), day(k.SignedUntil), day(over)))
		default:
			dropped = append(dropped, k)
			continue
		}
		left = append(left, k)
	}
	switch {
	case len(dropped) > 0:
		f.Keys = left
		return dropped, nil
	case len(keep) == 0:
		return nil, errors.New("there is no key that has signed and signs no more")
	}
	return nil, errors.New(strings.Join(keep, "; "))
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 UTC") }
