package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/daemon"
	"github.com/vrfredist/vrfredist/vrf"
)

// planCommands has the command plan.
type planCommands struct{ *cli }

// planLines is how many routes of a VRF a plan lists unless it is asked for all.
const planLines = 20

func (c planCommands) planCommand() *cobra.Command {
	var file, name string
	var all, summary bool
	cmd := &cobra.Command{
		Use:   "plan -f FILE [--vrf V] [--all|--summary] [--json]",
		Short: "Say what a configuration file would change, and change nothing",
		Long: `Compares a file with what is in force, and says what a reload of it would
change: settings, neighbours, VRFs, the routes of each VRF as lines of "ip
route", those that go with - and those that come with +, and what each
neighbour would be told otherwise. It is worked out from the kernel's tables
and from what BGP has now, by the policies of the file. Where something cannot
be known before, such as the routes of a new neighbour, it says so.

Of each VRF the first 20 routes are listed, and of each neighbour the first 12
prefixes; --all lists every one, --summary none. The exit status is 0 also where
nothing would change; the last line says which. With --json, each thing is an
object on a line of its own, and the last one has the counts.`,
		Example: `  vrfredist plan -f new.toml
  vrfredist plan -f new.toml --vrf red --all`,
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			switch {
			case file == "":
				return misused(cmd, "the configuration file is missing: name it with -f FILE")
			case all && summary:
				return misused(cmd, "--all lists every route and --summary none: give one of them")
			}
			if !cmd.Flags().Changed("vrf") {
				name = ""
			}
			request := &vrfredistv1.PlanRequest{File: file, Vrf: name, Lines: planLines}
			switch {
			case summary:
				request.Lines = 0
			case all, c.json:
				request.Lines = -1
			}
			return c.plan(cmd, request)
		},
	}
	cmd.Flags().StringVarP(&file, "file", "f", "", "configuration `FILE`: TOML, YAML or JSON")
	cmd.Flags().BoolVar(&all, "all", false, "list every route")
	cmd.Flags().BoolVar(&summary, "summary", false, "list no routes, only their counts")
	c.takesVRF(cmd, &name)
	cmd.Flags().Lookup("vrf").DefValue = "" // none: all of them
	cmd.Flags().Lookup("vrf").Usage = "only the routes of this `VRF`"
	c.printsJSON(cmd)
	return cmd
}

func (c planCommands) plan(cmd *cobra.Command, request *vrfredistv1.PlanRequest) error {
	// The same words as those of `check`, which also sees who may read the file.
	cfg, err := daemon.LoadConfig(request.GetFile())
	if err != nil {
		return summed(request.GetFile(), err)
	}
	request.Content = cfg.Text
	return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
		stream, err := client.Plan(ctx, request)
		if err != nil {
			return err
		}
		if c.json {
			return printLines(c.out, stream.Recv)
		}
		return printPlan(c.out, stream.Recv)
	})
}

// mark is what stands before a line of a plan.
func mark(op string) string {
	switch op {
	case vrf.PlanAdd.String():
		return "+"
	case vrf.PlanRemove.String():
		return "-"
	case vrf.PlanChange.String():
		return "~"
	}
	return " "
}

// planPrinter prints the items of a plan as they come.
type planPrinter struct {
	out   io.Writer
	err   error
	kind  string                // of the last item: a heading stands before the first of each
	where string                // of the VRF that routes are listed of
	hears *vrfredistv1.PlanItem // the neighbour whose changes are listed; nil: none
}

func (p *planPrinter) line(format string, args ...any) {
	if p.err == nil {
		_, p.err = fmt.Fprintln(p.out, strings.TrimRight(fmt.Sprintf(format, args...), " "))
	}
}

func printPlan(out io.Writer, next func() (*vrfredistv1.PlanItem, error)) error {
	p := &planPrinter{out: out}
	for p.err == nil {
		item, err := next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		p.print(item)
	}
	return p.err
}

