package gobgp3

import (
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// offers are the families that a neighbour's OPEN names for graceful restart, and those
// of them for which it preserved its forwarding state.
type offers struct {
	graceful, notification, restarted bool
	families, preserved               map[bgp.RouteFamily]bool
	long, longLived                   map[bgp.RouteFamily]bool
}

// preservedBit is F, of a family (RFC 4724, 3, and RFC 9494, 3.1), notificationBit N, and
// restartedBit R, of the capability (RFC 8538, 2, and RFC 4724, 3).
const (
	preservedBit    = 0x80
	notificationBit = 0x04
	restartedBit    = 0x08
)

// offered reads the last OPEN. The caller holds the peer's lock.
func (p livePeer) offered() offers {
	o := offers{
		families: make(map[bgp.RouteFamily]bool), preserved: make(map[bgp.RouteFamily]bool),
		long: make(map[bgp.RouteFamily]bool), longLived: make(map[bgp.RouteFamily]bool),
	}
	negotiated, caps := *p.families.in(p.fsm), *p.capabilities.in(p.fsm)
	for _, c := range caps[bgp.BGP_CAP_GRACEFUL_RESTART] {
		if c, is := c.(*bgp.CapGracefulRestart); is {
			o.graceful, o.notification, o.restarted = true, c.Flags&notificationBit != 0, c.Flags&restartedBit != 0
			for _, t := range c.Tuples {
				f := bgp.AfiSafiToRouteFamily(t.AFI, t.SAFI)
				_, both := negotiated[f]
				o.families[f] = both
				o.preserved[f] = both && t.Flags&preservedBit != 0
			}
		}
	}
	for _, c := range caps[bgp.BGP_CAP_LONG_LIVED_GRACEFUL_RESTART] {
		if c, is := c.(*bgp.CapLongLivedGracefulRestart); is {
			for _, t := range c.Tuples {
				f := bgp.AfiSafiToRouteFamily(t.AFI, t.SAFI)
				_, both := negotiated[f]
				o.long[f] = both
				o.longLived[f] = both && t.Flags&preservedBit != 0
			}
		}
	}
	return o
}

// forget takes out of GoBGP's state the families and flags that an earlier OPEN offered
// and this one does not: GoBGP only adds to them.
func (o offers) forget(conf *oc.Neighbor) {
	state := &conf.GracefulRestart.State
	state.Enabled = state.Enabled && o.graceful
	state.NotificationEnabled = state.NotificationEnabled && o.notification
	state.LongLivedEnabled = state.LongLivedEnabled && len(o.long) > 0
	for i := range conf.AfiSafis {
		a := &conf.AfiSafis[i]
		if !o.families[a.State.Family] {
			a.MpGracefulRestart.State.Enabled, a.MpGracefulRestart.State.Received = false, false
		}
		if !o.long[a.State.Family] {
			a.LongLivedGracefulRestart.State.Enabled, a.LongLivedGracefulRestart.State.Received = false, false
		}
	}
}
