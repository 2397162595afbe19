// Package apart runs the tests of one package in several processes at once: where they wait
// most of their time and cannot run in parallel in one process, because a library keeps what
// they set in variables of its package. It promises that every test runs once and that a
// failure of any is one of the whole. Begin with Run, in a TestMain.
package apart

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Tests is the part of testing.M that counts here.
type Tests interface{ Run() int }

// Run is m.Run of a package whose tests are dealt to so many processes at a time.
//
// The tests stay in one process where a part of them was asked for, where something is
// measured or written, and where go test would keep the result: it learns which files and
// variables a result hangs on from one process alone (-test.testlogfile), so that they are
// divided with -count=1.
func Run(m Tests, lanes int) int {
	if !flag.Parsed() {
		flag.Parse()
	}
	if !divisible(flag.CommandLine) {
		return m.Run()
	}
	d := deal{out: os.Stdout, program: "/proc/self/exe", args: os.Args[1:], began: time.Now()}
	if f := flag.Lookup("test.timeout"); f != nil {
		d.limit, _ = f.Value.(flag.Getter).Get().(time.Duration)
	}
	code, err := d.run(lanes)
	if err != nil {
		fmt.Fprintln(os.Stderr, "apart:", err)
		return max(code, 1)
	}
	return code
}

// plain are the flags of a test binary that mean the same for a part of the tests.
var plain = map[string]bool{
	"test.v": true, "test.timeout": true, "test.paniconexit0": true, "test.count": true,
	"test.short": true, "test.parallel": true, "test.fullpath": true,
}

func divisible(flags *flag.FlagSet) bool {
	whole := true
	flags.Visit(func(f *flag.Flag) { whole = whole && plain[f.Name] })
	return whole
}

// deal is a run in parts.
type deal struct {
	program string
	args    []string
	began   time.Time
	limit   time.Duration // of the whole; 0: none

	mu  sync.Mutex
	out io.Writer // guarded by mu, so that a part is written in one piece
}

// eachLane is how many parts a lane has, one after the other: the more, the more evenly the
// lanes are busy to their end.
const eachLane = 5

func (d *deal) run(lanes int) (int, error) {
	names, err := d.tests()
	if err != nil {
		return 1, err
	}
	parts := make(chan []string, len(names))
	for _, part := range divide(names, lanes*eachLane) {
		parts <- part
	}
	close(parts)
	codes := make(chan int, lanes)
	for range lanes {
		go func() { codes <- d.lane(parts) }()
	}
	code := 0
	for range lanes {
		code = max(code, <-codes)
	}
	d.say(verdict(code, d.args) + "\n")
	return code, nil
}

// lane runs one part after the other, and returns the worst of their exit codes.
func (d *deal) lane(parts <-chan []string) (code int) {
	// A process that is started dies with the thread that started it (Pdeathsig).
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for part := range parts {
		code = max(code, d.part(part))
	}
	return code
}

var isTest = regexp.MustCompile(`^(Test|Fuzz|Example)`)

// tests lists the tests of the program as `go test -list` does.
func (d *deal) tests() (names []string, err error) {
	out, err := d.command("-test.list=.").Output()
	if err != nil {
		return nil, fmt.Errorf("list the tests: %w", err)
	}
	for name := range strings.Lines(string(out)) {
		if name = strings.TrimSpace(name); isTest.MatchString(name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// divide deals names into n parts, or fewer, none of them empty. Neighbours, which often
// take equally long, are in parts of their own.
func divide(names []string, n int) [][]string {
	parts := make([][]string, min(n, len(names)))
	for i, name := range names {
		parts[i%len(parts)] = append(parts[i%len(parts)], name)
	}
	return parts
}

// part runs some tests, and returns the exit code of their process.
func (d *deal) part(names []string) int {
	quoted := make([]string, len(names))
	for i, name := range names {
		quoted[i] = regexp.QuoteMeta(name)
	}
	args := append([]string(nil), d.args...)
	if d.limit > 0 {
		// Its own limit is before ours, so that it can say which test it was.
		args = append(args, "-test.timeout="+max(d.limit-time.Since(d.began), time.Second).String())
	}
	args = append(args, "-test.run=^("+strings.Join(quoted, "|")+")$")
	cmd := d.command(args...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	code, err := 0, cmd.Run()
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		code = max(exit.ExitCode(), 1) // -1: a signal ended it
	} else if err != nil {
		code = 1
	}
	text := withoutVerdict(out.String())
	if err != nil {
		text += fmt.Sprintf("%v: the tests %s\n", err, strings.Join(names, " "))
	}
	d.say(text)
	return code
}

func (d *deal) command(args ...string) *exec.Cmd {
	cmd := exec.Command(d.program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

func (d *deal) say(text string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	_, _ = io.WriteString(d.out, text) // as testing does with what it prints
}

// marker begins each line that test2json is to understand, where it reads along
// (-test.v=test2json).
const marker = "\x16"

// verdict is the last line of a test binary.
func verdict(code int, args []string) string {
	word := "PASS"
	if code != 0 {
		word = "FAIL"
	}
	for _, arg := range args {
		if strings.TrimLeft(arg, "-") == "test.v=test2json" {
			return marker + word
		}
	}
	return word
}

// withoutVerdict takes the last line of a part, which counts for that alone, away.
func withoutVerdict(text string) string {
	body := strings.TrimSuffix(text, "\n")
	last := body[strings.LastIndex(body, "\n")+1:]
	if word := strings.TrimPrefix(last, marker); word == "PASS" || word == "FAIL" {
		return body[:len(body)-len(last)]
	}
	if text != "" && body == text {
		text += "\n" // it died in the midst of a line
	}
	return text
}
