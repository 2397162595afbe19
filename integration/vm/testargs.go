package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

const (
	// testTimeout is a test binary's own limit where it is told none; go test
	// always tells one.
	testTimeout = 10 * time.Minute
	// bootTime is added to the command's own limit. go test kills a test binary
	// a minute after its limit: vmrun is to speak before that.
	bootTime = 55 * time.Second
	// endless is the limit of a test that was told to have none.
	endless = 2 * time.Hour
)

// testFlags returns what a test binary's arguments mean for the machine: how
// long it may take in all, and which folders the binary writes results to that
// the host wants. Relative ones are taken from dir.
func testFlags(args []string, dir string) (limit time.Duration, shares []string) {
	limit = testTimeout
	for i, arg := range args {
		name, value, ok := strings.Cut(arg, "=")
		if !strings.HasPrefix(arg, "-") {
			continue
		}
		if !ok && i+1 < len(args) {
			value = args[i+1]
		}
		switch strings.TrimLeft(name, "-") {
		case "test.timeout":
			if d, err := time.ParseDuration(value); err == nil {
				limit = d
			}
			if limit <= 0 {
				limit = endless
			}
		case "test.coverprofile", "test.cpuprofile", "test.memprofile", "test.blockprofile", "test.mutexprofile", "test.trace":
			shares = share(shares, dir, filepath.Dir(value))
		case "test.gocoverdir", "test.outputdir":
			shares = share(shares, dir, value)
		}
	}
	return limit + bootTime, shares
}

// verboseTest says whether the arguments are those of a test that tells what it does, as `go test
// -v` and `go test -json` have it.
func verboseTest(argv []string) bool {
	return slices.ContainsFunc(argv, func(arg string) bool {
		value, is := strings.CutPrefix(arg, "-test.v=")
		return is && value != "false" || arg == "-test.v"
	})
}

// share adds a folder, where it is there, to those that are shared. None of them
// is inside another: whichever were mounted first would be hidden.
func share(shares []string, dir, folder string) []string {
	if folder == "" {
		return shares
	}
	if !filepath.IsAbs(folder) {
		folder = filepath.Join(dir, folder)
	}
	folder = filepath.Clean(folder)
	if st, err := os.Stat(folder); err != nil || !st.IsDir() {
		return shares
	}
	for _, have := range shares {
		if within(have, folder) {
			return shares
		}
	}
	shares = slices.DeleteFunc(shares, func(have string) bool { return within(folder, have) })
	return append(shares, folder)
}

// within says whether path is folder or below it.
func within(folder, path string) bool {
	rel, err := filepath.Rel(folder, path)
	return err == nil && filepath.IsLocal(rel)
}
