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
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// neighborCommands has the command neighbor.
type neighborCommands struct{ *cli }

// neighborFlags are the flags of `vrfredist neighbor`.
type neighborFlags struct {
	vrf      string
	prefix   string
	exact    bool
	soft     string
	graceful bool
	wait     time.Duration
	reason   string
}

// neighborActions are the words behind a neighbour, with the flags that each takes.
var neighborActions = map[string][]string{
	"received": {"prefix", "exact"}, "advertised": {"prefix", "exact"},
	"reset": {"soft", "reason"}, "disable": {"graceful", "wait", "reason"}, "enable": {},
}

func (c neighborCommands) neighborCommand() *cobra.Command {
	var f neighborFlags
	cmd := &cobra.Command{
		Use:   "neighbor [NAME [received|advertised|reset|disable|enable]] [--vrf V] [FLAG...] [--json]",
		Short: "Show how the BGP neighbours fare, or do something to one",
		Long: `Shows a line for each BGP neighbour, or everything about one, which is named by its
address, by its interface, or by the alias that the gobgp command line has for one in
a network namespace. What it says beside the state is why there is no session, where that is
known, and how much was taken out of what the neighbour said, by the reason why.
RECEIVED is how many prefixes it has announced, ACCEPTED how many of its paths are in
BGP's table, ADVERTISED of how many prefixes it is told; with many routes these two
are counted for one neighbour alone.

With a word behind the name:
  received    the routes that it sent, and why one of them is not in BGP's table
  advertised  the routes that it is told
  reset       ends the session, which begins anew; with --soft in, what it sent is
              judged again, with --soft out, what it is told is sent again
  disable     ends the session, and keeps it down until it is enabled, over a restart of
              the daemon too; with --graceful neighbours find other ways first (RFC 8326)
  enable      lets it have a session again, and ends a graceful shutdown

A neighbour comes of the configuration file, of ApplyNeighbor (api), of a peer group that
let it in (dynamic), or of another client of the API, such as gobgp. One that such a
client deleted is shown as deleted for as long as the configuration has it: "vrfredist
reload" brings it back. One of the configuration that a client disabled stays down until it is enabled, or
taken out of the file.`,
		DisableFlagsInUseLine: true,
		Args:                  checkNeighborArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if !cmd.Flags().Changed("vrf") {
				f.vrf = ""
			}
			return c.ask(cmd, func(ctx context.Context, client vrfredistv1.RedistributionClient) error {
				if len(args) == 2 {
					return c.act(ctx, client, args[0], args[1], f)
				}
				return c.show(ctx, client, &vrfredistv1.ListNeighborsRequest{Name: strings.Join(args, ""), Vrf: f.vrf, Count: true})
			})
		},
	}
	c.takesVRF(cmd, &f.vrf)
	cmd.Flags().Lookup("vrf").DefValue = "" // none: all of them
	cmd.Flags().Lookup("vrf").Usage = "only those of this `VRF`"
	cmd.Flags().StringVar(&f.prefix, "prefix", "", "received, advertised: only routes of this `PREFIX`, and of those inside it")
	cmd.Flags().BoolVar(&f.exact, "exact", false, "received, advertised: only routes of just that prefix")
	cmd.Flags().StringVar(&f.soft, "soft", "", "reset: leave the session up, `DIRECTION` in, out or both")
	cmd.Flags().BoolVar(&f.graceful, "graceful", false, "disable: have neighbours find other ways first (RFC 8326)")
	cmd.Flags().DurationVar(&f.wait, "wait", time.Minute, "disable --graceful: the `TIME` until the session ends")
	cmd.Flags().StringVar(&f.reason, "reason", "", "reset, disable: a `TEXT` that the neighbour is told (RFC 9003)")
	cmd.ValidArgsFunction = completeNeighbor(c.cli)
	c.printsJSON(cmd)
	c.pages(cmd)
	cmd.AddCommand(c.addCommand(), c.deleteCommand())
	return cmd
}

