package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// monitorCommands has the command monitor.
type monitorCommands struct{ *cli }

func (c monitorCommands) monitorCommand() *cobra.Command {
	var name, prefix string
	var summary bool
	cmd := &cobra.Command{
		Use:   "monitor [--vrf V] [--prefix P] [--summary] [--json]",
		Short: "Print what happens to the VRFs, as it happens",
		Long: `Prints how every VRF fares, or one, then each change of its state and of its BGP
sessions, how far long work is, and each route as it comes and goes:
  + - ~                  into, out of and replaced in the kernel table
  announced, withdrawn   to and from BGP
  unresolved, conflict, over-quota, filtered, refused   not in the kernel, and why
  resync                 the table was read again, and why
With --prefix, only routes of this prefix and of those inside it. Of more than
500 routes in a second the others are summed up. --summary prints no single
routes, only what was done, summed up once a second.

It ends when it is interrupted, or when the daemon ends. With --json, each
message is an object on a line of its own.`,
		DisableFlagsInUseLine: true,
		Args:                  noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !cmd.Flags().Changed("vrf") {
				name = ""
			}
			if summary && prefix != "" {
				return misused(cmd, "--prefix chooses among single routes, and --summary prints none: give one of them")
			}
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				stream, err := client.WatchVrfs(ctx, &vrfredistv1.WatchVrfsRequest{Vrf: name, Routes: !summary, Prefix: prefix})
				if err != nil {
					return err
				}
				return printWatch(c.out, c.json, !summary, stream.Recv)
			})
		},
	}
	c.takesVRF(cmd, &name)
	cmd.Flags().Lookup("vrf").DefValue = "" // none: all of them
	cmd.Flags().Lookup("vrf").Usage = "only this `VRF`"
	cmd.Flags().StringVar(&prefix, "prefix", "", "only routes of this `PREFIX`, and of those inside it")
	offer(cmd, "prefix", completePrefix(c.cli, vrfredistv1.Direction_DIRECTION_EXPORT, vrfredistv1.Direction_DIRECTION_IMPORT))
	cmd.Flags().BoolVar(&summary, "summary", false, "no single routes, only sums")
	c.printsJSON(cmd)
	return cmd
}

// printWatch prints each message as it comes. Where single routes are told of,
// what they say already is not summed up again.
func printWatch(out io.Writer, asJSON, routes bool, next func() (*vrfredistv1.WatchVrfsResponse, error)) error {
	bursts := make(map[string]bool)     // VRFs of which routes were not listed
	fares := make(map[string][2]string) // how each VRF fares, and its sessions, as last told
	for {
		m, err := next()
		if err != nil {
			return ended(err)
		}
		if m.GetUnlisted() > 0 {
			bursts[m.GetVrf().GetName()] = true
		}
		if routes && !asJSON && m.GetActivity() != nil {
			if !bursts[m.GetVrf().GetName()] {
				m.Activity = &vrfredistv1.Activity{Found: m.GetActivity().GetFound(), Mended: m.GetActivity().GetMended()}
			}
			delete(bursts, m.GetVrf().GetName())
		}
		if asJSON {
			raw, err := marshal(m)
			if err != nil {
				return err
			}
			if _, err := fmt.Fprintf(out, "%s\n", raw); err != nil {
				return err
			}
			continue
		}
		at := time.Unix(0, m.GetTimeUnixNano()).UTC().Format("2006-01-02T15:04:05.000Z")
		if u := m.GetUnconfirmed(); u != nil {
			if _, err := fmt.Fprintf(out, "%s configuration: %s\n", at, u.GetText()); err != nil {
				return err
			}
			continue
		}
		for _, e := range m.GetEvents() {
			at := time.Unix(0, e.GetTimeUnixNano()).UTC().Format("2006-01-02T15:04:05.000Z")
			if _, err := fmt.Fprintf(out, "%s %s: %s\n", at, m.GetVrf().GetName(), eventText(e)); err != nil {
				return err
			}
		}
		for _, what := range happened(m, fares) {
			if _, err := fmt.Fprintf(out, "%s %s: %s\n", at, m.GetVrf().GetName(), what); err != nil {
				return err
			}
		}
	}
}

