package config

import (
	"cmp"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// This file reads the keys of gobgp-netlink, a fork of GoBGP, so that its
// configuration is taken as it is. A key that means something else here gets a
// note (Config.Notes). docs/MIGRATING.md has them all.

// rule is where the fork exports routes to: an item of [[netlink.export.rules]],
// or [vrfs.netlink-export].
type rule struct {
	node    *node
	enabled bool
	vrf     string // of a rule: a VRF, or the VRF device itself
	device  string // linux-vrf
	table   uint32 // 0: none
	metric  uint32 // 0: none
	exp     rib.ExportPolicy
	skips   bool // does not look whether a nexthop is reachable
}

var ruleKeys = keys[rule]{
	"community-list":          many(community, func(r *rule) *[]rib.Community { return &r.exp.CommunityList }),
	"large-community-list":    many(largeCommunity, func(r *rule) *[]rib.LargeCommunity { return &r.exp.LargeCommunities }),
	"metric":                  one(whole[uint32](0, math.MaxUint32, ""), func(r *rule) *uint32 { return &r.metric }),
	"skip-nexthop-validation": one(boolean, func(r *rule) *bool { return &r.skips }),
	"validate-nexthop":        validates, // until it became skip-nexthop-validation
}

var globalRuleKeys = with(ruleKeys, keys[rule]{
	"name":     one(text, func(*rule) *string { return new(string) }), // tells the rules apart in the fork's commands
	"vrf":      one(text, func(r *rule) *string { return &r.vrf }),
	"table-id": one(tableOrMain, func(r *rule) *uint32 { return &r.table }),
})

var tenantRuleKeys = with(ruleKeys, keys[rule]{
	"enabled":        one(boolean, func(r *rule) *bool { return &r.enabled }),
	"linux-vrf":      one(device, func(r *rule) *string { return &r.device }),
	"linux-table-id": one(tableOrMain, func(r *rule) *uint32 { return &r.table }),
})

var tenantImportKeys = keys[entry]{
	"enabled":        importKeys["enabled"],
	"interface-list": importKeys["interface-list"],
}

// forkExportKeys are in [netlink.export], where the fork has them for all rules.
var forkExportKeys = keys[settings]{
	"route-protocol":     netlinkKeys["route-protocol"],
	"dampening-interval": one(whole[uint32](0, math.MaxUint32, ""), func(*settings) *uint32 { return new(uint32) }),
}

// withTenantKeys is GoBGP's schema with the fork's sections of a VRF.
func withTenantKeys(bgp schema) schema {
	list, ok := bgp["vrfs"].([]any)
	if !ok || len(list) == 0 {
		return bgp
	}
	item, _ := list[0].(schema)
	item, bgp = maps.Clone(item), maps.Clone(bgp)
	item["netlink-import"] = tenantImportKeys.schema(nil)
	item["netlink-export"] = tenantRuleKeys.schema(nil)
	bgp["vrfs"] = []any{item}
	return bgp
}

// withoutTenantKeys takes the tenants' keys out of GoBGP's part.
func withoutTenantKeys(all map[string]any) {
	list, _ := all["vrfs"].([]any)
	for _, item := range list {
		if of, ok := item.(map[string]any); ok {
			delete(of, "netlink-import")
			delete(of, "netlink-export")
		}
	}
}

// tableOrMain takes the fork's word for the main table, 0, and its number.
func tableOrMain(n *node) (uint32, error) {
	if n.kind == kindWhole && (n.text == "0" || n.text == strconv.Itoa(tableMain)) {
		return 0, nil
	}
	return table(n)
}

func validates(p *problems, n *node, r *rule) {
	on, err := boolean(n)
	if err != nil {
		p.at(n, "%v", err)
		return
	}
	r.skips = !on
}

// fork gathers the rules of the fork's keys.
type fork struct {
	*problems
	settings
	tenants []*node // items of [[vrfs]]
	export  *node   // [netlink.export]
	entries []*entry
}

// readFork adds to entries, those of the file's other sections, what the keys
// of gobgp-netlink say.
func readFork(p *problems, root *node, s settings, entries []*entry) []*entry {
	if on := root.get("zebra").get("config").get("enabled"); on != nil && on.text == "true" {
		p.note(on, "has zebra install the routes of the global table beside vrfredist; remove the section once vrfredist exports them")
	}
	noteBFD(p, root)
	f := &fork{problems: p, settings: s, tenants: sections(root.get("vrfs")), export: root.get("netlink").get("export"), entries: entries}
	if !isFork(root) {
		return entries
	}
	f.noteImport(root.get("netlink").get("import").get("interface-list"))
	for _, item := range f.tenants {
		f.tenant(item)
	}
	rules := sections(f.export.get("rules"))
	for _, n := range rules {
		f.globalRule(n)
	}
	if on := f.export.get("enabled"); on != nil && on.text == "true" && !isShort(f.export) && len(rules) == 0 {
		p.note(on, `exports nothing of the global table without [[netlink.export.rules]]; for all of it, name the VRF "default" in [[netlink.vrfs]]`)
	}
	if n := f.export.get("dampening-interval"); n != nil {
		p.note(n, "is ignored: changes are written in batches as they come, and none is held back")
	}
	if n := f.export.get("route-protocol"); n != nil {
		more := ""
		if used := usedBy(s.protocol); used != "" && root.get("netlink").get("route-protocol") == nil {
			more = ". " + used
		}
		p.note(n, "is the protocol of all VRFs here; write it as route_protocol under [netlink]. Routes of this protocol are taken for vrfredist's own, so no other program may use it (FRR's bgpd has 186)%s", more)
	}
	return f.entries
}

// isFork tells whether a file has keys that only gobgp-netlink has.
func isFork(root *node) bool {
	export := root.get("netlink").get("export")
	for _, key := range []string{"rules", "route-protocol", "dampening-interval"} {
		if export.get(key) != nil {
			return true
		}
	}
	return slices.ContainsFunc(sections(root.get("vrfs")), func(item *node) bool {
		return item.get("netlink-import") != nil || item.get("netlink-export") != nil
	})
}

// isShort tells whether [netlink.export] is the short form of one VRF, and not
// the section around the fork's rules.
func isShort(export *node) bool {
	for key := range with(exportKeys, shortKeys) {
		if key != "enabled" && export.get(key) != nil {
			return true
		}
	}
	return false
}

// tenant reads the fork's keys in a VRF's own section.
func (f *fork) tenant(item *node) {
	imp, exp := item.get("netlink-import"), item.get("netlink-export")
	name := item.get("config").get("name")
	if !present(imp) && !present(exp) || name == nil {
		return
	}
	if present(imp) {
		e := f.home(name.text, imp)
		if e.long {
			f.twice(e, imp)
			return
		}
		e.importAt = imp
		read(f.problems, imp, tenantImportKeys, e)
		f.switched(imp)
		if list := imp.get("interface-list"); e.imp.Enabled && len(e.imp.Interfaces) == 0 {
			f.note(cmp.Or(list, imp), "names no interface, so nothing is imported")
			e.imp.Enabled = false
		} else {
			f.noteImport(list)
		}
	}
	if present(exp) {
		r := &rule{node: exp}
		read(f.problems, exp, tenantRuleKeys, r)
		f.switched(exp)
		if r.enabled {
			f.route(name.text, r)
		}
	}
}

// switched says that a section is off, which the fork takes one without the key
// to be.
func (f *fork) switched(n *node) {
	if n.get("enabled") == nil {
		f.note(n, "is off, because it does not say enabled = true")
	}
}

func (f *fork) noteImport(list *node) {
	if list != nil {
		f.note(list, `takes every route through these interfaces that is in the VRF's table, static ones too, and not the addresses of any interface; for connected networks alone write protocols = ["kernel"] in [[netlink.vrfs]]`)
	}
}

func (f *fork) globalRule(n *node) {
	r := &rule{node: n, enabled: true}
	read(f.problems, n, globalRuleKeys, r)
	on := f.export.get("enabled")
	if on == nil || on.text != "true" {
		return // the fork switches all rules by this one key
	}
	of := cmp.Or(r.vrf, vrf.Default)
	at := n.get("vrf")
	known := of == vrf.Default || slices.ContainsFunc(f.tenants, func(item *node) bool {
		name := item.get("config").get("name")
		return name != nil && name.text == of
	})
	switch {
	case !known && r.table == 0:
		r.device, of = r.vrf, vrf.Default
		f.note(at, "is no VRF of [[vrfs]]: routes of the global table go into the table of the VRF device %q", r.device)
	case !known:
		of = vrf.Default
		f.note(at, "is no VRF of [[vrfs]]: routes of the global table go into table %d", r.table)
	case r.vrf != "" && r.vrf != vrf.Default && r.table == 0:
		f.note(at, "takes the routes of this VRF into its own table; gobgp-netlink takes those of the global table into main, unless table-id is given")
	case r.vrf != "" && r.vrf != vrf.Default:
		f.note(at, "takes the routes of this VRF; gobgp-netlink takes those of the global table")
	}
	f.route(of, r)
}

// route sends the routes of a VRF where a rule says: into the VRF's own table,
// or, where it has one already, into a further one.
func (f *fork) route(of string, r *rule) {
	if r.skips {
		f.note(cmp.Or(r.node.get("skip-nexthop-validation"), r.node.get("validate-nexthop")), "is ignored: a route whose nexthop is not reachable inside the VRF is unresolved, and comes in when it is")
	}
	if r.metric == 0 {
		if n := r.node.get("metric"); n != nil {
			f.note(n, "0 is another metric in IPv6 than in IPv4: %d is used", f.metric)
		}
		r.metric = f.metric
	}
	at := cmp.Or(r.node.get("table-id"), r.node.get("linux-table-id"), r.node.get("vrf"), r.node)
	to := rib.Binding{Table: r.table}
	if r.table == 0 {
		to.Device = r.device
	} else if r.device != "" {
		f.note(r.node.get("linux-vrf"), "is not looked at: linux-table-id says which table it is")
	}
	home := f.home(of, r.node)
	switch {
	case home.long && (to == rib.Binding{} || to == home.binding):
		f.twice(home, at)
	case home.long, of == vrf.Default && to != rib.Binding{}: // its own is main, where nexthops are looked up
		f.further(home, to, at, r)
	case !home.exp.Enabled && (home.binding == rib.Binding{} || home.binding == to || to == rib.Binding{}):
		if home.binding == (rib.Binding{}) {
			home.binding = to
		}
		if to.Table != 0 {
			f.note(at, "the table is taken by its number, and is not followed when a VRF device moves to another")
		}
		f.fill(home, r)
	case home.binding == to || to == rib.Binding{}:
		f.merge(home, r)
	default:
		f.further(home, to, at, r)
	}
}

// home returns the entry of a VRF, and makes it where there is none. n is what
// it is first named by.
func (f *fork) home(name string, n *node) *entry {
	for _, e := range f.entries {
		if e.name == name {
			return e
		}
	}
	e := f.entry(n)
	e.name = name
	f.entries = append(f.entries, e)
	return e
}

// twice refuses to change a VRF that [[netlink.vrfs]] has.
func (f *fork) twice(e *entry, n *node) {
	f.at(n, "VRF %q is in [[netlink.vrfs]] already, on line %d; say it there, and remove this", e.name, e.where().line)
}

// further sends routes to one more table of a VRF.
func (f *fork) further(home *entry, to rib.Binding, at *node, r *rule) {
	name := home.name + "/" + cmp.Or(to.Device, strconv.Itoa(int(to.Table)))
	for _, tenant := range f.tenants {
		if n := tenant.get("config").get("name"); n != nil && n.text == name {
			// Commands and roles could not tell the two apart.
			f.at(at, "is a secondary table of VRF %q, which is called %q, and so is a VRF, on line %d; give that another name", home.name, name, n.line)
			return
		}
	}
	for _, e := range f.entries {
		if e.name == name {
			f.merge(e, r)
			return
		}
	}
	e := f.entry(r.node)
	e.name, e.of, e.binding = name, home.name, to
	f.fill(e, r)
	f.entries = append(f.entries, e)
	hint := ""
	if home.exp.Enabled && home.binding.Table == 0 && home.name != vrf.Default {
		hint = fmt.Sprintf("; if it is the table of the VRF device, write linux-table-id = %d in [vrfs.netlink-export] too, because two cannot share it", to.Table)
	}
	f.note(at, "is a secondary table of VRF %q: commands and metrics call it %q%s", home.name, name, hint)
}

func (f *fork) fill(e *entry, r *rule) {
	e.exportAt = r.node
	e.exp.Enabled, e.exp.Metric = true, r.metric
	e.exp.CommunityList, e.exp.LargeCommunities = r.exp.CommunityList, r.exp.LargeCommunities
}

// merge makes one rule of two for one table: a route that either takes goes there.
func (f *fork) merge(e *entry, r *rule) {
	if len(e.exp.CommunityList)+len(e.exp.LargeCommunities) == 0 || len(r.exp.CommunityList)+len(r.exp.LargeCommunities) == 0 {
		e.exp.CommunityList, e.exp.LargeCommunities = nil, nil // either takes all
	} else {
		e.exp.CommunityList = append(slices.Clone(e.exp.CommunityList), r.exp.CommunityList...)
		e.exp.LargeCommunities = append(slices.Clone(e.exp.LargeCommunities), r.exp.LargeCommunities...)
	}
	if e.exp.Metric != r.metric {
		f.note(cmp.Or(r.node.get("metric"), r.node), "a table of a VRF has one metric here: %d, of the rule before it", e.exp.Metric)
	}
}
