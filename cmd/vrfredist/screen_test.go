package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"golang.org/x/sys/unix"
)

// terminal is a pseudo-terminal of some columns: what is written to it, and an end that a command
// writes to.
func terminal(t *testing.T, columns uint16) (seen func() string, out *os.File) {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Skipf("this host has no pseudo-terminals: %v", err)
	}
	t.Cleanup(func() { master.Close() })
	if err := unix.IoctlSetPointerInt(int(master.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetUint32(int(master.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	if out, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		t.Skipf("this host has no pseudo-terminals: %v", err)
	}
	if err := unix.IoctlSetWinsize(int(out.Fd()), unix.TIOCSWINSZ, &unix.Winsize{Row: 50, Col: columns}); err != nil {
		t.Fatal(err)
	}
	text := make(chan string)
	go func() {
		var b bytes.Buffer
		_, _ = io.Copy(&b, master) // EIO, when the other end is closed
		text <- strings.ReplaceAll(b.String(), "\r\n", "\n")
	}()
	return func() string {
		out.Close()
		return <-text
	}, out
}

// onTerminal is what a command prints on a terminal.
func onTerminal(t *testing.T, columns uint16, line string) string {
	t.Helper()
	seen, out := terminal(t, columns)
	c := &cli{out: out, now: func() time.Time { return now }}
	var stderr bytes.Buffer
	if status := c.execute(t.Context(), split(line), &stderr); status == statusMisused {
		t.Errorf("%s: %s", line, &stderr)
	}
	return seen()
}

var escapes = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Lines are as wide as the terminal, and what matters is in colour, unless NO_COLOR says no.
func TestWhatATerminalShows(t *testing.T) {
	serveFake(t)
	t.Setenv("VRFREDIST_PAGER", "")
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	for _, line := range []string{"vrf", "vrf tenant-b", "explain 10.3.0.0/16 --vrf vrf-red", "doctor", "route export --vrf vrf-red", "policy", "neighbor 10.0.0.2"} {
		narrow, wide := onTerminal(t, 60, line), onTerminal(t, 400, line)
		for _, l := range strings.Split(escapes.ReplaceAllString(narrow, ""), "\n") {
			// What has no room is not folded: tables whose other columns leave none, and commands.
			if n := utf8.RuneCountInString(l); n > 60 && len(strings.Fields(l)) > 8 && !strings.HasPrefix(l, "  Mend: ") && strings.Count(l, "  ") < 2 {
				t.Errorf("vrfredist %s: %d columns: %s", line, n, l)
			}
		}
		if a, b := strings.Count(narrow, "\n"), strings.Count(wide, "\n"); a < b {
			t.Errorf("vrfredist %s: %d lines in 60 columns, and %d in 400", line, a, b)
		}
		if plain := strings.Join(strings.Fields(escapes.ReplaceAllString(narrow, "")), " "); plain != strings.Join(strings.Fields(escapes.ReplaceAllString(wide, "")), " ") {
			t.Errorf("vrfredist %s: the width changes what is said:\n%s", line, narrow)
		}
	}
	if got := onTerminal(t, 100, "vrf"); !strings.Contains(got, "\x1b[32mready\x1b[0m") || !strings.Contains(got, "\x1b[1;31mfailed\x1b[0m") {
		t.Errorf("states have no colours: %q", got)
	}
	if got := onTerminal(t, 100, "explain 10.3.0.0/16 --vrf vrf-red"); !strings.Contains(got, "\x1b[1;31mSTOP\x1b[0m") {
		t.Errorf("what stopped a route has no colour: %q", got)
	}
	t.Setenv("NO_COLOR", "1")
	if got := onTerminal(t, 100, "vrf"); strings.Contains(got, "\x1b") {
		t.Errorf("with NO_COLOR: %q", got)
	}
}

// What fits on the screen is there at once: less leaves by itself, and cuts nothing.
func TestAPagerGetsFoldedLines(t *testing.T) {
	serveFake(t)
	t.Setenv("VRFREDIST_PAGER", `printf 'LESS=%s\n' "$LESS"; cat`)
	t.Setenv("LESS", "")
	t.Setenv("TERM", "xterm")
	t.Setenv("NO_COLOR", "")
	got := onTerminal(t, 70, "vrf tenant-b")
	if !strings.Contains(got, "LESS=FRX\n") || strings.Contains(got, "\x1b") {
		t.Errorf("a pager that is not less gets no colours, and less no -S: %q", got)
	}
	for _, tc := range []struct {
		program, less string
		want          bool
	}{
		{"less", "FRX", true}, {"less", "FX", false}, {"less -R", "F", true}, {"/usr/bin/less", "R", true}, {"more", "FRX", false}, {"", "R", false},
	} {
		if got := passesColours(tc.program, tc.less); got != tc.want {
			t.Errorf("%q with LESS=%s: %v", tc.program, tc.less, got)
		}
	}
}
