package guard

import (
	"bytes"
	"encoding/binary"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// A VPN route that leads packets over the core by SRv6 has a Prefix-SID (RFC 9252), and GoBGP has no
// way to give one to a route that a customer sent. It has all routes of the VRF carry a mark
// (rib.ServiceMark), which comes to the socket with them, and in whose place the guard puts the
// attribute. So a customer's route stays one route, with one RD: the neighbours of the VRF, who are
// told of VPN routes by their route targets, would hear of a second one as well.

// Service is the attribute Prefix-SID of a VRF's routes, with its head, of each family.
type Service struct{ Four, Six []byte }

// Services are those of a router, by the number of their mark.
type Services map[uint32]Service

// offered are the services that routes on their way out may have the mark of.
type offered struct {
	all atomic.Pointer[Services] // nil: none was ever offered
	// now are those of the last call of offer.
	now Services
}

// offer is Guard.Serve.
func (o *offered) offer(now Services) {
	if len(now) == 0 && o.all.Load() == nil || maps.EqualFunc(o.now, now, Service.same) {
		return
	}
	all := maps.Clone(now)
	if all == nil {
		all = make(Services)
	}
	for mark, s := range o.now {
		if _, is := all[mark]; !is {
			all[mark] = s
		}
	}
	o.now = now
	o.all.Store(&all)
}

func (s Service) same(o Service) bool {
	return bytes.Equal(s.Four, o.Four) && bytes.Equal(s.Six, o.Six)
}

// withServices returns a message of GoBGP's with the services of its routes. Every other message is
// returned as it is.
func (o *offered) withServices(m []byte) []byte {
	all := o.all.Load()
	if all == nil || !bytes.Contains(m, markHead) { // nearly all messages
		return m
	}
	attrs, mark, afi := marked(m)
	if mark == 0 {
		return m
	}
	s := (*all)[mark]
	service := s.Four
	if afi == bgp.AFI_IP6 {
		service = s.Six
	}
	if len(service) > 0 {
		if out := served(m, attrs, service); len(out) <= mostMessage {
			return out
		}
	}
	return withdrawn(m, attrs) // without a service other routers would take it for one by MPLS
}

// markHead is what each mark begins with: a route target of AS 0.
var markHead = []byte{0, 2, 0, 0}

// marked are the attributes of an UPDATE with announced VPN routes that carry the mark of a service,
// that mark, and the family; 0: it has none.
func marked(m []byte) (attrs []attribute, mark uint32, afi uint16) {
	if len(m) < headerSize+4 || m[18] != bgp.BGP_MSG_UPDATE {
		return nil, 0, 0
	}
	var u update
	if u.parse(m[headerSize:]) != nil || u.broken {
		return nil, 0, 0
	}
	vpn := false
	for _, a := range u.attrs {
		switch {
		case a.kind == kindReach && len(a.value) > 4:
			afi, vpn = binary.BigEndian.Uint16(a.value), a.value[2] == bgp.SAFI_MPLS_VPN
		case bgp.BGPAttrType(a.kind) == bgp.BGP_ATTR_TYPE_EXTENDED_COMMUNITIES && len(a.value)%8 == 0:
			for v := a.value; len(v) > 0; v = v[8:] {
				if isService(v) {
					mark = binary.BigEndian.Uint32(v[4:])
				}
			}
		}
	}
	if !vpn {
		return nil, 0, 0
	}
	return u.attrs, mark, afi
}

func isService(community []byte) bool {
	return rib.IsServiceMark(rib.RT(binary.BigEndian.Uint64(community)))
}

// served is a message with a service in place of the mark, between the attributes of lower and of
// higher types.
func served(m []byte, attrs []attribute, service []byte) []byte {
	const kind = byte(bgp.BGP_ATTR_TYPE_PREFIX_SID)
	out := beginAttributes(m, len(m)+len(service))
	first := slices.IndexFunc(attrs, func(a attribute) bool { return a.kind > kind && a.kind != kindReach })
	if first < 0 {
		first = len(attrs)
	}
	for i, a := range attrs {
		if i == first {
			out = append(out, service...)
		}
		switch {
		case a.kind == kind: // a client of the API may have given it one
		case bgp.BGPAttrType(a.kind) == bgp.BGP_ATTR_TYPE_EXTENDED_COMMUNITIES:
			if rest := withoutMark(a.value); len(rest) > 0 {
				out = appendAttribute(out, a.flags, a.kind, rest)
			}
		default:
			out = appendAttribute(out, a.flags, a.kind, a.value)
		}
	}
	if first == len(attrs) {
		out = append(out, service...)
	}
	return endAttributes(out)
}

// withoutMark are extended communities without those that are marks of services.
func withoutMark(v []byte) (rest []byte) {
	for ; len(v) > 0; v = v[8:] {
		if !isService(v) {
			rest = append(rest, v[:8]...)
		}
	}
	return rest
}

// withdrawn is a message that withdraws the routes that another one announces.
func withdrawn(m []byte, attrs []attribute) []byte {
	out := beginAttributes(m, len(m))
	for _, a := range attrs {
		if a.kind != kindReach {
			continue
		}
		family, nlri := a.value[:3], a.value[4:]
		if n := int(a.value[3]) + 1; n <= len(nlri) { // behind the nexthop, and a byte that is reserved
			nlri = nlri[n:]
		} else {
			nlri = nil
		}
		out = appendAttributeHead(out, flagOptional, kindUnreach, len(family)+len(nlri))
		out = append(append(out, family...), nlri...)
	}
	return endAttributes(out)
}

// beginAttributes begins an UPDATE with the header of another, without withdrawn routes, up to the
// length of its attributes.
func beginAttributes(m []byte, room int) []byte {
	return append(append(make([]byte, 0, room), m[:headerSize]...), 0, 0, 0, 0)
}

// endAttributes writes the lengths of an UPDATE that ends with its attributes.
func endAttributes(out []byte) []byte {
	binary.BigEndian.PutUint16(out[headerSize+2:], uint16(len(out)-headerSize-4))
	binary.BigEndian.PutUint16(out[16:], uint16(len(out)))
	return out
}
