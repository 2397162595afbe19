package conf

import (
	"maps"
	"net/netip"
	"slices"
	"strings"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// Config is a configuration of GoBGP that has been checked, with the values of it that we
// need ourselves. It is immutable.
type Config struct {
	Set    oc.BgpConfigSet
	VRFs   []speaker.VRF // by name
	Limits Limits        // of neighbours; GoBGP gets none
	Extras rib.Extras
	Words  Words
	Unnumbered
}

// Read reads a configuration that Check found good. choose says who is at the other end
// of the interface of a neighbour that is named by one; where it is nil, GoBGP looks.
func Read(text []byte, extras rib.Extras, choose Choose) (*Config, error) {
	var u Unnumbered
	if choose != nil {
		var err error
		if text, u, err = place(text, choose); err != nil {
			return nil, err
		}
	}
	set, err := parse(text)
	if err != nil {
		return nil, err
	}
	c := &Config{Set: *set, Limits: takeLimits(set), Extras: extras, Unnumbered: u}
	for i := range c.Set.Vrfs {
		v := &c.Set.Vrfs[i].Config
		// With an Id, GoBGP compiles a regular expression per VRF for every
		// change of a best path.
		v.Id = 0
		vrf := speaker.VRF{Name: v.Name}
		if vrf.RD, err = parseRD(v.Rd); err != nil {
			return nil, err
		}
		if vrf.ImportRTs, err = ParseRTs(v.ImportRtList); err != nil {
			return nil, err
		}
		if vrf.ExportRTs, err = ParseRTs(v.ExportRtList); err != nil {
			return nil, err
		}
		if by, is := extras.Carried[v.Name]; is {
			vrf.Carried = &by
		}
		c.VRFs = append(c.VRFs, vrf)
	}
	slices.SortFunc(c.VRFs, func(a, b speaker.VRF) int { return strings.Compare(a.Name, b.Name) })
	addFamilies(&c.Set.Global)
	return c, addRules(c)
}

// addFamilies adds the tables without which VRFs do not work, where the
// configuration names families: GoBGP drops a route of a family without a table
// in silence, and panics in DeleteVrf without the one of route target
// membership. A table alone is not offered to any neighbour.
func addFamilies(g *oc.Global) {
	for _, name := range []oc.AfiSafiType{
		oc.AFI_SAFI_TYPE_L3VPN_IPV4_UNICAST,
		oc.AFI_SAFI_TYPE_L3VPN_IPV6_UNICAST,
		oc.AFI_SAFI_TYPE_L2VPN_EVPN,
		oc.AFI_SAFI_TYPE_RTC,
	} {
		has := slices.ContainsFunc(g.AfiSafis, func(a oc.AfiSafi) bool { return a.Config.AfiSafiName == name })
		if !has {
			g.AfiSafis = append(g.AfiSafis, oc.AfiSafi{Config: oc.AfiSafiConfig{AfiSafiName: name, Enabled: true}})
		}
	}
}

// CopySet returns the configuration for GoBGP, which marks neighbours in it.
func (c *Config) CopySet() *oc.BgpConfigSet {
	set := c.Set
	set.Neighbors = slices.Clone(set.Neighbors)
	return &set
}

// VRF returns the VRF called name.
func (c *Config) VRF(name string) (speaker.VRF, bool) {
	i, is := slices.BinarySearchFunc(c.VRFs, name, func(v speaker.VRF, name string) int { return strings.Compare(v.Name, name) })
	if !is {
		return speaker.VRF{}, false
	}
	return c.VRFs[i], true
}

// Groups are the peer groups by name.
func (c *Config) Groups() map[string]oc.PeerGroup {
	groups := make(map[string]oc.PeerGroup, len(c.Set.PeerGroups))
	for _, g := range c.Set.PeerGroups {
		groups[g.Config.PeerGroupName] = g
	}
	return groups
}

// TermsOf returns the terms of a neighbour, by its address as GoBGP has it and the peer
// group that it is in. A dynamic neighbour has its group's terms; a neighbour that a client of the
// API added, without a group of the configuration, has the default ones.
func (c *Config) TermsOf(address, group string) rib.Terms {
	if t, ok := c.Extras.Terms[address]; ok {
		return t
	}
	// A neighbour without an address of its own is named by its interface, and has the
	// address that GoBGP found there.
	if a, err := netip.ParseAddr(address); err == nil && a.Zone() != "" {
		if t, ok := c.Extras.Terms[a.Zone()]; ok {
			return t
		}
	}
	if t, ok := c.Extras.Terms[rib.TermsOfGroup(group)]; ok {
		return t
	}
	return rib.DefaultTerms()
}

// SameLeaks tells whether VRFs leak from each other by the same rules in two configurations.
func SameLeaks(a, b *Config) bool {
	return maps.EqualFunc(a.Extras.Leaks, b.Extras.Leaks, slices.Equal)
}

// Neighbor is a configured neighbour, as far as the watch of best paths depends on it.
type Neighbor struct {
	VRF      string // "": the global table
	Zone     string // of its link, in the daemon's namespace; "": unknown
	LocalAS  uint32
	Families []bgp.RouteFamily
	Down     bool // administratively
}

// Equal tells whether two are the same.
func (n Neighbor) Equal(m Neighbor) bool {
	return n.VRF == m.VRF && n.Zone == m.Zone && n.LocalAS == m.LocalAS && n.Down == m.Down && slices.Equal(n.Families, m.Families)
}

// Neighbors returns the neighbours by the address that GoBGP has them under, a link-local
// one with its zone.
func (c *Config) Neighbors() map[string]Neighbor {
	m := make(map[string]Neighbor, len(c.Set.Neighbors))
	for _, n := range c.Set.Neighbors {
		addr, err := netip.ParseAddr(n.State.NeighborAddress)
		if err != nil {
			continue // Check has refused it
		}
		nb := Neighbor{
			VRF:      n.Config.Vrf,
			Zone:     addr.Zone(),
			LocalAS:  n.Config.LocalAs,
			Families: FamiliesOf(n),
			Down:     n.Config.AdminDown,
		}
		// The loopback is an alias's, of a neighbour who is elsewhere.
		if nb.Zone == "" && n.Transport.Config.BindInterface != "lo" {
			nb.Zone = n.Transport.Config.BindInterface
		}
		m[n.State.NeighborAddress] = nb
	}
	return m
}

// FamiliesOf are the families of a neighbour.
func FamiliesOf(n oc.Neighbor) []bgp.RouteFamily {
	var list []bgp.RouteFamily
	for _, a := range n.AfiSafis {
		list = append(list, a.State.Family)
	}
	return list
}

// InFeeds is a family of GoBGP's as feeds have it: none where its routes are for no kernel table,
// and two of EVPN.
func InFeeds(f bgp.RouteFamily) []speaker.Family {
	switch f {
	case bgp.RF_IPv4_UC:
		return []speaker.Family{{Of: rib.IPv4}}
	case bgp.RF_IPv6_UC:
		return []speaker.Family{{Of: rib.IPv6}}
	case bgp.RF_IPv4_VPN:
		return []speaker.Family{{Of: rib.IPv4, VPN: true}}
	case bgp.RF_IPv6_VPN:
		return []speaker.Family{{Of: rib.IPv6, VPN: true}}
	case bgp.RF_EVPN:
		return []speaker.Family{{Of: rib.IPv4, EVPN: true}, {Of: rib.IPv6, EVPN: true}}
	}
	return nil
}

// Awaited are the neighbours whose End-of-RIB a feed waits for. One that waits for its
// interface, or to be heard there, is among them as one is that does not answer; a
// dynamic one is not.
func (c *Config) Awaited() []speaker.Neighbour {
	var list []speaker.Neighbour
	add := func(address string, n Neighbor) {
		x := speaker.Neighbour{Address: address, VRF: n.VRF, Down: n.Down}
		for _, f := range n.Families {
			x.Families = append(x.Families, InFeeds(f)...)
		}
		list = append(list, x)
	}
	for address, n := range c.Neighbors() {
		add(address, n)
	}
	for _, w := range c.Waiting {
		add("on "+w.Interface, w.neighbor)
	}
	return list
}
