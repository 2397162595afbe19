package nsworker

import (
	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// encaps are what packets are put into on hops that chosen paths come down to, here or in the further
// table that the interface out leads to (exit); none: nowhere into anything.
func (o onlooker) encaps(links rib.Links, out int, hops []rib.Hop, chosen []rib.Path) (list []rib.EncapTo) {
	put := func(i int, to rib.EncapTo) {
		if list == nil {
			list = make([]rib.EncapTo, len(hops))
		}
		list[i] = to
	}
	for i, h := range hops {
		switch {
		case h.Encap != (rib.Encap{}):
			put(i, rib.EncapTo{Encap: h.Encap})
		case overDevice(o.spec, links, h): // where that leads is not known of a route of an earlier path
			put(i, rib.EncapTo{Encap: rib.EncapOf(rib.EncapVXLAN)})
		case out != 0 && h.Ifindex == out && len(chosen) == 0:
			put(i, rib.EncapTo{Encap: rib.EncapOf(o.spec.Carriage.Kind)})
		}
	}
	for i := range chosen {
		p := &chosen[i]
		e, why := o.spec.Carriage.Use(p)
		if e == (rib.Encap{}) || why != "" || p.LeaksInto(o.spec.Of()) {
			continue
		}
		to := rib.EncapTo{Encap: e, PE: p.Attrs.Nexthop.Unmap()}
		for j, h := range hops {
			switch {
			case o.leads(h, to):
				if h.Encap != (rib.Encap{}) { // with the core's labels in front
					to.Encap = h.Encap
				}
				put(j, to)
			case out == 0 || h.Ifindex != out:
			case len(list) > 0 && list[j] != (rib.EncapTo{}) && list[j] != to: // it leads to several
				put(j, rib.EncapTo{Encap: rib.EncapOf(e.Kind())})
			default:
				put(j, to)
			}
		}
	}
	return list
}

// leads tells whether a hop puts packets into what is to be put around them for a PE.
func (o onlooker) leads(h rib.Hop, to rib.EncapTo) bool {
	t := to.Tunnel()
	switch to.Kind() {
	case rib.EncapVXLAN:
		return h.Gateway == rib.VTEPGateway(to.PE, t.RouterMAC)
	case rib.EncapMPLS:
		return t.Labels != "" && h.Encap.Kind() == rib.EncapMPLS && h.Encap.Tunnel().Labels.Ends(t.Labels)
	}
	return h.Encap == to.Encap
}

// exit is the interface by which packets for other PEs leave the VRF's own table without an
// encapsulation, for a further table that has it; 0: there is none.
func (o onlooker) exit(links rib.Links) int {
	c := &o.spec.Carriage
	if c.Through == (rib.Through{}) {
		return 0
	}
	v := o.resolver.View
	v.Links = links
	exit, _ := nexthop.ExitOf(v, o.spec.Binding.Netns, c, o.resolver.Core)
	return exit.Device.Index
}

// overDevice tells whether a hop is on a VRF's VXLAN device: its gateway stands for a PE.
func overDevice(s vrf.Spec, links rib.Links, h rib.Hop) bool {
	return s.Carriage.Kind == rib.EncapVXLAN && links[h.Ifindex].Name == s.Carriage.Device
}
