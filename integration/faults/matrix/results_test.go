package main

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/vm/need"
)

func read(t *testing.T, lines ...string) *results {
	t.Helper()
	r := newResults(io.Discard)
	if err := r.read(strings.NewReader(strings.Join(lines, "\n"))); err != nil {
		t.Fatal(err)
	}
	return r
}

func output(test, text string) string {
	return `{"Action":"output","Test":"` + test + `","Output":"    x_test.go:7: ` + text + `\n"}`
}

func TestVerdicts(t *testing.T) {
	r := read(t,
		output("TestFault01A", "measured: 3 routes"), `{"Action":"pass","Test":"TestFault01A"}`,
		output("TestFault02A/sub", "measured: back: 3s, promised 1s: late"), `{"Action":"pass","Test":"TestFault02A/sub"}`, `{"Action":"pass","Test":"TestFault02A"}`,
		output("TestFault03A", "there are 4"), `{"Action":"fail","Test":"TestFault03A"}`,
		output("TestFault04A", "no bird"), `{"Action":"skip","Test":"TestFault04A"}`,
		`{"Action":"run","Test":"TestFault05A"}`, // and the binary died
		`{"Action":"pass","Test":"TestFault06A"}`, `{"Action":"fail","Test":"TestFault06B"}`,
	)
	for number, want := range map[int]string{1: "kept", 2: "correct, but late", 3: "**failed**", 4: "**not run**", 5: "**not run**", 6: "**failed**", 7: "**no test**"} {
		verdict, ok := r.rows[number].verdict()
		if verdict != want || ok != (number < 3) {
			t.Errorf("row %d: %s, %v; want %s", number, verdict, ok, want)
		}
	}
	table, ok := r.table(false)
	if ok {
		t.Error("the whole is good, with rows that are not")
	}
	for _, want := range []string{"| 3 routes | kept |", "| back: 3s, promised 1s: late | correct, but late |", "| no bird | **not run** |"} {
		if !strings.Contains(table, want) {
			t.Errorf("the table has no %q:\n%s", want, table)
		}
	}
	if n := strings.Count(table, "\n"); n != 2+len(matrix) {
		t.Errorf("the table has %d lines for %d rows", n, len(matrix))
	}
}

// TestWhatLacksSRv6RunsElsewhere: of a test that skips for want of it, what it does in the other
// machine counts; skipped there too, it has not run.
func TestWhatLacksSRv6RunsElsewhere(t *testing.T) {
	first := []string{
		`{"Action":"pass","Test":"TestFault56Label"}`,
		output("TestFault56SID", need.NoSRv6+": another has it"), `{"Action":"skip","Test":"TestFault56SID"}`,
	}
	for again, want := range map[string]string{"pass": "kept", "skip": "**not run**", "fail": "**failed**"} {
		r := read(t, first...)
		if !r.lacking["TestFault56SID"] || len(r.lacking) != 1 {
			t.Errorf("lacking: %v", r.lacking)
		}
		if err := r.read(strings.NewReader(output("TestFault56SID", need.NoSRv6) + "\n" + `{"Action":"` + again + `","Test":"TestFault56SID"}`)); err != nil {
			t.Fatal(err)
		}
		if verdict, _ := r.rows[56].verdict(); verdict != want {
			t.Errorf("%s: %s", again, verdict)
		}
		if (len(r.lacking) == 0) != (again != "skip") {
			t.Errorf("%s: %v", again, r.lacking)
		}
	}
}

func TestAPartIsJudgedByItself(t *testing.T) {
	r := read(t, `{"Action":"pass","Test":"TestFault01A"}`)
	if table, ok := r.table(true); !ok || strings.Count(table, "\n") != 3 {
		t.Errorf("%v:\n%s", ok, table)
	}
	if r.exited(); r.failures {
		if _, ok := r.table(true); ok {
			t.Error("go test failed, and the whole is good")
		}
	}
	if _, ok := newResults(io.Discard).table(true); ok {
		t.Error("nothing ran, and that is good")
	}
}

func TestRowsAreAllThere(t *testing.T) {
	before := 0
	for _, row := range matrix {
		if row.number <= before || row.fault == "" || row.promise == "" {
			t.Errorf("after row %d: %+v", before, row)
		}
		before = row.number
	}
}

func TestWritesBetweenItsMarks(t *testing.T) {
	page := filepath.Join(t.TempDir(), "page.md")
	if err := os.WriteFile(page, []byte("before\n"+begin+"old\n"+end+"after\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := write(page, "| new |\n"); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(page)
	if want := "before\n" + begin + "\n| new |\n\n" + end + "after\n"; err != nil || string(got) != want {
		t.Errorf("%v: %q, want %q", err, got, want)
	}
	if err := os.WriteFile(page, []byte("no marks\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := write(page, "x"); err == nil || !strings.Contains(err.Error(), "make faults") {
		t.Errorf("a page without marks: %v", err)
	}
}
