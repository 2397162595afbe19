package main

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// about says what each scenario measures.
var about = []struct{ scenario, title, text string }{
	{"session", "From a BGP session to the kernel", "BIRD sends the IPv4 table over iBGP. From the first routes that arrive at the receiver until the last one is in the kernel's table, or, for GoBGP alone and with export off, in GoBGP's."},
	{"guard", "What the guard costs", "The same session, five times with the guard before it and five times without, in turn: by a program that was built without it. Of a profile of the session, what the guard's own functions took."},
	{policyScenario, "What a policy costs", "The same session, five times without a policy and five times with one for the export, in turn: a rule of 1,000 prefixes of the table, each with those in it, sets the MED of what it matches and goes on."},
	{advertiseScenario, "What advertising what is installed costs", "The same session with an eBGP neighbour that is told of all, five times as GoBGP has the routes (`always`) and five times once the kernel has them (`installed`), in turn. Until the last route is in the kernel, and until the neighbour has the last one; the CPU is of the whole."},
	{"session-ipv6", "The same for IPv6", "The IPv6 table, over a session of its own."},
	{"writing", "Writing", "The RIB is full, the kernel's table empty: export is disabled, which takes all routes out, and enabled again. From that call until the last route is in the kernel."},
	{"failover", "Failover", "The static route that covers the nexthop of all routes moves to another link. From just before that change until the kernel sends packets for every one of 256 prefixes by the new link. The median and the slowest of three moves, in each run."},
	{"lost", "The peer is gone", "The session that brought the IPv4 table ends, with a CEASE. Until the last of its routes has left the kernel."},
	{killed, "Two neighbours, the better one killed", "Two neighbours announce the same IPv4 table over eBGP, the first with the shorter paths. The first one's process gets SIGKILL; its link stays. From just before that, and from when the end of its session arrives at the router, until the kernel sends packets for the first, and for every one, of 256 prefixes to the other neighbour; and what became of a packet a millisecond for them. `backup_routes` keeps the second neighbour's routes in the kernel, beside the first one's."},
	{linkDown, "Two neighbours, the better one's link down", "The same, and the router's end of the first one's link is set down. The kernel itself takes out, in silence, what hangs on the link, and nobody else writes a route until it has. `All written anew` is what it then takes to empty the table, by a command, and write all of it by the way that is left."},
	{carrierLost, "Two neighbours, the better one's carrier lost", "The same, and the neighbour's end of the link is set down. The kernel's part is over when it tells of the lost carrier. On the wire are packets that the router had sent out; at the dead link those that it had handed to its device, which dropped them."},
	{aloneKilled, "One neighbour, killed", "The first neighbour alone has announced the table, and is killed. Until the last of its routes has left the kernel."},
	{"one route", "One route, from peer to kernel", "On the loaded table, a second peer sends single routes. From its write to the session until the route is in the kernel."},
	{"beside", "One route beside a full table", "While the whole IPv4 table comes in, another peer sends single routes, one after the other: in vrfredist those of another tenant, with a VRF, a table and a session of its own; in BIRD and FRR of the same table. From its write until the route is in the kernel, all of GoBGP included; and, for vrfredist, the part after BGP's word: mailbox, worker and kernel."},
	{"restart", "Restart over adopted routes", "vrfredist is killed, its routes stay, and it starts again. Until its VRF is ready with every route adopted; and how many route messages of its protocol the kernel sent meanwhile."},
	{"import", "Import", "Static kernel routes go to a BGP peer. From the command that enables the import until the peer has the last one. AddPathStream alone is GoBGP given the same number of routes from memory."},
	{"import one", "One changed kernel route, to the peer", "From the change in the kernel until the peer reads the route from its session."},
	{"memory", "Memory", "With the full IPv4 table, and the collector as each program sets it: the most that was resident until the table was in, what is ten seconds after the last change, and what is alive on the heap after a collection then."},
	{memoryOfPaths, "Memory of further paths", "What is alive on the heap with the IPv4 table of one neighbour and of two, and with `backup_routes`; what is resident ten seconds after the last change; and how much the kernel's slabs have grown by it, which hold its routes."},
	{memoryOfContainer, "A container of 1 GB", "The full IPv4 table goes to a daemon in a control group of 1 GB without swap, in which the kernel's routes count too; the session ends, and another brings the table again."},
	{"operator", "What an operator asks", "The full IPv4 table is in the kernel, and the command line asks for it: until its first line, until its end, the most memory that the command had, and how much more than before the daemon had meanwhile. The plans are of a file with another metric, which changes every route; with a policy of the export and with one of a neighbour's import, which reject the half of them. And the session that fills the table, with nobody asking and with a hundred `GetVrf` a second."},
	{callsOfRoutes, "What an operator waits for while a full table comes in", "One neighbour's full IPv4 table is in the kernel, and the same of a second one comes in. Meanwhile the command line, and a scrape of the metrics, ask in turn; and what a scrape takes when nothing else is done."},
	{callsOfVRFs, "The same with many VRFs", "The full IPv4 table comes into the default VRF beside many others in namespaces and tables, a hundred of them with a neighbour whose session is up."},
	{newcomerScenario, "The newcomer's first minute", "`make demo` in a fresh copy of the repository, with the modules and packages that it needs, and nothing built; and once more."},
	{"tuning", "What each setting gives", "vrfredist as it ships, and with one thing each as it would be untuned: the IPv4 table from a session to the kernel, the failover of all its routes, and writing them anew."},
	{churnScenario, "Tenants that come and go", "Beside a thousand tenants that stay, fifty a second are made over the API and deleted, for ten minutes, while another PE sends single routes of one that stays. From its write until the route is in the kernel; and what the daemon and the kernel have more at the end than before: the tenants that have gone leave nothing."},
	{"VRFs", "Many VRFs", "Five VRFs, each bound to a table, in each of many namespaces; 100 routes each from one VPN-IPv4 session."},
	{encapScenario, "Exported by VXLAN, SRv6 and MPLS", "One neighbour announces a table for one tenant: as VPN routes that are reached plainly, as IP prefix routes of EVPN (type 5) with a VNI, and as VPN routes with a SID or a label. The tenant is a namespace (of SRv6 one that is trusted), or of MPLS, and plainly beside that, a VRF device. From the first routes that arrive until the last one is in the tenant's table. What is alive on the heap then, GoBGP's part of it too, and without what is alive in GoBGP alone after the same."},
	{underlayScenario, "Failover of the core under labelled routes", "The full IPv4 table is in a VRF device, by the label of another PE, and the route to that PE moves to another link of the core. From just before that until the kernel would send packets for every one of 256 prefixes by the new link."},
	{numberedScenario(vxlanWay), "Many VRFs with a VNI", "Each VRF is a namespace, whose VXLAN device the daemon makes. Until all are ready, after a cold start and after a restart; then another PE announces routes in each by EVPN."},
	{numberedScenario(srv6Way), "Many VRFs with SIDs", "The same with trusted namespaces, which get a SID for each family of the locator."},
	{numberedScenario(mplsWay), "Many VRFs with a label", "The same with VRF devices, which get a label of the pool."},
	{vtepsScenario, "Many PEs of one VRF", "One session announces a route for each of many PEs, and as many of one PE. What a PE costs beside its route is the difference: its nexthop, its entries on the VXLAN device, a nexthop object and a group."},
	{membershipsScenario, "Route target constraint", "A reflector that has route target constraint (RFC 4684) sends the route targets that other PEs import, and then the routes of one tenant go out to it. GoBGP compares each path with each of those."},
	{fabricScenario, "PEs around two reflectors", "PEs in namespaces of one machine, twenty tenants at each, around two of FRR's bgpd as route reflectors. From the start of all daemons until each tenant at each PE has pinged all that it has at the others, in both families; then an address is added at one PE, until a ping from each other PE is answered, and taken away again.\n\n![Memory, CPU and convergence of PEs](fabric.svg)"},
	{"ip -batch", "Another program beside many VRFs", "`ip -batch` adds routes in a namespace in which vrfredist has so many VRFs."},
}

