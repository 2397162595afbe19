package config

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
	"github.com/vrfredist/vrfredist/vrf"
)

// A neighbor-set names neighbours by their addresses, and GoBGP has one inside a namespace
// under another, its alias. So the sets that GoBGP gets are written in the addresses that
// it knows. One real address in two VRFs is two neighbours: the address alone names both,
// and with @VRF behind it one of them.

// setPeer is a neighbour as a set may name it.
type setPeer struct {
	vrf     string
	addr    netip.Addr // as the file has it
	name    netip.Addr // as GoBGP has it, without a zone
	relayed bool
}

// setPeers are the neighbours of a file that have an address.
func setPeers(root *node, relayed map[int]rib.Neighbor) (list []setPeer) {
	for i, item := range sections(root.get("neighbors")) {
		p := setPeer{vrf: vrf.Default}
		config := item.get("config")
		if n := config.get("vrf"); n != nil && n.text != "" {
			p.vrf = n.text
		}
		if n, is := relayed[i]; is {
			p.addr, p.name, p.relayed = n.Peer, n.Alias, true
		} else if n := config.get("neighbor-address"); n != nil {
			addr, err := netip.ParseAddr(n.text)
			if err != nil {
				continue // said elsewhere
			}
			p.addr, p.name = addr, addr.WithZone("")
		}
		if p.name.IsValid() {
			list = append(list, p)
		}
	}
	return list
}

// setMember is an entry of a neighbor-set.
type setMember struct {
	prefix netip.Prefix
	zone   string // of an address on a link
	vrf    string // "": in every VRF
}

// setMemberOf reads an entry of a neighbor-set: "192.0.2.1", "192.0.2.0/24", "fe80::2%eth0",
// and each of them with "@red" behind it.
func setMemberOf(text string) (m setMember, err error) {
	base, in, named := strings.Cut(text, "@")
	if m.vrf = in; named && in == "" {
		return m, fmt.Errorf("%q names no VRF behind the @; write one, or remove the @", text)
	}
	if addr, err := netip.ParseAddr(base); err == nil {
		m.zone = addr.Zone()
		addr = addr.WithZone("").Unmap()
		m.prefix = netip.PrefixFrom(addr, addr.BitLen())
		return m, nil
	}
	m.prefix, err = netip.ParsePrefix(base)
	if err != nil {
		return m, fmt.Errorf(`%q is no neighbour; write an address, a prefix, an address on a link such as "fe80::1%%eth0", and @VRF behind it where one VRF is meant`, text)
	}
	m.prefix = m.prefix.Masked()
	return m, nil
}

// names tells whether an entry names a neighbour.
func (m setMember) names(p setPeer) bool {
	return m.prefix.Contains(p.addr.WithZone("")) && (m.zone == "" || m.zone == p.addr.Zone()) && (m.vrf == "" || m.vrf == p.vrf)
}

// nobody is an address that no neighbour has. An empty set would be one that all are in.
const nobody = "255.255.255.255/32"

// loopbacks are where the aliases are.
var loopbacks = netip.MustParsePrefix("127.0.0.0/8")

// known writes an entry as GoBGP knows neighbours: in addresses and prefixes.
func (m setMember) known(peers []setPeer) (list []netip.Prefix) {
	exact := func(a netip.Addr) netip.Prefix { return netip.PrefixFrom(a, a.BitLen()) }
	if m.vrf == "" || m.vrf == vrf.Default {
		list = []netip.Prefix{m.prefix}
	}
	// An entry inside the loopback names aliases themselves.
	aliases := m.prefix.Addr().Is4() && loopbacks.Contains(m.prefix.Addr()) && m.prefix.Bits() >= loopbacks.Bits()
	for _, p := range peers {
		if foreign := m.vrf != "" && p.vrf != m.vrf; foreign || p.relayed && !aliases {
			list = rib.Subtract(list, exact(p.name))
		}
	}
	for _, p := range peers {
		if m.names(p) {
			list = append(list, exact(p.name))
		}
	}
	slices.SortFunc(list, netip.Prefix.Compare)
	return slices.Compact(list)
}

