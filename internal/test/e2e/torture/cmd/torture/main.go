// Command torture has things go wrong while clients work on sessions, checks
// what they were told, and writes docs/reliability.md.
//
//	go run ./internal/test/e2e/torture/cmd/torture -for 70m -o docs/reliability.md
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"

	"github.com/cloakroom-go/cloakroom/internal/test/e2e/torture"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	worked, err := torture.Serve(ctx, os.Getenv, os.Stdin, os.Stdout)
	if !worked {
		err = torture.Main(ctx, os.Args[1:], os.Stderr)
	}
	switch {
	case errors.Is(err, flag.ErrHelp):
		return 2
	case err != nil:
		fmt.Fprintln(os.Stderr, "torture:", err)
		return 1
	}
	return 0
}
