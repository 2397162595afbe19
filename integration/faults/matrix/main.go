// Matrix runs the tests of the fault matrix, prints a table of row, fault, promise,
// what was measured and the verdict, and writes it into a page. Its exit status is 0
// only where every row has a test that ran, and none failed. A time over its promise
// is said, and is no failure: the machine may be busy.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// packages have rows that run on any machine; inVM those that need VRF devices, or
// a machine of their own.
var (
	packages = []string{"./integration/faults", "./nsworker"}
	inVM     = []string{"./integration/faults/devices"}
)

func main() {
	page := flag.String("o", "", "`FILE` to write the table into, between its two marks")
	runner := flag.String("vm", "", "`PROGRAM` that runs a test in the virtual machine; none: rows V run here")
	besides := flag.String("srv6", "", "`PROGRAM` that runs those of the tests which skip there because it has no SRv6")
	only := flag.String("run", "", "rows to run, as a regular expression on their numbers: 0[1-4]; all others are not judged")
	flag.Parse()
	ok, err := run(*page, *runner, *besides, *only)
	if err != nil {
		fmt.Fprintln(os.Stderr, "matrix:", err)
	}
	if err != nil || !ok {
		os.Exit(1)
	}
}

func run(page, runner, besides, only string) (bool, error) {
	results := newResults(os.Stdout)
	args := []string{"-run", "^TestFault(" + only + ")"}
	if err := test(results, append(args, packages...)); err != nil {
		return false, err
	}
	if runner != "" {
		args = append(args, "-exec", runner)
	}
	if err := test(results, append(args, inVM...)); err != nil {
		return false, err
	}
	if lacking := slices.Sorted(maps.Keys(results.lacking)); len(lacking) > 0 {
		args := []string{"-run", "^(" + strings.Join(lacking, "|") + ")$"}
		if besides != "" {
			args = append(args, "-exec", besides)
		}
		if err := test(results, append(args, inVM...)); err != nil {
			return false, err
		}
		// One that was not even found has not run.
		results.failures = results.failures || len(results.lacking) > 0
	}
	table, ok := results.table(only != "")
	fmt.Print("\n", table)
	if page != "" {
		if err := write(page, table); err != nil {
			return false, err
		}
	}
	return ok, nil
}

func test(results *results, args []string) error {
	// One package after the other: they measure time.
	cmd := exec.Command("go", append([]string{"test", "-json", "-count=1", "-p", "1", "-timeout", "60m"}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("connect to go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start go test: %w", err)
	}
	readErr := results.read(out)
	err = cmd.Wait()
	// An exit status other than 0 says that something failed; what, the results know.
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		results.exited()
		err = nil
	}
	return errors.Join(readErr, err)
}

// The marks between which the page holds the table.
const (
	begin = "<!-- The table below is written by `make faults`. -->\n"
	end   = "<!-- The table above is written by `make faults`. -->\n"
)

func write(page, table string) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	head, rest, found := strings.Cut(string(text), begin)
	_, tail, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s has not both lines %q and %q: put them where the table is to be", page, begin, end)
	}
	var b bytes.Buffer
	for _, s := range []string{head, begin, "\n", table, "\n", end, tail} {
		if _, err := io.WriteString(&b, s); err != nil {
			return err
		}
	}
	return os.WriteFile(page, b.Bytes(), 0o644)
}
