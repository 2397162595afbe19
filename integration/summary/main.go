// Summary runs `go test -json` with the arguments it is given, shows what fails
// while it goes on, and ends in what ran and what was skipped and why. Its exit
// status is 0 only where at least one test ran and nothing failed: neither a
// test, nor a build, nor a package that ended in a panic or a time-out.
package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: summary ARGUMENTS-OF-GO-TEST…, for example: summary -race ./...")
		os.Exit(2)
	}
	ok, err := run(os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(args []string) (bool, error) {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return false, fmt.Errorf("connect to go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return false, fmt.Errorf("start go test: %w", err)
	}
	tally := newTally(os.Stdout)
	readErr := tally.read(out)
	waitErr := cmd.Wait()
	// An exit status other than 0 is go test's way to say that something
	// failed. The tally should know what; where it does not, the status rules.
	if exit := new(exec.ExitError); errors.As(waitErr, &exit) {
		tally.exited(exit.ExitCode())
		waitErr = nil
	}
	ok := tally.report()
	return ok, errors.Join(readErr, waitErr)
}
