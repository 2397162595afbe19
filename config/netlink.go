package config

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
	"github.com/vrfredist/vrfredist/vrf"
)

// settings is [netlink] as it is written.
type settings struct {
	protocol uint8
	metric   uint32
	resync   time.Duration
	sweep    time.Duration
	onExit   vrf.OnExit
	objects  bool
	sysctls  bool
	metrics  Metrics
	// manageLinks: VXLAN devices are made here. core are the interfaces to other PEs.
	manageLinks bool
	// manageDevices: the VRF devices of VRFs that have a table beside their device are made here.
	manageDevices bool
	customers     map[string]bool // the VRFs that have neighbours of their own
	core          core
}

// writtenDown is a file as it was read, before a configuration was made of it.
type writtenDown struct {
	root      *node
	settings  settings
	entries   []*entry
	templates *node // of the file, whose tenants are in root; nil: it has none
}

// defaults are the values where a file says nothing.
func defaults() settings {
	return settings{
		protocol: rib.ProtoOwn,
		metric:   rib.DefaultMetric,
		resync:   5 * time.Minute,
		sweep:    time.Minute,
		onExit:   vrf.Keep,
		objects:  true,
	}
}

const day = 24 * time.Hour

// metric reads that of routes. Those of SIDs and of the ends of tables have one of their own, by
// which they are told apart, and backup routes have the next one of their VRF's.
func metric(n *node) (uint32, error) {
	m, err := whole[uint32](1, math.MaxUint32, ": the kernel turns 0 into another metric, and holds 32 bits")(n)
	if err == nil && (m == rib.CoreMetric || m == rib.CoreMetric-1) {
		err = fmt.Errorf("%d is kept for SIDs and for unreachable routes at the end of tables; write a smaller number", m)
	}
	return m, err
}

var netlinkKeys = keys[settings]{
	"route-protocol":  one(whole[uint8](5, math.MaxUint8, ": below 5 are the kernel's own and static"), func(s *settings) *uint8 { return &s.protocol }),
	"metric":          one(metric, func(s *settings) *uint32 { return &s.metric }),
	"resync-interval": one(duration(time.Second, day), func(s *settings) *time.Duration { return &s.resync }),
	"sweep-delay":     one(duration(0, day), func(s *settings) *time.Duration { return &s.sweep }),
	"on-exit":         one(onExit, func(s *settings) *vrf.OnExit { return &s.onExit }),
	"manage-sysctls":  one(boolean, func(s *settings) *bool { return &s.sysctls }),
	"manage-links":    one(boolean, func(s *settings) *bool { return &s.manageLinks }),
	"manage-devices":  one(boolean, func(s *settings) *bool { return &s.manageDevices }),
	"nexthop-objects": one(boolean, func(s *settings) *bool { return &s.objects }),
}

var metricsKeys = keys[settings]{
	"listen": one(metricsListen, func(s *settings) *string { return &s.metrics.Listen }),
	"gobgp":  one(boolean, func(s *settings) *bool { return &s.metrics.GoBGP }),

	"open-metrics": one(boolean, func(s *settings) *bool { return &s.metrics.OpenMetrics }),
	"exemplars":    one(boolean, func(s *settings) *bool { return &s.metrics.Exemplars }),
	"status-page":  one(boolean, func(s *settings) *bool { return &s.metrics.StatusPage }),
	"status-hosts": many(hostName, func(s *settings) *[]string { return &s.metrics.StatusHosts }),
}

var entryKeys = keys[entry]{
	"name":   one(text, func(e *entry) *string { return &e.name }),
	"netns":  one(namespace, func(e *entry) *string { return &e.binding.Netns }),
	"device": one(device, func(e *entry) *string { return &e.binding.Device }),
	"table":  one(table, func(e *entry) *uint32 { return &e.binding.Table }),

	"interfaces": many(interfaceName, func(e *entry) *[]string { return &e.makes.Interfaces }),
}

