package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// writtenBelow ends what a person writes of docs/COMMANDS.md.
const writtenBelow = "<!-- What follows is written by `make docs`, from the program itself. -->\n"

// docs/COMMANDS.md has every command and every flag, in the program's own words.
func TestCommandReference(t *testing.T) {
	const file = "../../docs/COMMANDS.md"
	page, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	head, written, found := strings.Cut(string(page), writtenBelow)
	if !found {
		t.Fatalf("%s does not have the line %s", file, writtenBelow)
	}
	root := newRoot(&cli{out: new(bytes.Buffer)})
	var b strings.Builder
	b.WriteString("| command | |\n|---|---|\n")
	listCommands(&b, root)
	b.WriteByte('\n')
	describeCommand(&b, root)
	want := "\n" + strings.TrimRight(b.String(), "\n") + "\n"
	if *update {
		if err := os.WriteFile(file, []byte(head+writtenBelow+want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if written != want {
		t.Errorf("%s is not what the program says; run: make docs", file)
	}
}

// listCommands writes a line for each command that does something, with a link
// to what is said of it below.
func listCommands(b *strings.Builder, cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		if path := sub.CommandPath(); !strings.HasSuffix(sub.UseLine(), " COMMAND") {
			fmt.Fprintf(b, "| [`%s`](#%s) | %s |\n", strings.TrimPrefix(path, "vrfredist "), strings.ReplaceAll(path, " ", "-"), sub.Short)
		}
		listCommands(b, sub)
	}
}

// describeCommand writes what the help of a command says, and of its subcommands.
func describeCommand(b *strings.Builder, cmd *cobra.Command) {
	fmt.Fprintf(b, "## %s\n\n", cmd.CommandPath())
	// What cobra says of each shell is long, and none of ours.
	if cmd.Long == "" || cmd.HasParent() && cmd.Parent().Name() == "completion" {
		fmt.Fprintf(b, "%s.\n\n", cmd.Short)
	} else {
		b.WriteString(asMarkdown(cmd.Long) + "\n\n")
	}
	fmt.Fprintf(b, "```text\n%s\n```\n\n", cmd.UseLine())
	flags := flagRows(cmd.NonInheritedFlags())
	if flags != "" {
		fmt.Fprintf(b, "| flag | value | default | meaning |\n|---|---|---|---|\n%s\n", flags)
	}
	if cmd.Example != "" {
		fmt.Fprintf(b, "```sh\n%s\n```\n\n", unindent(cmd.Example))
	}
	for _, sub := range cmd.Commands() {
		describeCommand(b, sub)
	}
}

// flagRows has hidden flags too: a page of reference leaves nothing out.
func flagRows(flags *pflag.FlagSet) string {
	var b strings.Builder
	cell := strings.NewReplacer("|", `\|`, "<", `\<`)
	flags.VisitAll(func(f *pflag.Flag) {
		if f.Name == "help" {
			return // of every command, as the head of the page says
		}
		value, usage := pflag.UnquoteUsage(f)
		name := "`--" + f.Name + "`"
		if f.Shorthand != "" {
			name = "`-" + f.Shorthand + "`, " + name
		}
		if value != "" {
			value = "`" + value + "`"
		}
		def := ""
		if f.DefValue != "" && f.DefValue != "false" && f.DefValue != "[]" && f.DefValue != "0" && f.DefValue != "0s" {
			def = "`" + f.DefValue + "`"
		}
		if f.Hidden {
			usage += " (for those who work on the code)"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", name, value, def, cell.Replace(usage))
	})
	return b.String()
}

// asMarkdown keeps indented lines as they are, in a block of their own.
func asMarkdown(text string) string {
	var out []string
	block := false
	fence := func(line, is string) {
		if line == is {
			return
		}
		block = !block
		switch {
		case block && len(out) > 0 && out[len(out)-1] != "":
			out = append(out, "", "```text")
		case block:
			out = append(out, "```text")
		default:
			out = append(out, "```", "")
		}
	}
	state := func(indented bool) string {
		if indented {
			return "block"
		}
		return "text"
	}
	escape := strings.NewReplacer("*", `\*`, "<", `\<`, "_", `\_`)
	for _, line := range strings.Split(strings.TrimSpace(text), "\n") {
		indented := strings.HasPrefix(line, "  ") || strings.HasPrefix(line, "\t") || block && line == ""
		fence(state(indented), state(block))
		if block {
			out = append(out, strings.TrimPrefix(strings.TrimPrefix(line, "\t"), "  "))
		} else {
			out = append(out, escape.Replace(line))
		}
	}
	fence("text", state(block))
	lines := strings.Join(out, "\n")
	lines = strings.ReplaceAll(lines, "\n\n```\n", "\n```\n") // an empty line before the end of a block
	return strings.TrimSpace(strings.ReplaceAll(lines, "\n\n\n", "\n\n"))
}

func unindent(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = strings.TrimPrefix(line, "  ")
	}
	return strings.Join(lines, "\n")
}
