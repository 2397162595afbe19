package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// vrfCommands has the command vrf.
type vrfCommands struct{ *cli }

func (c vrfCommands) vrfCommand() *cobra.Command {
	var states []string
	cmd := &cobra.Command{
		Use:   "vrf [NAME] [--state S,...] [--no-pager] [--json]",
		Short: "Show how the VRFs fare, or all about one",
		Long: `Shows a line for each VRF that runs, or everything about one. A VRF is
  pending   its namespace, device or table is not there
  syncing   taking in the kernel's and BGP's routes for the first time
  ready     BGP and the kernel agree
  degraded  they agree but for some routes
  failed    it could not go on, and is tried again
Long work, such as a first sync, is shown with how far it is. On a terminal the
list is shown by $PAGER. One that is called like a command below: vrf -- add.`,
		DisableFlagsInUseLine: true,
		ValidArgsFunction:     c.completeVRF,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 1 {
				return misused(cmd, "%q is too much: name one VRF, or none for all", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, s := range states {
				if !slices.Contains(vrfStates(), s) {
					return misused(cmd, "--state %q: write %s", s, vrf.Enumerate(vrfStates(), "or"))
				}
			}
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				ctx, cancel := once(ctx)
				defer cancel()
				if len(args) == 1 {
					return c.showVRF(ctx, client, args[0])
				}
				return c.listVRFs(ctx, client, states)
			})
		},
	}
	cmd.Flags().StringSliceVar(&states, "state", nil, "only VRFs in these `STATES`, separated by commas")
	offer(cmd, "state", completeList(vrfStates()))
	c.printsJSON(cmd)
	c.pages(cmd)
	cmd.AddCommand(c.addCommand(), c.setCommand(), c.deleteCommand())
	return cmd
}

func (c vrfCommands) listVRFs(ctx context.Context, client vrfredistv1.RedistributionClient, only []string) error {
	list, err := client.ListVrfs(ctx, &vrfredistv1.ListVrfsRequest{})
	if err != nil {
		return err
	}
	if len(only) > 0 {
		list.Vrfs = slices.DeleteFunc(list.Vrfs, func(v *vrfredistv1.Vrf) bool { return !slices.Contains(only, v.GetState()) })
	}
	if c.json {
		return c.printMessage(list)
	}
	return errors.Join(c.printVRFs(list.GetVrfs()), c.printUnconfirmed(list.GetUnconfirmed()))
}

