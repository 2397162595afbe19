package main

import (
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// screen is output that a person reads: long lines are folded to its width, and what matters is in
// colour. Off a terminal nothing is folded, so that a line stays a line for grep and awk.
type screen struct {
	io.Writer
	width   int  // in columns; 0: nothing is folded
	colours bool // by escapes of ECMA-48
}

// onScreen is what a person sees of an output: w itself where that is no terminal.
func onScreen(w io.Writer) io.Writer {
	f, ok := w.(*os.File)
	if !ok || !isTerminal(w) {
		return w
	}
	s := &screen{Writer: w, width: usualWidth, colours: wantsColours()}
	// A terminal of no width, as a serial line is one, has the usual width.
	if size, err := unix.IoctlGetWinsize(int(f.Fd()), unix.TIOCGWINSZ); err == nil && size.Col > 0 {
		s.width = int(size.Col)
	}
	return s
}

// usualWidth is that of a terminal which does not say how wide it is.
const usualWidth = 80

// wantsColours tells whether a terminal is to have colours: https://no-color.org.
func wantsColours() bool { return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" }

// widthOf is where lines that go to w are folded; 0: nowhere.
func widthOf(w io.Writer) int {
	if s, ok := w.(*screen); ok {
		return s.width
	}
	return 0
}

// room is how many columns there are behind an indentation; 0: any number.
func room(width, indent int) int {
	if width == 0 {
		return 0
	}
	return max(width-indent, leastRoom)
}

// leastRoom is the width below which nothing is folded: better a long line than a column of
// words.
const leastRoom = 30

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	if !ok {
		return false
	}
	_, err := unix.IoctlGetTermios(int(f.Fd()), unix.TCGETS)
	return err == nil
}

// colour is the number of a colour of ECMA-48 (SGR).
type colour string

const (
	green  colour = "32"
	yellow colour = "33"
	red    colour = "1;31"
)

// colourOf is the colour of a state, or of an outcome; "": it has none.
func colourOf(word string) colour {
	switch word {
	case string(vrf.Ready), rib.Installed.String(), announced, "established", "ok":
		return green
	case string(vrf.Failed), "broken", "STOP":
		return red
	case string(vrf.Degraded), string(vrf.Pending), string(vrf.Syncing), "risk",
		rib.Unresolved.String(), rib.Conflict.String(), rib.OverQuota.String(), rib.OverLimit.String(), rib.Stale.String(),
		"idle", "connect", "active", "opensent", "openconfirm":
		return yellow
	}
	return ""
}

// painted is a text in the colour of the word that it begins with, on output that has colours.
func painted(w io.Writer, text string) string {
	s, ok := w.(*screen)
	if !ok || !s.colours {
		return text
	}
	word, _, _ := strings.Cut(strings.TrimSpace(text), " ")
	c := colourOf(strings.TrimSuffix(word, ":"))
	if c == "" {
		return text
	}
	begin := strings.Index(text, word)
	return text[:begin] + "\x1b[" + string(c) + "m" + word + "\x1b[0m" + text[begin+len(word):]
}

// foldUnder folds a text to w's width behind a head; the lines below are indented like it.
func foldUnder(w io.Writer, head, text string) string {
	lines := fold(text, room(widthOf(w), len(head)))
	return head + strings.Join(lines, "\n"+strings.Repeat(" ", len(head))) + "\n"
}

// printFolded prints a line, folded to out's width.
func printFolded(out io.Writer, line string) error {
	_, err := io.WriteString(out, foldUnder(out, "", line))
	return err
}

// announced is what a person reads for an imported route that the API calls
// installed: it is BGP that it was put into.
const announced = "announced"

// fold breaks text at blanks into lines of at most width, 0: of any.
func fold(text string, width int) []string {
	if width == 0 {
		return []string{strings.Join(strings.Fields(text), " ")}
	}
	var lines []string
	line := ""
	for _, word := range strings.Fields(text) {
		switch {
		case line == "":
			line = word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			lines = append(lines, line)
			line = word
		default:
			line += " " + word
		}
	}
	return append(lines, line)
}
