package core

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// tenant is a VRF with a label or SIDs.
type tenant struct {
	of string // the VRF
	in rib.Binding
	is rib.Carriage
	at rib.Inside
	// goes is when what it has here is removed; zero: it stays.
	goes  time.Time
	asked int    // how often its worker has said what it needs
	why   string // why its label or SIDs do not stand; "": they do
	taken bool   // another program has one of them
	said  bool   // why has been logged
}

// notYet is why a label or SID does not stand before it was looked at.
const notYet = "its label or SID has yet to be put into the kernel"

// Need has made, or looked after, what a VRF has in the core, as far as that is ours to make: its
// device, and its label or SIDs. The worker says so when it opens its table, when it misses
// something, when it has another label or SID, and when packets are to be delivered elsewhere; before
// it knows where, what stands is kept, and nothing is added.
func (c *Core) Need(vrf string, in rib.Binding, is rib.Carriage, at rib.Inside) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if is.Managed {
		c.needDevice(vrf, in, is)
	}
	if is.Kind != rib.EncapVXLAN {
		c.tenants.need(vrf, in, is, at)
	}
	c.nudge()
}

// Drop has what a VRF has in the core removed, after a while: the VRF is no more.
func (c *Core) Drop(vrf string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dropDevices(vrf)
	if t := c.tenants.all[vrf]; t != nil {
		t.goes = time.Now().Add(grace)
	}
	c.tenants.letGo(vrf)
	c.nudge()
}

// Leave has removed, after a while, what a VRF has in the core that left the configuration, or has
// there otherwise now, while nobody looked: is says how it had it. What a VRF of the configuration has
// by now stays.
func (c *Core) Leave(vrf string, in rib.Binding, is rib.Carriage, protocol uint8) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keepOpen(is.Core, protocol)
	if !rib.SameNetns(c.is.Netns, is.Core.Netns) {
		c.log.Warn("the core is in another network namespace than before; what a VRF had there for other PEs stays", "vrf", vrf, "netns", rib.NetnsText(is.Core.Netns))
		return
	}
	name, goes := before(vrf), time.Now().Add(grace)
	if key := (deviceKey{name, is.MadeDevice()}); is.Managed && c.devices[deviceKey{vrf, key.name}] == nil {
		c.devices[key] = &device{in: in, is: is, alias: alias(vrf), goes: true, at: goes}
	}
	if is.Kind != rib.EncapVXLAN {
		c.tenants.all[name] = &tenant{of: vrf, in: in, is: is, goes: goes}
	}
	c.nudge()
}

// before is the name that a VRF as it was before has beside that as it is now.
func before(vrf string) string { return vrf + " as it was" }

// Going tells whether something of a VRF is there that is to be removed, now or once it has another
// label or SID.
func (c *Core) Going(vrf string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.tenants.formers[vrf]) > 0 {
		return true
	}
	for _, name := range []string{vrf, before(vrf)} {
		if t := c.tenants.all[name]; t != nil && !t.goes.IsZero() {
			return true
		}
		for key, d := range c.devices {
			if key.vrf == name && d.goes {
				return true
			}
		}
	}
	return false
}

// keepOpen has the core stay that VRFs leave, where there is no other. The caller holds mu.
func (c *Core) keepOpen(was rib.Core, protocol uint8) {
	if c.is.VTEP.IsValid() {
		return
	}
	is := *c.is
	is.Core, is.Protocol = was, protocol
	c.is = &is
}

// Told says by what other PEs have been told to send to a VRF; the zero one: by nothing. Once that is
// what the VRF has now, what it had before goes, after a while: until they have heard of it packets
// come by that.
func (c *Core) Told(vrf string, by rib.Carried) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.tenants.told(vrf, by) {
		c.tell(func(of string) bool { return of == vrf })
		c.nudge()
	}
}

// Entrance is how packets of other PEs come into a VRF by its label or SIDs.
func (c *Core) Entrance(vrf string) rib.Arrival {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tenants.all[vrf]
	if t == nil {
		return rib.Arrival{}
	}
	trouble := ""
	if d := c.devices[deviceKey{vrf, t.is.MadeDevice()}]; d != nil {
		trouble = d.why
	}
	return c.tenants.arrival(vrf, trouble)
}

// Entrances are how many labels and SIDs VRFs have, by how they fare.
func (c *Core) Entrances() (labels, sids rib.EntranceCounts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, t := range c.tenants.all {
		of, n := &labels, 1
		if t.is.Kind == rib.EncapSRv6 {
			of, n = &sids, max(1, len(t.numbers()))
		}
		switch {
		case !t.goes.IsZero(), name != t.of: // or it had them before
		case t.taken:
			of.Conflict += n
		case t.why != "":
			of.Missing += n
		default:
			of.Standing += n
		}
	}
	return labels, sids
}

// needing are the VRFs as they are now.
func (c *Core) needing() (all map[string]tenant, numbers map[Number]struct{}) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all = make(map[string]tenant, len(c.tenants.all))
	for name, t := range c.tenants.all {
		all[name] = *t
	}
	return all, c.numbers
}

// found takes in why the labels and SIDs of a VRF do not stand. What was asked for meanwhile is
// looked at by the next pass.
func (c *Core) found(name string, was *tenant, fault error) {
	why := ""
	if fault != nil {
		why = fault.Error()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.tenants.all[name]
	if t == nil || t.is != was.is || t.asked != was.asked || t.why == why {
		return
	}
	switch {
	case why != "" && t.at != rib.Inside{}:
		c.log.Warn("packets of other PEs do not come in", "vrf", t.of, "by", t.is.Address(), "why", why)
	case why == "" && t.said:
		c.log.Info("packets of other PEs come in again", "vrf", t.of, "by", t.is.Address())
	}
	t.taken = errors.Is(fault, rib.ErrTaken)
	t.why, t.said = why, why != "" && t.at != rib.Inside{}
	c.tell(func(vrf string) bool { return vrf == t.of })
}

// forget takes in that nothing is left of a VRF here, or of what it had before.
func (c *Core) forget(name string, was *tenant) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.tenants.all[name]; t != nil && t.is == was.is && t.asked == was.asked && !t.goes.IsZero() {
		c.tenants.remove(name, t)
	}
}

// Link implements nexthop.Core.
func (c *Core) Link(name string) (rib.CoreLink, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.absent != "" {
		return rib.CoreLink{}, fmt.Errorf("there is no network: %w", errors.New(c.absent))
	}
	return c.links.CoreLink(name)
}

// see takes in the interfaces of the core, and tells of those that lead to VRFs.
func (c *Core) see(links rib.Links) {
	c.mu.Lock()
	defer c.mu.Unlock()
	was := c.links
	c.links = links
	if !sameLinks(was, links) {
		c.tell(everyVRF)
	}
}

// sameLinks tells whether all veths are as they were, as far as packets go by them.
func sameLinks(a, b rib.Links) bool {
	veths := func(l rib.Links) (n int) {
		for _, k := range l {
			if k.Peer != 0 {
				n++
			}
		}
		return n
	}
	if veths(a) != veths(b) {
		return false
	}
	for i, l := range a {
		k := b[i]
		if l.Peer != 0 && (l.Name != k.Name || l.Peer != k.Peer || l.Admin != k.Admin || !slices.Equal(l.Addrs, k.Addrs)) {
			return false
		}
	}
	return true
}