func (p *planPrinter) print(i *vrfredistv1.PlanItem) {
	switch vrf.PlanKind(i.GetKind()) {
	case vrf.PlanSetting, vrf.PlanNeighbor:
		heading := map[string]string{string(vrf.PlanSetting): "Settings", string(vrf.PlanNeighbor): "Neighbours"}[i.GetKind()]
		if p.kind != i.GetKind() {
			p.line("%s", heading)
		}
		p.line("  %s %s", mark(i.GetOp()), i.GetText())
		p.more(i, "      ")
	case vrf.PlanVRF:
		p.line("%s VRF %s", mark(i.GetOp()), i.GetText())
		p.more(i, "    ")
		p.where = ""
	case vrf.PlanRoute:
		if i.GetWhere() != p.where {
			p.where = i.GetWhere()
			p.line("    routes of %s", p.where)
		}
		p.line("    %s %s", mark(i.GetOp()), i.GetText())
	case vrf.PlanAnnouncement:
		if p.kind != i.GetKind() {
			p.line("    announced to BGP")
		}
		p.line("    %s %s", mark(i.GetOp()), i.GetText())
	case vrf.PlanOfVRF:
		if n := i.GetCounts().GetUnlisted(); n > 0 {
			p.line("    … and %d more lines; --all --vrf %s lists them", n, i.GetVrf())
		}
		p.line("    %s", planCounts(i.GetCounts()))
	case vrf.PlanHearer, vrf.PlanTold:
		p.told(i)
	case vrf.PlanSummary:
		p.unlisted()
		if changes := planCounts(i.GetCounts()); i.GetCounts().GetVrfs() > 0 {
			p.line("%s.", strings.ToUpper(changes[:1])+changes[1:])
		}
		if n := i.GetCounts(); n.GetTold()+n.GetUntold()+n.GetRetold() > 0 {
			p.line("Neighbours would be told: %s.", toldCounts(n))
		}
		p.line("%s", i.GetText())
	}
	p.kind = i.GetKind()
}

// told prints a neighbour, or a line of what it would be told.
func (p *planPrinter) told(i *vrfredistv1.PlanItem) {
	if i.GetKind() == string(vrf.PlanTold) {
		p.line("    %s %s", mark(i.GetOp()), i.GetText())
		return
	}
	if p.hears == nil {
		p.line("Told to neighbours")
	}
	p.unlisted()
	p.hears = i
	if n := i.GetCounts(); n.GetTold()+n.GetUntold()+n.GetRetold() > 0 {
		p.line("  %s: %s", i.GetText(), toldCounts(n))
	} else {
		p.line("  %s", i.GetText())
	}
	p.more(i, "      ")
}

// unlisted says how much of what a neighbour would be told was not listed.
func (p *planPrinter) unlisted() {
	if n := p.hears.GetCounts().GetUnlisted(); n > 0 {
		p.line("    … and %d more prefixes; --all --vrf %s lists them", n, p.hears.GetVrf())
	}
}

// toldCounts sums up of which prefixes neighbours would be told otherwise.
func toldCounts(n *vrfredistv1.PlanCounts) string {
	return fmt.Sprintf("%d announced, %d withdrawn, %d changed", n.GetTold(), n.GetUntold(), n.GetRetold())
}

func (p *planPrinter) more(i *vrfredistv1.PlanItem, indent string) {
	for _, d := range i.GetDetails() {
		p.line("%s%s", indent, d)
	}
	for _, n := range i.GetNotes() {
		for k, part := range fold("note: "+n, room(widthOf(p.out), len(indent)+6)) {
			if k > 0 {
				part = "      " + part
			}
			p.line("%s%s", indent, part)
		}
	}
}

// planCounts sums up: "routes: 3 added, 1 removed, 0 changed, 12 kept; …".
func planCounts(n *vrfredistv1.PlanCounts) string {
	s := fmt.Sprintf("routes: %d added, %d removed, %d changed, %d kept", n.GetAdded(), n.GetRemoved(), n.GetChanged(), n.GetKept())
	if n.GetAnnounced()+n.GetWithdrawn()+n.GetReannounced() > 0 {
		s += fmt.Sprintf("; announcements: %d added, %d withdrawn, %d made anew", n.GetAnnounced(), n.GetWithdrawn(), n.GetReannounced())
	}
	return s
}
