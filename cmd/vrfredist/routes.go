package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
)

// routeCommands has the commands route import and route export.
type routeCommands struct{ *cli }

func (c routeCommands) routeCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "route",
		Short: "List the routes of a VRF, and what became of each",
	},
		c.routesOf("import", "List the kernel routes of a VRF, and whether they are announced", vrfredistv1.Direction_DIRECTION_IMPORT, `A route is
  announced   in BGP
  filtered    left out, for the reason given`),
		c.routesOf("export", "List the BGP routes of a VRF, and whether they are in the kernel", vrfredistv1.Direction_DIRECTION_EXPORT, `A route is
  installed   in the kernel
  filtered    left out by a policy, the export's communities or a leak
  unresolved  its nexthop cannot be reached inside the VRF
  conflict    another program has a route with its prefix and metric
  over-quota  max_routes is reached
  over-limit  max_prefixes of a leak is reached
  failed      the kernel refused it
  stale       left by an earlier run, and not heard of since`))
}

func (c routeCommands) routesOf(word, short string, d vrfredistv1.Direction, states string) *cobra.Command {
	var name string
	var onlyCount bool
	r := &vrfredistv1.ListRoutesRequest{Direction: d}
	cmd := &cobra.Command{
		Use:   word + " [--vrf V] [--prefix P [--exact]] [--state S,...] [--count] [--no-pager] [--json]",
		Short: short,
		Long: short + ". " + states + `
With --prefix, only the routes of this prefix and of those inside it; with
--exact, of this prefix alone. With --count, how many there are in which state,
and none of them. On a terminal the list is shown by $PAGER. With
--json, each route is an object on a line of its own, as it comes.`,
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				ctx, cancel := context.WithCancel(ctx)
				defer cancel()
				r.Vrf = name
				if onlyCount {
					return c.countRoutes(ctx, client, r)
				}
				stream, err := client.ListRoutes(ctx, r)
				if err != nil {
					return err
				}
				if c.json {
					return printLines(c.out, stream.Recv)
				}
				return printRoutes(c.out, d, stream.Recv)
			})
		},
	}
	c.takesVRF(cmd, &name)
	cmd.Flags().StringVar(&r.Prefix, "prefix", "", "only routes of this `PREFIX`, and of those inside it")
	cmd.Flags().BoolVar(&r.Exact, "exact", false, "only routes of just that prefix")
	cmd.Flags().StringSliceVar(&r.States, "state", nil, "only routes in these `STATES`, separated by commas")
	offer(cmd, "state", completeList(routeStates(d)))
	offer(cmd, "prefix", completePrefix(c.cli, d))
	cmd.Flags().BoolVar(&onlyCount, "count", false, "only how many there are")
	c.printsJSON(cmd)
	c.pages(cmd)
	before := cmd.RunE
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		if r.GetExact() && r.GetPrefix() == "" {
			return misused(cmd, "--exact says how --prefix is meant: give --prefix too")
		}
		for i, state := range r.GetStates() {
			if d == vrfredistv1.Direction_DIRECTION_IMPORT && state == announced {
				r.States[i] = rib.Installed.String()
			}
		}
		return before(cmd, args)
	}
	return cmd
}

// printLines prints each message as JSON on a line of its own.
func printLines[M proto.Message](out io.Writer, next func() (M, error)) error {
	w := bufio.NewWriter(out)
	for {
		r, err := next()
		if err != nil {
			return errors.Join(ended(err), w.Flush())
		}
		raw, err := marshal(r)
		if err != nil {
			return err
		}
		if _, err := w.Write(append(raw, '\n')); err != nil {
			return err
		}
	}
}