func checkNeighborArgs(cmd *cobra.Command, args []string) error {
	action := ""
	if len(args) > 1 {
		action = args[1]
		if _, known := neighborActions[action]; !known {
			return misused(cmd, "%q is too much: name one neighbour, or none for all, and behind it received, advertised, reset, disable or enable", action)
		}
	}
	if len(args) > 2 {
		return misused(cmd, "%q is too much: name one neighbour", args[2])
	}
	flags := cmd.Flags()
	for _, takes := range [][]string{{"prefix"}, {"exact"}, {"soft"}, {"graceful"}, {"wait"}, {"reason"}} {
		if flags.Changed(takes[0]) && !slices.Contains(neighborActions[action], takes[0]) {
			return misused(cmd, "--%s means nothing here; `vrfredist neighbor --help` says with which word it does", takes[0])
		}
	}
	soft, _ := flags.GetString("soft")
	switch {
	case flags.Changed("exact") && !flags.Changed("prefix"):
		return misused(cmd, "--exact says how --prefix is meant: give --prefix too")
	case flags.Changed("wait") && !flags.Changed("graceful"):
		return misused(cmd, "--wait is about a graceful shutdown: give --graceful too")
	case flags.Changed("soft") && softOf(soft) == vrfredistv1.Soft_SOFT_UNSPECIFIED:
		return misused(cmd, "--soft %q: write in, out or both", soft)
	}
	return nil
}

func softOf(text string) vrfredistv1.Soft {
	return map[string]vrfredistv1.Soft{"in": vrfredistv1.Soft_SOFT_IN, "out": vrfredistv1.Soft_SOFT_OUT, "both": vrfredistv1.Soft_SOFT_BOTH}[text]
}

func (c neighborCommands) show(ctx context.Context, client vrfredistv1.RedistributionClient, request *vrfredistv1.ListNeighborsRequest) error {
	ctx, cancel := once(ctx)
	defer cancel()
	r, err := client.ListNeighbors(ctx, request)
	switch {
	case err != nil:
		return err
	case c.json:
		return c.printMessage(r)
	case request.GetName() != "":
		return c.showNeighbors(r.GetNeighbors())
	}
	return c.listNeighbors(r.GetNeighbors())
}

func (c neighborCommands) listNeighbors(list []*vrfredistv1.Neighbor) error {
	t := newTable(c.out, "NEIGHBOR", "ALIAS", "AS>", "VRF", "NETNS", "STATE", "FOR", "ORIGIN", "RECEIVED>", "ACCEPTED>", "ADVERTISED>", "NOTES")
	states := make(map[string]int)
	for _, n := range list {
		states[n.GetState()]++
		notes := n.GetReason()
		if n.GetDraining() {
			notes = strings.TrimSuffix("graceful shutdown is under way; "+notes, "; ")
		}
		if removed := removedText(n); removed != "" {
			notes = strings.TrimPrefix(notes+"; removed: "+removed, "; ")
		}
		if n.Accepted != nil && n.GetAccepted() < n.GetReceived() {
			notes = strings.TrimPrefix(fmt.Sprintf("%s; %d not accepted: `vrfredist neighbor %s received --vrf %s` says why", notes, n.GetReceived()-n.GetAccepted(), n.GetAddress(), n.GetVrf()), "; ")
		}
		err := t.row(n.GetAddress(), cell(n.GetAlias()), strconv.FormatUint(uint64(n.GetPeerAs()), 10), n.GetVrf(), cell(n.GetNetns()),
			n.GetState(), cell(c.lasted(n)), cell(n.GetOrigin()), number(n.GetReceived()), numberIf(n.Accepted), numberIf(n.Advertised), cell(notes))
		if err != nil {
			return err
		}
	}
	if err := t.flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintln(c.out, total(len(list), "neighbour", states, []string{"established"}))
	return err
}

// showNeighbors shows all about each; an address may be one of several VRFs.
func (c neighborCommands) showNeighbors(list []*vrfredistv1.Neighbor) error {
	var errs []error
	for i, n := range list {
		if i > 0 {
			_, err := fmt.Fprintln(c.out)
			errs = append(errs, err)
		}
		errs = append(errs, c.printNeighbor(c.out, n))
	}
	return errors.Join(errs...)
}

