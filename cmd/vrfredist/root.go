package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/daemon"
)

// Exit statuses.
const (
	statusDone    = 0
	statusFailed  = 1 // refused or failed
	statusMisused = 2 // the command line itself is wrong
)

// cli is one call of the program. Each group of commands is a type with a cli in it.
type cli struct {
	out  io.Writer
	api  string
	tls  tlsOptions
	json bool
	now  func() time.Time
	// hints notes what a file lacks on this host; nil: nobody looks at the host.
	hints func(ctx context.Context, file string, cfg *config.Config) []config.Error

	started bool // a command took over: its error is no longer one of usage
}

// usageError is a command line that cannot be understood.
type usageError struct {
	cmd *cobra.Command
	err error
}

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

// misused reports a command line that cannot be understood.
func misused(cmd *cobra.Command, format string, args ...any) error {
	return &usageError{cmd, fmt.Errorf(format, args...)}
}

// execute runs one command line and returns the exit status.
func execute(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	c := &cli{out: stdout, now: time.Now, hints: daemon.HostHints}
	return c.execute(ctx, args, stderr)
}

func (c *cli) execute(ctx context.Context, args []string, stderr io.Writer) int {
	c.out = onScreen(c.out)
	root := newRoot(c)
	root.SetArgs(tried(longVRF(args)))
	root.SetOut(c.out)
	root.SetErr(stderr)
	cmd, err := root.ExecuteContextC(ctx)
	if err == nil {
		return statusDone
	}
	var usage *usageError
	if !errors.As(err, &usage) && !c.started {
		usage = &usageError{cmd, err} // of a command that cobra made
	}
	if usage == nil {
		fmt.Fprintln(stderr, err)
		return statusFailed
	}
	fmt.Fprintf(stderr, "%v\nusage: %s\n", usage, usage.cmd.UseLine())
	for _, sub := range usage.cmd.Commands() {
		if sub.IsAvailableCommand() {
			fmt.Fprintf(stderr, "  %-16s %s\n", sub.Name(), sub.Short)
		}
	}
	return statusMisused
}

// longVRF lets -vrf with one dash mean --vrf: pflag would read it as -v -r -f.
func longVRF(args []string) []string {
	out := make([]string, 0, len(args))
	for i, arg := range args {
		if arg == "--" {
			return append(out, args[i:]...)
		}
		if arg == "-vrf" || strings.HasPrefix(arg, "-vrf=") {
			arg = "-" + arg
		}
		out = append(out, arg)
	}
	return out
}

// group makes cmd one that only has subcommands.
func group(cmd *cobra.Command, subs ...*cobra.Command) *cobra.Command {
	cmd.AddCommand(subs...)
	if cmd.Use == cmd.Name() {
		cmd.Use += " COMMAND"
	}
	cmd.DisableFlagsInUseLine = true
	cmd.SuggestionsMinimumDistance = 2
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return misused(cmd, "a command is missing")
		}
		if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
			return misused(cmd, "there is no command %q; did you mean %s?", args[0], strings.Join(near, " or "))
		}
		return misused(cmd, "there is no command %q", args[0])
	}
	cmd.RunE = func(*cobra.Command, []string) error { return nil } // Args let nothing through
	return cmd
}

func noArgs(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return misused(cmd, "%q is too much: the command takes no arguments", args[0])
	}
	return nil
}

// printsJSON gives a command the --json flag.
func (c *cli) printsJSON(cmd *cobra.Command) {
	cmd.Flags().BoolVar(&c.json, "json", false, "print JSON")
}

// takesVRF gives a command the --vrf flag.
func (c *cli) takesVRF(cmd *cobra.Command, name *string) {
	cmd.Flags().StringVar(name, "vrf", "default", "the `VRF`")
	// The error would be of a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("vrf", c.completeVRF)
}
