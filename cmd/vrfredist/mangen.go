//go:build mangen

// This program, built with the tag mangen, writes the manual pages and the shell
// completions into the directory that its argument names. It is the same package
// so that it knows the commands, and another program so that the daemon does not
// carry it.
package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cpuguy83/go-md2man/v2/md2man"
	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: mangen DIRECTORY")
		os.Exit(statusMisused)
	}
	if err := generate(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "mangen:", err)
		os.Exit(statusFailed)
	}
}

// generate writes everything. It runs in the module's root.
func generate(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	root := newRoot(&cli{out: os.Stdout})
	literal(root)
	header := &doc.GenManHeader{Section: "1", Source: "vrfredist " + thisBuild().Version, Manual: "vrfredist"}
	root.DisableAutoGenTag = true
	if err := doc.GenManTree(root, header, dir); err != nil {
		return err
	}
	pages, err := filepath.Glob("docs/man/*.md")
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		text = []byte(strings.Replace(string(text), "{{commands}}", commandList(root), 1))
		name := strings.TrimSuffix(filepath.Base(page), ".md") // over what cobra made of the same name
		if err := os.WriteFile(filepath.Join(dir, name), md2man.Render(text), 0o644); err != nil {
			return err
		}
	}
	at := func(shell string) string { return filepath.Join(dir, "vrfredist."+shell) }
	if err := root.GenBashCompletionFileV2(at("bash"), true); err != nil {
		return err
	}
	if err := root.GenZshCompletionFile(at("zsh")); err != nil {
		return err
	}
	return root.GenFishCompletionFile(at("fish"), true)
}

// commandList has every command that does something, for the page about all of them.
func commandList(cmd *cobra.Command) string {
	var b strings.Builder
	for _, sub := range cmd.Commands() {
		if !sub.IsAvailableCommand() {
			continue
		}
		if !strings.HasSuffix(sub.UseLine(), " COMMAND") {
			fmt.Fprintf(&b, "**%s**\n:   %s.\n\n", strings.TrimPrefix(sub.CommandPath(), "vrfredist "), sub.Short)
		}
		b.WriteString(commandList(sub))
	}
	return b.String()
}

// literal keeps what the help says from being read as Markdown.
func literal(cmd *cobra.Command) {
	escape := strings.NewReplacer(`*`, `\*`, `_`, `\_`, `<`, `\<`, `[`, `\[`)
	cmd.Long = escape.Replace(cmd.Long)
	for _, sub := range cmd.Commands() {
		literal(sub)
	}
}