var importKeys = keys[entry]{
	"enabled":           one(boolean, func(e *entry) *bool { return &e.imp.Enabled }),
	"interface-list":    many(glob, func(e *entry) *[]string { return &e.imp.Interfaces }),
	"protocols":         many(protocol, func(e *entry) *[]uint8 { return &e.imp.Protocols }),
	"addresses":         one(boolean, func(e *entry) *bool { return &e.imp.Addresses }),
	"kinds":             many(importKind, func(e *entry) *[]rib.Kind { return &e.imp.Kinds }),
	"tables":            many(importTable, func(e *entry) *[]uint32 { return &e.imp.Tables }),
	"allow-default":     one(boolean, func(e *entry) *bool { return &e.imp.AllowDefault }),
	"med":               one(pointer(whole[uint32](0, math.MaxUint32, "")), func(e *entry) **uint32 { return &e.imp.MED }),
	"communities":       many(community, func(e *entry) *[]rib.Community { return &e.imp.Communities }),
	"large-communities": many(largeCommunity, func(e *entry) *[]rib.LargeCommunity { return &e.imp.LargeCommunities }),
	"policy":            uses(policy.Import, func(e *entry) *rib.Judge { return &e.imp.Policy }),
}

var exportKeys = keys[entry]{
	"enabled":              one(boolean, func(e *entry) *bool { return &e.exp.Enabled }),
	"community":            one(oneCommunity, func(e *entry) *[]rib.Community { return &e.exp.Community }),
	"community-list":       many(community, func(e *entry) *[]rib.Community { return &e.exp.CommunityList }),
	"large-community-list": many(largeCommunity, func(e *entry) *[]rib.LargeCommunity { return &e.exp.LargeCommunities }),
	"metric":               one(metric, func(e *entry) *uint32 { return &e.exp.Metric }),
	"max-routes":           one(whole[int](1, 1_000_000_000, ""), func(e *entry) *int { return &e.exp.MaxRoutes }),
	"max-paths":            one(whole[int](1, 128, ""), func(e *entry) *int { return &e.exp.MaxPaths }),
	"accept-blackhole":     one(boolean, func(e *entry) *bool { return &e.exp.AcceptBlackhole }),
	"blackhole-no-export":  one(not(boolean), func(e *entry) *bool { return &e.exp.AnnounceBlackholes }),
	"reachability":         one(not(boolean), func(e *entry) *bool { return &e.exp.AnnounceUnreached }),
	"backup-routes":        one(boolean, func(e *entry) *bool { return &e.exp.BackupRoutes }),
	"resolve-by-default":   one(boolean, func(e *entry) *bool { return &e.exp.ResolveByDefault }),
	"prefer-link-local":    one(boolean, func(e *entry) *bool { return &e.exp.PreferLinkLocal }),
	"prefsrc":              func(p *problems, n *node, e *entry) { readSources(p, n, &e.exp.PrefSrc) },
	"policy":               uses(policy.Export, func(e *entry) *rib.Judge { return &e.exp.Policy }),
	"advertise":            one(advertise, func(e *entry) *bool { return &e.exp.AdvertiseInstalled }),
	"advertise-rejected":   one(boolean, func(e *entry) *bool { return &e.exp.AdvertiseRejected }),
}

// bgpKeys are the keys of a VRF under bgp, which the short form has not.
var bgpKeys = keys[entry]{
	"max-prefixes": one(whole[uint32](1, math.MaxUint32, ""), func(e *entry) *uint32 { return &e.maxPrefixes }),
	"leak-from":    readLeakFrom,
	"receive":      uses(policy.Receive, func(e *entry) *rib.Judge { return &e.exp.Receive }),
	"send":         uses(policy.Send, func(e *entry) *rib.Judge { return &e.send }),
}

// shortKeys are the keys of the short form beside importKeys or exportKeys.
var shortKeys = keys[entry]{
	"vrf": one(text, func(e *entry) *string { return &e.name }),
}

func netlinkSchema() schema {
	return netlinkKeys.schema(schema{
		"import": with(importKeys, shortKeys).schema(nil),
		"export": with(exportKeys, shortKeys).schema(forkExportKeys.schema(schema{
			"rules": []any{globalRuleKeys.schema(nil)},
		})),
		"api":       apiSchema(),
		"metrics":   metricsKeys.schema(nil),
		"policies":  policySchema(),
		"templates": []any{templateSchema()},
		"core":      coreSchema(),
		"vxlan":     vxlanSchema(),
		"mpls":      mplsSchema(),
		"srv6":      srv6Schema(),
		"vrfs": []any{with(entryKeys, carriageKeys).schema(schema{
			"import": importKeys.schema(nil),
			"export": exportKeys.schema(nil),
			"bgp":    bgpKeys.schema(originationSchema()),
		})},
	})
}

