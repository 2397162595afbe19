package speaker

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/vrfredist/vrfredist/rib"
)

// key names a path's destination in a table: of the global one with RD 0.
type key struct {
	rd     rib.RD
	prefix netip.Prefix
}

// decoder turns GoBGP's paths into rib.Paths. Only messages that matter are
// unmarshalled, and attributes once for all paths that have them in common. It
// has one user at a time.
type decoder struct {
	global     uint32 // our AS
	neighbours map[string]neighbour
	vrfs       map[rib.RD]string // of the configuration
	cache      attrCache
	vias       map[rib.Via]*rib.Via
	noTags     *rib.Tags // of all paths without communities

	// Reused: unmarshalling resets them.
	v4      api.IPAddressPrefix
	vpn     api.LabeledVPNIPAddressPrefix
	rds     map[string]rib.RD // by the message's type and bytes
	scratch []byte
}

func newDecoder(c *conf) *decoder {
	d := &decoder{
		global:     c.set.Global.Config.As,
		neighbours: c.neighbours(),
		vrfs:       make(map[rib.RD]string, len(c.vrfs)),
		rds:        make(map[string]rib.RD),
		vias:       make(map[rib.Via]*rib.Via),
		noTags:     new(rib.Tags),
	}
	for _, v := range c.vrfs {
		d.vrfs[v.RD] = v.Name
	}
	return d
}

// considered tells whether paths of a family are routes for a kernel table.
func considered(f *api.Family) bool {
	return (f.GetAfi() == api.Family_AFI_IP || f.GetAfi() == api.Family_AFI_IP6) &&
		(f.GetSafi() == api.Family_SAFI_UNICAST || f.GetSafi() == api.Family_SAFI_MPLS_VPN)
}

// destination decodes a path's NLRI, and the label of a VPN one.
func (d *decoder) destination(p *api.Path) (k key, label uint32, err error) {
	var text string
	var bits uint32
	if p.Family.Safi == api.Family_SAFI_MPLS_VPN {
		if err := proto.Unmarshal(p.Nlri.GetValue(), &d.vpn); err != nil {
			return key{}, 0, fmt.Errorf("decode a VPN prefix: %w", err)
		}
		if k.rd, err = d.rd(d.vpn.Rd); err != nil {
			return key{}, 0, err
		}
		if k.rd == 0 {
			// It would pass for a route of the global table.
			return key{}, 0, fmt.Errorf("VPN prefix %s/%d has the route distinguisher 0:0", d.vpn.Prefix, d.vpn.PrefixLen)
		}
		if len(d.vpn.Labels) > 0 {
			label = d.vpn.Labels[0]
		}
		text, bits = d.vpn.Prefix, d.vpn.PrefixLen
	} else {
		if err := proto.Unmarshal(p.Nlri.GetValue(), &d.v4); err != nil {
			return key{}, 0, fmt.Errorf("decode a prefix: %w", err)
		}
		text, bits = d.v4.Prefix, d.v4.PrefixLen
	}
	addr, err := netip.ParseAddr(text)
	if err != nil {
		return key{}, 0, fmt.Errorf("decode a prefix: %w", err)
	}
	if p.Family.Afi == api.Family_AFI_IP6 && addr.Is4() {
		// GoBGP prints ::ffff:192.0.2.1 as 192.0.2.1.
		addr = netip.AddrFrom16(addr.As16())
	}
	if k.prefix, err = addr.Prefix(int(bits)); err != nil {
		return key{}, 0, fmt.Errorf("decode a prefix: %w", err)
	}
	return k, label, nil
}

// path decodes a path that is not withdrawn.
func (d *decoder) path(p *api.Path, k key, label uint32) (rib.Path, *attrEntry, error) {
	entry, err := d.attrs(p, k.rd)
	if err != nil {
		return rib.Path{}, nil, fmt.Errorf("decode the path to %s: %w", k.prefix, err)
	}
	return rib.Path{
		Prefix: k.prefix,
		RD:     k.rd,
		ID:     p.LocalIdentifier,
		Label:  label,
		Age:    p.Age.GetSeconds(),
		Attrs:  entry.attrs,
	}, entry, nil
}

// rd decodes a route distinguisher. There are few of them, and each comes with
// every path; the map is emptied when a neighbour sends more than anyone has.
func (d *decoder) rd(a *anypb.Any) (rib.RD, error) {
	d.scratch = append(append(d.scratch[:0], a.GetTypeUrl()...), a.GetValue()...)
	if rd, ok := d.rds[string(d.scratch)]; ok {
		return rd, nil
	}
	rd, err := decodeRD(a)
	if err != nil {
		return 0, fmt.Errorf("decode a route distinguisher: %w", err)
	}
	if len(d.rds) >= 1<<16 {
		clear(d.rds)
	}
	d.rds[string(d.scratch)] = rd
	return rd, nil
}

func decodeRD(a *anypb.Any) (rib.RD, error) {
	m, err := a.UnmarshalNew()
	if err != nil {
		return 0, err
	}
	var b [8]byte
	switch m := m.(type) {
	case *api.RouteDistinguisherTwoOctetASN:
		binary.BigEndian.PutUint16(b[2:], uint16(m.Admin))
		binary.BigEndian.PutUint32(b[4:], m.Assigned)
	case *api.RouteDistinguisherIPAddress:
		addr, err := netip.ParseAddr(m.Admin)
		if err != nil || !addr.Is4() {
			return 0, fmt.Errorf("%q is no IPv4 address", m.Admin)
		}
		b[1] = byte(bgp.BGP_RD_IPV4_ADDRESS)
		copy(b[2:], addr.AsSlice())
		binary.BigEndian.PutUint16(b[6:], uint16(m.Assigned))
	case *api.RouteDistinguisherFourOctetASN:
		b[1] = byte(bgp.BGP_RD_FOUR_OCTET_AS)
		binary.BigEndian.PutUint32(b[2:], m.Admin)
		binary.BigEndian.PutUint16(b[6:], uint16(m.Assigned))
	default:
		return 0, fmt.Errorf("unknown type %q", a.GetTypeUrl())
	}
	return rib.RD(binary.BigEndian.Uint64(b[:])), nil
}

// nexthops reads field 2 of an encoded MpReachNLRIAttribute and skips the
// NLRIs behind it, which are most of the message and in the path already.
func nexthops(b []byte) (first, second []byte, err error) {
	for len(b) > 0 {
		num, typ, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil, nil, protowire.ParseError(n)
		}
		b = b[n:]
		if num == 2 && typ == protowire.BytesType {
			v, n := protowire.ConsumeBytes(b)
			if n < 0 {
				return nil, nil, protowire.ParseError(n)
			}
			if first == nil {
				first = v
			} else if second == nil {
				second = v
			}
			b = b[n:]
			continue
		}
		if n = protowire.ConsumeFieldValue(num, typ, b); n < 0 {
			return nil, nil, protowire.ParseError(n)
		}
		b = b[n:]
	}
	return first, second, nil
}
