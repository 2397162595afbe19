package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/fieldmaskpb"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// tenantFlags are the flags by which a VRF or a neighbour is made or changed.
type tenantFlags struct {
	owner  string
	dryRun bool
}

func (f *tenantFlags) add(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.owner, "owner", "", "mark it as applied by `NAME`, by which `apply --prune` finds it")
	cmd.Flags().BoolVar(&f.dryRun, "dry-run", false, "say what would change, as plan does, and change nothing")
}

// vrfFlags are those of vrf add and vrf set.
type vrfFlags struct {
	tenantFlags
	rd, netns, device string
	table             uint32
	targets, imports  []string
	interfaces        []string
	exports           bool
}

// spec is what the flags say, and the fields that they say something of.
func (f *vrfFlags) spec(cmd *cobra.Command, name string) (*vrfredistv1.VrfSpec, []string) {
	spec := &vrfredistv1.VrfSpec{Name: name, Rd: f.rd, BothRtList: f.targets, Netns: f.netns, Device: f.device, Table: f.table, Interfaces: f.interfaces}
	var fields []string
	for flag, field := range map[string]string{"rd": "rd", "rt": "both_rt_list", "netns": "netns", "device": "device", "table": "table", "interfaces": "interfaces"} {
		if cmd.Flags().Changed(flag) {
			fields = append(fields, field)
		}
	}
	if cmd.Flags().Changed("import") {
		spec.Import = &vrfredistv1.ImportSpec{Enabled: proto.Bool(len(f.imports) > 0), InterfaceList: f.imports}
		fields = append(fields, "import.enabled", "import.interface_list")
	}
	if cmd.Flags().Changed("export") {
		spec.Export = &vrfredistv1.ExportSpec{Enabled: proto.Bool(f.exports)}
		fields = append(fields, "export.enabled")
	}
	slices.Sort(fields)
	return spec, fields
}

func (f *vrfFlags) flags(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.rd, "rd", "", "its route distinguisher `RD`: 65000:10")
	cmd.Flags().StringSliceVar(&f.targets, "rt", nil, "its route `TARGETS`, separated by commas")
	cmd.Flags().StringVar(&f.netns, "netns", "", "the network `NAMESPACE` that its table is in")
	cmd.Flags().StringVar(&f.device, "device", "", "its VRF `DEVICE`; without netns, device and table the one of its name")
	cmd.Flags().Uint32Var(&f.table, "table", 0, "the `NUMBER` of a plain table; with --device the one that it is made with (manage_devices)")
	cmd.Flags().StringSliceVar(&f.interfaces, "interfaces", nil, "put these `INTERFACES` into the device that is made, separated by commas")
	cmd.Flags().StringSliceVar(&f.imports, "import", nil, "import from these `INTERFACES`, separated by commas; '' turns import off")
	cmd.Flags().BoolVar(&f.exports, "export", false, "export; --export=false turns it off")
	f.add(cmd)
}

func oneName(cmd *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return misused(cmd, "the VRF is missing: name it")
	case 1:
		return nil
	}
	return misused(cmd, "%q is too much: name one VRF", args[1])
}

func (c vrfCommands) addCommand() *cobra.Command {
	var f vrfFlags
	cmd := &cobra.Command{
		Use:   "add NAME --rd RD --rt RT,... [--netns N] [--device D] [--table T] [--import IFACE,...] [--export] [FLAG...]",
		Short: "Make a VRF, beside the configuration file",
		Long: `Makes a VRF at once, and keeps it over restarts and reloads, beside the
configuration file; "vrf delete" removes it. A VRF that the file has is replaced
as a whole until then: "vrf set" changes some of it. All that a VRF can have is
in the API's ApplyVrf, and in the files of "vrfredist apply".`,
		Example:               "  vrfredist vrf add red --rd 65000:10 --rt 65000:10 --netns red --import 'eth*' --export",
		DisableFlagsInUseLine: true,
		Args:                  oneName,
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, _ := f.spec(cmd, args[0])
			return c.apply(cmd, &vrfredistv1.ApplyVrfRequest{Vrf: spec, Generation: proto.Uint64(0), Owner: f.owner, DryRun: f.dryRun})
		},
	}
	f.flags(cmd)
	c.printsJSON(cmd)
	return cmd
}

