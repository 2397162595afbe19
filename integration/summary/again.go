package main

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// again is what is done with tests that are skipped for want of what another machine has.
type again struct {
	reason *regexp.Regexp // why they are skipped
	exec   string         // what runs them then
	flags  []string       // of go test
}

// readAgain takes what is meant for it out of the arguments; nil where that is nothing.
func readAgain(args []string) (*again, []string, error) {
	if args[0] != "-again" {
		return nil, args, nil
	}
	end := slices.Index(args, "--")
	if end < 3 {
		return nil, nil, errors.New("-again wants a reason, a program, and the packages behind --")
	}
	reason, err := regexp.Compile(args[1])
	if err != nil {
		return nil, nil, fmt.Errorf("the reason for -again: %w", err)
	}
	flags := args[3:end]
	return &again{reason: reason, exec: args[2], flags: flags}, slices.Concat(flags, args[end+1:]), nil
}

// run has the tests that were skipped for the reason run, a package at a time.
func (a *again) run(t *tally) error {
	for pkg, names := range a.skipped(t) {
		// Of a flag that is there twice, go test takes the last.
		if err := t.test(slices.Concat(a.flags, []string{"-exec", a.exec, "-run", exactly(names), pkg})); err != nil {
			return err
		}
	}
	for pkg, names := range a.skipped(t) {
		for _, name := range names {
			t.broken = append(t.broken, fmt.Sprintf("%s %s: %s did not run it either", pkg, name, a.exec))
		}
	}
	return nil
}

// skipped are the names of tests that were skipped for the reason, by package.
func (a *again) skipped(t *tally) map[string][]string {
	found := map[string][]string{}
	for id, result := range t.results {
		if result == "skip" && a.reason.MatchString(t.reason(id)) {
			found[id.pkg] = append(found[id.pkg], id.name)
		}
	}
	return found
}

// exactly is the -run of these tests and of no others. It has a level for each of a name, and an
// alternative for each name (go help testflag).
func exactly(names []string) string {
	names = slices.Sorted(slices.Values(names))
	for i, name := range names {
		levels := strings.Split(name, "/")
		for l, level := range levels {
			levels[l] = "^" + regexp.QuoteMeta(level) + "$"
		}
		names[i] = strings.Join(levels, "/")
	}
	return strings.Join(names, "|")
}
