package main

import (
	"cmp"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
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
		if _, seen := c.out.(*screen); off || c.json || program == "" || !seen {
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

// paged runs a command with its output going to a pager, and waits for both. A
// person who leaves the pager ends the command, which is no error.
func (c *cli) paged(program string, run func() error) error {
	cmd := exec.Command("sh", "-c", program)
	cmd.Stdout, cmd.Stderr = c.out, os.Stderr
	page := screen{}
	if s, ok := c.out.(*screen); ok {
		page = *s
		cmd.Stdout = s.Writer // the terminal itself, of which a pager asks the size
	}
	// What fits on the screen needs no pager, which then leaves it as it is; colours pass.
	options := cmp.Or(os.Getenv("LESS"), "FRX")
	cmd.Env = append(os.Environ(), "LESS="+options)
	page.colours = page.colours && passesColours(program, options)
	in, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return run() // without
	}
	terminal := c.out
	page.Writer = in
	c.out = &page
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

// passesColours tells whether a pager hands escapes on to the terminal.
func passesColours(program, less string) bool {
	words := strings.Fields(program)
	if len(words) == 0 || filepath.Base(words[0]) != "less" {
		return false
	}
	return strings.ContainsAny(less, "rR") || strings.ContainsAny(strings.Join(words[1:], " "), "rR")
}
