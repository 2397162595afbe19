package main

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
)

// completes is what a shell asks for.
type completes = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective)

// mostOffered bounds what a shell is offered of a table.
const mostOffered = 200

// offer has a flag completed.
func offer(cmd *cobra.Command, flag string, by completes) {
	// The error would be of a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc(flag, by)
}

// completeList completes the last word of a list that commas separate.
func completeList(words []string) completes {
	return func(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
		done := typed[:strings.LastIndexByte(typed, ',')+1]
		given := strings.Split(done, ",")
		var out []string
		for _, w := range words {
			if !slices.Contains(given, w) {
				out = append(out, done+w)
			}
		}
		return out, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// routeStates are those that a list of routes knows.
func routeStates(d vrfredistv1.Direction) []string {
	if d == vrfredistv1.Direction_DIRECTION_IMPORT {
		return []string{announced, rib.Filtered.String()}
	}
	var all []string
	for state := rib.Installed; state <= rib.LastState; state++ {
		all = append(all, state.String())
	}
	return all
}

// completePrefix offers prefixes of a VRF's tables that begin with what is typed.
func completePrefix(c *cli, directions ...vrfredistv1.Direction) completes {
	return func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		name, _ := cmd.Flags().GetString("vrf") // "": it has none
		var out []string
		for _, d := range directions {
			_ = c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				ctx, cancel := context.WithTimeout(ctx, time.Second)
				defer cancel()
				stream, err := client.ListRoutes(ctx, &vrfredistv1.ListRoutesRequest{Vrf: name, Direction: d, Prefix: begun(typed)})
				for err == nil && len(out) < mostOffered {
					var r *vrfredistv1.Route
					if r, err = stream.Recv(); err == nil && strings.HasPrefix(r.GetPrefix(), typed) && !slices.Contains(out, r.GetPrefix()) {
						out = append(out, r.GetPrefix())
					}
				}
				return err
			})
		}
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}

// begun is a prefix that holds all addresses which begin with what is typed, so that the daemon
// need not send a whole table: "10.1.2" is 10.1.0.0/16. "": there is none.
func begun(typed string) string {
	separator, bits, most := ".", 8, 4
	if strings.Contains(typed, ":") {
		separator, bits, most = ":", 16, 8
	}
	if strings.Contains(typed, "::") || strings.Contains(typed, "/") {
		return ""
	}
	parts := strings.Split(typed, separator)
	whole := parts[:len(parts)-1]
	if len(whole) == 0 || len(whole) >= most {
		return ""
	}
	address := strings.Join(whole, separator) + strings.Repeat(separator+"0", most-len(whole))
	p, err := netip.ParsePrefix(address + "/" + strconv.Itoa(bits*len(whole)))
	if err != nil {
		return ""
	}
	return p.String()
}

// completeInterfaces offers this host's interfaces.
func completeInterfaces(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	list, _ := net.Interfaces() // none: nothing is offered
	var out []string
	for _, i := range list {
		if !slices.Contains(args, i.Name) {
			out = append(out, i.Name)
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}

// completeNeighbor offers the addresses of neighbours.
func completeNeighbor(c *cli) completes {
	return completeFirst(c, func(ctx context.Context, client vrfredistv1.RedistributionClient) (out []string, err error) {
		r, err := client.ListNeighbors(ctx, &vrfredistv1.ListNeighborsRequest{})
		for _, n := range r.GetNeighbors() {
			out = append(out, n.GetAddress())
		}
		return out, err
	})
}

// completePolicy offers the names of policies.
func completePolicy(c *cli) completes {
	return completeFirst(c, func(ctx context.Context, client vrfredistv1.RedistributionClient) (out []string, err error) {
		r, err := client.ListPolicies(ctx, &vrfredistv1.ListPoliciesRequest{})
		for _, p := range r.GetPolicies() {
			out = append(out, p.GetName())
		}
		return out, err
	})
}

// completeFirst offers what the daemon lists, for the first argument; nothing where it does not answer.
func completeFirst(c *cli, list func(context.Context, vrfredistv1.RedistributionClient) ([]string, error)) completes {
	return func(cmd *cobra.Command, args []string, _ string) (out []string, _ cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		_ = c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) (err error) {
			ctx, cancel := context.WithTimeout(ctx, time.Second)
			defer cancel()
			out, err = list(ctx, client)
			return err
		})
		return out, cobra.ShellCompDirectiveNoFileComp
	}
}
