package debian

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
)

// Run runs a program of the host in a folder ("": the working one), and shows what it
// printed only where it fails.
func Run(ctx context.Context, dir, name string, args ...string) error {
	cmd := command(ctx, dir, name, args)
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	return failed(cmd.Run(), name, args, &printed)
}

// output runs a program and returns what it printed.
func output(ctx context.Context, name string, args ...string) (string, error) {
	cmd := command(ctx, "", name, args)
	var complaint bytes.Buffer
	cmd.Stderr = &complaint
	out, err := cmd.Output()
	return string(out), failed(err, name, args, &complaint)
}

func command(ctx context.Context, dir, name string, args []string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, name, args...)
	// A package manager is to end in order.
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "DEBIAN_FRONTEND=noninteractive", "LC_ALL=C")
	return cmd
}

func failed(err error, name string, args []string, printed *bytes.Buffer) error {
	if err == nil {
		return nil
	}
	// What it was to do stands at the end, behind apt's settings.
	var shown []string
	for i := 0; i < len(args) && len(shown) < 8; i++ {
		if args[i] == "-o" {
			i++
			continue
		}
		shown = append(shown, args[i])
	}
	return fmt.Errorf("%s %s: %w\n%s", name, strings.Join(shown, " "), err, bytes.TrimSpace(printed.Bytes()))
}
