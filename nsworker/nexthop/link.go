package nexthop

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// byLink is how what from leaks is reached by a veth into its namespace: by the address that
// the other end has there. lead is where from itself would send it: what goes nowhere there is
// not reached.
func (r *Resolver) byLink(from View, m Member, ipv6 bool, lead rib.Lead) rib.Lead {
	if lead.Err != nil {
		return lead
	}
	mine, theirs, err := r.ends(from, m)
	if err != nil {
		return rib.Lead{Err: err}
	}
	gateway := across(mine, theirs, ipv6)
	if !gateway.IsValid() {
		return rib.Lead{Err: fmt.Errorf("%s and %s, its other end, share no subnet, and %s has no link-local address; give the two ends addresses of one subnet", mine.Name, theirs.Name, theirs.Name)}
	}
	hop := rib.Hop{Gateway: gateway, Ifindex: mine.Index, Weight: 1, OnLink: !gateway.IsLinkLocalUnicast()}
	return rib.Lead{Hops: []rib.Hop{hop}, By: lead.By}
}

// ends are the two ends of a link to the namespace of another VRF.
func (r *Resolver) ends(from View, m Member) (mine, theirs rib.Link, err error) {
	mine, is := r.View.Links.ByName(m.Link)
	switch {
	case !is:
		return mine, theirs, fmt.Errorf("there is no interface %s, which its link names", m.Link)
	case !r.View.Member(mine):
		return mine, theirs, fmt.Errorf("%s, which its link names, does not belong to this VRF", m.Link)
	case !mine.Admin:
		return mine, theirs, fmt.Errorf("%s, which its link names, is down", m.Link)
	}
	for _, l := range from.Links {
		// Indexes are a namespace's own: either end names that of the other (IFLA_LINK).
		if mine.Peer == 0 || l.Index != mine.Peer || l.Peer != mine.Index {
			continue
		}
		if !from.Member(l) {
			return mine, theirs, fmt.Errorf("%s, the other end of %s, does not belong to that VRF", l.Name, m.Link)
		}
		return mine, l, nil
	}
	return mine, theirs, fmt.Errorf("%s, which its link names, is no veth whose other end is in the namespace of that VRF (%s)", m.Link, from.Binding)
}

// across is the address of the other end that packets for a family are sent to: in a subnet
// that both are in, or else link-local, which serves IPv4 too (RFC 8950); invalid: there is
// none.
func across(mine, theirs rib.Link, ipv6 bool) netip.Addr {
	var local netip.Addr
	for _, b := range theirs.Addrs {
		their := b.Addr()
		switch {
		case slices.Contains(theirs.Tentative, b):
		case their.Is6() && their.IsLinkLocalUnicast():
			if !local.IsValid() {
				local = their.WithZone("")
			}
		case their.Is6() == ipv6 && slices.ContainsFunc(mine.Addrs, func(a netip.Prefix) bool {
			return a.Addr() != their && a.Contains(their)
		}):
			return their
		}
	}
	return local
}

// originated is how packets reach what a VRF announces without a route of its own: in its
// table, which a VRF device leads to.
func originated(from View) rib.Lead {
	if from.Where.Device == 0 {
		return rib.Lead{Err: fmt.Errorf("that VRF announces it by its configuration, and has no device that leads to its table from others")}
	}
	return rib.Lead{Hops: []rib.Hop{{Ifindex: from.Where.Device, Weight: 1}}}
}
