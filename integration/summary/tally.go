package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"sort"
	"strings"
)

// event is a line of `go test -json` (go doc test2json).
type event struct {
	Action, Package, Test, Output string
	Elapsed                       float64
	ImportPath                    string // of build-output
	FailedBuild                   string
}

type testID struct{ pkg, name string }

// tally counts tests. One with subtests is not counted beside them, unless it
// failed and none of them did.
type tally struct {
	w       io.Writer
	running map[testID]bool
	output  map[testID][]string
	build   map[string][]string // what the compiler printed, by package
	results map[testID]string
	parents map[testID]bool
	broken  []string        // packages that failed by themselves
	ran     map[string]bool // packages with a result
	// By package, what vmrun said: a line is for the package, not for a test.
	said map[string][]string
}

func newTally(w io.Writer) *tally {
	return &tally{
		w:       w,
		running: map[testID]bool{},
		output:  map[testID][]string{},
		build:   map[string][]string{},
		results: map[testID]string{},
		parents: map[testID]bool{},
		ran:     map[string]bool{},
		said:    map[string][]string{},
	}
}

func (t *tally) read(r io.Reader) error {
	lines := bufio.NewReader(r)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if bad := json.Unmarshal(line, &e); bad != nil {
				fmt.Fprintf(t.w, "%s", line) // go itself, not a test
			} else {
				t.take(e)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read what go test printed: %w", err)
		}
	}
}

func (t *tally) take(e event) {
	id := testID{e.Package, e.Test}
	switch e.Action {
	case "build-output":
		t.build[e.ImportPath] = append(t.build[e.ImportPath], e.Output)
	case "output":
		t.output[id] = append(t.output[id], e.Output)
		if line, is := strings.CutPrefix(e.Output, "vmrun: "); is {
			t.said[e.Package] = append(t.said[e.Package], strings.TrimSpace(line))
		}
	case "run":
		t.running[id] = true
		delete(t.output, id) // it may run a second time
		if parent, sub := parentOf(e.Test); sub {
			t.parents[testID{e.Package, parent}] = true
		}
	case "pass", "fail", "skip":
		if e.Test == "" {
			t.packageEnded(e)
			return
		}
		delete(t.running, id)
		if t.results[id] != "fail" { // which is not made good by a second time
			t.results[id] = e.Action
		}
		if e.Action == "fail" {
			fmt.Fprintf(t.w, "--- FAIL %s %s (%.1fs)\n%s", e.Package, e.Test, e.Elapsed, strings.Join(t.output[id], ""))
		}
		if e.Action == "pass" {
			delete(t.output, id)
		}
	}
}

func (t *tally) packageEnded(e event) {
	t.ran[e.Package] = true
	word := map[string]string{"pass": "ok", "fail": "FAIL", "skip": "no tests"}[e.Action]
	fmt.Fprintf(t.w, "%-8s %s %.1fs\n", word, e.Package, e.Elapsed)
	if e.Action != "fail" {
		return
	}
	unfinished, failed := 0, 0
	for id := range t.running {
		if id.pkg == e.Package {
			unfinished++
			t.results[id] = "fail"
			delete(t.running, id)
			fmt.Fprintf(t.w, "--- UNFINISHED %s %s\n%s", id.pkg, id.name, strings.Join(t.output[id], ""))
		}
	}
	for id, r := range t.results {
		if id.pkg == e.Package && r == "fail" {
			failed++
		}
	}
	if failed > 0 && unfinished == 0 {
		return
	}
	fmt.Fprint(t.w, strings.Join(t.build[e.FailedBuild], ""), strings.Join(t.output[testID{e.Package, ""}], ""))
	if failed == 0 {
		what := "the package failed outside any test"
		if e.FailedBuild != "" {
			what = "it does not build"
		}
		t.broken = append(t.broken, e.Package+": "+what)
	}
}

// exited notes the exit status of go test itself.
func (t *tally) exited(code int) {
	if _, failed, _ := t.counts(); failed == 0 {
		t.broken = append(t.broken, fmt.Sprintf("go test: exit status %d, and no test failed", code))
	}
}

func (t *tally) counts() (passed, failed, skipped int) {
	failedBelow := map[testID]bool{}
	for id, r := range t.results {
		for name := id.name; r == "fail"; {
			parent, sub := parentOf(name)
			if !sub {
				break
			}
			failedBelow[testID{id.pkg, parent}] = true
			name = parent
		}
	}
	for id, r := range t.results {
		switch {
		case r == "fail" && !failedBelow[id]:
			failed++
		case t.parents[id]:
		case r == "pass":
			passed++
		case r == "skip":
			skipped++
		}
	}
	return passed, failed + len(t.broken), skipped
}

// report prints the end of the run, and tells whether it may be called good.
func (t *tally) report() bool {
	// Tests of a package whose end never came.
	for id := range t.running {
		t.results[id] = "fail"
		fmt.Fprintf(t.w, "--- UNFINISHED %s %s\n%s", id.pkg, id.name, strings.Join(t.output[id], ""))
	}
	passed, failed, skipped := t.counts()
	fmt.Fprintf(t.w, "\nSummary: %d packages\n", len(t.ran))
	t.machines()
	t.list("skipped", "skip", func(id testID) string { return ": " + t.reason(id) })
	t.list("failed", "fail", func(testID) string { return "" })
	for _, b := range t.broken {
		fmt.Fprintf(t.w, "  failed   %s\n", b)
	}
	if passed+failed == 0 {
		fmt.Fprintln(t.w, "  No test ran: that is a failure.")
		failed = 1
	}
	fmt.Fprintf(t.w, "%d passed, %d failed, %d skipped\n", passed, failed, skipped)
	return failed == 0
}

// machines lists what vmrun said, each line with the packages of which it did.
func (t *tally) machines() {
	packages := map[string][]string{}
	for pkg, lines := range t.said {
		for _, line := range slices.Compact(slices.Sorted(slices.Values(lines))) {
			packages[line] = append(packages[line], path.Base(pkg))
		}
	}
	for _, line := range slices.Sorted(maps.Keys(packages)) {
		fmt.Fprintf(t.w, "  %s: %s\n", line, strings.Join(slices.Sorted(slices.Values(packages[line])), ", "))
	}
}

func (t *tally) list(word, result string, more func(testID) string) {
	var lines []string
	for id, r := range t.results {
		if r == result {
			lines = append(lines, fmt.Sprintf("  %-8s %s %s%s\n", word, id.pkg, id.name, more(id)))
		}
	}
	sort.Strings(lines)
	fmt.Fprint(t.w, strings.Join(lines, ""))
}

var logLine = regexp.MustCompile(`^\s+\S+\.go:\d+: (.*)`)

// reason is what a skipped test said last.
func (t *tally) reason(id testID) string {
	why := "it gave no reason"
	for _, line := range t.output[id] {
		if m := logLine.FindStringSubmatch(line); m != nil {
			why = m[1]
		}
	}
	return why
}

// parentOf returns the test of which name is a subtest.
func parentOf(name string) (string, bool) {
	if i := strings.LastIndex(name, "/"); i >= 0 {
		return name[:i], true
	}
	return "", false
}
