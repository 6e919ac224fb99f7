// Command cloakroom shows and tends sessions of the package cloakroom.
//
//	cloakroom demo                        a small shop to look behind, on http://127.0.0.1:8080
//	cloakroom demo --config config.yml    the same, on a Dancer application's engine
//	cloakroom dancer config config.yml    the meaning of that configuration, and the same in Go
//	cloakroom dancer verify               check the signatures of values of old cookies
//	cloakroom dancer status               how much of the old module's index is left
//	cloakroom dancer purge                delete that index, once imports have ended
//
// Run "cloakroom --help" for more.
package main

import (
	"context"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	// Commands tell by themselves what packages would log by default.
	slog.SetDefault(slog.New(slog.DiscardHandler))
	ctx, cancel := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		<-signals
		signal.Stop(signals) // a second signal ends the program at once
		cancel()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