// happened says in a line each what a message tells; told is how each VRF and its sessions
// fared when that was last said.
func happened(m *vrfredistv1.WatchVrfsResponse, told map[string][2]string) (lines []string) {
	v := m.GetVrf()
	state := v.GetState()
	if v.GetReason() != "" {
		state += " (" + v.GetReason() + ")"
	}
	switch {
	case m.GetGone():
		delete(told, v.GetName())
		return []string{"gone: nothing is redistributed for it any more"}
	case m.GetChanged() && m.GetWas() != "" && m.GetWas() != v.GetState():
		lines = append(lines, m.GetWas()+" -> "+state)
	case m.GetChanged() && told[v.GetName()][0] != state:
		lines = append(lines, state)
	}
	if m.GetChanged() {
		sessions := sessionsStory(v)
		if before := told[v.GetName()][1]; sessions != before && (before != "" || v.GetSessionTrouble() != "") {
			lines = append(lines, sessions)
		}
		told[v.GetName()] = [2]string{state, sessions}
	}
	if n := m.GetUnlisted(); n > 0 {
		lines = append(lines, fmt.Sprintf("%d more routes, not listed", n))
	}
	if did := done(m.GetActivity()); did != "" {
		lines = append(lines, did)
	}
	if p := v.GetProgress(); p != nil {
		lines = append(lines, progressText(p))
	}
	return lines
}

// sessionsStory says how the BGP sessions of a VRF fare: "1 of 2 sessions up: no session with ...".
func sessionsStory(v *vrfredistv1.Vrf) string {
	if v.GetSessions() == 0 {
		return ""
	}
	s := fmt.Sprintf("%d of %s up", v.GetSessionsUp(), vrf.CountOf(int(v.GetSessions()), "session"))
	if v.GetSessionTrouble() != "" {
		s += ": " + v.GetSessionTrouble()
	}
	return s
}

// eventText says what happened to one route.
func eventText(e *vrfredistv1.RouteEvent) string {
	mark := map[string]string{vrf.RouteAdded: "+", vrf.RouteDeleted: "-", vrf.RouteReplaced: "~"}[e.GetWhat()]
	s := mark + " " + e.GetText()
	switch {
	case e.GetWhat() == vrf.TableRead:
		return "the table was read: " + e.GetReason()
	case mark == "":
		s = e.GetWhat() + " " + cmp.Or(e.GetText(), e.GetPrefix())
	}
	if e.GetReason() != "" {
		s += " (" + e.GetReason() + ")"
	}
	return s
}

// progressText says how far long work is: "writing routes: 120000 of 1000000, 12%".
func progressText(p *vrfredistv1.Progress) string {
	if p.GetTotal() == 0 {
		return p.GetPhase()
	}
	return fmt.Sprintf("%s: %d of %d, %d%%", p.GetPhase(), p.GetDone(), p.GetTotal(), uint64(p.GetDone())*100/uint64(p.GetTotal()))
}

// done sums up what a worker did: "812 routes in, 3 out, 1 conflict".
func done(a *vrfredistv1.Activity) string {
	var parts []string
	add := func(n uint64, one, many string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+one)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", n, many))
		}
	}
	add(a.GetAdded(), "route in", "routes in")
	add(a.GetDeleted(), "out", "out")
	add(a.GetReplaced(), "replaced", "replaced")
	add(a.GetConflicts(), "conflict", "conflicts")
	add(a.GetRefused(), "refused by the kernel", "refused by the kernel")
	add(a.GetAnnounced(), "announced", "announced")
	add(a.GetWithdrawn(), "withdrawn", "withdrawn")
	add(a.GetResyncs(), "reading of the table", "readings of the table")
	add(a.GetFound(), "found other than written", "found other than written")
	add(a.GetMended(), "put right", "put right")
	return strings.Join(parts, ", ")
}
