package cloakroom_test

import (
	"context"
	"fmt"
	"time"
)

// This file is an example of the figures of this process.

// What a process did within some time is the difference of two readings.
func ExampleManager_Figures() {
	sessions := exampleManager(nil)
	defer sessions.Close()
	earlier := sessions.Figures()

	exampleSession(sessions, "ann")
	exampleSession(sessions, "bob")
	_, _ = sessions.Retrieve(context.Background(), "a token that somebody made up")

	now := sessions.Figures()
	fmt.Println("signed in:", now.SignedIn-earlier.SignedIn)
	for kind, n := range now.Refused {
		if n -= earlier.Refused[kind]; n > 0 {
			fmt.Println("refused:", kind, n)
		}
	}
	made := now.Operations.Create.Latency.Minus(earlier.Operations.Create.Latency)
	fmt.Println("99 % are made within a second:", made.Quantile(0.99) < time.Second)
	fmt.Println("the store has figures of its own:", now.Store != nil)
	// Output:
	// signed in: 2
	// refused: forged 1
	// 99 % are made within a second: true
	// the store has figures of its own: false
}
