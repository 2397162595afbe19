package config

import (
	"slices"
	"strconv"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// readCore reads the core, and gives the entries with an encapsulation what it says.
func readCore(p *problems, root *node, s *settings, entries []*entry) {
	n := root.get("netlink")
	c := core{Core: rib.Core{Port: vxlanPort}, locator: rib.Locator{FunctionBits: functionBits}}
	read(p, n.get("core"), coreKeys, &c)
	read(p, n.get("vxlan"), vxlanKeys, &c)
	read(p, n.get("mpls"), mplsKeys, &c)
	read(p, n.get("srv6"), srv6Keys, &c)
	checkLocator(p, n.get("srv6"), &c)
	if c.VTEP = c.source; !c.source.IsValid() {
		c.VTEP = c.Six
	}
	if c.VTEP.IsValid() {
		s.core = c
	}
	r := &carriages{problems: p, core: &c, netlink: n, first: make(map[string]*entry), managed: s.manageLinks}
	if id := root.get("global").get("config").get("router-id"); id != nil {
		r.router = id.text
	}
	for _, e := range entries {
		readCarriage(r, e)
	}
	enough(r, entries)
}

// readCarriage checks what is written of a VRF, and adds what the core says.
func readCarriage(r *carriages, e *entry) {
	is := &e.carriage
	if is.Kind == 0 {
		r.without(e)
		return
	}
	n := e.node.get("encap")
	is.Core = r.core.Core
	r.strange(e)
	switch {
	case e.name == vrf.Default:
		r.at(n, "means nothing for default, whose routes are no VRF's; give a VRF of [[vrfs]] the encapsulation")
	case e.of != "":
		r.at(n, "means nothing for a secondary table; give it to VRF %q, whose routes these are", e.of)
	case e.binding.Table != 0:
		r.at(n, "needs a namespace or a VRF device: what comes in by %s is looked up where the device is, and not in table %d; bind the VRF by netns or device",
			map[rib.EncapKind]string{rib.EncapVXLAN: "a VXLAN device", rib.EncapMPLS: "a label", rib.EncapSRv6: "a SID"}[is.Kind], e.binding.Table)
	case !present(r.netlink.get("core")):
		r.at(n, `needs a core; write [netlink.core] with source = "ADDRESS", this router's address there, which other PEs send to`)
	case !is.Core.VTEP.IsValid():
		r.at(n, `needs this router's address in the core, which other PEs send to; write source = "ADDRESS", or source6, in [netlink.core]`)
	default:
		inside(r, e)
	}
	switch is.Kind {
	case rib.EncapVXLAN:
		r.vxlan(e)
	case rib.EncapMPLS:
		r.label(e)
	case rib.EncapSRv6:
		r.sid(e)
	}
}

// inside finds how packets get between the VRF and the core.
func inside(r *carriages, e *entry) {
	switch e.carriage.Kind {
	case rib.EncapMPLS:
		r.insideMPLS(e)
	case rib.EncapSRv6:
		r.insideSRv6(e)
	}
}

// enough refuses more VRFs than there are labels or SIDs.
func enough(r *carriages, entries []*entry) {
	var label, sid []*entry
	for _, e := range entries {
		switch is := &e.carriage; {
		case is.Kind == rib.EncapMPLS && r.core.labels.Len() > 0:
			label = append(label, e)
		case is.Kind == rib.EncapSRv6 && r.core.locator.Prefix.IsValid():
			sid = append(sid, e)
			if is.SRv6.Link != "" {
				sid = append(sid, e) // one for each family
			}
		}
	}
	if most := r.core.labels.Len(); len(label) > most {
		r.at(r.netlink.get("mpls").get("labels"), "has %d labels, and %d VRFs need one; widen it", most, len(label))
	}
	if _, most := r.core.locator.Functions(); len(sid) > int(most) {
		r.at(cmpNode(r.netlink.get("srv6").get("function-bits"), r.netlink.get("srv6").get("locator")), "leaves room for %d SIDs, and the VRFs need %d; write a larger function_bits", most, len(sid))
	}
}

// readCustomers are the VRFs that have neighbours of their own.
func readCustomers(root *node) map[string]bool {
	in := make(map[string]bool)
	for _, list := range []string{"neighbors", "peer-groups"} {
		for _, item := range sections(root.get(list)) {
			if n := item.get("config").get("vrf"); n != nil {
				in[n.text] = true
			}
		}
	}
	return in
}

// Carriage is what is needed for VRFs with an encapsulation.
type Carriage struct {
	// Core is the network between PEs, where its VTEP is valid, and CoreInterfaces are the
	// patterns of the interfaces that lead to it.
	Core           rib.Core
	CoreInterfaces []string
	// Labels and Locator are what VRFs without a label or SID of their own in the file get one of.
	Labels  rib.LabelRange
	Locator rib.Locator
	// LetGo is for how long a label or SID that a VRF had is given to no other: so long may a peer
	// hold on to routes of before.
	LetGo time.Duration
	// ManageLinks lets the daemon make the VXLAN devices of VRFs, and the second VRF devices of
	// SRv6.
	ManageLinks bool
	// EVPN says that a neighbour has the family by which VRFs with VXLAN have their routes from
	// other PEs, and VPN that one has one of those for MPLS and SRv6.
	EVPN, VPN bool
}

// carriage is what the file says for VRFs with an encapsulation.
func (s settings) carriage(root *node) Carriage {
	return Carriage{
		Core: s.core.Core, CoreInterfaces: s.core.interfaces, Labels: s.core.labels, Locator: s.core.locator,
		LetGo: letGo(root), ManageLinks: s.manageLinks, EVPN: hasEVPN(root), VPN: hasVPN(root),
	}
}

// leastLetGo is how long a label or SID rests at least: so long may a router without graceful
// restart send by what it was told, where a session hangs and its update is not read.
const leastLetGo = 10 * time.Minute

// letGo is how long peers may use what this router told them before, at most: the time for which
// they keep routes of a session that is away, and the long-lived one behind it.
func letGo(root *node) time.Duration {
	longest := leastLetGo
	for _, list := range []string{"neighbors", "peer-groups"} {
		for _, n := range sections(root.get(list)) {
			kept := secondsOf(n.get("graceful-restart").get("config").get("restart-time"))
			var longLived time.Duration
			for _, f := range sections(n.get("afi-safis")) {
				longLived = max(longLived, secondsOf(f.get("long-lived-graceful-restart").get("config").get("restart-time")))
			}
			longest = max(longest, kept+longLived)
		}
	}
	return longest
}

// secondsOf are those of a key of GoBGP's, which judges the value itself; none: 0.
func secondsOf(n *node) time.Duration {
	if n == nil {
		return 0
	}
	s, err := strconv.ParseUint(n.text, 10, 32)
	if err != nil {
		return 0
	}
	return time.Duration(s) * time.Second
}

// hasFamily tells whether a neighbour, or those of a peer group, have one of some families.
func hasFamily(root *node, families ...string) bool {
	for _, list := range []string{"neighbors", "peer-groups"} {
		for _, n := range sections(root.get(list)) {
			for _, f := range sections(n.get("afi-safis")) {
				if name := f.get("config").get("afi-safi-name"); name != nil && slices.Contains(families, name.text) {
					return true
				}
			}
		}
	}
	return false
}

// hasEVPN tells whether some neighbour has the family by which routes go with VXLAN, and hasVPN
// the same of those with MPLS and SRv6.
func hasEVPN(root *node) bool { return hasFamily(root, "l2vpn-evpn") }
func hasVPN(root *node) bool  { return hasFamily(root, "l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast") }

// noteCarriage says where an encapsulation, or what makes devices for one, has no use.
func noteCarriage(p *problems, root *node, entries []*entry) {
	var byEVPN, byVPN *node // the first of each
	for _, e := range entries {
		n := e.node.get("encap")
		switch {
		case e.carriage.Kind == rib.EncapVXLAN && byEVPN == nil:
			byEVPN = n
		case e.carriage.Kind != 0 && e.carriage.Kind != rib.EncapVXLAN && byVPN == nil:
			byVPN = n
		}
	}
	if byEVPN != nil && !hasEVPN(root) {
		p.note(byEVPN, `reaches no other PE: no neighbour has the family l2vpn-evpn, by which alone routes of such a VRF go out and come in. Add [[neighbors.afi-safis]] with afi-safi-name = "l2vpn-evpn" to those that are PEs, or reflect their routes`)
	}
	if byVPN != nil && !hasVPN(root) {
		p.note(byVPN, `reaches no other PE: no neighbour has the family l3vpn-ipv4-unicast or l3vpn-ipv6-unicast, by which alone routes of such a VRF go out and come in. Add [[neighbors.afi-safis]] with afi-safi-name = "l3vpn-ipv4-unicast", and one for IPv6, to those that are PEs, or reflect their routes`)
	}
	manage := root.get("netlink").get("manage-links")
	if byEVPN == nil && byVPN == nil && manage != nil && manage.text == "true" {
		p.note(manage, "makes nothing: no VRF has an encap")
	}
}
