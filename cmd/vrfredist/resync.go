package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// resyncCommands has the command resync.
type resyncCommands struct{ *cli }

func (c resyncCommands) resyncCommand() *cobra.Command {
	var name string
	cmd := &cobra.Command{
		Use:   "resync [--vrf V] [--json]",
		Short: "Read the kernel's table again now, and put right what differs",
		Long: `Has the daemon read the table of every VRF, or of one, again, and waits until
what differs is put right. The daemon does that by itself whenever it has a
doubt, and every few minutes. What it found of its own routes is
  missing   gone, and written again
  altered   other than written, and put right
  strange   under its protocol and not its own, and deleted

For an administrator, what another client of the API deleted or changed in BGP of
what the configuration says is put right too, as "vrfredist reload" does.`,
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("vrf") {
				name = ""
			}
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				ctx, cancel := once(ctx)
				defer cancel()
				r, err := client.Resync(ctx, &vrfredistv1.ResyncRequest{Vrf: name})
				if err != nil {
					return err
				}
				return c.printRepairs(r)
			})
		},
	}
	c.takesVRF(cmd, &name)
	cmd.Flags().Lookup("vrf").DefValue = "" // none: all of them
	cmd.Flags().Lookup("vrf").Usage = "only this `VRF`"
	c.printsJSON(cmd)
	return cmd
}

func (c resyncCommands) printRepairs(r *vrfredistv1.ResyncResponse) error {
	failed := 0
	for _, p := range r.GetRepairs() {
		if p.GetError() != "" {
			failed++
		}
	}
	var why error
	if failed > 0 {
		why = errors.New(vrf.CountOf(failed, "VRF") + " could not be read")
	}
	if c.json {
		return errors.Join(c.printMessage(r), why)
	}
	for _, line := range r.GetBgp() {
		if _, err := fmt.Fprintln(c.out, "BGP: "+line); err != nil {
			return err
		}
	}
	for _, p := range r.GetRepairs() {
		line := p.GetError()
		if line == "" {
			line = fmt.Sprintf("VRF %s: %s of ours, %d of other programs: %s", p.GetVrf(), vrf.CountOf(int(p.GetOwn()), "route"), p.GetForeign(), repaired(p))
		}
		if _, err := fmt.Fprintln(c.out, line); err != nil {
			return err
		}
	}
	return why
}

// repaired says what a resync found and did.
func repaired(p *vrfredistv1.Repair) string {
	var found, done []string
	for _, n := range []struct {
		value uint32
		what  string
	}{{p.GetMissing(), "missing"}, {p.GetAltered(), "altered"}, {p.GetStrange(), "strange"}} {
		if n.value > 0 {
			found = append(found, fmt.Sprintf("%d %s", n.value, n.what))
		}
	}
	if len(found) > 0 {
		done = append(done, strings.Join(found, ", ")+", put right")
	}
	if n := p.GetObjects(); n > 0 {
		done = append(done, vrf.CountOf(int(n), "nexthop object")+" written")
	}
	if n := p.GetAnnouncements(); n > 0 {
		done = append(done, vrf.CountOf(int(n), "announcement")+" changed")
	}
	if len(done) == 0 {
		done = append(done, "nothing differed")
	}
	if n := p.GetUnmended(); n > 0 {
		done = append(done, fmt.Sprintf("%d could not be put right: see `vrfredist route export --vrf %s`", n, p.GetVrf()))
	}
	return strings.Join(done, "; ")
}
