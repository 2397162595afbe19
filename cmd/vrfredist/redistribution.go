package main

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// redistributionCommands has the command redistribution, and those below it.
type redistributionCommands struct{ *cli }

func (c redistributionCommands) redistributionCommand() *cobra.Command {
	var name string
	cmd := group(&cobra.Command{
		Use:   "redistribution [--vrf V] [--json]",
		Short: "Show or change what is imported and exported",
		Long: `Without a command it shows what is redistributed for every VRF that runs, or for
one. Import takes kernel routes into BGP, export puts BGP routes into the kernel.`,
		Example: `  vrfredist redistribution enable import eth0 eth1 --vrf vrf-red
  vrfredist redistribution enable export --community 65001:100
  vrfredist redistribution disable export --vrf vrf-red`,
	}, c.enableCommand(), c.disableCommand())
	subcommand := cmd.Args
	cmd.Args = func(cmd *cobra.Command, args []string) error {
		if len(args) == 0 {
			return nil
		}
		return subcommand(cmd, args)
	}
	cmd.RunE = func(cmd *cobra.Command, _ []string) error {
		if !cmd.Flags().Changed("vrf") {
			name = ""
		}
		return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
			ctx, cancel := once(ctx)
			defer cancel()
			all, err := redistributions(ctx, client, name)
			if err != nil {
				return err
			}
			return c.printRedistributions(all)
		})
	}
	c.takesVRF(cmd, &name)
	cmd.Flags().Lookup("vrf").DefValue = "" // none: all of them
	cmd.Flags().Lookup("vrf").Usage = "only this `VRF`, which need not run"
	c.printsJSON(cmd)
	return cmd
}

// redistributions asks for one VRF, or for all that run where name is "".
func redistributions(ctx context.Context, client vrfredistv1.RedistributionClient, name string) ([]*vrfredistv1.GetRedistributionResponse, error) {
	if name != "" {
		one, err := client.GetRedistribution(ctx, &vrfredistv1.GetRedistributionRequest{Vrf: name})
		return []*vrfredistv1.GetRedistributionResponse{one}, err
	}
	list, err := client.ListVrfs(ctx, &vrfredistv1.ListVrfsRequest{})
	if err != nil {
		return nil, err
	}
	var all []*vrfredistv1.GetRedistributionResponse
	for _, v := range list.GetVrfs() {
		all = append(all, &vrfredistv1.GetRedistributionResponse{Import: v.GetImport(), Export: v.GetExport()})
	}
	return all, nil
}

func (c redistributionCommands) printRedistributions(all []*vrfredistv1.GetRedistributionResponse) error {
	if c.json {
		doc := struct {
			Redistributions []json.RawMessage `json:"redistributions"`
		}{[]json.RawMessage{}}
		for _, r := range all {
			raw, err := marshal(r)
			if err != nil {
				return err
			}
			doc.Redistributions = append(doc.Redistributions, raw)
		}
		return printJSON(c.out, doc)
	}
	t := newTable(c.out, "VRF", "IMPORT FROM", "EXPORT OF")
	for _, r := range all {
		if err := t.row(r.GetImport().GetVrf(), imports(r.GetImport()), exports(r.GetExport())); err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.out, vrf.CountOf(len(all), "VRF"))
	return err
}

func imports(i *vrfredistv1.RedistributionInfo) string {
	if !i.GetEnabled() {
		return "off"
	}
	return strings.Join(i.GetInterfaces(), ", ")
}

func exports(i *vrfredistv1.RedistributionInfo) string {
	if !i.GetEnabled() {
		return "off"
	}
	var wanted []string
	if i.GetCommunityName() != "" {
		wanted = append(wanted, i.GetCommunityName())
	}
	wanted = append(wanted, i.GetCommunityList()...)
	wanted = append(wanted, i.GetLargeCommunityList()...)
	switch len(wanted) {
	case 0:
		return "all routes"
	case 1:
		return "routes with community " + wanted[0]
	}
	return "routes with any of the communities " + strings.Join(wanted, ", ")
}

func (c redistributionCommands) enableCommand() *cobra.Command {
	return group(&cobra.Command{
		Use:   "enable",
		Short: "Turn import or export on, or change what it takes",
	}, c.enableImport(), c.enableExport())
}

func (c redistributionCommands) enableImport() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "import IFACE... [--vrf V] [--json]",
		Short: "Import the kernel routes of these interfaces",
		Long: `Imports the kernel routes that leave by one of the interfaces into BGP, at once,
and keeps doing so after a restart. IFACE is a name or a pattern with *, ? and
[...]; quote it where the shell would take it for a file's. The interfaces
replace those that were imported before.`,
		Example: `  vrfredist redistribution enable import eth0 eth1 --vrf vrf-red
  vrfredist redistribution enable import 'eth*'`,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return misused(cmd, "the interfaces are missing: name at least one, or '*' for all")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.enable(cmd, &vrfredistv1.EnableRedistributionRequest{Vrf: name, Interfaces: args})
		},
		ValidArgsFunction: completeInterfaces,
	}
	c.takesVRF(cmd, &name)
	c.printsJSON(cmd)
	return cmd
}

