package vrf

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
)

// Differences returns a line for each difference between two Specs of one VRF, by
// the keys of the configuration: "export.metric: 20 -> 30".
func (s Spec) Differences(next Spec) []string {
	was, is := s.keys(), next.keys()
	var out []string
	for i, k := range was {
		if k.value != is[i].value {
			out = append(out, fmt.Sprintf("%s: %s -> %s", k.name, k.value, is[i].value))
		}
	}
	return out
}

type specKey struct{ name, value string }

func (s Spec) keys() []specKey {
	imp, exp := s.Import, s.Export
	med := "the route's metric"
	if imp.MED != nil {
		med = fmt.Sprint(*imp.MED)
	}
	onExit := "keep"
	if s.OnExit == Remove {
		onExit = "remove"
	}
	return slices.Concat([]specKey{
		{"vrf", cmp.Or(s.VRF, "its own")},
		{"rd", s.RD.String()},
		{"import route targets", words(s.ImportRTs)},
		{"export route targets", words(s.ExportRTs)},
		{"binding", s.Binding.String()},
		{"table of the device that is made", limit(s.Makes.Table)},
		{"interfaces", listed(s.Makes.Interfaces)},
		{"neighbours of its own", fmt.Sprint(s.Customers)},
		{"import.enabled", fmt.Sprint(imp.Enabled)},
		{"import.interface_list", listed(imp.Interfaces)},
		{"import.protocols", protocols(imp.Protocols)},
		{"import.addresses", fmt.Sprint(imp.Addresses)},
		{"import.kinds", kinds(imp.Kinds)},
		{"import.tables", numbers(imp.Tables)},
		{"import.allow_default", fmt.Sprint(imp.AllowDefault)},
		{"import.med", med},
		{"import.communities", words(imp.Communities)},
		{"import.large_communities", words(imp.LargeCommunities)},
		{"import.accept_martians", words(imp.AcceptMartians)},
		{"import.policy", policy(imp.Policy)},
		{"export.enabled", fmt.Sprint(exp.Enabled)},
		{"export.community", words(exp.Community)},
		{"export.community_list", words(exp.CommunityList)},
		{"export.large_community_list", words(exp.LargeCommunities)},
		{"export.metric", fmt.Sprint(exp.Metric)},
		{"export.max_routes", fmt.Sprint(exp.Quota())},
		{"export.max_paths", fmt.Sprint(max(1, exp.MaxPaths))},
		{"export.accept_blackhole", fmt.Sprint(exp.AcceptBlackhole)},
		{"export.blackhole_no_export", fmt.Sprint(!exp.AnnounceBlackholes)},
		{"export.advertise", advertise(exp.AdvertiseInstalled)},
		{"export.advertise_rejected", fmt.Sprint(exp.AdvertiseRejected)},
		{"export.reachability", fmt.Sprint(!exp.AnnounceUnreached)},
		{"export.backup_routes", fmt.Sprint(exp.BackupRoutes)},
		{"export.resolve_by_default", fmt.Sprint(exp.ResolveByDefault)},
		{"route-selection-options", exp.Selection.String()},
		{"export.policy", policy(exp.Policy)},
		{"export.prefer_link_local", fmt.Sprint(exp.PreferLinkLocal)},
		{"export.accept_martians", words(exp.AcceptMartians)},
		{"export.prefsrc (IPv4)", source(exp.PrefSrc[rib.IPv4])},
		{"export.prefsrc (IPv6)", source(exp.PrefSrc[rib.IPv6])},
		{"bgp.receive", policy(exp.Receive)},
		{"bgp.max_prefixes", limit(s.MaxPrefixes)},
		{"bgp.leaks", words(s.Leaks)},
		{"bgp.aggregates", words(s.Originates.Aggregates)},
		{"bgp.networks", words(s.Originates.Networks)},
		{"bgp.conditions", words(s.Originates.Conditions)},
		{"route_protocol", fmt.Sprint(s.Protocol)},
		{"nexthop_objects", fmt.Sprint(s.NexthopObjects)},
		{"resync_interval", s.ResyncInterval.String()},
		{"sweep_delay", s.SweepDelay.String()},
		{"on_exit", onExit},
	}, carriageKeys(&s.Carriage))
}

// carriageKeys are those about how packets get to other PEs.
func carriageKeys(c *rib.Carriage) []specKey {
	return []specKey{
		{"encap", c.Kind.Word()}, // 0: none,
		{"vni", limit(c.VNI)},
		{"router_mac", c.Router.String()},
		{"vxlan_device", cmp.Or(c.Device, "none")},
		{"label", limit(c.Label)},
		{"sid", source(c.SRv6.SID)},
		{"sid (IPv6)", source(c.SRv6.SID6)},
		{"waits for its label or sid", cmp.Or(c.Awaits, "no")},
		{"core_link", cmp.Or(c.Through.Link, c.SRv6.Link, "none")},
		{"core_device", cmp.Or(c.Through.To.Device, c.Through.Device, "none")},
		{"core_table", limit(c.Through.To.Table)},
		{"trusted", fmt.Sprint(c.SRv6.Trusted)},
		{"srv6.locator", prefixed(c.SRv6.Locator)},
		{"srv6.block", fmt.Sprintf("%d bits", c.SRv6.BlockBits)},
		{"srv6.function_bits", fmt.Sprint(c.SRv6.FunctionBits)},
		{"srv6.transpose", fmt.Sprint(c.SRv6.Transpose)},
		{"srv6.reduced", fmt.Sprint(c.SRv6.Reduced)},
		{"manage_links", fmt.Sprint(c.Managed)},
		{"core.netns", cmp.Or(c.Core.Netns, "the daemon's own")},
		{"core.source", source(c.Core.VTEP)},
		{"core.source6", source(c.Core.Six)},
		{"vxlan.port", fmt.Sprint(c.Core.Port)},
	}
}

func words[T fmt.Stringer](list []T) string {
	out := make([]string, len(list))
	for i, v := range list {
		out[i] = v.String()
	}
	return listed(out)
}

func listed(list []string) string {
	if len(list) == 0 {
		return "none"
	}
	return strings.Join(list, ", ")
}

func protocols(list []uint8) string {
	if len(list) == 0 {
		return "all"
	}
	out := make([]string, len(list))
	for i, p := range list {
		out[i] = rib.ProtocolName(p)
	}
	return listed(out)
}

func kinds(list []rib.Kind) string {
	if len(list) == 0 {
		return rib.KindUnicast.String()
	}
	return words(list)
}

func numbers(list []uint32) string {
	out := make([]string, len(list))
	for i, n := range list {
		out[i] = fmt.Sprint(n)
	}
	return listed(out)
}

func limit(n uint32) string {
	if n == 0 {
		return "none"
	}
	return fmt.Sprint(n)
}

func source(addr netip.Addr) string {
	if !addr.IsValid() {
		return "none"
	}
	return addr.String()
}

func prefixed(p netip.Prefix) string {
	if !p.IsValid() {
		return "none"
	}
	return p.String()
}

func advertise(installed bool) string {
	if installed {
		return "installed"
	}
	return "always"
}

func policy(j rib.Judge) string {
	if j == nil {
		return "none"
	}
	return j.String()
}
