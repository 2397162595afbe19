package rib

import (
	"fmt"
	"net/netip"
)

// CoreLink is a veth between the namespace of a VRF and the core's, as the VRF sends packets by it.
type CoreLink struct {
	Index    int        // of the core's end, in the core's namespace
	Ifindex  int        // of the VRF's end, in its namespace
	Gateway  netip.Addr // the core's end's IPv4 address; invalid: it has none
	Gateway6 netip.Addr // the core's end's link-local address; invalid: it has none
}

// Inside is where packets from the core are delivered to a VRF: in the core's namespace to its VRF
// device, or in its own to its end of the link to the core.
type Inside struct {
	Device int        // the index of the VRF device; 0: the VRF is none
	Table  uint32     // that of the VRF device
	Via    netip.Addr // the IPv4 address of the VRF's end of the link; invalid: there is none
	Via6   netip.Addr // its link-local address
}

// CoreLink is a link of the core by its name there; an error says why packets cannot go by it.
func (l Links) CoreLink(name string) (to CoreLink, err error) {
	link, is := l.ByName(name)
	switch {
	case !is:
		return CoreLink{}, fmt.Errorf("the core has no interface %s", name)
	case link.Peer == 0:
		return CoreLink{}, fmt.Errorf("%s in the core is no veth, or its other end is not known", name)
	case !link.Admin:
		return CoreLink{}, fmt.Errorf("%s in the core is down", name)
	}
	to.Index, to.Ifindex = link.Index, link.Peer
	to.Gateway, to.Gateway6 = link.onLink()
	if !to.Gateway.IsValid() && !to.Gateway6.IsValid() {
		return CoreLink{}, fmt.Errorf("%s in the core has no address; give it one of IPv4, or a link-local one", name)
	}
	return to, nil
}

// Inside is where a VRF is reached by the link that is at an index of its own namespace.
func (l Links) Inside(index int) (in Inside) {
	link := l[index]
	in.Via, in.Via6 = link.onLink()
	return in
}

// onLink are the first IPv4 address of an interface and its first link-local one, by which others
// on it can send to it.
func (k Link) onLink() (four, six netip.Addr) {
	for _, a := range k.Addrs {
		switch addr := a.Addr(); {
		case addr.Is4() && !four.IsValid():
			four = addr
		case addr.Is6() && addr.IsLinkLocalUnicast() && !six.IsValid():
			six = addr
		}
	}
	return four, six
}