func (c neighborCommands) printNeighbor(out io.Writer, n *vrfredistv1.Neighbor) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	state := n.GetState()
	if lasted := c.lasted(n); lasted != "" {
		state += " for " + lasted
	}
	if n.GetDraining() {
		state += ", and graceful shutdown is under way"
	}
	for _, line := range [][2]string{
		{"Neighbor", n.GetAddress()},
		{"AS", strconv.FormatUint(uint64(n.GetPeerAs()), 10)},
		{"VRF", n.GetVrf()},
		{"Netns", cmp.Or(n.GetNetns(), "the daemon's own")},
		{"Interface", n.GetInterface()},
		{"Our address", n.GetLocalAddress()},
		{"In gobgp", cmp.Or(n.GetAlias(), n.GetAddress())},
		{"State", state},
		{"Reason", cell(n.GetReason())},
		{"Sessions so far", number(n.GetEstablished())},
		{"Origin", cell(n.GetOrigin())},
		{"Families", strings.Join(n.GetFamilies(), ", ")},
		{"Received", vrf.CountOf(int(n.GetReceived()), "prefix")},
		{"Accepted", countOf(n.Accepted, "path")},
		{"Advertised", countOf(n.Advertised, "prefix")},
		{"Messages in", messagesText(n.GetMessagesReceived())},
		{"Messages out", messagesText(n.GetMessagesSent())},
		{"Last NOTIFICATION in", c.notificationText(n.GetNotificationReceived())},
		{"Last NOTIFICATION out", c.notificationText(n.GetNotificationSent())},
		{"Shuts down", shutdownText(n)},
		{"Removed", cell(removedText(n))},
	} {
		if line[1] != "" {
			// A tabwriter keeps its first error for Flush.
			_, _ = fmt.Fprintf(w, "%s\t%s\n", line[0], line[1])
		}
	}
	return w.Flush()
}

// lasted is how long a session is up, or there was none; "": that is not known.
func (c neighborCommands) lasted(n *vrfredistv1.Neighbor) string {
	at := cmp.Or(n.GetSinceUnix(), n.GetDownUnix())
	if at == 0 {
		return ""
	}
	return vrf.Span(c.now().Sub(time.Unix(at, 0)))
}

// numberIf is a number that may not have been counted.
func numberIf(n *uint32) string {
	if n == nil {
		return "-"
	}
	return number(*n)
}

func countOf(n *uint32, thing string) string {
	if n == nil {
		return ""
	}
	return vrf.CountOf(int(*n), thing)
}

// messagesText says how many messages there were: "12: 1 open, 8 update, 3 keepalive".
func messagesText(m *vrfredistv1.Messages) string {
	if m == nil {
		return ""
	}
	var parts []string
	for _, kind := range []struct {
		n    uint64
		name string
	}{{m.GetOpen(), "open"}, {m.GetUpdate(), "update"}, {m.GetKeepalive(), "keepalive"}, {m.GetRefresh(), "route-refresh"}, {m.GetNotification(), "notification"}} {
		if kind.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", kind.n, kind.name))
		}
	}
	return fmt.Sprintf("%d: %s", m.GetTotal(), strings.Join(parts, ", "))
}

// notificationText is a NOTIFICATION in words, with how long ago it was.
func (c neighborCommands) notificationText(n *vrfredistv1.Notification) string {
	if n == nil {
		return ""
	}
	return fmt.Sprintf("%s (%d/%d), %s ago", n.GetText(), n.GetCode(), n.GetSubcode(), vrf.Span(c.now().Sub(time.Unix(n.GetTimeUnix(), 0))))
}

// removedText says how much was taken out of what a neighbour said: "12 route
// target, 1 martian".
func removedText(n *vrfredistv1.Neighbor) string {
	var parts []string
	for _, r := range n.GetRemoved() {
		if r.GetReason() != shutdownReason {
			parts = append(parts, fmt.Sprintf("%d %s", r.GetCount(), r.GetReason()))
		}
	}
	return strings.Join(parts, ", ")
}

// shutdownReason is why what a neighbour sent became the last choice, by which nothing was removed.
const shutdownReason = "graceful_shutdown"

// shutdownText says how often a neighbour announced that it is about to go; "": it has not.
func shutdownText(n *vrfredistv1.Neighbor) string {
	for _, r := range n.GetRemoved() {
		if r.GetReason() == shutdownReason {
			return fmt.Sprintf("%s of it with GRACEFUL_SHUTDOWN: their routes have local preference 0 (RFC 8326)", vrf.CountOf(int(r.GetCount()), "UPDATE"))
		}
	}
	return ""
}
