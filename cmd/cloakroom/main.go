// Command cloakroom shows and tends sessions of the package cloakroom.
//
//	cloakroom demo                        a small shop to look behind, on http://127.0.0.1:8080
//	cloakroom doctor                      check a store and its configuration, and tell remedies
//	cloakroom ls, show, top, stats        look at sessions
//	cloakroom revoke                      end sessions
//	cloakroom setup, sweep, ledger        tend a store
//	cloakroom key, token                  make and rotate keys, look at tokens
//	cloakroom dancer                      move from Dancer::Session::ElasticSearch
//
// Run "cloakroom --help" for more; docs/command-line.md has it all.
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
	if !signal.Ignored(syscall.SIGHUP) { // as it is under nohup
		signal.Notify(signals, syscall.SIGHUP) // the terminal is gone
	}
	go func() {
		<-signals
		signal.Stop(signals) // a second signal ends the program at once
		cancel()
	}()
	os.Exit(run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
}
