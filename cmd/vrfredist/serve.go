package main

import (
	"context"
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

// runOptions are the flags of `vrfredist run`.
type runOptions struct {
	daemon.Options
	LogLevel   string // debug, info, warn, error
	LogFormat  string // text, json
	CPUProfile string // "": none
	PProf      string
}

func (c *cli) runCommand() *cobra.Command {
	var o runOptions
	cmd := &cobra.Command{
		Use:   "run -f FILE [FLAG...]",
		Short: "Run the daemon",
		Long: `Runs the daemon in the foreground until SIGTERM or SIGINT. SIGHUP reads the
configuration file again, as "vrfredist reload" does.`,
		Example:               "  vrfredist run -f /etc/vrfredist/vrfredist.toml",
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd); err != nil {
				return err
			}
			return served(o.PProf, func() error {
				return profiled(o.CPUProfile, func() error { return o.run(cmd.Context()) })
			})
		},
	}
	f := cmd.Flags()
	f.StringVarP(&o.File, "file", "f", "", "configuration `FILE`: TOML, YAML or JSON")
	f.StringVar(&o.StateDir, "state-dir", "/var/lib/vrfredist", "`DIRECTORY` that keeps what is enabled and disabled at run time")
	f.StringSliceVar(&o.Listen, "api-listen", nil, "`ADDRESS` to serve the API on, instead of the file's: unix:///PATH or HOST:PORT")
	f.BoolVarP(&o.GracefulRestart, "graceful-restart", "r", false, "tell the neighbours that this is a graceful restart")
	f.StringVar(&o.LogLevel, "log-level", "info", "least `LEVEL` that is logged: debug, info, warn or error")
	f.StringVar(&o.LogFormat, "log-format", "text", "`FORMAT` of the log: text or json")
	f.StringVar(&o.CPUProfile, "cpuprofile", "", "`FILE` for a CPU profile of the whole run")
	f.StringVar(&o.PProf, "pprof", "", "`ADDRESS` to serve Go's profiles on, by HTTP, to whoever reaches it")
	for _, name := range []string{"cpuprofile", "pprof"} {
		if err := f.MarkHidden(name); err != nil {
			panic(err) // the flag is there: it was made a line before
		}
	}
	return cmd
}

// run runs the daemon until it is told to end.
func (o runOptions) run(ctx context.Context) (err error) {
	if o.Log, err = newLogger(o.LogLevel, o.LogFormat); err != nil {
		return err
	}
	o.Version = thisBuild().Version
	return daemon.Run(ctx, o.Options)
}

func (o runOptions) check(cmd *cobra.Command) error {
	if o.File == "" {
		return misused(cmd, "the configuration file is missing: name it with -f FILE")
	}
	for _, f := range []struct {
		flag, value string
		allowed     []string
	}{
		{"--log-level", o.LogLevel, []string{"debug", "info", "warn", "error"}},
		{"--log-format", o.LogFormat, []string{"text", "json"}},
	} {
		if !slices.Contains(f.allowed, f.value) {
			return misused(cmd, "%s %q: write %s", f.flag, f.value, vrf.Enumerate(f.allowed, "or"))
		}
	}
	if o.StateDir == "" {
		return misused(cmd, "--state-dir is empty: name a directory")
	}
	return nil
}

func (c *cli) checkCommand() *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "check -f FILE [--json]",
		Short: "Say everything that is wrong with a configuration file",
		Long: `Reads a configuration file as "vrfredist run" does, and starts nothing. Every
error is printed, a line each. The exit status is 0 where there is none.`,
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file == "" {
				return misused(cmd, "the configuration file is missing: name it with -f FILE")
			}
			cfg, err := daemon.LoadConfig(file)
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
func (c *cli) printFine(file string, cfg *config.Config) error {
	var b strings.Builder
	notes := notesOf(cfg)
	for _, n := range notes {
		fmt.Fprintf(&b, "%s:%d: note: %s: %s\n", n.File, n.Line, n.Key, n.Message)
	}
	fmt.Fprintf(&b, "%s: fine: %s, %s", file, vrf.CountOf(len(cfg.VRFs), "VRF"), vrf.CountOf(neighbours(cfg), "neighbour"))
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
	Neighbours int            `json:"neighbours"`
	Errors     []checkedError `json:"errors"`
	Notes      []checkedError `json:"notes"` // keys that are fine, and mean something else here
}

type checkedError struct {
	Line    int    `json:"line"` // 0: of no line
	Key     string `json:"key"`
	Message string `json:"message"`
}

func (c *cli) printCheck(file string, cfg *config.Config, err error) error {
	doc := checked{File: file, Fine: err == nil, Errors: []checkedError{}, Notes: []checkedError{}}
	var all config.Errors
	switch {
	case err == nil:
		doc.VRFs, doc.Neighbours = len(cfg.VRFs), neighbours(cfg)
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
