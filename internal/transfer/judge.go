package transfer

import (
	"time"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the judgement: what is to be done at the target for a state of the source.

// verdict says what is to be done at the target.
type verdict uint8

const (
	nothing verdict = iota // it has that state, or one that means the same
	write                  // the state is to be written, at the target's version
	leave                  // nothing may be done, and it is told why
)

// judge decides by the states of the source and of the target, nil for none. It is a
// function of both alone. src isn't nil.
func judge(src, dst *driver.Record, now time.Time) (verdict, Reason) {
	d := new(digester)
	switch {
	case dst == nil && isOver(src, now):
		return nothing, ""
	case dst == nil:
		return write, Missing
	case d.of(src) == d.of(dst):
		return nothing, ""
	case src.Grave != nil && dst.Grave != nil:
		if descends(src, dst) || asCopied(dst) {
			return write, Behind
		}
		return nothing, "" // both ended
	case src.Grave != nil && !asCopied(dst) && contradicts(src, dst):
		return write, EndedInUse
	case src.Grave != nil:
		return write, Ended
	case dst.Grave != nil:
		return leave, EndedAtTarget
	case descends(src, dst), asCopied(dst) && dst.Due(now) == driver.DueRemoval:
		return write, Behind
	case asCopied(dst):
		return leave, Rewound
	}
	return leave, Diverged
}
