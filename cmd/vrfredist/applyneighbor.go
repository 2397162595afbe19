package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// newNeighbor are the flags of neighbor add.
type newNeighbor struct {
	tenantFlags
	as                                     uint32
	vrf, netns, local, password, described string
}

func oneAddress(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return misused(cmd, "the neighbour is missing: name its ADDRESS")
	case 1:
		return nil
	}
	return misused(cmd, "%q is too much: name one neighbour", args[1])
}

// whoseVRF is the VRF that a flag names, as the configuration has it: none is the default one.
func whoseVRF(name string) string {
	if name == "default" {
		return ""
	}
	return name
}

func (c neighborCommands) addCommand() *cobra.Command {
	var f newNeighbor
	cmd := &cobra.Command{
		Use:   "add ADDRESS --as N [--vrf V] [--netns N] [--local-address A] [--password-file F] [FLAG...]",
		Short: "Add a BGP neighbour, beside the configuration file",
		Long: `Adds a BGP neighbour at once, and keeps it over restarts and reloads, beside the
configuration file; "neighbor delete" removes it. With --netns its session runs
inside a network namespace, which needs --vrf and --local-address.`,
		Example:               "  vrfredist neighbor add 192.0.2.2 --as 65001 --vrf red --netns red --local-address 192.0.2.1",
		DisableFlagsInUseLine: true,
		Args:                  oneAddress,
		RunE: func(cmd *cobra.Command, args []string) error {
			if f.as == 0 {
				return misused(cmd, "the neighbour's AS is missing: name it with --as N")
			}
			spec := &vrfredistv1.NeighborSpec{
				Address: args[0], Vrf: whoseVRF(f.vrf), Netns: f.netns, PeerAs: proto.Uint32(f.as), LocalAddress: f.local, Description: f.described,
			}
			if f.password != "" {
				text, err := os.ReadFile(f.password)
				if err != nil {
					return misused(cmd, "--password-file: %v", err)
				}
				spec.Password = strings.TrimRight(string(text), "\r\n")
			}
			return c.apply(cmd, &vrfredistv1.ApplyNeighborRequest{Neighbor: spec, Generation: proto.Uint64(0), Owner: f.owner, DryRun: f.dryRun})
		},
	}
	cmd.Flags().Uint32Var(&f.as, "as", 0, "its AS `NUMBER`")
	c.takesVRF(cmd, &f.vrf)
	cmd.Flags().StringVar(&f.netns, "netns", "", "the network `NAMESPACE` that its session runs in")
	cmd.Flags().StringVar(&f.local, "local-address", "", "our `ADDRESS` of the session")
	cmd.Flags().StringVar(&f.password, "password-file", "", "the `FILE` that has the password of TCP MD5, and nothing else")
	cmd.Flags().StringVar(&f.described, "description", "", "a `TEXT` that says whose it is")
	f.add(cmd)
	c.printsJSON(cmd)
	return cmd
}

func (c neighborCommands) apply(cmd *cobra.Command, request *vrfredistv1.ApplyNeighborRequest) error {
	return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
		ctx, cancel := once(ctx)
		defer cancel()
		r, err := client.ApplyNeighbor(ctx, request)
		switch {
		case err != nil:
			return err
		case c.json:
			return c.printMessage(r)
		case request.GetDryRun():
			return printPlan(c.out, items(r.GetPlan()))
		}
		state := r.GetNeighbor().GetState()
		if state == "" {
			state = "added"
		}
		_, err = fmt.Fprintf(c.out, "neighbor %s: %s (generation %d)\n", request.GetNeighbor().GetAddress(), state, r.GetGeneration())
		return err
	})
}

func (c neighborCommands) deleteCommand() *cobra.Command {
	var name, netns string
	cmd := &cobra.Command{
		Use:   "delete ADDRESS [--vrf V] [--netns N] [--json]",
		Short: "Remove what was applied to a neighbour beside the configuration file",
		Long: `Removes what "neighbor add", "apply" or the API's ApplyNeighbor made of a
neighbour, and what the configuration file says of it holds again.`,
		DisableFlagsInUseLine: true,
		Args:                  oneAddress,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				ctx, cancel := once(ctx)
				defer cancel()
				r, err := client.DeleteNeighbor(ctx, &vrfredistv1.DeleteNeighborRequest{Address: args[0], Vrf: whoseVRF(name), Netns: netns})
				switch {
				case err != nil:
					return err
				case c.json:
					err = c.printMessage(r)
				case r.GetNeighbor() != nil:
					_, err = fmt.Fprintf(c.out, "neighbor %s is as the configuration file has it: %s\n", args[0], r.GetNeighbor().GetState())
				case r.GetGone():
					_, err = fmt.Fprintf(c.out, "neighbor %s is gone\n", args[0])
				}
				return errors.Join(err, unfinished(r.GetGone(), r.GetReason(), "neighbor "+args[0]))
			})
		},
	}
	c.takesVRF(cmd, &name)
	cmd.Flags().StringVar(&netns, "netns", "", "the network `NAMESPACE` that its session runs in")
	c.printsJSON(cmd)
	return cmd
}
