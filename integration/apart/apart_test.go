package apart

import (
	"encoding/json"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// heard is what `go test -json` says of the package in testdata.
type heard struct {
	results map[string]string // by test; "" is the package
	runs    map[string]int    // how often a test began
	output  map[string]string // by test
	pids    []string
	status  error
}

func try(t *testing.T, asked string, args ...string) heard {
	t.Helper()
	cmd := exec.Command("go", slices.Concat([]string{"test", "-json"}, args, []string{"./testdata/trial"})...)
	cmd.Env = append(os.Environ(), "VRFREDIST_TRIAL="+asked)
	out, err := cmd.Output()
	h := heard{results: make(map[string]string), runs: make(map[string]int), output: make(map[string]string), status: err}
	for line := range strings.Lines(string(out)) {
		var e struct{ Action, Test, Output string }
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		switch e.Action {
		case "run":
			h.runs[e.Test]++
		case "output":
			h.output[e.Test] += e.Output
			if _, pid, found := strings.Cut(e.Output, ": process "); found && !slices.Contains(h.pids, pid) {
				h.pids = append(h.pids, pid)
			}
		case "pass", "fail", "skip":
			h.results[e.Test] = e.Action
		}
	}
	return h
}

var all = []string{"TestA", "TestB", "TestC", "TestD", "TestD/sub", "FuzzE", "FuzzE/seed#0", "ExampleF"}

func TestEveryTestRunsOnce(t *testing.T) {
	t.Parallel()
	for name, args := range map[string][]string{
		"divided":      {"-count=1"},
		"kept":         nil, // where go test keeps the result
		"a part of it": {"-count=1", "-run=."},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h := try(t, "", args...)
			for _, test := range all {
				if h.runs[test] != 1 || h.results[test] != "pass" {
					t.Errorf("%s began %d times, and its result is %q", test, h.runs[test], h.results[test])
				}
			}
			if len(h.runs) != len(all) || h.status != nil || h.results[""] != "pass" {
				t.Errorf("%d tests began, the package's result is %q: %v", len(h.runs), h.results[""], h.status)
			}
			if divided := len(h.pids) == 4; divided != (name == "divided") {
				t.Errorf("the tests ran in %d processes", len(h.pids))
			}
		})
	}
}

// TestFailureOfAPart: whichever way a test fails, the package fails, says how, and the tests
// of other parts have run.
func TestFailureOfAPart(t *testing.T) {
	t.Parallel()
	for asked, says := range map[string]string{
		"failure": "as it was asked to",
		"panic":   "panic: as it was asked to",
		"exit":    "unexpected call to os.Exit(0)",
		"hang":    "panic: test timed out after ",
	} {
		t.Run(asked, func(t *testing.T) {
			t.Parallel()
			args := []string{"-count=1"}
			if asked == "hang" {
				args = append(args, "-timeout=15s")
			}
			h := try(t, asked, args...)
			if h.status == nil || h.results[""] != "fail" {
				t.Errorf("the package's result is %q: %v", h.results[""], h.status)
			}
			var said strings.Builder
			for _, of := range h.output {
				said.WriteString(of)
			}
			if !strings.Contains(said.String(), says) {
				t.Errorf("no %q in:\n%s", says, &said)
			}
			for _, test := range all {
				if h.runs[test] != 1 || !strings.HasPrefix(test, "TestD") && h.results[test] != "pass" {
					t.Errorf("%s began %d times, and its result is %q", test, h.runs[test], h.results[test])
				}
			}
			if asked == "failure" && h.results["TestD/sub"] != "fail" {
				t.Errorf("the result of the test that failed is %q", h.results["TestD/sub"])
			}
		})
	}
}

func TestPartsAreEven(t *testing.T) {
	t.Parallel()
	names := strings.Fields("a b c d e f g")
	for n, want := range map[int][]string{1: {"abcdefg"}, 3: {"adg", "be", "cf"}, 9: names} {
		var got []string
		for _, part := range divide(names, n) {
			got = append(got, strings.Join(part, ""))
		}
		if !slices.Equal(got, want) {
			t.Errorf("%d parts: %v, want %v", n, got, want)
		}
	}
}

func TestVerdictOfAPartIsItsOwn(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                               "",
		"PASS\n":                         "",
		"--- PASS: TestA\n\x16PASS\n":    "--- PASS: TestA\n",
		"--- FAIL: TestA\nFAIL\n":        "--- FAIL: TestA\n",
		"a test prints PASS\n":           "a test prints PASS\n",
		"PASS\nexit status 66\n":         "PASS\nexit status 66\n",
		"it died in the midst of a line": "it died in the midst of a line\n",
		"--- PASS: TestA\nPASS":          "--- PASS: TestA\n",
	} {
		if got := withoutVerdict(text); got != want {
			t.Errorf("of %q is left %q, want %q", text, got, want)
		}
	}
}
