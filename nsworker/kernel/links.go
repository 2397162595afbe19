package kernel

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// linkState has the properties of an interface on which the routes over it depend.
type linkState struct {
	rib.Link                          // without Addrs
	addresses map[netip.Prefix]uint32 // the flags that make an address unusable
	vrf       bool
}

// linkCache are the interfaces of a namespace by index.
type linkCache map[int]*linkState

// news says what a message about a link or an address means for routes.
type news uint8

const (
	nothing news = iota // nothing on which routes depend
	came                // a link appeared or went up, or an address became usable: no route is lost by it
	// A VXLAN device came, went up or was changed: whose it is finds out what stands on it. To
	// all others it came.
	unsettled
	changed // anything else: the kernel may have taken routes out without an event
)

// link takes in an RTM_NEWLINK or RTM_DELLINK. It returns the link's index, and the
// message's meaning for routes.
func (c linkCache) link(m message) (index int, n news, err error) {
	if len(m.body) < unix.SizeofIfInfomsg {
		return 0, nothing, fmt.Errorf("interface message of %d bytes is too short", len(m.body))
	}
	// Bridges send messages of their own family for their ports.
	if m.body[0] != unix.AF_UNSPEC {
		return 0, nothing, nil
	}
	index = int(int32(native.Uint32(m.body[4:])))
	old := c[index]
	if m.typ == unix.RTM_DELLINK {
		delete(c, index)
		if old == nil {
			return index, nothing, nil
		}
		return index, changed, nil
	}
	if m.typ != unix.RTM_NEWLINK {
		return index, nothing, nil
	}
	k, whole, err := decodeLink(m.body)
	if err != nil || !whole {
		return index, nothing, err
	}
	if old != nil {
		k.addresses = old.addresses
		if n = old.becomes(k); n == nothing {
			return index, nothing, nil
		}
	} else {
		n = came
	}
	if n == came && k.VXLAN != (rib.VXLAN{}) {
		n = unsettled
	}
	c[index] = k
	return index, n, nil
}

// becomes compares a link's old state with its new one, k.
func (old *linkState) becomes(k *linkState) news {
	vxlan := old.VXLAN != (rib.VXLAN{}) && k.VXLAN != (rib.VXLAN{})
	same := (vxlan || old.Name == k.Name) && old.Master == k.Master && old.Peer == k.Peer && old.VRFTable == k.VRFTable && old.vrf == k.vrf &&
		old.Loopback == k.Loopback && old.MTU == k.MTU
	switch {
	case !same, old.Up && !k.Up, old.Admin && !k.Admin:
		return changed
	case old.VXLAN != k.VXLAN, old.Name != k.Name:
		// With another MAC address the kernel drops all neighbour entries (neigh_changeaddr).
		return unsettled
	case old.Up != k.Up, old.Admin != k.Admin:
		return came
	}
	return nothing
}

// decodeLink decodes struct ifinfomsg and its attributes. A message with IFLA_WIRELESS
// is not whole: it lacks the attributes that other messages have.
func decodeLink(body []byte) (k *linkState, whole bool, err error) {
	flags := native.Uint32(body[8:])
	k = &linkState{Link: rib.Link{
		Index:    int(int32(native.Uint32(body[4:]))),
		Up:       flags&unix.IFF_UP != 0 && flags&unix.IFF_RUNNING != 0,
		Admin:    flags&unix.IFF_UP != 0,
		Loopback: flags&unix.IFF_LOOPBACK != 0,
	}}
	info := linkInfo{underlay: ownNamespaceID}
	a := attrs{b: body[unix.SizeofIfInfomsg:]}
	for typ, v, ok := a.next(); ok; typ, v, ok = a.next() {
		switch typ {
		case unix.IFLA_IFNAME:
			k.Name = printable(attrString(v))
		case unix.IFLA_MASTER:
			k.Master = int(attrU32(v))
		case unix.IFLA_LINK: // of a veth that of its peer (veth_get_iflink)
			k.Peer = int(attrU32(v))
		case unix.IFLA_MTU:
			k.MTU = attrU32(v)
		case unix.IFLA_WIRELESS:
			return nil, false, nil
		default:
			info.take(typ, v)
		}
	}
	if a.bad || k.Name == "" {
		return nil, false, fmt.Errorf("interface message for index %d is malformed", k.Index)
	}
	if k.VRFTable, k.vrf = info.vrfTable(); k.vrf {
		k.Alias = printable(attrString(info.alias))
	}
	k.VXLAN = info.vxlan(k.MTU)
	return k, true, nil
}

