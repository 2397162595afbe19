// Summary runs `go test -json` with the arguments it is given, shows what fails
// while it goes on, and ends in what ran and what was skipped and why. Its exit
// status is 0 only where at least one test ran and nothing failed: neither a
// test, nor a build, nor a package that ended in a panic or a time-out.
//
//	summary -again 'no SRv6' 'vmrun' -exec 'vmrun -machine uml' -- ./a ./b
//
// runs those tests once more that are skipped for such a reason (a regular expression), and them
// alone, by that -exec in place of the first. One that is skipped for it again, or does not run,
// has failed. What they do then is what the summary has.
//
// What vmrun says, as on which kernel a package's tests run, is in the end too.
package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
)

func main() {
	if len(os.Args) < 2 {
		fmt.Fprintln(os.Stderr, "usage: summary [-again REASON EXEC] FLAGS-OF-GO-TEST… [--] PACKAGES…, for example: summary -race ./...")
		os.Exit(2)
	}
	ok, err := run(os.Stdout, os.Args[1:])
	if err != nil {
		fmt.Fprintln(os.Stderr, "summary:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(out io.Writer, args []string) (bool, error) {
	again, args, err := readAgain(args)
	if err != nil {
		return false, err
	}
	t := newTally(out)
	if err := t.test(args); err != nil {
		return false, err
	}
	if again != nil {
		err = again.run(t)
	}
	return t.report(), err
}

// test runs go test.
func (t *tally) test(args []string) error {
	cmd := exec.Command("go", append([]string{"test", "-json"}, args...)...)
	cmd.Stderr = os.Stderr
	if os.Getenv("GORACE") == "" {
		// With the race detector, each package's tests would wait for a second when they end.
		cmd.Env = append(os.Environ(), "GORACE=atexit_sleep_ms=0")
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("connect to go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start go test: %w", err)
	}
	readErr := t.read(out)
	waitErr := cmd.Wait()
	// An exit status other than 0 is go test's way to say that something
	// failed. The tally should know what; where it does not, the status rules.
	if exit := new(exec.ExitError); errors.As(waitErr, &exit) {
		t.exited(exit.ExitCode())
		waitErr = nil
	}
	return errors.Join(readErr, waitErr)
}
