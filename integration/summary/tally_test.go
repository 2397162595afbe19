package main

import (
	"strings"
	"testing"
)

var reports = map[string]struct {
	events []string
	ok     bool
	says   []string
}{
	"a pass, a skip with its reason, and a parent that is not counted": {
		events: []string{
			`{"Action":"run","Package":"p","Test":"TestA"}`,
			`{"Action":"run","Package":"p","Test":"TestA/one"}`,
			`{"Action":"pass","Package":"p","Test":"TestA/one"}`,
			`{"Action":"pass","Package":"p","Test":"TestA"}`,
			`{"Action":"run","Package":"p","Test":"TestB"}`,
			`{"Action":"output","Package":"p","Test":"TestB","Output":"    b_test.go:7: not root\n"}`,
			`{"Action":"skip","Package":"p","Test":"TestB"}`,
			`{"Action":"pass","Package":"p"}`,
		},
		ok:   true,
		says: []string{"p TestB: not root", "\n1 passed, 0 failed, 1 skipped\n"},
	},
	"a failed subtest counts once": {
		events: []string{
			`{"Action":"run","Package":"p","Test":"TestA"}`,
			`{"Action":"run","Package":"p","Test":"TestA/one"}`,
			`{"Action":"output","Package":"p","Test":"TestA/one","Output":"it broke\n"}`,
			`{"Action":"fail","Package":"p","Test":"TestA/one"}`,
			`{"Action":"fail","Package":"p","Test":"TestA"}`,
			`{"Action":"fail","Package":"p"}`,
		},
		says: []string{"it broke", "\n0 passed, 1 failed, 0 skipped\n"},
	},
	"a build that fails": {
		events: []string{
			`{"Action":"build-output","ImportPath":"p [p.test]","Output":"p.go:1: nonsense\n"}`,
			`{"Action":"build-fail","ImportPath":"p [p.test]"}`,
			`{"Action":"fail","Package":"p","FailedBuild":"p [p.test]"}`,
		},
		says: []string{"p.go:1: nonsense", "p: it does not build", "\n0 passed, 1 failed, 0 skipped\n"},
	},
	"a panic leaves a test unfinished": {
		events: []string{
			`{"Action":"run","Package":"p","Test":"TestA"}`,
			`{"Action":"output","Package":"p","Output":"panic: test timed out\n"}`,
			`{"Action":"fail","Package":"p"}`,
		},
		says: []string{"panic: test timed out", "\n0 passed, 1 failed, 0 skipped\n"},
	},
	"a TestMain that fails after good tests": {
		events: []string{
			`{"Action":"run","Package":"p","Test":"TestA"}`,
			`{"Action":"pass","Package":"p","Test":"TestA"}`,
			`{"Action":"output","Package":"p","Output":"a foreign route was changed\n"}`,
			`{"Action":"fail","Package":"p"}`,
		},
		says: []string{"a foreign route was changed", "\n1 passed, 1 failed, 0 skipped\n"},
	},
	"a package whose end never comes": {
		events: []string{`{"Action":"run","Package":"p","Test":"TestA"}`},
		says:   []string{"UNFINISHED p TestA", "\n0 passed, 1 failed, 0 skipped\n"},
	},
	"no test at all": {
		events: []string{`{"Action":"skip","Package":"p"}`},
		says:   []string{"No test ran", "\n0 passed, 1 failed, 0 skipped\n"},
	},
}

func TestReport(t *testing.T) {
	t.Parallel()
	for name, tc := range reports {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var out strings.Builder
			tally := newTally(&out)
			if err := tally.read(strings.NewReader(strings.Join(tc.events, "\n") + "\n")); err != nil {
				t.Fatal(err)
			}
			if ok := tally.report(); ok != tc.ok {
				t.Errorf("report said %v, want %v", ok, tc.ok)
			}
			for _, want := range tc.says {
				if !strings.Contains(out.String(), want) {
					t.Errorf("no %q in:\n%s", want, out.String())
				}
			}
		})
	}
}

func TestExitStatusOfGoTestCounts(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	tally := newTally(&out)
	tally.take(event{Action: "run", Package: "p", Test: "TestA"})
	tally.take(event{Action: "pass", Package: "p", Test: "TestA"})
	tally.exited(1)
	if tally.report() {
		t.Errorf("go test failed and the report is good:\n%s", out.String())
	}
}
