package nexthop

import (
	"errors"
	"fmt"
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// What another PE sent is forwarded in two steps: the VRF's own table leads out of the VRF (Exit):
// to what stands for the PE on the VRF's VXLAN device, by the core's interfaces with labels in
// front, or to a further table that does that; and the core's tables lead from there to the PE, or
// to its SID. What the core does not reach is a nexthop that is not reached, in either table.

// Core knows how other PEs are reached. It is safe for concurrent use, and waits for nothing.
type Core interface {
	// PE returns how far the core leads to a PE, or to a SID of one; false: it is not known yet,
	// and whoever follows the core is told when it is.
	PE(addr netip.Addr) (rib.Lead, bool)
	// Watch counts who wants to know of a PE: by is +1 or −1.
	Watch(addr netip.Addr, by int)
	// Making says why the VXLAN device with a VNI is not there, where it is made by this
	// daemon; "": nothing is known to be in the way.
	Making(vni uint32) string
	// Link is a link between the namespace of a VRF and the core's, by the name of the core's
	// end; an error says, as one short sentence, why it cannot be used.
	Link(name string) (rib.CoreLink, error)
}

// overCore looks up a PE for a VRF, and the hops of routes of a family to it.
func (r *Resolver) overCore(of *View, m Member, ipv6 bool) rib.Lead {
	cannot := func(why error) rib.Lead { return rib.NoLead(fmt.Errorf("PE %s is not reached: %w", m.Addr, why)) }
	c := &of.Carriage
	switch {
	case m.Cannot != "":
		return cannot(errors.New(m.Cannot))
	case m.Encap.Kind() != c.Kind: // the VRF has another one since the path was judged
		return cannot(fmt.Errorf("it is for the encapsulation %s, and the VRF's is another now", m.Encap.Kind().Word()))
	}
	exit, bad := ExitOf(of.View, of.Binding.Netns, c, r.Core)
	switch {
	case bad != nil:
		return cannot(bad)
	case c.Kind == rib.EncapVXLAN && m.Addr.Is4() != c.Core.VTEP.Is4():
		return cannot(fmt.Errorf("its address is of another IP version than this router's in the core, %s", c.Core.VTEP))
	}
	lead, err := r.inCore(m.target(), of.ByDefault)
	if err != nil {
		return cannot(err)
	}
	hops, to, err := waysOut(&exit, c, m, &lead, ipv6)
	if err == nil {
		err = r.lacks(hops)
	}
	if err != nil {
		return cannot(err)
	}
	return rib.LeadOver(hops, lead, to)
}

// errAsked is of what the core has been asked for, and has yet to answer.
type errAsked struct{}

func (errAsked) Error() string { return "it is being looked up in the core" }

// Is tells that it is waited for, as the table of another VRF is.
func (errAsked) Is(target error) bool { return target == errNoView }

// InCore is how far the core leads to a PE of the VRF's own paths.
func (r *Resolver) InCore(m Member) (rib.Lead, error) {
	return r.inCore(m.target(), r.View.ByDefault)
}

// inCore is how far the core leads to an address.
func (r *Resolver) inCore(to netip.Addr, byDefault bool) (rib.Lead, error) {
	if r.Core == nil {
		return rib.Lead{}, errors.New("there is no core")
	}
	lead, known := r.Core.PE(to)
	switch {
	case !known:
		return lead, errAsked{}
	case lead.Err != nil:
		return lead, fmt.Errorf("in the core, %w", lead.Err)
	case lead.Route().Prefix.Bits() == 0 && !byDefault:
		return lead, errors.New("in the core, " + rib.OnlyByDefault)
	}
	return lead, nil
}

// waysOut are the hops of a VRF's own routes to a PE, and its endpoint by VXLAN.
func waysOut(exit *Exit, c *rib.Carriage, m Member, core *rib.Lead, ipv6 bool) (hops []rib.Hop, to *rib.Endpoint, err error) {
	switch {
	case c.Kind == rib.EncapVXLAN:
		t := m.Encap.Tunnel()
		to = &rib.Endpoint{Ifindex: exit.Device.Index, Gateway: rib.VTEPGateway(m.Addr, t.RouterMAC), MAC: t.RouterMAC, VTEP: m.Addr}
		if t.VNI != c.VNI {
			to.VNI = t.VNI
		}
		return []rib.Hop{{Gateway: to.Gateway, Ifindex: exit.Device.Index, Weight: 1}}, to, nil
	case exit.Device.Index != 0:
		hop, err := exit.hop(ipv6)
		if c.SRv6.Link != "" { // a trusted VRF encapsulates itself
			hop.Encap = m.Encap
		}
		return []rib.Hop{hop}, to, err
	case c.Kind == rib.EncapSRv6:
		return bySID(core, m.Encap), to, nil
	}
	hops, err = labelled(core, m, ipv6)
	return hops, to, err
}

// bySID is the hop that encapsulates for a SID. The kernel looks the SID up itself, and asks the
// interface for no more than to be there: a VRF device it takes for one that delivers here
// (vrf_process_v4_outbound in drivers/net/vrf.c), so it is the first of those that lead to the SID.
func bySID(core *rib.Lead, encap rib.Encap) []rib.Hop {
	for _, h := range core.Hops {
		return []rib.Hop{{Ifindex: h.Ifindex, Encap: encap, Weight: 1}}
	}
	return nil
}

// labelled are the hops of the core's way to a PE with the labels in front that it has there, and the
// path's own behind them.
func labelled(core *rib.Lead, m Member, ipv6 bool) ([]rib.Hop, error) {
	hops := make([]rib.Hop, 0, len(core.Hops))
	for _, h := range core.Hops {
		var stack []uint32
		for _, label := range h.Encap.Tunnel().Labels.All() {
			if label != rib.ImplicitNull { // there is to be none; the kernel refuses it in a stack
				stack = append(stack, label)
			}
		}
		if kind := h.Encap.Kind(); kind != 0 && (kind != rib.EncapMPLS || h.Encap.Tunnel().Labels == "") {
			return nil, fmt.Errorf("in the core, the route %s encapsulates (encap %s), and no label goes behind that", core.Route().Prefix, kind)
		}
		h.Encap = rib.ByMPLS(rib.LabelStack(append(stack, m.Encap.Tunnel().Labels.All()...)...))
		if !h.Gateway.IsValid() { // the PE is on the link
			h.Gateway = m.Addr
		}
		if ipv6 && h.Gateway.Is4() {
			h.Gateway = mapped(h.Gateway)
		}
		// The gateway is on a link of the core's, and the VRF's table need not know it.
		h.OnLink, h.Dead = h.Gateway.Is4() || !h.Gateway.IsLinkLocalUnicast(), false
		hops = append(hops, h)
	}
	return hops, nil
}