// printVRFs prints a line of each VRF and of each table that it has beside its own, and how many there
// are of both.
func (c vrfCommands) printVRFs(list []*vrfredistv1.Vrf) error {
	t := newTable(c.out, "NAME", "STATE", "TABLE", "IMPORTED>", "INSTALLED>", "SESSIONS>", "PROBLEMS")
	var counts [2]inStates // of VRFs, and of the tables that they have beside their own
	for _, v := range byHome(list) {
		kind, name := 0, v.GetName()
		if v.GetOf() != "" {
			kind, name = 1, "  "+name
		}
		counts[kind].add(v.GetState())
		n := v.GetCounts()
		if err := t.row(name, cell(v.GetState()), place(v), number(n.GetImported()), number(n.GetInstalled()), sessionsText(v), c.problems(v)); err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	text := total(counts[0].all, "VRF", counts[0].states, vrfStates())
	if n := counts[1]; n.all > 0 {
		text += "; " + total(n.all, "secondary table", n.states, vrfStates())
	}
	return printFolded(c.out, text)
}

// inStates is how many there are of something, and in which states.
type inStates struct {
	all    int
	states map[string]int
}

func (n *inStates) add(state string) {
	if n.states == nil {
		n.states = make(map[string]int)
	}
	n.all++
	n.states[state]++
}

// byHome has the secondary tables of a VRF behind it.
func byHome(list []*vrfredistv1.Vrf) []*vrfredistv1.Vrf {
	slices.SortStableFunc(list, func(a, b *vrfredistv1.Vrf) int {
		one, two := cmp.Or(a.GetOf(), a.GetName()), cmp.Or(b.GetOf(), b.GetName())
		return cmp.Or(strings.Compare(one, two), strings.Compare(a.GetOf(), b.GetOf()), strings.Compare(a.GetName(), b.GetName()))
	})
	return list
}

// vrfStates are the states of a VRF, good ones first.
func vrfStates() []string {
	return []string{string(vrf.Ready), string(vrf.Syncing), string(vrf.Pending), string(vrf.Degraded), string(vrf.Failed)}
}

// place says where a VRF's routes are: its binding, and the table of a device.
func place(v *vrfredistv1.Vrf) string {
	if v.GetDevice() != "" && v.GetTable() != 0 {
		return fmt.Sprintf("%s (table %d)", v.GetBinding(), v.GetTable())
	}
	return v.GetBinding()
}

// sessionsText is how many of the BGP neighbours have a session: "1/2".
func sessionsText(v *vrfredistv1.Vrf) string {
	if v.GetSessions() == 0 {
		return "-"
	}
	return fmt.Sprintf("%d/%d", v.GetSessionsUp(), v.GetSessions())
}

// problems says in a few words what keeps a VRF from being ready, and its neighbours from having
// a session.
func (c vrfCommands) problems(v *vrfredistv1.Vrf) string {
	table := c.tableProblems(v)
	switch trouble := v.GetSessionTrouble(); {
	case trouble == "", v.GetState() == string(vrf.Pending): // what it waits for, its sessions wait for too
		return table
	case table == cell(""):
		return trouble
	default:
		return table + "; " + trouble
	}
}

func (c vrfCommands) tableProblems(v *vrfredistv1.Vrf) string {
	reason := v.GetReason()
	if at := v.GetRetryUnix(); at != 0 {
		reason += "; next start " + in(time.Unix(at, 0).Sub(c.now()))
	}
	if reason != "" {
		return reason
	}
	if p := v.GetProgress(); p != nil {
		return progressText(p)
	}
	var some []string
	for _, n := range routeCounts(v.GetCounts()) {
		if n.bad && n.value > 0 {
			some = append(some, fmt.Sprintf("%d %s", n.value, n.name))
		}
	}
	return cell(strings.Join(some, ", "))
}

type routeCount struct {
	name  string
	value uint32
	bad   bool
}

func routeCounts(n *vrfredistv1.Counts) []routeCount {
	return []routeCount{
		{"installed", n.GetInstalled(), false},
		{"filtered", n.GetFiltered(), false},
		{"unresolved", n.GetUnresolved(), true},
		{"conflict", n.GetConflict(), true},
		{"over-quota", n.GetOverQuota(), true},
		{"failed", n.GetFailed(), true},
		{"stale", n.GetStale(), true},
	}
}

func (c vrfCommands) showVRF(ctx context.Context, client vrfredistv1.RedistributionClient, name string) error {
	r, err := client.GetVrf(ctx, &vrfredistv1.GetVrfRequest{Vrf: name})
	if err != nil {
		return err
	}
	if c.json {
		return c.printMessage(r.GetVrf())
	}
	return errors.Join(c.printVRF(c.out, r.GetVrf()), c.printUnconfirmed(r.GetUnconfirmed()))
}

func (c vrfCommands) printVRF(out io.Writer, v *vrfredistv1.Vrf) error {
	w := newPairs(out)
	line := func(key, value string) { _ = w.row(key, value) } // a table keeps its first error for flush
	line("Name", v.GetName())
	line("State", c.state(v))
	if v.GetReason() != "" {
		line("Reason", v.GetReason())
	}
	if v.GetSessions() > 0 {
		line("Sessions", fmt.Sprintf("%d of %d up", v.GetSessionsUp(), v.GetSessions()))
	}
	if v.GetSessionTrouble() != "" {
		line("Problem", v.GetSessionTrouble())
	}
	if at := v.GetRetryUnix(); at != 0 {
		line("Next start", in(time.Unix(at, 0).Sub(c.now())))
	}
	if p := v.GetProgress(); p != nil {
		line("Progress", progressText(p))
	}
	line("Restarts", strconv.Itoa(int(v.GetRestarts())))
	line("Table", place(v))
	if made := v.GetMadeDevice(); made != nil {
		line("VRF device", madeText(v.GetDevice(), made))
	}
	line("RD", cell(v.GetRd()))
	if carriage := v.GetCarriage(); carriage != nil {
		line("Encap", carriageText(carriage))
		if table := carriage.GetTable(); table != "" {
			line("  secondary table", table)
		}
		line("  other PEs", number(carriage.GetEndpoints()))
	}
	line("Import RTs", cell(strings.Join(v.GetImportRts(), ", ")))
	line("Export RTs", cell(strings.Join(v.GetExportRts(), ", ")))
	line("Import from", imports(v.GetImport()))
	line("Export of", exports(v.GetExport()))
	n := v.GetCounts()
	line("To BGP", vrf.CountOf(int(n.GetImported()), "route")+" announced")
	line("From BGP", vrf.CountOf(int(n.GetPaths()), "prefix"))
	for _, r := range routeCounts(n) {
		if r.value > 0 || r.name == "installed" {
			line("  "+r.name, number(r.value))
		}
	}
	line("In the table", vrf.CountOf(int(n.GetForeign()), "route")+" of other programs")
	for _, l := range v.GetLeaks() {
		line("Leak", leakText(l))
	}
	for _, n := range v.GetNeighbors() {
		line("Neighbor", c.neighbor(n))
	}
	return w.flush()
}

// leakText says how much comes in by a leak, and what keeps the rest out.
func leakText(l *vrfredistv1.Leak) string {
	s := fmt.Sprintf("from %s: %s", l.GetFrom(), vrf.CountOf(int(l.GetPrefixes()), "prefix"))
	if l.GetMaxPrefixes() > 0 {
		s += fmt.Sprintf(" of at most %d", l.GetMaxPrefixes())
	}
	if l.GetOver() > 0 {
		s += fmt.Sprintf(", %d kept out by that", l.GetOver())
	}
	if l.GetPolicy() != "" {
		s += ", by policy " + l.GetPolicy()
	}
	if l.GetLink() != "" {
		s += ", over " + l.GetLink()
	}
	return s
}

// neighbor says who a neighbour is, how it fares, and what GoBGP calls it.
func (c vrfCommands) neighbor(n *vrfredistv1.Neighbor) string {
	s := fmt.Sprintf("%s AS %d: %s", n.GetAddress(), n.GetPeerAs(), n.GetState())
	if at := n.GetSinceUnix(); at != 0 {
		s += " for " + vrf.Span(c.now().Sub(time.Unix(at, 0)))
	}
	if n.GetReason() != "" {
		s += " (" + n.GetReason() + ")"
	}
	if n.GetNetns() != "" {
		s += ", in netns " + n.GetNetns()
	}
	if n.GetAlias() != "" {
		s += ", in the gobgp command line " + n.GetAlias()
	}
	return s
}

func (c vrfCommands) state(v *vrfredistv1.Vrf) string {
	if v.GetState() == "" {
		return "not running: nothing is redistributed for it"
	}
	if v.GetSinceUnix() == 0 {
		return v.GetState()
	}
	since := time.Unix(v.GetSinceUnix(), 0).UTC()
	return fmt.Sprintf("%s since %s (%s)", v.GetState(), since.Format(time.RFC3339), vrf.Span(c.now().Sub(since)))
}

// total is the line under a list: "3 VRFs: 2 ready, 1 failed".
func total(n int, thing string, states map[string]int, order []string) string {
	s := vrf.CountOf(n, thing)
	var parts []string
	rank := func(state string) int {
		if i := slices.Index(order, state); i >= 0 {
			return i
		}
		return len(order)
	}
	names := make([]string, 0, len(states))
	for state := range states {
		names = append(names, state)
	}
	slices.SortFunc(names, func(a, b string) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), strings.Compare(a, b))
	})
	for _, state := range names {
		parts = append(parts, fmt.Sprintf("%d %s", states[state], state))
	}
	if len(parts) > 0 {
		s += ": " + strings.Join(parts, ", ")
	}
	return s
}

func number(n uint32) string { return strconv.FormatUint(uint64(n), 10) }

// in says when something is due.
func in(d time.Duration) string {
	if d <= 0 {
		return "now"
	}
	return "in " + vrf.Span(d)
}

// printUnconfirmed says how a reload stands that was not confirmed.
func (c vrfCommands) printUnconfirmed(u *vrfredistv1.Unconfirmed) error {
	if u == nil {
		return nil
	}
	_, err := fmt.Fprint(c.out, foldUnder(c.out, "", "Note: "+u.GetText()+"."))
	return err
}
