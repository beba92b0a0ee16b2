package main

// This file holds what concerns processes: parents, locks, processors.

import (
	"context"
	"crypto/ed25519"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"lode/protocol"
)

// addTied adds the flag by which a child ends with the process that started it.
func addTied(c *cobra.Command, tied *bool) {
	c.Flags().BoolVar(tied, "with-parent", false, "end when standard input ends")
	_ = c.Flags().MarkHidden("with-parent") // the flag exists
}

// tie returns a context that ends with ctx, and also when stdin ends if tied: a
// pipe that the parent holds ends however the parent dies.
func tie(ctx context.Context, stdin io.Reader, tied bool) context.Context {
	if !tied {
		return ctx
	}
	ctx, cancel := context.WithCancel(ctx)
	go func() { // ends with the pipe, that is with the parent or this process
		_, _ = io.Copy(io.Discard, stdin)
		cancel()
	}()
	return ctx
}

// lockName is the file by which a process has a folder to itself.
const lockName = "lock"

func threadsOr(n int) int {
	if n > 0 {
		return n
	}
	return runtime.GOMAXPROCS(0)
}

func nodeIDOf(key ed25519.PrivateKey) protocol.NodeID {
	return protocol.NodeID(key.Public().(ed25519.PublicKey))
}
