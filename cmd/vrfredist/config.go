package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/daemon"
	"github.com/vrfredist/vrfredist/vrf"
)

// configCommands has the command config.
type configCommands struct{ *cli }

func (c configCommands) configCommand() *cobra.Command {
	var name, against string
	cmd := &cobra.Command{
		Use:   "config [--vrf V] [--diff FILE] [--no-pager] [--json]",
		Short: "Show the configuration in force, and where each value is from",
		Long: `Prints the configuration that is in force as a file that "vrfredist check" takes,
with where each value is from behind it: a line of the file, a template of the
file, the API, the run time (redistribution enable and disable), the daemon's
command line, a label or SID that was allocated, or a default. Passwords are
left out. With --vrf it prints what one VRF goes by.

With --diff it prints what FILE would have otherwise: keys that are in force
begin with "-", those of FILE with "+". What was set at run time stays as it
is over a reload, whatever FILE says.`,
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			var next vrf.InForce
			if against != "" {
				var err error
				if next, err = daemon.InForceFrom(against); err != nil {
					return summed(against, err)
				}
			}
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				ctx, cancel := once(ctx)
				defer cancel()
				r, err := client.GetConfig(ctx, &vrfredistv1.GetConfigRequest{Vrf: name})
				switch {
				case err != nil:
					return err
				case against != "":
					if name != "" {
						next = next.Of(name)
					}
					return c.printDifferences(inForceOf(r), next)
				case c.json:
					return c.printMessage(r)
				}
				return config.PrintInForce(c.out, inForceOf(r))
			})
		},
	}
	cmd.Flags().StringVar(&name, "vrf", "", "what this `VRF` goes by")
	// The error would be of a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("vrf", c.completeVRF)
	cmd.Flags().StringVar(&against, "diff", "", "say what this `FILE` has otherwise")
	c.printsJSON(cmd)
	c.pages(cmd)
	return cmd
}

// inForceOf is what the daemon says is in force.
func inForceOf(r *vrfredistv1.GetConfigResponse) vrf.InForce {
	c := vrf.InForce{File: r.GetFile()}
	for _, s := range r.GetSections() {
		section := vrf.ConfigSection{Header: s.GetHeader(), Name: s.GetName()}
		for _, v := range s.GetValues() {
			section.Values = append(section.Values, vrf.ConfigValue{
				Key: v.GetKey(), Value: v.GetValue(), Origin: vrf.Origin(v.GetSource()), Line: int(v.GetLine()), Secret: v.GetSecret(),
			})
		}
		c.Sections = append(c.Sections, section)
	}
	return c
}

// differing is a key in the JSON of --diff.
type differing struct {
	Section string     `json:"section"`
	InForce *diffValue `json:"in_force"` // null: it does not have the key
	File    *diffValue `json:"file"`
}

type diffValue struct {
	Key    string `json:"key"`
	Value  string `json:"value"`
	Source string `json:"source"`
	Line   int    `json:"line"`
	Secret bool   `json:"secret"`
}

func (c configCommands) printDifferences(now, next vrf.InForce) error {
	list := config.DifferencesInForce(now, next)
	if c.json {
		out := struct {
			Differences []differing `json:"differences"`
		}{[]differing{}}
		for _, d := range list {
			out.Differences = append(out.Differences, differing{d.Section, diffed(d.Old), diffed(d.New)})
		}
		return printJSON(c.out, out)
	}
	var b strings.Builder
	section := ""
	for _, d := range list {
		if d.Section != section {
			section = d.Section
			fmt.Fprintf(&b, "%s\n", section)
		}
		if d.Old != nil {
			fmt.Fprintf(&b, "  - %s  # %s\n", config.Assignment(d.Old), config.Whence(now.File, d.Old))
		}
		if d.New != nil {
			fmt.Fprintf(&b, "  + %s  # %s\n", config.Assignment(d.New), config.Whence(next.File, d.New))
		}
	}
	if len(list) == 0 {
		fmt.Fprintf(&b, "%s says what is in force.\n", next.File)
	} else {
		fmt.Fprintf(&b, "%s has %s otherwise than what is in force; vrfredist plan -f %s says what that would change.\n", next.File, vrf.CountOf(len(list), "key"), next.File)
	}
	_, err := fmt.Fprint(c.out, b.String())
	return err
}

func diffed(v *vrf.ConfigValue) *diffValue {
	if v == nil {
		return nil
	}
	return &diffValue{v.Key, v.Value, string(v.Origin), v.Line, v.Secret}
}
