package protocol

import (
	"errors"
	"fmt"

	"github.com/cloakroom-go/cloakroom/driver"
)

// This file is the errors of this package, and the rules for what a store's error proves
// of a write.

// ErrNeedless gives up a change that nobody waits for (ChangeLater). Change.Apply returns
// it where the stored record already has what the change would put there.
var ErrNeedless = errors.New("cloakroom: nothing to be done")

func errClosed() error { return fmt.Errorf("cloakroom: manager: %w", driver.ErrClosed) }

// errUnknown is the error of a write whose outcome can't be learned.
func errUnknown(id driver.ID, cause error) error {
	err := fmt.Errorf("cloakroom: %v: %w: %w", id, driver.ErrUnknown, driver.ErrUnavailable)
	switch {
	case cause == nil:
		return err
	case answered(cause): // the store's answer is no proof, and would mislead
		return fmt.Errorf("%w: %v", err, cause) //nolint:errorlint // not to be told by errors.Is
	}
	return fmt.Errorf("%w: %w", err, cause)
}

// errGone is the error of a change whose session has ended.
func errGone(id driver.ID) error { return fmt.Errorf("cloakroom: %v: %w", id, driver.ErrGone) }

// refused reports whether the store's error says that nothing was written, and that there
// is no point in re-reading.
func refused(err error) bool {
	return isUnfit(err) || errors.Is(err, driver.ErrOverloaded) || errors.Is(err, driver.ErrClosed)
}

// isUnfit reports whether the store refuses this record, now and later.
func isUnfit(err error) bool {
	return errors.Is(err, driver.ErrInvalid) || errors.Is(err, driver.ErrTooLarge)
}

// errRefused is the error of a write that was refused. A store may say ErrOverloaded
// alone; callers of a Manager get ErrUnavailable with it.
func errRefused(id driver.ID, err error) error {
	if errors.Is(err, driver.ErrOverloaded) && !errors.Is(err, driver.ErrUnavailable) {
		return fmt.Errorf("cloakroom: writing %v: %w: %w", id, driver.ErrUnavailable, err)
	}
	return fmt.Errorf("cloakroom: writing %v: %w", id, err)
}

// errUnread is the error of an operation that failed with cause, and then couldn't
// re-read the record. Its outcome isn't in doubt: nothing was written.
func errUnread(id driver.ID, cause error) error {
	if answered(cause) { // cause is the conflict that it met, not its outcome
		return fmt.Errorf("cloakroom: reading %v: %w, after: %v", id, driver.ErrUnavailable, cause) //nolint:errorlint // not to be told by errors.Is
	}
	return readError(id, cause)
}

// answered reports whether the store said that a compare-and-set, or a create,
// met something else.
func answered(err error) bool {
	return errors.Is(err, driver.ErrConflict) || errors.Is(err, driver.ErrExists) || errors.Is(err, driver.ErrGone) || driver.IsNotFound(err)
}

// readError is the error for a read that failed.
func readError(id driver.ID, err error) error {
	if errors.Is(err, driver.ErrCorrupt) || errors.Is(err, driver.ErrUnavailable) || errors.Is(err, driver.ErrClosed) || isUnfit(err) {
		return fmt.Errorf("cloakroom: reading %v: %w", id, err)
	}
	return fmt.Errorf("cloakroom: reading %v: %w: %w", id, driver.ErrUnavailable, err)
}
