package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

func (c *cli) monitorCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "monitor [--vrf V] [--json]",
		Short: "Print what happens to the VRFs, as it happens",
		Long: `Prints how every VRF fares, or one, then each change of its state, and what its
worker did, summed up once a second: routes in and out of the kernel, what went
to BGP, conflicts, and what was put right. It ends when it is interrupted, or
when the daemon ends. With --json, each message is an object on a line of its
own.`,
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("vrf") {
				name = ""
			}
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				stream, err := client.WatchVrfs(ctx, &vrfredistv1.WatchVrfsRequest{Vrf: name})
				if err != nil {
					return err
				}
				return printWatch(c.out, c.json, stream.Recv)
			})
		},
	}
	c.takesVRF(cmd, &name)
	cmd.Flags().Lookup("vrf").DefValue = "" // none: all of them
	cmd.Flags().Lookup("vrf").Usage = "only this `VRF`"
	c.printsJSON(cmd)
	return cmd
}

// printWatch prints each message as it comes.
func printWatch(out io.Writer, asJSON bool, next func() (*vrfredistv1.WatchVrfsResponse, error)) error {
	for {
		m, err := next()
		if err != nil {
			return ended(err)
		}
		if asJSON {
			raw, err := marshal(m)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(out, "%s\n", raw); err != nil {
				return err
			}
			continue
		}
		at := time.Unix(0, m.GetTimeUnixNano()).UTC().Format("2006-01-02T15:04:05.000Z")
		if u := m.GetUnconfirmed(); u != nil {
			if _, err := fmt.Fprintf(out, "%s configuration: %s\n", at, u.GetText()); err != nil {
				return err
			}
			continue
		}
		for _, what := range happened(m) {
			if _, err := fmt.Fprintf(out, "%s %s: %s\n", at, m.GetVrf().GetName(), what); err != nil {
				return err
			}
		}
	}
}

// happened says in a line each what a message tells.
func happened(m *vrfredistv1.WatchVrfsResponse) (lines []string) {
	v := m.GetVrf()
	state := v.GetState()
	if v.GetReason() != "" {
		state += " (" + v.GetReason() + ")"
	}
	switch {
	case m.GetGone():
		return []string{"gone: nothing is redistributed for it any more"}
	case m.GetChanged() && m.GetWas() != "" && m.GetWas() != v.GetState():
		lines = append(lines, m.GetWas()+" -> "+state)
	case m.GetChanged():
		lines = append(lines, state)
	}
	if did := done(m.GetActivity()); did != "" {
		lines = append(lines, did)
	}
	return lines
}

// done sums up what a worker did: "812 routes in, 3 out, 1 conflict".
func done(a *vrfredistv1.Activity) string {
	var parts []string
	add := func(n uint64, one, many string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+one)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", n, many))
		}
	}
	add(a.GetAdded(), "route in", "routes in")
	add(a.GetDeleted(), "out", "out")
	add(a.GetReplaced(), "replaced", "replaced")
	add(a.GetConflicts(), "conflict", "conflicts")
	add(a.GetRefused(), "refused by the kernel", "refused by the kernel")
	add(a.GetAnnounced(), "announced", "announced")
	add(a.GetWithdrawn(), "withdrawn", "withdrawn")
	add(a.GetResyncs(), "reading of the table", "readings of the table")
	add(a.GetFound(), "found other than written", "found other than written")
	add(a.GetMended(), "put right", "put right")
	return strings.Join(parts, ", ")
}