// templateSchema is that of a VRF, with what a template has beside it.
func templateSchema() schema {
	all := templateKeys.schema(carriageKeys.schema(schema{
		"import":    importKeys.schema(nil),
		"export":    exportKeys.schema(nil),
		"bgp":       bgpKeys.schema(originationSchema()),
		"neighbors": []any{templateNeighborSchema()},
	}))
	for _, key := range tenantKeysOfTemplates {
		all[key] = nil
	}
	return all
}

func oneCommunity(n *node) ([]rib.Community, error) {
	c, err := community(n)
	return []rib.Community{c}, err
}

// readNetlink reads [netlink]: its settings, and its VRFs in the order of the
// file, the short form last.
func readNetlink(p *problems, root *node, judges *policies) (settings, []*entry) {
	n := root.get("netlink")
	s := defaults()
	s.customers = readCustomers(root)
	read(p, n.get("export"), forkExportKeys, &s)
	read(p, n, netlinkKeys, &s)
	if number := n.get("route-protocol"); number != nil && s.protocol != rib.ProtoOwn {
		if used := usedBy(s.protocol); used != "" {
			p.note(number, "%s; write another, such as %d, which is the default", used, rib.ProtoOwn)
		}
	}
	readMetrics(p, n.get("metrics"), &s)
	var entries []*entry
	all := with(entryKeys, carriageKeys)
	for _, item := range sections(n.get("vrfs")) {
		e := s.entry(item)
		e.long = true
		read(p, item, all, e)
		if item.get("name") == nil {
			p.add(item.line, join(item.path, "name"), `is missing; name a VRF of [[vrfs]], or "default"`)
		}
		readDirections(p, e, item.get("import"), item.get("export"), nil)
		readOfBGP(p, item.get("bgp"), e)
		readOwnDevice(p, e, s.manageDevices)
		entries = append(entries, e)
	}
	readCore(p, root, &s, entries)
	short := readShort(p, n, s, isFork(root))
	for _, e := range slices.Concat(entries, short) {
		judges.resolve(p, e.uses)
	}
	return s, readFork(p, root, s, append(entries, short...))
}

// readShort reads [netlink.import] and [netlink.export]. They may name the same
// VRF, which then is one entry. In a file of gobgp-netlink the latter is only
// what stands around its rules.
func readShort(p *problems, n *node, s settings, fork bool) []*entry {
	var entries []*entry
	imp, exp := n.get("import"), n.get("export")
	switch rules := exp.get("rules"); {
	case fork && !isShort(exp):
		exp = nil
	case rules != nil:
		p.at(rules, "and the other keys of %s exclude each other; write them into the rules, or the rules as [[netlink.vrfs]]", exp.path)
		exp = nil
	}
	if present(imp) {
		e := s.entry(imp)
		readDirections(p, e, imp, nil, shortKeys)
		e.name = cmp.Or(e.name, vrf.Default)
		entries = append(entries, e)
	}
	if present(exp) {
		e := s.entry(exp)
		readDirections(p, e, nil, exp, shortKeys)
		e.name = cmp.Or(e.name, vrf.Default)
		if len(entries) == 1 && entries[0].name == e.name {
			for _, u := range e.uses {
				u.set = func(j rib.Judge) { entries[0].exp.Policy = j }
				entries[0].uses = append(entries[0].uses, u)
			}
			entries[0].exp, entries[0].exportAt = e.exp, exp
		} else {
			entries = append(entries, e)
		}
	}
	return entries
}

// entry returns the defaults of a VRF.
func (s settings) entry(n *node) *entry {
	return &entry{node: n, exp: rib.ExportPolicy{Metric: s.metric, MaxRoutes: rib.DefaultMaxRoutes, MaxPaths: 1}}
}

