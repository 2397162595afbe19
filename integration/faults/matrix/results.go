package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"github.com/vrfredist/vrfredist/integration/vm/need"
)

// results are what the tests of the rows printed and how they ended.
type results struct {
	log      io.Writer
	rows     map[int]*result
	failures bool // go test said that something failed
	// Tests that skipped because the machine has no SRv6, and are to run in another.
	lacking map[string]bool
}

type result struct {
	passed, failed, skipped int
	measured                []string
	why                     []string // what was skipped, and why
	output                  []string
}

func newResults(log io.Writer) *results {
	return &results{log: log, rows: make(map[int]*result), lacking: make(map[string]bool)}
}

// event is a line of `go test -json` (go doc test2json).
type event struct{ Action, Package, Test, Output string }

func (r *results) exited() { r.failures = true }

func (r *results) read(in io.Reader) error {
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e event
			if bad := json.Unmarshal(line, &e); bad != nil {
				fmt.Fprintf(r.log, "%s", line) // go itself, not a test
			} else {
				r.take(e)
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

var (
	testName = regexp.MustCompile(`^TestFault(\d\d)`)
	// location is what the testing package puts before each line of a log.
	location = regexp.MustCompile(`^\s*\S+_test\.go:\d+: `)
)

func (r *results) take(e event) {
	name := testName.FindStringSubmatch(e.Test)
	if name == nil {
		if e.Test == "" && e.Action == "output" && !strings.HasPrefix(e.Output, "ok ") && !strings.HasPrefix(e.Output, "PASS") {
			fmt.Fprint(r.log, e.Output)
		}
		return
	}
	number, _ := strconv.Atoi(name[1])
	row := r.rows[number]
	if row == nil {
		row = &result{}
		r.rows[number] = row
	}
	top := !strings.Contains(e.Test, "/")
	if e.Action == "pass" || e.Action == "fail" {
		delete(r.lacking, e.Test)
	}
	switch e.Action {
	case "output":
		row.output = append(row.output, e.Output)
		text := strings.TrimSpace(location.ReplaceAllString(e.Output, ""))
		if m, ok := strings.CutPrefix(text, "measured: "); ok {
			row.measured = append(row.measured, m)
		}
	case "pass":
		if top {
			row.passed++
			fmt.Fprintf(r.log, "%2d %s: passed\n", number, e.Test)
		}
	case "fail":
		if top {
			row.failed++
			fmt.Fprintf(r.log, "%2d %s: FAILED\n%s", number, e.Test, strings.Join(row.output, ""))
		}
	case "skip":
		if top && strings.HasPrefix(lastLog(row.output), need.NoSRv6) && !r.lacking[e.Test] {
			r.lacking[e.Test] = true
			return
		}
		row.skipped++
		row.why = append(row.why, lastLog(row.output))
		fmt.Fprintf(r.log, "%2d %s: not run: %s\n", number, e.Test, lastLog(row.output))
	}
}

// lastLog is the last line that a test logged: of one that is skipped, the reason.
func lastLog(output []string) string {
	for i := len(output) - 1; i >= 0; i-- {
		if location.MatchString(output[i]) {
			return strings.TrimSpace(location.ReplaceAllString(output[i], ""))
		}
	}
	return "no reason given"
}

// table is the matrix in Markdown, and whether every row was run and none failed.
// Where only a part was asked for, rows without a result are left out.
func (r *results) table(part bool) (string, bool) {
	var b strings.Builder
	b.WriteString("| # | fault | promise | measured | verdict |\n|---|---|---|---|---|\n")
	good, judged := !r.failures, 0
	for _, row := range matrix {
		result := r.rows[row.number]
		if result == nil && part {
			continue
		}
		verdict, ok := result.verdict()
		good = good && ok
		judged++
		measured := ""
		if result != nil {
			measured = strings.Join(append(unique(result.measured), result.why...), "; ")
		}
		fmt.Fprintf(&b, "| %d | %s | %s | %s | %s |\n", row.number, row.fault, row.promise, escape(measured), verdict)
	}
	return b.String(), good && judged > 0
}

func (r *result) verdict() (string, bool) {
	switch {
	case r == nil:
		return "**no test**", false
	case r.failed > 0:
		return "**failed**", false
	case r.passed == 0 || r.skipped > 0:
		return "**not run**", false
	}
	for _, m := range r.measured {
		if strings.HasSuffix(m, ": late") {
			return "correct, but late", true
		}
	}
	return "kept", true
}

// unique keeps the first of lines that are the same.
func unique(lines []string) (out []string) {
	seen := make(map[string]bool)
	for _, l := range lines {
		if !seen[l] {
			seen[l] = true
			out = append(out, l)
		}
	}
	return out
}

func escape(s string) string {
	return strings.NewReplacer("|", `\|`, "\n", " ", "<", "&lt;").Replace(s)
}

// row is one line of the matrix.
type row struct {
	number         int
	fault, promise string
}
