package main

import (
	"os"
	"strings"
	"testing"
)

// The manual page about all commands has the sections that one looks for, the variables that the
// program asks for, and a place for the commands themselves.
func TestManualOfTheProgram(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/man/vrfredist.1.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"# NAME", "# SYNOPSIS", "# DESCRIPTION", "# COMMANDS\n\n{{commands}}\n", "# OPTIONS", "# ENVIRONMENT", "# FILES", "# EXIT STATUS", "# EXAMPLES", "# SEE ALSO",
		"**VRFREDIST_API**", "**VRFREDIST_PAGER**", "**PAGER**", "**LESS**", "**NO_COLOR**", "**TERM**", defaultAPI,
	} {
		if !strings.Contains(string(page), want) {
			t.Errorf("docs/man/vrfredist.1.md does not have %q", want)
		}
	}
	// Its examples are commands that there are.
	_, examples, _ := strings.Cut(string(page), "# EXAMPLES")
	n := 0
	for line := range strings.Lines(examples) {
		if !strings.HasPrefix(line, "    vrfredist ") {
			continue
		}
		n++
		words := strings.Fields(line)[1:]
		root := newRoot(&cli{out: new(strings.Builder)})
		if cmd, _, err := root.Find(words); err != nil || cmd == root {
			t.Errorf("%s is no command", strings.TrimSpace(line))
		}
	}
	if n < 8 {
		t.Errorf("%d examples were looked at", n)
	}
}
