//go:build !mangen

// Linux has no MD5 signatures for multipath TCP, which Go listens with otherwise.
// It stands here, because go.mod says it only to builds inside this module, and
// not to `go install`.
//go:debug multipathtcp=0

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
