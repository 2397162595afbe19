package rib

import (
	"fmt"
	"net/netip"
	"slices"
)

// LeakedPrefix returns by which hops the other VRFs of a namespace reach what this one imports
// for exactly p, and by which route it has that itself.
//
// What is connected to a VRF device is reached by that device: the kernel looks it up again in
// the device's table (vrf_xmit in drivers/net/vrf.c), which leads to the hosts on the link and
// to the router's own addresses there. By the link itself it would ask the link for the latter,
// where nobody answers. A gateway is not asked for an address that is the router's own, and
// need not be in that table: the link leads there.
func (v View) LeakedPrefix(p netip.Prefix) ([]Hop, Route, error) {
	hops, by, err := v.ResolvePrefix(p)
	address := false
	if err != nil {
		if by, address = v.addressRoute(p); !address {
			return nil, Route{}, err
		}
		hops = by.Hops
	}
	if v.Where.Device == 0 {
		if address {
			return nil, Route{}, fmt.Errorf("prefix %s is an address of this host, which has no device that leads to it from other tables", p)
		}
		return hops, by, nil
	}
	var out []Hop
	for _, h := range hops {
		if !h.Gateway.IsValid() {
			device := v.Links[v.Where.Device]
			if !device.Admin {
				return nil, Route{}, fmt.Errorf("prefix %s is unresolved: %s is down", p, device.Name)
			}
			h.Ifindex = v.Where.Device
		}
		out = merge(out, h)
	}
	return fitted(out), by, nil
}

// addressRoute returns the route of an address of the VRF, which the table `local` has, or that
// of the VRF device, beside what is read; false: it is none.
func (v View) addressRoute(p netip.Prefix) (Route, bool) {
	if !p.IsSingleIP() {
		return Route{}, false
	}
	for i, link := range v.Links {
		if v.Member(link) && link.Admin && slices.ContainsFunc(link.Addrs, func(a netip.Prefix) bool { return a.Addr() == p.Addr() }) {
			return addressOn(p, i), true
		}
	}
	return Route{}, false
}

// addressOn is the route that the kernel makes of an address of a link.
func addressOn(p netip.Prefix, index int) Route {
	return Route{Prefix: p, Protocol: ProtoKernel, Kind: KindLocal, Scope: scopeHost, Hops: []Hop{{Ifindex: index, Weight: 1}}}
}
