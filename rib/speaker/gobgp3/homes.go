package gobgp3

import (
	"net/netip"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// GoBGP keeps what a neighbour in a VRF sends under the VRF's RD. A message has neither, so
// the destinations in it are found by where its neighbour is at home.

// homesOf are the VRFs of the neighbours with an address, which may be link-local and so
// of several: "" of those in none.
func (c *changes) homesOf(addr netip.Addr) []string {
	if c.homes == nil {
		c.homes = make(map[netip.Addr][]string)
		for key, p := range c.peers() {
			at := zoneless(key).Unmap()
			c.homes[at] = append(c.homes[at], p.vrf())
		}
	}
	return c.homes[addr]
}

// moved says that neighbours may have come, or be in other VRFs.
func (c *changes) moved() { c.homes = nil }

// inVRF makes NLRIs of a VRF's neighbours those of the destinations that GoBGP keeps them
// under.
func (c *changes) inVRF(name string) *vrfNLRI {
	v := c.rib().Vrfs[name]
	if v == nil {
		return nil
	}
	in := &vrfNLRI{overhead: 8 * uint8(v.Rd.Len())}
	in.four.RD, in.four.Labels = v.Rd, *bgp.NewMPLSLabelStack(v.MplsLabel)
	in.six.RD, in.six.Labels = in.four.RD, in.four.Labels
	in.overhead += 8 * uint8(in.four.Labels.Len())
	return in
}

// vrfNLRI are NLRIs with an RD and a label; nil stands for the NLRI itself.
type vrfNLRI struct {
	overhead uint8 // the bits of the RD and the label, which count in a VPN NLRI's length
	four     bgp.LabeledVPNIPAddrPrefix
	six      bgp.LabeledVPNIPv6AddrPrefix
}

// nlri is good until the next call.
func (v *vrfNLRI) nlri(n bgp.AddrPrefixInterface) bgp.AddrPrefixInterface {
	if v == nil {
		return n
	}
	switch n := n.(type) {
	case *bgp.IPAddrPrefix:
		v.four.Prefix, v.four.Length = n.Prefix, n.Length+v.overhead
		return &v.four
	case *bgp.IPv6AddrPrefix:
		v.six.Prefix, v.six.Length = n.Prefix, n.Length+v.overhead
		return &v.six
	}
	return n
}

// kept is an NLRI that lasts.
func kept(n bgp.AddrPrefixInterface) bgp.AddrPrefixInterface {
	switch n := n.(type) {
	case *bgp.LabeledVPNIPAddrPrefix:
		lasting := new(bgp.LabeledVPNIPAddrPrefix)
		lasting.RD, lasting.Labels, lasting.Prefix, lasting.Length = n.RD, n.Labels, n.Prefix, n.Length
		return lasting
	case *bgp.LabeledVPNIPv6AddrPrefix:
		lasting := new(bgp.LabeledVPNIPv6AddrPrefix)
		lasting.RD, lasting.Labels, lasting.Prefix, lasting.Length = n.RD, n.Labels, n.Prefix, n.Length
		return lasting
	}
	return n
}
