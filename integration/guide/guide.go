// Package guide plays a guide of the documentation as a reader would: its files are written, its
// commands are run in their order, and what it says that they print they have to print.
//
//	```toml file=red.toml     is written as red.toml
//	```sh                     has commands, a line each, whose output does not matter
//	```console                has lines "# command", each followed by its output
//
// Commands run at a terminal of 120 columns. In an output, … stands for any text in its line, and a line of … for any lines.
// White space counts as one blank. A command with an output is asked until it
// prints that; one without is run once; one that ends in & goes on.
package guide

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// patience is had for a session that its two ends open in turn, which may take some rounds of their
// timers on a loaded machine.
const patience = 3 * lab.Patience

type guide struct {
	*lab.Lab
	rtr *lab.Namespace
}

// Play plays the guide with this text, in a mount namespace of its own, with these programs besides
// ip; run has its program. The test has nothing to do beside it.
func Play(t *testing.T, run *lab.Run, text string, programs ...string) {
	t.Helper()
	lab.Need(t, append(programs, "ip", "unshare")...)
	if !lab.InOwnRun(t, run) {
		return
	}
	l := lab.New(t, run)
	// FRR keeps what it knows of a crash there.
	if err := unix.Mount("tmpfs", "/var/tmp", "tmpfs", 0, ""); err != nil {
		t.Fatalf("give the guide a /var/tmp of its own: %v", err)
	}
	// One of several daemons has a state directory of its own, which stands behind this one.
	l.File("vrfredist", fmt.Sprintf("#!/bin/sh\n[ \"$1\" = run ] && shift && exec %[1]s run --state-dir %[2]s/state \"$@\"\nexec %[1]s \"$@\"\n", run.Daemon, l.Dir))
	if err := os.Chmod(filepath.Join(l.Dir, "vrfredist"), 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PATH", l.Dir+":"+os.Getenv("PATH"))
	g := guide{l, l.Namespace("rtr")}
	g.rtr.Trust() // of a guide everything may write routes, the daemon among them
	steps := stepsOf(text)
	if len(steps) < 10 {
		t.Fatalf("the guide has only %d steps", len(steps))
	}
	for _, s := range steps {
		g.play(s)
	}
}

// step is a file of a guide, or a command with what it prints.
type step struct {
	line          int
	file, content string
	command       string
	want          []string
}

var blockStart = regexp.MustCompile("^```(\\w+)(?: file=([\\w.-]+))?$")

func stepsOf(text string) (steps []step) {
	var kind, file string
	inside := false
	for i, line := range strings.Split(text, "\n") {
		m := blockStart.FindStringSubmatch(line)
		switch {
		case !inside && m != nil:
			inside, kind, file = true, m[1], m[2]
			if file != "" {
				steps = append(steps, step{line: i + 1, file: file})
			}
		case strings.HasPrefix(line, "```"):
			inside = false
		case !inside:
		case file != "":
			steps[len(steps)-1].content += line + "\n"
		case kind == "sh":
			steps = append(steps, step{line: i + 1, command: line})
		case kind == "console" && strings.HasPrefix(line, "# "):
			steps = append(steps, step{line: i + 1, command: line[2:]})
		case kind == "console" && len(steps) > 0:
			last := &steps[len(steps)-1]
			last.want = append(last.want, line)
		}
	}
	return steps
}

func (g guide) play(s step) {
	g.T.Helper()
	if s.file != "" {
		g.File(s.file, s.content)
		if err := os.Chmod(filepath.Join(g.Dir, s.file), 0o644); err != nil { // FRR gives up root
			g.T.Fatal(err)
		}
		return
	}
	if command, goesOn := strings.CutSuffix(s.command, " &"); goesOn {
		g.rtr.Start(command, "bash", "-c", "cd "+g.Dir+" && exec "+command)
		return
	}
	if len(s.want) == 0 {
		if out, err := g.shell(s.command); err != nil {
			g.T.Fatalf("line %d: %s: %v: %s", s.line, s.command, err, out)
		}
		return
	}
	want := pattern(s.want)
	lab.WaitFor(g.T, fmt.Sprintf("line %d: %s", s.line, s.command), patience, func() string {
		out, err := g.shell(s.command)
		if want.MatchString(plain(out)) {
			return ""
		}
		return fmt.Sprintf("it prints (%v)\n%s\nand the guide has\n%s", err, out, strings.Join(s.want, "\n"))
	})
}

// shell runs a command as a reader does, at a terminal, and returns what that shows.
func (g guide) shell(command string) (out string, err error) {
	cmd := exec.Command("bash", "-c", command)
	cmd.Dir = g.Dir
	cmd.Env = append(os.Environ(), "NO_COLOR=1", "VRFREDIST_PAGER=cat")
	err = g.rtr.Enter(func() error {
		var err error
		out, err = atTerminal(cmd)
		return err
	})
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		err = exit
	}
	return out, err
}

// plain makes white space one blank, and leaves no empty lines.
func plain(text string) string {
	var lines []string
	for _, line := range strings.Split(text, "\n") {
		if fields := strings.Fields(line); len(fields) > 0 {
			lines = append(lines, strings.Join(fields, " ")+"\n")
		}
	}
	return strings.Join(lines, "")
}

// pattern is what an output of a guide matches.
func pattern(want []string) *regexp.Regexp {
	var b strings.Builder
	b.WriteString("^")
	for _, line := range strings.Split(plain(strings.Join(want, "\n")), "\n") {
		switch {
		case line == "…":
			b.WriteString(`(?s:.*)`)
		case line != "":
			parts := strings.Split(line, "…")
			for i := range parts {
				parts[i] = regexp.QuoteMeta(parts[i])
			}
			b.WriteString(strings.Join(parts, ".*") + `\n`)
		}
	}
	b.WriteString("$")
	return regexp.MustCompile(b.String())
}
