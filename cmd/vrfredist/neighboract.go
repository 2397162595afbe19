package main

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"google.golang.org/grpc"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// act does what the word behind a neighbour says.
func (c neighborCommands) act(ctx context.Context, client vrfredistv1.RedistributionClient, name, action string, f neighborFlags) error {
	if action == "received" || action == "advertised" {
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		stream, err := client.ListNeighborRoutes(ctx, &vrfredistv1.ListNeighborRoutesRequest{
			Name: name, Vrf: f.vrf, Advertised: action == "advertised", Prefix: f.prefix, Exact: f.exact,
		})
		if err != nil {
			return err
		}
		return c.printNeighborRoutes(stream, action)
	}
	ctx, cancel := once(ctx)
	defer cancel()
	said := ""
	var n *vrfredistv1.Neighbor
	switch action {
	case "reset":
		r, err := client.ResetNeighbor(ctx, &vrfredistv1.ResetNeighborRequest{Name: name, Vrf: f.vrf, Soft: softOf(f.soft), Reason: f.reason})
		if err != nil {
			return err
		}
		if n, said = r.GetNeighbor(), "reset: its session begins anew"; f.soft != "" {
			said = "reset, " + f.soft + ": its session stays up"
		}
	case "disable":
		request := &vrfredistv1.DisableNeighborRequest{Name: name, Vrf: f.vrf, Graceful: f.graceful, Reason: f.reason}
		if f.graceful {
			request.WaitSeconds = uint32(max(f.wait, time.Second).Round(time.Second).Seconds())
		}
		r, err := client.DisableNeighbor(ctx, request)
		if err != nil {
			return err
		}
		if n, said = r.GetNeighbor(), "disabled, and down until it is enabled"; r.GetDownUnix() != 0 {
			said = "told to prefer other ways; its session ends " + in(time.Unix(r.GetDownUnix(), 0).Sub(c.now()))
		}
	case "enable":
		r, err := client.EnableNeighbor(ctx, &vrfredistv1.EnableNeighborRequest{Name: name, Vrf: f.vrf})
		if err != nil {
			return err
		}
		n, said = r.GetNeighbor(), "enabled"
	}
	if c.json {
		return c.printMessage(n)
	}
	_, err := fmt.Fprintf(c.out, "neighbor %s of VRF %s: %s\n", n.GetAddress(), n.GetVrf(), said)
	return err
}

// printNeighborRoutes prints what a neighbour sent, or is told, by prefix.
func (c neighborCommands) printNeighborRoutes(stream grpc.ServerStreamingClient[vrfredistv1.NeighborRoute], action string) error {
	if c.json {
		return printLines(c.out, stream.Recv)
	}
	var all []*vrfredistv1.NeighborRoute
	for {
		r, err := stream.Recv()
		if err := ended(err); err != nil {
			return err
		}
		if err != nil || r == nil {
			break
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *vrfredistv1.NeighborRoute) int {
		return cmp.Or(cmp.Compare(a.GetFamily(), b.GetFamily()), comparePrefixes(a.GetPrefix(), b.GetPrefix()), strings.Compare(a.GetRd(), b.GetRd()))
	})
	t := newTable(c.out, "PREFIX", "RD", "TERMS", "NOTES")
	states := make(map[string]int)
	for _, r := range all {
		notes := r.GetReason()
		if action == "received" {
			states[map[bool]string{true: "accepted", false: "not accepted"}[r.GetAccepted()]]++
		}
		if err := t.row(r.GetPrefix(), cell(r.GetRd()), r.GetTerms(), cell(notes)); err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	line := vrf.CountOf(len(all), "route") + " " + action
	if action == "received" {
		line = total(len(all), "route", states, []string{"accepted", "not accepted"})
	}
	_, err := fmt.Fprintln(c.out, line)
	return err
}

// comparePrefixes orders prefixes by address, and what is none behind them.
func comparePrefixes(a, b string) int {
	p, errA := netip.ParsePrefix(a)
	q, errB := netip.ParsePrefix(b)
	switch {
	case errA == nil && errB == nil:
		return p.Compare(q)
	case errA == nil:
		return -1
	case errB == nil:
		return 1
	}
	return strings.Compare(a, b)
}