func (c vrfCommands) setCommand() *cobra.Command {
	var f vrfFlags
	cmd := &cobra.Command{
		Use:   "set NAME [--rd RD] [--rt RT,...] [--netns N] [--device D] [--table T] [--import IFACE,...] [--export] [FLAG...]",
		Short: "Change some of a VRF, whatever the configuration file says of it",
		Long: `Changes what the flags name of a VRF at once, and keeps that over restarts and
reloads; the rest stays as it is. What the file says of it holds again after
"vrf delete".`,
		Example:               "  vrfredist vrf set red --import 'eth*,vlan*'\n  vrfredist vrf set red --export=false",
		DisableFlagsInUseLine: true,
		Args:                  oneName,
		ValidArgsFunction:     c.completeVRF,
		RunE: func(cmd *cobra.Command, args []string) error {
			spec, fields := f.spec(cmd, args[0])
			if len(fields) == 0 {
				return misused(cmd, "nothing is to change: say what, as in --export")
			}
			return c.apply(cmd, &vrfredistv1.ApplyVrfRequest{Vrf: spec, Mask: &fieldmaskpb.FieldMask{Paths: fields}, Owner: f.owner, DryRun: f.dryRun})
		},
	}
	f.flags(cmd)
	c.printsJSON(cmd)
	return cmd
}

func (c vrfCommands) apply(cmd *cobra.Command, request *vrfredistv1.ApplyVrfRequest) error {
	return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
		ctx, cancel := once(ctx)
		defer cancel()
		r, err := client.ApplyVrf(ctx, request)
		switch {
		case err != nil:
			return err
		case c.json:
			return c.printMessage(r)
		case request.GetDryRun():
			return printPlan(c.out, items(r.GetPlan()))
		}
		_, err = fmt.Fprintf(c.out, "VRF %s: %s (generation %d)\n", request.GetVrf().GetName(), faring(r.GetVrf()), r.GetGeneration())
		return err
	})
}

// faring is how a VRF fares, in a few words.
func faring(v *vrfredistv1.Vrf) string {
	switch {
	case v.GetState() == "":
		return "in BGP; nothing is redistributed for it"
	case v.GetReason() != "":
		return v.GetState() + ": " + v.GetReason()
	}
	return v.GetState()
}

// items hands out the items of a plan one by one.
func items(list []*vrfredistv1.PlanItem) func() (*vrfredistv1.PlanItem, error) {
	return func() (*vrfredistv1.PlanItem, error) {
		if len(list) == 0 {
			return nil, io.EOF
		}
		item := list[0]
		list = list[1:]
		return item, nil
	}
}

func (c vrfCommands) deleteCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "delete NAME [--json]",
		Short: "Remove what was applied to a VRF beside the configuration file",
		Long: `Removes what "vrf add", "vrf set", "apply" or the API's ApplyVrf made of a VRF,
and what the configuration file says of it holds again. A VRF that the file does
not have goes, with its routes, its announcements, and the neighbours that were
added to it. It answers when all are gone.`,
		DisableFlagsInUseLine: true,
		Args:                  oneName,
		ValidArgsFunction:     c.completeVRF,
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				ctx, cancel := once(ctx)
				defer cancel()
				r, err := client.DeleteVrf(ctx, &vrfredistv1.DeleteVrfRequest{Vrf: args[0]})
				switch {
				case err != nil:
					return err
				case c.json:
					err = c.printMessage(r)
				case r.GetVrf() != nil:
					_, err = fmt.Fprintf(c.out, "VRF %s is as the configuration file has it: %s\n", args[0], faring(r.GetVrf()))
				case r.GetGone():
					_, err = fmt.Fprintf(c.out, "VRF %s is gone\n", args[0])
				}
				return errors.Join(err, unfinished(r.GetGone(), r.GetReason(), "VRF "+args[0]))
			})
		},
	}
	c.printsJSON(cmd)
	return cmd
}

// unfinished is the error of a deletion that is not over.
func unfinished(gone bool, reason, what string) error {
	if gone {
		return nil
	}
	return fmt.Errorf("%s is not gone: %s; see `vrfredist vrf`", what, reason)
}

// tenantName is how a VRF or neighbour is called in a line.
func tenantName(key vrf.LayerKey) string {
	if key.Neighbor {
		return "neighbor " + key.Name
	}
	return "VRF " + key.Name
}