// render writes RESULTS.md and the chart.
func (r *results) render(dir string) error {
	var b strings.Builder
	b.WriteString("# Benchmark results\n\n<!-- Made by `make bench` from results.json; do not edit. -->\n\n")
	fmt.Fprintf(&b, "Measured on %s, on %s. %s\n\n", r.Date, r.Machine, r.with())
	if len(r.LeftOut) > 0 {
		fmt.Fprintf(&b, "**Left out, because it could not be had there: %s.**\n\n", strings.Join(r.LeftOut, ", "))
	}
	fmt.Fprintf(&b, "%s IPv4 and %s IPv6 prefixes; medians of %s, all programs in every run.", thousands(float64(r.IPv4)), thousands(float64(r.IPv6)), r.runs())
	if r.Scale != 1 {
		b.WriteString(" **This is a small run: its ratios say little of the real sizes.**")
	}
	b.WriteString("\n\n")
	if r.find("tuning", "as it ships", "session, s") != nil {
		for _, s := range about {
			r.renderScenario(&b, s.scenario, s.title, s.text)
		}
		return os.WriteFile(filepath.Join(dir, "RESULTS.md"), []byte(b.String()), 0o644)
	}
	b.WriteString("[How it is measured](README.md). [What each setting gives](tuning/RESULTS.md).\n\n![Session to kernel, and failover](chart.svg)\n\n")
	b.WriteString("## Against the aims\n\n| aim | wanted | measured | met |\n|---|---|---|---|\n")
	for _, a := range aims(r) {
		sign, measured, met := "at most", "–", "not measured"
		if a.least {
			sign = "at least"
		}
		if v, ok := a.get(r); ok {
			measured, met = format(v), "**no**"
			if v == a.limit || v > a.limit == a.least {
				met = "yes"
			}
		}
		fmt.Fprintf(&b, "| %s | %s %s | %s | %s |\n", a.text, sign, format(a.limit), measured, met)
	}
	reasons, err := os.ReadFile(filepath.Join(dir, "reasons.md"))
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	if len(reasons) > 0 { // written by hand, with the figures before one's eyes
		fmt.Fprintf(&b, "\n%s", reasons)
	}
	for _, s := range about {
		r.renderScenario(&b, s.scenario, s.title, s.text)
	}
	for _, g := range growths(r.Scale) {
		r.renderScenario(&b, g.scenario(), g.title, fmt.Sprintf("%s\n\n![%s](%s)", g.text, g.title, g.chartFile()))
	}
	if err := os.WriteFile(filepath.Join(dir, "RESULTS.md"), []byte(b.String()), 0o644); err != nil {
		return err
	}
	return errors.Join(r.chart(filepath.Join(dir, "chart.svg")), fabricChart(r, filepath.Join(dir, "fabric.svg")), growthCharts(r, dir))
}