func readDirections(p *problems, e *entry, imp, exp *node, more keys[entry]) {
	if present(imp) {
		e.importAt = imp
		read(p, imp, with(importKeys, more), e)
		if slices.Equal(e.imp.Kinds, []rib.Kind{rib.KindUnicast}) {
			e.imp.Kinds = nil // which means the same
		}
		needEnabled(p, imp)
		line, empty := imp.line, true
		if list := imp.get("interface-list"); list != nil {
			line, empty = list.line, list.kind == kindList && len(list.items) == 0
		}
		if e.imp.Enabled && empty && (e.imp.Takes(rib.KindUnicast) || e.imp.Addresses) {
			p.add(line, join(imp.path, "interface_list"), `is empty, with import enabled; name the interfaces to import from, or write ["*"] for all`)
		}
	}
	if present(exp) {
		e.exportAt = exp
		read(p, exp, with(exportKeys, more), e)
		needEnabled(p, exp)
		if n := exp.get("advertise"); n != nil && e.exp.AdvertiseInstalled && !e.exp.Enabled {
			p.at(n, "is \"installed\" with export off, so that neighbours would be told of nothing; write enabled = true, or remove the key")
		}
	}
}

// needEnabled refuses a section that says how and not whether: it would be off
// without a word.
func needEnabled(p *problems, n *node) {
	if n.get("enabled") == nil {
		p.add(n.line, join(n.path, "enabled"), "is missing; write enabled = true, or enabled = false to keep the section for later")
	}
}

// readOfBGP reads what BGP does for a VRF.
func readOfBGP(p *problems, n *node, e *entry) {
	read(p, n, bgpKeys, e)
	readOrigination(p, n, e)
	if receive := n.get("receive"); receive != nil && e.name == vrf.Default {
		p.at(receive, "means nothing for default, into which no route targets lead; judge what its neighbours send by policy of export, or by their import-policy-list, and remove the key")
	}
	if send := n.get("send"); send != nil && e.name == vrf.Default {
		p.at(send, "means nothing for default, out of which nothing goes as a VPN route; judge what its neighbours are told by their export-policy-list, and remove the key")
	}
}

func readMetrics(p *problems, n *node, s *settings) {
	read(p, n, metricsKeys, s)
	if present(n) && n.get("listen") == nil {
		p.add(n.line, join(n.path, "listen"), `is missing; write for example listen = "127.0.0.1:9179"`)
	}
	if x := n.get("exemplars"); x != nil && s.metrics.Exemplars && !s.metrics.OpenMetrics {
		p.at(x, "are shown in OpenMetrics alone, which is off; write open_metrics = true")
	}
	if hosts := n.get("status-hosts"); hosts != nil && !s.metrics.StatusPage {
		p.at(hosts, "names hosts of the status page, which is off; write status_page = true")
	}
}

// spec makes an entry the specification of the VRF that it names.
func (s settings) spec(e *entry, of vrf.Spec) vrf.Spec {
	of.Binding, of.Makes, of.Import, of.Export = e.binding, e.makes, e.imp, e.exp
	of.Protocol, of.ResyncInterval, of.SweepDelay, of.OnExit = s.protocol, s.resync, s.sweep, s.onExit
	of.NexthopObjects, of.MaxPrefixes, of.Carriage = s.objects, e.maxPrefixes, e.carriage
	of.Customers = e.carriage.Kind != 0 && s.customers[of.Name]
	if e.binding == (rib.Binding{}) {
		of.Binding = ownBinding(of.Name)
	}
	if e.of != "" {
		of.Name, of.VRF = e.name, e.of
		return of
	}
	of.Originates = e.originates.Origination
	return of
}

// usedBy says whose a route protocol is beside ours; "" where nobody is known to
// use it.
func usedBy(protocol uint8) string {
	var names []string
	for _, u := range rib.ProtocolUsersOf(protocol) {
		names = append(names, u.Name)
	}
	if len(names) == 0 {
		return ""
	}
	return fmt.Sprintf("%d is the number of %s too: in a table of a VRF its routes would be taken for vrfredist's own, and deleted", protocol, strings.Join(names, " and "))
}
