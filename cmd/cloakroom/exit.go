package main

import (
	"context"
	"errors"
)

// This file is the exit codes, and the errors that ask for one.

// Exit codes. There may be more in a later version.
const (
	exitOK          = 0
	exitFailed      = 1
	exitUsage       = 2   // the command line is wrong, and nothing was done
	exitPartial     = 3   // some of what was asked for is done
	exitFindings    = 4   // it found something that needs a remedy
	exitNotFound    = 5   // what it was asked for isn't there
	exitInterrupted = 130 // a signal came before it was done
)

// usageError is the error of a command line that makes no sense.
type usageError struct {
	error
	hint string // names the command that shows help; "" if that wouldn't help
}

func (e usageError) Unwrap() error { return e.error }

// misuse returns a usageError.
func misuse(text string) error { return usageError{error: errors.New(text)} }

// exitError is an error with an exit code of its own.
type exitError struct {
	code int
	err  error // nil: the user has been told
}

// Error returns the text of the error inside.
func (e exitError) Error() string {
	if e.err == nil {
		return "it was told"
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

// notFound returns the error that what was asked for isn't there.
func notFound(err error) error { return exitError{exitNotFound, err} }

// told returns an error of which the user has been told.
func told(code int) error { return exitError{code: code} }

// exitCode returns the exit code for a command's error. ctx is the command's: if a signal
// ended it, the code says so.
func exitCode(ctx context.Context, err error) int {
	if err == nil {
		return exitOK
	}
	if _, ok := errors.AsType[usageError](err); ok {
		return exitUsage
	}
	if ctx.Err() != nil {
		return exitInterrupted
	}
	if e, ok := errors.AsType[exitError](err); ok {
		return e.code
	}
	return exitFailed
}

// isTold reports whether the user has been told of an error.
func isTold(err error) bool {
	e, ok := errors.AsType[exitError](err)
	return ok && e.err == nil
}
