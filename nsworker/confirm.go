package nsworker

import (
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// confirms tells BGP by which prefixes the kernel forwards as the VRF means it, where neighbours
// are to be told of those alone (advertise = "installed").
type confirms struct {
	bgp    BGP
	spec   *vrf.Spec // the worker's
	routes *routes
	begun  bool // BGP knows all of them
	list   []rib.Confirmation
}

func (c *confirms) on() bool { return confirming(c.spec) }

// confirming tells whether neighbours are to be told of what is installed alone.
func confirming(s *vrf.Spec) bool {
	return s.Export.AdvertiseInstalled && s.Export.Enabled && s.VRF == ""
}

// are tells whether a prefix is confirmed: its route stands, and no other program's goes before
// it, or the VRF has the prefix by itself.
func (c *confirms) are(slot rib.Slot, e *route) bool {
	switch e.Note.state {
	case rib.Filtered:
		switch e.Note.out {
		case rib.OwnImport, rib.OwnSubnet, rib.OwnAddress:
			return true
		case rib.PolicyRejects:
			return c.spec.Export.AdvertiseRejected
		}
		return false
	case rib.Installed, rib.Stale, 0: // 0: it stands, and is about to be changed
		return e.Have != nil && (e.Want != nil || e.Note.state == rib.Stale) && !c.passedOver(slot, e.Have.Metric)
	}
	return false
}

// passedOver tells whether the kernel forwards by another program's route, and not by ours, which
// stands beside it under a higher metric.
func (c *confirms) passedOver(slot rib.Slot, metric uint32) (is bool) {
	if foreign := c.routes.sets.Resolver.View.Foreign; foreign.Len() > 0 {
		_, is = foreign.Before(c.routes.feed.Prefix(slot), metric)
	}
	return is
}

// look looks at one entry that was evaluated.
func (c *confirms) look(slot rib.Slot, e *route) {
	if !c.begun {
		return
	}
	if is := c.are(slot, e); is != e.Note.past.confirmed() {
		e.Note.past.confirm(is)
		c.list = append(c.list, rib.Confirmation{Prefix: c.routes.feed.Prefix(slot), Is: is})
	}
}

// tell tells what has changed since it was called last.
func (c *confirms) tell() {
	switch on := c.on(); {
	case !on && c.begun:
		c.begun, c.list = false, nil
	case on && !c.begun:
		c.begin()
	case len(c.list) > 0:
		c.bgp.Confirmed(c.spec.Of(), false, c.list)
		c.list = nil
	}
}

// begin tells of all: what stands since an earlier run counts at once.
func (c *confirms) begin() {
	c.begun, c.list = true, nil
	var all []rib.Confirmation
	for slot, e := range c.routes.All {
		is := c.are(slot, e)
		e.Note.past.confirm(is)
		if is {
			all = append(all, rib.Confirmation{Prefix: c.routes.feed.Prefix(slot), Is: true})
		}
	}
	c.bgp.Confirmed(c.spec.Of(), true, all)
}

// confirmNothing says that nothing stands: the VRF has no table.
func confirmNothing(bgp BGP, s *vrf.Spec) {
	if confirming(s) {
		bgp.Confirmed(s.Of(), true, nil)
	}
}
