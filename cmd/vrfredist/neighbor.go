package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// neighborCommands has the command neighbor.
type neighborCommands struct{ *cli }

func (c neighborCommands) neighborCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "neighbor [NAME] [--vrf V] [--no-pager] [--json]",
		Short: "Show how the BGP neighbours fare, or all about one",
		Long: `Shows a line for each BGP neighbour, or everything about one, which may be named
by the alias that the gobgp command line has for one in a network namespace, or by
its interface. What it says beside the state is why there is no session, where that is known, and how
much was taken out of what the neighbour said, by the reason why.

A neighbour comes of the configuration, of a peer group that let it in (dynamic),
or of another client of the API, such as gobgp. One that such a client deleted is
shown as deleted for as long as the configuration has it: "vrfredist reload" brings
it back. One that a client disabled stays down until it is enabled.`,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return misused(cmd, "%q is too much: name one neighbour, or none for all", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			request := &vrfredistv1.ListNeighborsRequest{Name: strings.Join(args, "")}
			if cmd.Flags().Changed("vrf") {
				request.Vrf = name
			}
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				ctx, cancel := once(ctx)
				defer cancel()
				r, err := client.ListNeighbors(ctx, request)
				if err != nil {
					return err
				}
				switch {
				case c.json:
					return c.printMessage(r)
				case request.GetName() != "":
					return c.showNeighbors(r.GetNeighbors())
				}
				return c.listNeighbors(r.GetNeighbors())
			})
		},
	}
	c.takesVRF(cmd, &name)
	cmd.Flags().Lookup("vrf").DefValue = "" // none: all of them
	cmd.Flags().Lookup("vrf").Usage = "only those of this `VRF`"
	c.printsJSON(cmd)
	c.pages(cmd)
	return cmd
}

func (c neighborCommands) listNeighbors(list []*vrfredistv1.Neighbor) error {
	t := newTable(c.out, "NEIGHBOR", "ALIAS", "AS>", "VRF", "NETNS", "STATE", "FOR", "ORIGIN", "NOTES")
	states := make(map[string]int)
	for _, n := range list {
		states[n.GetState()]++
		notes := n.GetReason()
		if removed := removedText(n); removed != "" {
			notes = strings.TrimPrefix(notes+"; removed: "+removed, "; ")
		}
		err := t.row(n.GetAddress(), cell(n.GetAlias()), strconv.FormatUint(uint64(n.GetPeerAs()), 10), n.GetVrf(), cell(n.GetNetns()),
			n.GetState(), cell(c.upFor(n)), cell(n.GetOrigin()), cell(notes))
		if err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.out, total(len(list), "neighbour", states, []string{"established"}))
	return err
}

// showNeighbors shows all about each; an address may be one of several VRFs.
func (c neighborCommands) showNeighbors(list []*vrfredistv1.Neighbor) error {
	var errs []error
	for i, n := range list {
		if i > 0 {
			_, err := fmt.Fprintln(c.out)
			errs = append(errs, err)
		}
		errs = append(errs, c.printNeighbor(c.out, n))
	}
	return errors.Join(errs...)
}

func (c neighborCommands) printNeighbor(out io.Writer, n *vrfredistv1.Neighbor) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	state := n.GetState()
	if up := c.upFor(n); up != "" {
		state += " for " + up
	}
	for _, line := range [][2]string{
		{"Neighbor", n.GetAddress()},
		{"AS", strconv.FormatUint(uint64(n.GetPeerAs()), 10)},
		{"VRF", n.GetVrf()},
		{"Netns", cmp.Or(n.GetNetns(), "the daemon's own")},
		{"In gobgp", cmp.Or(n.GetAlias(), n.GetAddress())},
		{"State", state},
		{"Reason", cell(n.GetReason())},
		{"Origin", cell(n.GetOrigin())},
		{"Removed", cell(removedText(n))},
	} {
		// A tabwriter keeps its first error for Flush.
		_, _ = fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
	}
	return w.Flush()
}

// upFor is how long a session is up; "": it is not.
func (c neighborCommands) upFor(n *vrfredistv1.Neighbor) string {
	if n.GetSinceUnix() == 0 {
		return ""
	}
	return vrf.Span(c.now().Sub(time.Unix(n.GetSinceUnix(), 0)))
}

// removedText says how much was taken out of what a neighbour said: "12 route
// target, 1 martian".
func removedText(n *vrfredistv1.Neighbor) string {
	var parts []string
	for _, r := range n.GetRemoved() {
		parts = append(parts, fmt.Sprintf("%d %s", r.GetCount(), r.GetReason()))
	}
	return strings.Join(parts, ", ")
}
