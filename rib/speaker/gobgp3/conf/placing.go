package conf

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/netip"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// GoBGP looks a neighbour without an address (neighbor-interface) up in the kernel's
// neighbour table whenever it is given the configuration, and refuses all of it where
// nobody is there at that moment; later it never looks again. So GoBGP is given such
// a neighbour by the address that it has now, or not at all, and another time when
// that has changed.

// Choose returns the address of the other end of an interface, or why there is none.
// taken tells which addresses are other neighbours'.
type Choose func(device string, taken func(netip.Addr) bool) (peer netip.Addr, waits string)

// Unnumbered are the neighbours of a configuration that are named by an interface. It
// is immutable.
type Unnumbered struct {
	Text    []byte                // of the configuration, before neighbours got addresses
	Placed  map[string]netip.Addr // by interface: the neighbours that GoBGP has
	Waiting []Absentee            // the neighbours that it has not
}

// Absentee is a neighbour that GoBGP does not have yet.
type Absentee struct {
	speaker.Session
	neighbor Neighbor
}

// Equal tells whether two wait on the same interface for the same reason.
func (a Absentee) Equal(b Absentee) bool { return a.Interface == b.Interface && a.Reason == b.Reason }

// Any tells whether there is a neighbour that is named by an interface.
func (u Unnumbered) Any() bool { return len(u.Placed)+len(u.Waiting) > 0 }

// IsPlaced tells whether GoBGP has a neighbour by interface by this name.
func (u Unnumbered) IsPlaced(name string) bool {
	addr, err := netip.ParseAddr(name)
	return err == nil && u.Placed[addr.Zone()] == addr.WithZone("")
}

// Missing are the neighbours that wait here and are not in another configuration, where
// they may wait too.
func (u Unnumbered) Missing(in Unnumbered) (list []Absentee) {
	for _, w := range u.Waiting {
		_, there := in.Placed[w.Interface]
		for _, o := range in.Waiting {
			there = there || o.Interface == w.Interface
		}
		if !there {
			list = append(list, w)
		}
	}
	return list
}

// standIns returns addresses for the neighbours that have none, where only the rest of a
// configuration is judged: each another one, as they would have.
func standIns() Choose {
	next := netip.MustParseAddr("fe80::ffff:ffff:ffff:0")
	return func(string, func(netip.Addr) bool) (netip.Addr, string) {
		next = next.Next()
		return next, ""
	}
}

// place returns a configuration as GoBGP gets it.
func place(text []byte, choose Choose) (placed []byte, u Unnumbered, err error) {
	u = Unnumbered{Text: text, Placed: make(map[string]netip.Addr)}
	var root map[string]any
	if err := json.Unmarshal(text, &root); err != nil {
		return nil, u, fmt.Errorf("GoBGP's configuration is not JSON: %w", err)
	}
	all, groups := section{value: root}, make(map[string]section)
	for _, g := range all.each("peer-groups") {
		groups[g.at("config").text("peer-group-name")] = g
	}
	addresses := make(map[string]bool)
	known := make(alike)
	for _, n := range all.each("neighbors") {
		config := n.at("config")
		addresses[config.text("neighbor-address")] = true
		known.add(config.text("neighbor-address"), policiesIn(n, groups[config.text("peer-group")]))
	}
	changed := false
	var stay []any
	for _, n := range all.each("neighbors") {
		config := n.at("config")
		device, group := config.text("neighbor-interface"), groups[config.text("peer-group")]
		if addr, err := netip.ParseAddr(config.text("neighbor-address")); device == "" && (err != nil || addr.Zone() == "") {
			stay = append(stay, n.value)
			continue
		}
		changed = true
		if device != "" {
			taken := func(a netip.Addr) bool { return addresses[a.WithZone(device).String()] }
			peer, waits := choose(device, taken)
			if waits == "" {
				waits = known.add(peer.WithZone(device).String(), policiesIn(n, group))
			}
			if waits != "" {
				u.Waiting = append(u.Waiting, absent(n, group, device, waits))
				continue
			}
			u.Placed[device] = peer
			n = renamed(n, group, peer.WithZone(device).String())
		}
		stay = append(stay, fromLink(n, group).value)
	}
	if !changed {
		return text, u, nil
	}
	root["neighbors"] = stay
	placed, err = json.Marshal(root)
	return placed, u, err
}

