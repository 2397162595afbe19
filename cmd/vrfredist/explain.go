package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
)

// explainCommands has the command explain.
type explainCommands struct{ *cli }

func (c explainCommands) explainCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "explain PREFIX|ADDRESS [--vrf V] [--json]",
		Short: "Say why a prefix is, or is not, in the kernel table and in BGP",
		Long: `Walks a prefix through every step from BGP to the VRF's kernel table, and from
there to BGP, and names the one step that stopped it. Of an address it explains
the longest match.`,
		Example: `  vrfredist explain 10.1.0.0/16 --vrf vrf-red
  vrfredist explain 2001:db8::7`,
		DisableFlagsInUseLine: true,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 1 {
				return misused(cmd, "give one prefix or address, as in 10.1.0.0/16")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				ctx, cancel := once(ctx)
				defer cancel()
				r, err := client.ExplainRoute(ctx, &vrfredistv1.ExplainRouteRequest{Vrf: name, Target: args[0]})
				if err != nil {
					return err
				}
				return c.printExplanation(r)
			})
		},
	}
	c.takesVRF(cmd, &name)
	cmd.ValidArgsFunction = completePrefix(c.cli, vrfredistv1.Direction_DIRECTION_EXPORT, vrfredistv1.Direction_DIRECTION_IMPORT)
	c.printsJSON(cmd)
	return cmd
}

func (c explainCommands) printExplanation(r *vrfredistv1.ExplainRouteResponse) error {
	if c.json {
		return c.printMessage(r)
	}
	var b strings.Builder
	b.WriteString(foldUnder(c.out, "", fmt.Sprintf("%s in VRF %s: %s.", r.GetPrefix(), r.GetVrf(), r.GetVerdict())))
	for _, w := range []struct {
		title string
		walk  *vrfredistv1.Walk
	}{{"From BGP to the kernel", r.GetExport()}, {"From the kernel to BGP", r.GetImport()}} {
		fmt.Fprintf(&b, "\n%s\n", w.title)
		writeWalk(c.out, &b, w.walk)
	}
	_, err := fmt.Fprint(c.out, b.String())
	return err
}

// writeWalk renders a line for each step, with its details below.
func writeWalk(out io.Writer, b *strings.Builder, w *vrfredistv1.Walk) {
	width := 0
	for _, s := range w.GetSteps() {
		width = max(width, len(s.GetName()))
	}
	for _, s := range w.GetSteps() {
		mark := map[string]string{rib.Passed.String(): "ok", rib.Stopped.String(): "STOP"}[s.GetOutcome()]
		head := fmt.Sprintf("  %-4s  %-*s  ", mark, width, s.GetName())
		below := strings.Repeat(" ", len(head))
		first, rest, _ := strings.Cut(foldUnder(out, head, s.GetText()), "\n")
		b.WriteString(painted(out, strings.TrimRight(first, " ")) + "\n" + rest)
		for _, d := range s.GetDetails() {
			b.WriteString(foldUnder(out, below+"- ", d))
		}
	}
}