func (c redistributionCommands) enableExport() *cobra.Command {
	r := &vrfredistv1.EnableRedistributionRequest{}
	cmd := &cobra.Command{
		Use:   "export [--vrf V] [--community C] [--community-list C,...] [--large-community-list C,...] [--json]",
		Short: "Export BGP routes into the kernel, all or those with a community",
		Long: `Exports the VRF's BGP routes into its kernel table, at once, and keeps doing so
after a restart. With communities, a route passes that carries any of them;
without, every route does. They replace those that were set before.`,
		Example: `  vrfredist redistribution enable export --community 65001:100
  vrfredist redistribution enable export --vrf vrf-blue --community-list 65001:100,65001:200 \
      --large-community-list 65001:1:100`,
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := emptyFilter(cmd, r); err != nil {
				return err
			}
			return c.enable(cmd, r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&r.CommunityName, "community", "", "`COMMUNITY`: 65001:100, a number, or a name such as no-export")
	f.StringSliceVar(&r.CommunityList, "community-list", nil, "more `COMMUNITIES`, separated by commas")
	f.StringSliceVar(&r.LargeCommunityList, "large-community-list", nil, "large `COMMUNITIES`, separated by commas: 65001:1:100")
	c.takesVRF(cmd, &r.Vrf)
	c.printsJSON(cmd)
	return cmd
}

// emptyFilter refuses a filter that is given and empty, as an unset variable of
// a script makes it: without a filter everything would be exported.
func emptyFilter(cmd *cobra.Command, r *vrfredistv1.EnableRedistributionRequest) error {
	for flag, empty := range map[string]bool{
		"community":            r.GetCommunityName() == "",
		"community-list":       len(r.GetCommunityList()) == 0,
		"large-community-list": len(r.GetLargeCommunityList()) == 0,
	} {
		if empty && cmd.Flags().Changed(flag) {
			return misused(cmd, "--%s is empty: give it a community, or leave it out to export every route", flag)
		}
	}
	return nil
}

func (c redistributionCommands) enable(cmd *cobra.Command, r *vrfredistv1.EnableRedistributionRequest) error {
	return c.change(cmd, r.GetVrf(), len(r.GetInterfaces()) > 0, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
		_, err := client.EnableRedistribution(ctx, r)
		return err
	})
}

func (c redistributionCommands) disableCommand() *cobra.Command {
	disable := func(word, short string, d vrfredistv1.Direction) *cobra.Command {
		var name string
		cmd := &cobra.Command{
			Use:                   word + " [--vrf V] [--json]",
			Short:                 short,
			DisableFlagsInUseLine: true,
			Args:                  noArgs,
			RunE: func(cmd *cobra.Command, _ []string) error {
				isImport := d == vrfredistv1.Direction_DIRECTION_IMPORT
				return c.change(cmd, name, isImport, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
					_, err := client.DisableRedistribution(ctx, &vrfredistv1.DisableRedistributionRequest{Vrf: name, Direction: d})
					return err
				})
			},
		}
		c.takesVRF(cmd, &name)
		c.printsJSON(cmd)
		return cmd
	}
	return group(&cobra.Command{
		Use:   "disable",
		Short: "Turn import or export off",
		Long: `Turns one direction off, at once, and keeps it off after a restart. What it had
put into BGP, or into the kernel, is taken out.`,
	},
		disable("import", "Take the VRF's announcements out of BGP", vrfredistv1.Direction_DIRECTION_IMPORT),
		disable("export", "Take the VRF's BGP routes out of the kernel", vrfredistv1.Direction_DIRECTION_EXPORT))
}

// change makes a change and prints what is in force then.
func (c redistributionCommands) change(cmd *cobra.Command, name string, isImport bool, do func(context.Context, vrfredistv1.RedistributionClient) error) error {
	return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
		ctx, cancel := once(ctx)
		defer cancel()
		if err := do(ctx, client); err != nil {
			return err
		}
		now, err := client.GetRedistribution(ctx, &vrfredistv1.GetRedistributionRequest{Vrf: name})
		if err != nil {
			return err
		}
		if c.json {
			return c.printMessage(now)
		}
		line := fmt.Sprintf("VRF %s: export: %s", now.GetExport().GetVrf(), exports(now.GetExport()))
		if isImport {
			line = fmt.Sprintf("VRF %s: import: %s", now.GetImport().GetVrf(), imports(now.GetImport()))
			if now.GetImport().GetEnabled() {
				line = fmt.Sprintf("VRF %s: import: routes of %s", now.GetImport().GetVrf(), imports(now.GetImport()))
			}
		}
		_, err = fmt.Fprintln(c.out, line)
		return err
	})
}
