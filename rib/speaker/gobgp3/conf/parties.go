package conf

import (
	"net/netip"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
)

// party is a configured neighbour, or the neighbours that a prefix lets in.
type party struct {
	prefix   netip.Prefix // of one neighbour, its address
	vrf      string
	internal bool // of our own AS
	member   bool // of another AS of our confederation
	vpn      bool // takes VPN routes
	client   bool // of our route server: no rule is about it
	terms    rib.Terms
	in, out  applied // policies of its own
	name     string  // by which GoBGP has it, or the prefix that lets it in
}

// inside tells whether a party is in our AS or our confederation.
func (p party) inside() bool { return p.internal || p.member }

// isPE tells whether a party is a router of our own AS that takes VPN routes.
func (p party) isPE() bool { return p.vrf == "" && p.internal && p.vpn }

// parties are all to whom a configuration speaks.
type parties []party

func partiesOf(c *Config) (all parties) {
	groups := c.Groups()
	for i := range c.Set.Neighbors {
		n := &c.Set.Neighbors[i]
		// Without its zone: GoBGP's policies have none. One without an address has
		// none yet.
		addr, err := netip.ParseAddr(n.State.NeighborAddress)
		if err != nil {
			continue
		}
		addr = addr.WithZone("")
		all = append(all, party{
			prefix: netip.PrefixFrom(addr, addr.BitLen()), vrf: n.Config.Vrf,
			internal: n.Config.PeerAs != 0 && n.Config.PeerAs == n.Config.LocalAs,
			member:   isMember(&c.Set.Global, n.Config.PeerAs, n.Config.LocalAs),
			vpn:      takesVPN(n.AfiSafis), client: n.RouteServer.Config.RouteServerClient,
			terms: c.TermsOf(n.State.NeighborAddress, n.Config.PeerGroup),
			in:    inward.of(&n.ApplyPolicy.Config, n.Config.Vrf != ""), out: outward.of(&n.ApplyPolicy.Config, false),
			name: n.State.NeighborAddress,
		})
	}
	for _, d := range c.Set.DynamicNeighbors {
		prefix, err := netip.ParsePrefix(d.Config.Prefix)
		if err != nil {
			continue // Check has refused it
		}
		g := groups[d.Config.PeerGroup]
		local := g.Config.LocalAs
		if local == 0 {
			local = c.Set.Global.Config.As // as GoBGP has it, but for those out of a confederation
		}
		all = append(all, party{
			prefix:   prefix.Masked(),
			internal: g.Config.PeerAs != 0 && g.Config.PeerAs == local,
			member:   isMember(&c.Set.Global, g.Config.PeerAs, local),
			vpn:      takesVPN(g.AfiSafis), client: g.RouteServer.Config.RouteServerClient,
			terms: c.TermsOf("", d.Config.PeerGroup),
			in:    inward.of(&g.ApplyPolicy.Config, false), out: outward.of(&g.ApplyPolicy.Config, false),
			name: prefix.String(),
		})
	}
	return all
}

func isMember(g *oc.Global, as, local uint32) bool {
	return g.Confederation.Config.Enabled && as != local && slices.Contains(g.Confederation.Config.MemberAsList, as)
}

func takesVPN(families []oc.AfiSafi) bool {
	return slices.ContainsFunc(families, func(a oc.AfiSafi) bool { return slices.Contains(vpnFamilies, a.Config.AfiSafiName) })
}

// externalMeansCustomer tells whether a VPN route that came over eBGP can only be a
// customer's, and a customer's only have come over eBGP.
func (all parties) externalMeansCustomer() bool {
	return !slices.ContainsFunc(all, func(p party) bool { return p.vrf == "" && p.vpn && !p.internal || p.vrf != "" && p.internal })
}

// prefixes returns the addresses of the parties for which is holds as a set of GoBGP's has
// them.
func (all parties) prefixes(is func(party) bool) (list []string) { return texts(all.pieces(is)) }

func texts(prefixes []netip.Prefix) (list []string) {
	for _, p := range prefixes {
		list = append(list, p.String())
	}
	return list
}

// pieces returns the addresses of the parties for which is holds, and of no others, in order: a
// neighbour has its own section where it has an address that a prefix lets in too, and
// of two prefixes GoBGP goes by the longer one.
func (all parties) pieces(is func(party) bool) (pieces []netip.Prefix) {
	for _, p := range all {
		if !is(p) {
			continue
		}
		rest := []netip.Prefix{p.prefix}
		for _, q := range all {
			if !is(q) {
				rest = without(rest, q.prefix)
			}
		}
		pieces = append(pieces, rest...)
	}
	slices.SortFunc(pieces, netip.Prefix.Compare)
	return slices.Compact(pieces)
}

// without takes hole out of prefixes, where it lies in one or is one; of a longer one it
// takes nothing.
func without(prefixes []netip.Prefix, hole netip.Prefix) (rest []netip.Prefix) {
	for _, p := range prefixes {
		if p.Bits() > hole.Bits() {
			rest = append(rest, p)
			continue
		}
		rest = append(rest, rib.Subtract([]netip.Prefix{p}, hole)...)
	}
	return rest
}

// named is the party that GoBGP has by a name.
func (all parties) named(name string) (party, bool) {
	i := slices.IndexFunc(all, func(p party) bool { return p.name == name })
	if i < 0 {
		return party{}, false
	}
	return all[i], true
}

// judgedAs tells whether two have the same policies.
func (p party) judgedAs(q party) bool {
	return p.client == q.client && p.in.name(inward) == q.in.name(inward) && p.out.name(outward) == q.out.name(outward)
}
