//go:build !mangen

// Command vrfredist redistributes routes between the kernel tables of a host's
// VRFs and BGP. `vrfredist run` is the daemon; the other commands ask it.
package main

import (
	"context"
	"os"
)

func main() {
	os.Exit(execute(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
}
