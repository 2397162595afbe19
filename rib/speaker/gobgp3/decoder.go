package gobgp3

import (
	"cmp"
	"fmt"
	"hash/maphash"
	"net"
	"net/netip"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/apiutil"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// decoder turns GoBGP's paths into rib.Paths, and attributes once for all paths
// that have them in common. It has one user at a time.
type decoder struct {
	global     uint32 // our AS
	names      *peerNames
	neighbours map[string]conf.Neighbor // by name
	vrfs       map[rib.RD]string        // of the configuration
	readsSIDs  bool                     // SRv6 is configured: nobody else has a use for SIDs
	recent     recent
	cache      attrCache
	vias       map[uint64]*rib.Via // by hash
	lastVia    *rib.Via            // of them
	seed       maphash.Seed
	noTags     *rib.Tags // of all paths without communities
	lastTags   *rib.Tags // of what was decoded last that has some
	rds        map[rib.RD]struct{}
	scratch    []byte
	via        rib.Via  // of the attributes in hand, until it is known whether others have the same
	tags       rib.Tags // the same
}

func newDecoder(c *conf.Config, names *peerNames) *decoder {
	d := &decoder{
		global:     c.Set.Global.Config.As,
		names:      names,
		neighbours: c.Neighbors(),
		vrfs:       make(map[rib.RD]string, len(c.VRFs)),
		rds:        make(map[rib.RD]struct{}),
		vias:       make(map[uint64]*rib.Via),
		seed:       maphash.MakeSeed(),
		noTags:     new(rib.Tags),
		lastTags:   new(rib.Tags),
		readsSIDs:  conf.ReadsSIDs(c),
	}
	d.adopt(c.VRFs)
	return d
}

// adopt has it decode for other VRFs. What it remembers it may have to decode otherwise.
func (d *decoder) adopt(vrfs []speaker.VRF) {
	clear(d.vrfs)
	for _, v := range vrfs {
		d.vrfs[v.RD] = v.Name
	}
	d.recent, d.cache = recent{}, attrCache{}
}

// peerOf is the neighbour that GoBGP has under an address, as it is in the attributes of its
// paths. It may be called from any goroutine.
func (d *decoder) peerOf(key string) netip.Addr {
	peer, err := netip.ParseAddr(key)
	if err != nil {
		return netip.Addr{} // GoBGP has none such
	}
	if peer = peer.Unmap(); !peer.IsLinkLocalUnicast() {
		peer = peer.WithZone("")
	}
	return zoned(peer, cmp.Or(peer.Zone(), d.neighbours[peer.String()].Zone))
}

// considered tells whether an NLRI is of a family whose routes lead into kernel tables.
func considered(n bgp.AddrPrefixInterface) bool {
	switch n := n.(type) {
	case *bgp.IPAddrPrefix, *bgp.IPv6AddrPrefix, *bgp.LabeledVPNIPAddrPrefix, *bgp.LabeledVPNIPv6AddrPrefix:
		return true
	case *bgp.EVPNNLRI:
		return n.RouteType == bgp.EVPN_IP_PREFIX
	}
	return false
}

// destination decodes a path's NLRI, and the label of a VPN one or the VNI of one of EVPN.
func (d *decoder) destination(n bgp.AddrPrefixInterface) (to speaker.Destination, label uint32, err error) {
	switch n := n.(type) {
	case *bgp.LabeledVPNIPAddrPrefix:
		return d.vpn(n, false)
	case *bgp.LabeledVPNIPv6AddrPrefix:
		return d.vpn(&n.LabeledVPNIPAddrPrefix, true)
	case *bgp.EVPNNLRI:
		if to, label, err = decodeEVPN(n); err == nil {
			d.remember(to.RD)
		}
		return to, label, err
	}
	to.Prefix, err = unicastPrefix(n)
	return to, 0, err
}

// unicastPrefix is the prefix of an NLRI in no VRF.
func unicastPrefix(n bgp.AddrPrefixInterface) (netip.Prefix, error) {
	switch n := n.(type) {
	case *bgp.IPAddrPrefix:
		return prefixOf(n.Prefix, n.Length, false)
	case *bgp.IPv6AddrPrefix:
		return prefixOf(n.Prefix, n.Length, true)
	}
	return netip.Prefix{}, fmt.Errorf("decode a prefix: %T is none", n)
}

func (d *decoder) vpn(n *bgp.LabeledVPNIPAddrPrefix, six bool) (to speaker.Destination, label uint32, err error) {
	if to.RD, err = decodeRD(n.RD); err != nil {
		return speaker.Destination{}, 0, fmt.Errorf("decode a route distinguisher: %w", err)
	}
	if to.RD == 0 {
		// It would pass for a route of the global table.
		return speaker.Destination{}, 0, fmt.Errorf("VPN prefix %s/%d has the route distinguisher 0:0", n.Prefix, n.IPPrefixLen())
	}
	d.remember(to.RD)
	if len(n.Labels.Labels) > 0 {
		label = n.Labels.Labels[0]
	}
	if label == bgp.WITHDRAW_LABEL {
		// Beside a SID the three bytes are bits of that, and may be those of a withdrawal (RFC
		// 8277, 2.4), which GoBGP leaves as they are.
		label >>= 4
	}
	to.Prefix, err = prefixOf(n.Prefix, n.IPPrefixLen(), six)
	return to, label, err
}

// remember keeps a route distinguisher for knownRDs. There are few of them; the map
// is emptied when a neighbour sends more than anyone has.
func (d *decoder) remember(rd rib.RD) {
	if _, known := d.rds[rd]; known {
		return
	}
	if len(d.rds) >= 1<<16 {
		clear(d.rds)
	}
	d.rds[rd] = struct{}{}
}

// path decodes a path that is not withdrawn, with its local identifier.
func (d *decoder) path(p *bgpPath, id uint32, to speaker.Destination, label uint32) (rib.Path, *attrEntry, error) {
	o := p.origin()
	entry, err := d.attrs(o, p.attributes(), to)
	if err != nil {
		return rib.Path{}, nil, fmt.Errorf("decode the path to %s: %w", to.Prefix, err)
	}
	if a := entry.attrs; a.Carrier == rib.NotCarried && a.Source != "" {
		label = 0 // that of a VRF here, which is for other PEs
	}
	if to.EVPN {
		id |= speaker.ByEVPN
		if entry.attrs.EncapKind == rib.EncapMPLS {
			label >>= 4 // it has 20 of the 24 bits (RFC 7432, 7)
		}
	}
	return rib.Path{
		Prefix: to.Prefix,
		RD:     to.RD,
		ID:     id,
		Label:  label,
		Age:    o.timestamp,
		Attrs:  entry.attrs,
	}, entry, nil
}

// candidate decodes a path in GoBGP's table of EVPN; false: it is no candidate of a VRF.
func (d *decoder) candidate(p *bgpPath) (rib.Path, bool) {
	nlri := p.origin().nlri
	to, label, err := d.destination(nlri)
	if err != nil || p.originated() || noCandidate(nlri) != nil {
		return rib.Path{}, false
	}
	path, _, err := d.path(p, nlri.PathLocalIdentifier(), to, label)
	return path, err == nil
}

// whole decodes a path that ListPath rendered, with its destination.
func (d *decoder) whole(p *api.Path) (rib.Path, error) {
	native, err := nativePath(p)
	if err != nil {
		return rib.Path{}, err
	}
	to, label, err := d.destination(native.info.nlri)
	if err != nil {
		return rib.Path{}, err
	}
	if to.EVPN && native.originated() {
		return rib.Path{}, errNoIPPrefix
	}
	if err := noCandidate(native.info.nlri); err != nil {
		return rib.Path{}, err
	}
	path, _, err := d.path(native, p.LocalIdentifier, to, label)
	return path, err
}

// nativePath is the path of which GoBGP rendered a message, as far as it is decoded.
func nativePath(p *api.Path) (*bgpPath, error) {
	nlri, err := apiutil.GetNativeNlri(p)
	if err != nil {
		return nil, fmt.Errorf("decode a prefix: %w", err)
	}
	nlri.SetPathIdentifier(p.Identifier)
	nlri.SetPathLocalIdentifier(p.LocalIdentifier)
	native := &bgpPath{
		info: &bgpOrigin{
			nlri:           nlri,
			source:         &bgpPeer{AS: p.SourceAsn, ID: net.ParseIP(p.SourceId), Address: net.ParseIP(p.NeighborIp)},
			timestamp:      p.Age.GetSeconds(),
			isFromExternal: p.IsFromExternal,
		},
		IsWithdraw: p.IsWithdraw,
	}
	for _, rendered := range p.Pattrs {
		if !counts[rendered.TypeUrl] {
			continue
		}
		a, err := apiutil.UnmarshalAttribute(rendered)
		if err != nil && rendered.TypeUrl == prefixSIDMessage {
			continue // a service that GoBGP renders and cannot read back, of layer 2, or that a client made
		}
		if err != nil {
			return nil, fmt.Errorf("decode the path to %s: %w", nlri, err)
		}
		native.pathAttrs = append(native.pathAttrs, a)
	}
	return native, nil
}
