// Fetch unpacks the newest BIRD and FRR that Debian has into the project's cache, and says
// which versions they are. It ends with 69 where they cannot be had here: who runs tests
// goes on without them, and says so.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/vrfredist/vrfredist/integration/debian"
	"github.com/vrfredist/vrfredist/integration/peers"
)

const exitUnavailable = 69 // EX_UNAVAILABLE of sysexits(3)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
	err := run(ctx)
	stop()
	if err == nil {
		return
	}
	fmt.Fprintln(os.Stderr, "peers:", err)
	if errors.Is(err, debian.ErrUnavailable) {
		os.Exit(exitUnavailable)
	}
	os.Exit(1)
}

func run(ctx context.Context) error {
	p, err := peers.Fetch(ctx, func(format string, args ...any) { fmt.Printf(format+"\n", args...) })
	if err != nil {
		return err
	}
	versions, err := p.Versions()
	if err != nil {
		return err
	}
	fmt.Println(versions)
	return nil
}