// address takes in an RTM_NEWADDR or RTM_DELADDR, and returns the message's meaning for
// routes. Not every message is news: IPv6 repeats an address whenever its lifetime is
// renewed.
func (c linkCache) address(m message) (news, error) {
	if m.typ != unix.RTM_NEWADDR && m.typ != unix.RTM_DELADDR {
		return nothing, nil
	}
	if len(m.body) < unix.SizeofIfAddrmsg {
		return nothing, fmt.Errorf("address message of %d bytes is too short", len(m.body))
	}
	var addr, local netip.Addr
	flags := uint32(m.body[2])
	a := attrs{b: m.body[unix.SizeofIfAddrmsg:]}
	for typ, v, ok := a.next(); ok; typ, v, ok = a.next() {
		switch typ {
		case unix.IFA_ADDRESS:
			addr = attrAddr(v)
		case unix.IFA_LOCAL: // on a point-to-point link IFA_ADDRESS is the peer's
			local = attrAddr(v)
		case unix.IFA_FLAGS:
			flags = attrU32(v)
		}
	}
	if local.IsValid() {
		addr = local
	}
	if a.bad || !addr.IsValid() || int(m.body[1]) > addr.BitLen() {
		return nothing, fmt.Errorf("address message for %v/%d is malformed", addr, m.body[1])
	}
	k := c[int(native.Uint32(m.body[4:]))]
	if k == nil {
		return nothing, nil // the link went first
	}
	p := netip.PrefixFrom(addr, int(m.body[1]))
	old, had := k.addresses[p]
	if m.typ == unix.RTM_DELADDR {
		delete(k.addresses, p)
		if !had {
			return nothing, nil
		}
		return changed, nil
	}
	flags &= unix.IFA_F_TENTATIVE | unix.IFA_F_OPTIMISTIC | unix.IFA_F_DADFAILED | unix.IFA_F_DEPRECATED
	if k.addresses == nil {
		k.addresses = make(map[netip.Prefix]uint32)
	}
	k.addresses[p] = flags
	switch {
	case had && old == flags:
		return nothing, nil
	case flags&unix.IFA_F_DADFAILED != 0:
		return changed, nil
	}
	return came, nil
}

// forget drops the addresses of one family.
func (c linkCache) forget(family byte) {
	for _, k := range c {
		maps.DeleteFunc(k.addresses, func(p netip.Prefix, _ uint32) bool {
			return p.Addr().Is4() == (family == unix.AF_INET)
		})
	}
}

// links returns a snapshot, without the addresses that another host has too
// (IFA_F_DADFAILED).
func (c linkCache) links() rib.Links {
	links := make(rib.Links, len(c))
	for index, k := range c {
		out := k.Link
		for p, flags := range k.addresses {
			if flags&unix.IFA_F_DADFAILED != 0 {
				continue
			}
			out.Addrs = append(out.Addrs, p)
			if flags&unix.IFA_F_TENTATIVE != 0 && flags&unix.IFA_F_OPTIMISTIC == 0 {
				out.Tentative = append(out.Tentative, p)
			}
			if flags&unix.IFA_F_DEPRECATED != 0 {
				out.Deprecated = append(out.Deprecated, p)
			}
		}
		for _, list := range [][]netip.Prefix{out.Addrs, out.Tentative, out.Deprecated} {
			slices.SortFunc(list, netip.Prefix.Compare)
		}
		links[index] = out
	}
	return links
}

// has tells whether one of the links has an address.
func (c linkCache) has(a netip.Addr) bool {
	for _, k := range c {
		if k.has(a) {
			return true
		}
	}
	return false
}

// byName returns the link called name, or nil.
func (c linkCache) byName(name string) *linkState {
	for _, k := range c {
		if k.Name == name {
			return k
		}
	}
	return nil
}
