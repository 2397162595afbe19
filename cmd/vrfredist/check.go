package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/daemon"
	"github.com/vrfredist/vrfredist/vrf"
)

// checkCommands has the command check.
type checkCommands struct{ *cli }

func (c checkCommands) checkCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check -f FILE [--json]",
		Short: "Say everything that is wrong with a configuration file",
		Long: `Reads a configuration file as "vrfredist run" does, and starts nothing. Every
error is printed, a line each. The exit status is 0 where there is none. Notes
say what is easily overlooked, in the file and, as far as it names interfaces
that this user may look at, on this host.`,
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return misused(cmd, "the configuration file is missing: name it with -f FILE")
			}
			cfg, err := daemon.LoadConfig(file)
			if err == nil && c.hints != nil {
				cfg.Notes = append(cfg.Notes, c.hints(cmd.Context(), file, cfg)...)
			}
			if c.json {
				return errors.Join(c.printCheck(file, cfg, err), err)
			}
			if err != nil {
				return summed(file, err)
			}
			return c.printFine(file, cfg)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "configuration `FILE`: TOML, YAML or JSON")
	c.printsJSON(cmd)
	return cmd
}

// printFine prints what the keys of another program mean here, a line each, and
// what the file holds.
func (c checkCommands) printFine(file string, cfg *config.Config) error {
	var b strings.Builder
	notes := notesOf(cfg)
	for _, n := range notes {
		fmt.Fprintf(&b, "%s:%d: note: %s: %s\n", n.File, n.Line, n.Key, n.Message)
	}
	fmt.Fprintf(&b, "%s: fine: %s, %s", file, vrf.CountOfSpecs(cfg.VRFs), vrf.CountOf(neighbours(cfg), "neighbour"))
	if len(notes) > 0 {
		fmt.Fprintf(&b, ", %s", vrf.CountOf(len(notes), "note"))
	}
	_, err := fmt.Fprintln(c.out, b.String())
	return err
}

// notesOf are what there is to note of a file, in the order of its lines.
func notesOf(cfg *config.Config) []config.Error {
	notes := slices.Concat(cfg.Notes, cfg.Changed)
	slices.SortStableFunc(notes, func(a, b config.Error) int { return a.Line - b.Line })
	return notes
}

// summed adds the number of errors to more than one.
func summed(file string, err error) error {
	var all config.Errors
	if errors.As(err, &all) && len(all) > 1 {
		return fmt.Errorf("%w\n%s: %s", err, file, vrf.CountOf(len(all), "error"))
	}
	return err
}

// checked is what `check --json` prints.
type checked struct {
	File       string         `json:"file"`
	Fine       bool           `json:"fine"`
	VRFs       int            `json:"vrfs"`
	Tables     int            `json:"tables"` // that VRFs have beside their own
	Neighbours int            `json:"neighbours"`
	Errors     []checkedError `json:"errors"`
	Notes      []checkedError `json:"notes"` // keys that are fine, and mean something else here
}

type checkedError struct {
	Line    int    `json:"line"` // 0: of no line
	Key     string `json:"key"`
	Message string `json:"message"`
}

func (c checkCommands) printCheck(file string, cfg *config.Config, err error) error {
	doc := checked{File: file, Fine: err == nil, Errors: []checkedError{}, Notes: []checkedError{}}
	var all config.Errors
	switch {
	case err == nil:
		doc.Neighbours = neighbours(cfg)
		for i := range cfg.VRFs {
			if cfg.VRFs[i].VRF == "" {
				doc.VRFs++
			} else {
				doc.Tables++
			}
		}
		for _, n := range notesOf(cfg) {
			doc.Notes = append(doc.Notes, checkedError{n.Line, n.Key, n.Message})
		}
	case errors.As(err, &all):
		for _, e := range all {
			doc.Errors = append(doc.Errors, checkedError{e.Line, e.Key, e.Message})
		}
	default:
		doc.Errors = append(doc.Errors, checkedError{Message: err.Error()})
	}
	return printJSON(c.out, doc)
}

// neighbours counts them in GoBGP's part of the file, which is JSON by now.
func neighbours(cfg *config.Config) int {
	var bgp struct {
		Neighbors []json.RawMessage `json:"neighbors"`
	}
	if err := json.Unmarshal(cfg.BGP, &bgp); err != nil {
		return 0 // config made it
	}
	return len(bgp.Neighbors)
}
