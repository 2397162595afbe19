package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// picky is a package of a module of its own.
const picky = `package picky

import (
	"os"
	"testing"
)

func need(t *testing.T, what string) {
	if os.Getenv("HAS") != what {
		t.Skip("there is no " + what + " here")
	}
}

func TestPlain(t *testing.T) {
	if os.Getenv("HAS") != "" {
		t.Error("it ran a second time")
	}
}

func TestBoth(t *testing.T) {
	t.Run("one [of/two]", func(t *testing.T) { need(t, "water") })
	t.Run("plain", TestPlain)
}

func TestWater(t *testing.T) { need(t, "water") }

func TestFire(t *testing.T) { need(t, "fire") }
`

// TestSkippedRunAgain: those that are skipped for the reason run by the other program, and no
// others; where that cannot run them either, they have failed.
func TestSkippedRunAgain(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"go.mod": "module picky\n", "picky_test.go": picky} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Chdir(dir)
	for name, tc := range map[string]struct {
		args []string
		ok   bool
		says string
	}{
		"again":   {[]string{"-again", "no water", "env HAS=water", "-count=1", "-exec", "env HAS=", "--", "./..."}, true, "4 passed, 0 failed, 1 skipped"},
		"in vain": {[]string{"-again", "no water", "env HAS=earth", "-count=1", "--", "./..."}, false, "picky TestWater: env HAS=earth did not run it either"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			ok, err := run(&out, tc.args)
			if ok != tc.ok || err != nil || !strings.Contains(out.String(), tc.says) {
				t.Errorf("%v, %v; want %q in:\n%s", ok, err, tc.says, out.String())
			}
		})
	}
	if _, err := run(&strings.Builder{}, []string{"-again", "no water", "./..."}); err == nil {
		t.Error("-again without its program was taken")
	}
}

// TestFailureIsNotMadeGood by a second run that passes: of a test whose subtests run once more.
func TestFailureIsNotMadeGood(t *testing.T) {
	var out strings.Builder
	tally := newTally(&out)
	for _, action := range []string{"run", "fail", "run", "pass"} {
		tally.take(event{Action: action, Package: "p", Test: "TestA"})
	}
	if tally.report() {
		t.Errorf("a test failed and the report is good:\n%s", out.String())
	}
}

// TestMachinesAreNamed: on which kernel tests ran is in the summary, and what else vmrun had to say.
func TestMachinesAreNamed(t *testing.T) {
	var out strings.Builder
	tally := newTally(&out)
	for _, pkg := range []string{"x/b", "x/a"} {
		tally.take(event{Action: "output", Package: pkg, Output: "vmrun: Linux 6.1.176 in user-mode Linux\n"})
		tally.take(event{Action: "run", Package: pkg, Test: "TestA"})
		tally.take(event{Action: "pass", Package: pkg, Test: "TestA"})
		tally.take(event{Action: "pass", Package: pkg})
	}
	if tally.report(); !strings.Contains(out.String(), "\n  Linux 6.1.176 in user-mode Linux: a, b\n") {
		t.Errorf("the machine is not named in:\n%s", out.String())
	}
}

func TestExactlyTheseNames(t *testing.T) {
	got := exactly([]string{"TestB", "TestA/x.y_[1]"})
	if want := `^TestA$/^x\.y_\[1\]$|^TestB$`; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	for part := range strings.SplitSeq(got, "|") {
		for level := range strings.SplitSeq(part, "/") {
			if _, err := regexp.Compile(level); err != nil {
				t.Error(err)
			}
		}
	}
}
