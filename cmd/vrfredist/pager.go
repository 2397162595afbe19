package main

import (
	"cmp"
	"errors"
	"io"
	"os"
	"os/exec"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// pages gives a command the --no-pager flag, and has what it prints shown by a
// pager where that goes to a terminal, as git does: $VRFREDIST_PAGER, or $PAGER,
// or less; "cat" and an empty value are none.
func (c *cli) pages(cmd *cobra.Command) {
	var off bool
	cmd.Flags().BoolVar(&off, "no-pager", false, "do not show the output by a pager")
	run := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		program := pager()
		if off || c.json || program == "" || !isTerminal(c.out) {
			return run(cmd, args)
		}
		return c.paged(program, func() error { return run(cmd, args) })
	}
}

func pager() string {
	for _, name := range []string{"VRFREDIST_PAGER", "PAGER"} {
		if program, set := os.LookupEnv(name); set {
			if program == "cat" {
				return ""
			}
			return program
		}
	}
	if _, err := exec.LookPath("less"); err != nil {
		return ""
	}
	return "less"
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// paged runs a command with its output going to a pager, and waits for both. A
// person who leaves the pager ends the command, which is no error.
func (c *cli) paged(program string, run func() error) error {
	cmd := exec.Command("sh", "-c", program)
	cmd.Stdout, cmd.Stderr = c.out, os.Stderr
	// What fits on the screen needs no pager; long lines are cut, not wrapped.
	cmd.Env = append(os.Environ(), "LESS="+cmp.Or(os.Getenv("LESS"), "FRSX"))
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return run() // without
	}
	terminal := c.out
	c.out = in
	defer func() { c.out = terminal }()
	err = run()
	if errors.Is(err, syscall.EPIPE) {
		err = nil
	}
	// The pager tells by its own end that there is no more; its status says
	// nothing of the command's.
	_ = in.Close()
	_ = cmd.Wait()
	return err
}