// alike are the neighbours with link-local addresses, by the address without its link: one
// that has it, and the policies that they have to have in common, because GoBGP judges
// routes by the address alone.
type alike map[netip.Addr]struct{ name, policies string }

// add takes in a neighbour, or says why it has to wait.
func (a alike) add(name, policies string) (waits string) {
	addr, err := netip.ParseAddr(name)
	if err != nil || addr.Zone() == "" {
		return ""
	}
	at := addr.WithZone("")
	other, taken := a[at]
	if !taken {
		a[at] = struct{ name, policies string }{name, policies}
		return ""
	}
	if other.policies == policies {
		return ""
	}
	return fmt.Sprintf("%s has the same address on another link and another apply-policy, and GoBGP judges routes by the address alone; give both the same policies, or one of them another address", other.name)
}

// policiesIn is the same for neighbours whose routes the same policies of their own judge.
func policiesIn(n, group section) string {
	var all []any
	for _, path := range [][]string{{"apply-policy", "config"}, {"route-server", "config"}} {
		own, groups := n.at(path...), group.at(path...)
		for _, key := range []string{"import-policy-list", "default-import-policy", "export-policy-list", "default-export-policy", "route-server-client"} {
			v, has := own.value[key]
			if !has {
				v = groups.value[key]
			}
			all = append(all, v)
		}
	}
	return fmt.Sprint(all...)
}

// absent is a neighbour that GoBGP does not get, as it would get it.
func absent(n, group section, device, waits string) Absentee {
	config := n.at("config")
	w := Absentee{Session: speaker.Session{VRF: config.text("vrf"), State: speaker.Pending, Reason: waits, Interface: device, Origin: speaker.Configured}}
	w.neighbor = Neighbor{VRF: w.VRF, Zone: device, Down: config.value["admin-down"] == true}
	for _, from := range []section{n, group} {
		if w.PeerAS == 0 {
			w.PeerAS = uint32(from.at("config").number("peer-as"))
		}
		if len(w.neighbor.Families) > 0 {
			continue
		}
		for _, a := range from.each("afi-safis") {
			if f, err := bgp.GetRouteFamily(a.at("config").text("afi-safi-name")); err == nil {
				w.neighbor.Families = append(w.neighbor.Families, f)
			}
		}
	}
	if len(w.neighbor.Families) == 0 {
		w.neighbor.Families = []bgp.RouteFamily{bgp.RF_IPv4_UC, bgp.RF_IPv6_UC}
	}
	return w
}

// renamed gives a neighbour an address in place of its interface. GoBGP would take the
// families of an address's own kind then, and takes both of an interface.
func renamed(n, group section, address string) section {
	config := maps.Clone(n.at("config").value)
	delete(config, "neighbor-interface")
	config["neighbor-address"] = address
	n.value = maps.Clone(n.value)
	n.value["config"] = config
	if !n.has("afi-safis") && !group.has("afi-safis") {
		family := func(name string) any { return map[string]any{"config": map[string]any{"afi-safi-name": name}} }
		n.value["afi-safis"] = []any{family("ipv4-unicast"), family("ipv6-unicast")}
	}
	return n
}

// fromLink has sessions with a neighbour on a link begin at whatever address the kernel
// chooses, which is the link's own. GoBGP would look that up, refuse the configuration where
// it is not there, and dial from it when it is another one's. Where a link-local address is
// named it is on that link too: GoBGP takes its text, and would neither dial from it nor take
// a connection to it without the link.
func fromLink(n, group section) section {
	local, named := "::", false
	for _, s := range []section{group.at("transport", "config"), n.at("transport", "config")} {
		if s.has("local-address") {
			local, named = s.text("local-address"), true
		}
	}
	if named {
		addr, err := netip.ParseAddr(local)
		if err != nil || !addr.Is6() || !addr.IsLinkLocalUnicast() || addr.Zone() != "" {
			return n
		}
		peer, _ := netip.ParseAddr(n.at("config").text("neighbor-address"))
		local = addr.WithZone(peer.Zone()).String()
	}
	transport, config := maps.Clone(n.at("transport").value), maps.Clone(n.at("transport", "config").value)
	if transport == nil {
		transport = make(map[string]any)
	}
	if config == nil {
		config = make(map[string]any)
	}
	config["local-address"], transport["config"] = local, config
	n.value = maps.Clone(n.value)
	n.value["transport"] = transport
	return n
}
