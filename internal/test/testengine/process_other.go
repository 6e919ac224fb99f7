//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package testengine

import (
	"context"
	"errors"
	"os/exec"
	"time"
)

// This file stands in for process_unix.go on systems where no engine can be started.

// Here no engine can be started; Shared still works with
// CLOAKROOM_TEST_ENGINE=http://host:port.
const supported = false

type process struct{ pid int }

func launch(*exec.Cmd, bool) (*process, error) { return nil, errors.ErrUnsupported }

func (*process) ended() bool                 { return true }
func (*process) how() string                 { return "" }
func (*process) pause() error                { return errors.ErrUnsupported }
func (*process) resume() error               { return errors.ErrUnsupported }
func (*process) terminate() error            { return errors.ErrUnsupported }
func (*process) kill() error                 { return errors.ErrUnsupported }
func (*process) waitEnd(time.Duration) error { return errors.ErrUnsupported }

func lockFile(context.Context, string) (func(), error) { return nil, errors.ErrUnsupported }

type lease struct{}

func takeLease(context.Context, string, bool) (*lease, error) { return nil, errors.ErrUnsupported }

func (*lease) alone() bool { return false }
func (*lease) release()    {}