// nameAliases has the policies know the neighbours in network namespaces whom their rules name
// as BGP does: the paths that it has are of their aliases.
func nameAliases(all *policies, peers []setPeer) {
	for _, w := range all.written {
		for i := range w.def.Rules {
			r := &w.def.Rules[i]
			for _, list := range [][]policy.Neighbor{r.When.Neighbors, r.Unless.Neighbors} {
				for j := range list {
					n := &list[j]
					of := setMember{n.Prefix, n.Zone, n.VRF}
					for _, p := range peers {
						if p.relayed && of.names(p) {
							n.Aliases = append(n.Aliases, p.name)
						}
					}
				}
			}
		}
	}
}

// shared returns another neighbour of no namespace that has an entry's address on another
// link; GoBGP's sets know no links.
func (m setMember) shared(peers []setPeer) (other setPeer, is bool) {
	if m.zone == "" {
		return other, false
	}
	i := slices.IndexFunc(peers, func(p setPeer) bool {
		return !p.relayed && m.prefix.Contains(p.name) && p.addr.Zone() != m.zone
	})
	if i < 0 {
		return other, false
	}
	return peers[i], true
}

// readSets returns the neighbor-sets as GoBGP is to have them, by their place in the file's
// list, but for those that it takes as they are.
func readSets(p *problems, root *node, relayed map[int]rib.Neighbor, vrfs []string) map[int][]string {
	out := make(map[int][]string)
	peers := setPeers(root, relayed)
	for i, set := range sections(root.get("defined-sets").get("neighbor-sets")) {
		list := set.get("neighbor-info-list")
		if list == nil {
			continue
		}
		items := list.items
		if list.kind == kindText { // a list of one
			items = []*node{list}
		}
		var all []string
		same := true
		for _, item := range items {
			texts, plain := readSetMember(p, item, peers, vrfs)
			all, same = append(all, texts...), same && plain
		}
		if same {
			continue
		}
		slices.Sort(all)
		if all = slices.Compact(all); len(all) == 0 {
			all = []string{nobody}
		}
		out[i] = all
	}
	return out
}

// readSetMember is readSets for one entry; same tells whether GoBGP takes it as it is.
func readSetMember(p *problems, item *node, peers []setPeer, vrfs []string) (texts []string, same bool) {
	if item.kind != kindText || item.text == "" {
		return nil, true // GoBGP's to judge
	}
	m, err := setMemberOf(item.text)
	if err != nil {
		p.at(item, "%v", err)
		return nil, true
	}
	if m.vrf != "" && !slices.Contains(vrfs, m.vrf) {
		p.at(item, "there is no VRF %q; %s", m.vrf, suggest(m.vrf, vrfs, "add it under [[vrfs]]"))
		return nil, true
	}
	if other, is := m.shared(peers); is {
		p.at(item, "cannot be told from %s, because GoBGP's sets know no links; give one of the two another address, or have both in the set, without the link", other.addr)
		return nil, true
	}
	for _, q := range m.known(peers) {
		texts = append(texts, q.String())
	}
	if m.vrf != "" && len(texts) == 0 {
		p.note(item, "names no neighbour of VRF %s", m.vrf)
	}
	same = m.vrf == "" && m.zone == "" && len(texts) == 1 && texts[0] == m.prefix.String()
	if same {
		texts = []string{item.text}
	}
	return texts, same
}

// writeSets puts the neighbor-sets into GoBGP's part.
func writeSets(all map[string]any, sets map[int][]string) {
	defined, _ := all["defined-sets"].(map[string]any)
	list, _ := defined["neighbor-sets"].([]any)
	for i, members := range sets {
		if i >= len(list) {
			continue
		}
		if set, is := list[i].(map[string]any); is {
			set["neighbor-info-list"] = members
		}
	}
}