// runs says of how many runs the figures are: a run that -limit cut off, or a scenario
// that failed, leaves fewer than were asked for.
func (r *results) runs() string {
	fewest, most := r.Runs, 0
	for _, f := range r.Figures {
		fewest, most = min(fewest, len(f.Values)), max(most, len(f.Values))
	}
	switch {
	case fewest < most:
		return fmt.Sprintf("%d to %d runs (%d were asked for)", fewest, most, r.Runs)
	case most < r.Runs:
		return fmt.Sprintf("%d runs (%d were asked for)", most, r.Runs)
	}
	return fmt.Sprintf("%d runs", most)
}

// with lists the versions.
func (r *results) with() string {
	names := make([]string, 0, len(r.Versions))
	for name, version := range r.Versions {
		if language(name) != bird && language(name) != frr {
			version = name + " " + version
		}
		names = append(names, strings.NewReplacer("BIRD version", bird, "zebra version", frr).Replace(version))
	}
	slices.Sort(names)
	return strings.Join(names, ", ") + "."
}

// renderScenario writes a table with a line for each subject.
func (r *results) renderScenario(b *strings.Builder, scenario, title, text string) {
	var subjects, quantities []string
	for _, f := range r.Figures {
		if f.Scenario != scenario {
			continue
		}
		if !slices.Contains(subjects, f.Subject) {
			subjects = append(subjects, f.Subject)
		}
		if !slices.Contains(quantities, f.Quantity) {
			quantities = append(quantities, f.Quantity)
		}
	}
	if len(subjects) == 0 {
		return
	}
	fmt.Fprintf(b, "\n## %s\n\n%s\n\n| | %s |\n|%s\n", title, text, strings.Join(quantities, " | "), strings.Repeat("---|", len(quantities)+1))
	for _, subject := range subjects {
		fmt.Fprintf(b, "| %s |", subject)
		for _, q := range quantities {
			f := r.find(scenario, subject, q)
			if f == nil {
				b.WriteString(" – |")
				continue
			}
			fmt.Fprintf(b, " %s%s |", format(f.Median), spread(f.Values))
		}
		b.WriteString("\n")
	}
}

// spread shows the least and the most of several runs.
func spread(values []float64) string {
	if len(values) < 2 || slices.Min(values) == slices.Max(values) {
		return ""
	}
	return fmt.Sprintf(" (%s–%s)", format(slices.Min(values)), format(slices.Max(values)))
}

// format gives a number three digits that count.
func format(v float64) string {
	a := math.Abs(v)
	switch {
	case v == math.Trunc(v) && a < 10_000:
		return fmt.Sprintf("%.0f", v)
	case a >= 100:
		return thousands(v)
	case a >= 10:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// thousands separates them, and rounds above ten thousand.
func thousands(v float64) string {
	if math.Abs(v) >= 10_000 {
		v = math.Round(v/100) * 100
	}
	s := fmt.Sprintf("%.0f", v)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}