// ended returns nil where a stream is at its end.
func ended(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

func printRoutes(out io.Writer, d vrfredistv1.Direction, next func() (*vrfredistv1.Route, error)) error {
	heading, rows := exportHeading(), exportRows
	if d == vrfredistv1.Direction_DIRECTION_IMPORT {
		heading, rows = importHeading(), importRows
	}
	t := newTable(out, heading...)
	n, states := 0, make(map[string]int)
	for {
		r, err := next()
		if err = ended(err); err != nil && n == 0 {
			return err
		}
		if err != nil || r == nil {
			if err := errors.Join(err, t.flush()); err != nil {
				return err
			}
			break
		}
		n++
		cells := rows(r)
		states[cells[0][1]]++
		for _, row := range cells {
			if err := t.row(row...); err != nil {
				return err
			}
		}
	}
	return printFolded(out, total(n, "route", states, stateOrder()))
}

func exportHeading() []string { return []string{"PREFIX", "STATE", "VIA", "FROM", "RD", "WHY"} }

// exportRows gives a route of several hops a row for each.
func exportRows(r *vrfredistv1.Route) [][]string {
	from := cell(r.GetPeer())
	switch {
	case r.GetPeer() == "" && r.GetSource() == "" && r.GetCarrier() != "":
		from = "another PE"
	case r.GetPeer() != "" || r.GetSource() != "" || r.GetState() != rib.Stale.String():
		from = origin(r.GetPeer(), r.GetSource())
	}
	ways := via(r)
	rd := cell(r.GetRd())
	if r.GetLabel() != 0 {
		rd += " label " + number(r.GetLabel())
	}
	if r.GetVni() != 0 {
		rd += " VNI " + number(r.GetVni())
	}
	rows := [][]string{{r.GetPrefix(), r.GetState(), ways[0], from, rd, r.GetReason()}}
	for _, way := range ways[1:] {
		rows = append(rows, []string{"", "", way, "", "", ""})
	}
	if b := r.GetBackup(); b != nil {
		rows = append(rows, []string{"", "", "backup " + cell(strings.Join(b.GetNexthops(), " ")), origin(b.GetPeer(), b.GetSource()), "", ""})
	}
	return rows
}

// origin says where a path comes from.
func origin(peer, source string) string {
	switch {
	case source == rib.Elsewhere:
		return rib.Elsewhere
	case source != "":
		return "VRF " + source
	case peer == "":
		return "local"
	}
	return peer
}

// via says which way a route goes: what is in the kernel, or else the nexthop
// that BGP has for it.
func via(r *vrfredistv1.Route) []string {
	if len(r.GetHops()) > 0 {
		weighted := false
		for _, hop := range r.GetHops() {
			weighted = weighted || hop.GetWeight() > 1
		}
		var ways []string
		for _, hop := range r.GetHops() {
			words := make([]string, 0, 5)
			gateway, device, encap := hop.GetGateway(), hop.GetDevice(), ""
			if e := hop.GetEncap(); e != nil {
				gateway, encap = "", "encap "+e.GetText() // of VXLAN the gateway only stands for the PE
				if e.GetKind() != rib.EncapVXLAN.String() {
					device = "" // it is in the text, as the gateway is
				}
			}
			for _, w := range []string{gateway, device, encap} {
				if w != "" {
					words = append(words, w)
				}
			}
			if weighted {
				words = append(words, "weight", number(hop.GetWeight()))
			}
			ways = append(ways, cell(strings.Join(words, " ")))
		}
		return ways
	}
	if kind := r.GetKind(); kind != "" && kind != rib.KindUnicast.String() {
		return []string{kind}
	}
	return []string{cell(strings.Join(r.GetNexthops(), " "))}
}

// stateOrder is how the line under a list names the states: good ones first.
func stateOrder() []string {
	order := []string{announced}
	for state := rib.Installed; state <= rib.LastState; state++ {
		order = append(order, state.String())
	}
	return order
}

func importHeading() []string { return []string{"PREFIX", "STATE", "DEV", "PROTOCOL", "MED>", "WHY"} }

func importRows(r *vrfredistv1.Route) [][]string {
	state, med := r.GetState(), ""
	if state == announced || state == rib.Installed.String() { // as daemons of before said it
		state, med = announced, number(r.GetMed())
	}
	var devices []string
	for _, hop := range r.GetHops() {
		devices = append(devices, cell(hop.GetDevice()))
	}
	return [][]string{{r.GetPrefix(), state, cell(strings.Join(devices, ", ")), cell(r.GetProtocol()), cell(med), r.GetReason()}}
}
