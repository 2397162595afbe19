package guard

import (
	"encoding/binary"
	"net/netip"
	"slices"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// refreshEvery is how often a neighbour may have all routes of a family sent again:
// each time GoBGP walks its table, and puts all of them into a queue without bound.
const refreshEvery = 10 * time.Second

// refreshed is the state of a family's ROUTE-REFRESH.
type refreshed struct {
	last    time.Time // when one passed
	message []byte    // the ROUTE-REFRESH that waits; nil: none
}

// routeRefresh judges a ROUTE-REFRESH (RFC 2918). A request for a family that was not
// agreed on is left out, and so are the markers of RFC 7313, which we do not offer and
// GoBGP takes for requests; a request that comes too soon after another waits.
func (c *Conn) routeRefresh(m []byte) {
	c.out = nothing
	f := bgp.AfiSafiToRouteFamily(binary.BigEndian.Uint16(m[headerSize:]), m[headerSize+3])
	if _, agreed := c.agreed.Families[f]; !agreed || len(m) != headerSize+4 || m[headerSize+2] != 0 {
		c.record.counts[Refresh].Add(1)
		return
	}
	if c.refresh == nil {
		c.refresh = make(map[bgp.RouteFamily]*refreshed)
	}
	r := c.refresh[f]
	if r == nil {
		r = new(refreshed)
		c.refresh[f] = r
	}
	if now := c.guard.now(); now.Sub(r.last) >= refreshEvery {
		r.last, c.out = now, c.asked(f, m)
		return
	}
	if r.message == nil {
		r.message = slices.Clone(m)
	}
	c.record.counts[Refresh].Add(1)
}

// asked is what GoBGP gets of a ROUTE-REFRESH.
func (c *Conn) asked(f bgp.RouteFamily, m []byte) []byte {
	if all := c.sending.all; all != nil && all(f) {
		return nothing
	}
	return m
}

// interrupts deals between two messages with a ROUTE-REFRESH that has waited, with own
// prefixes and with requests, and tells whether that gave GoBGP something to read.
func (c *Conn) interrupts() bool {
	for f, r := range c.refresh {
		if now := c.guard.now(); r.message != nil && now.Sub(r.last) >= refreshEvery {
			c.out, r.last, r.message = c.asked(f, r.message), now, nil
			return true
		}
	}
	c.mu.Lock()
	gone, ask := c.gone, c.ask
	c.gone, c.ask = nil, false
	c.mu.Unlock()
	if ask {
		c.request()
	}
	if len(gone) > 0 {
		c.withdrawOwn(gone)
	}
	return len(c.out) > 0
}

// interrupt has Read call interrupts; the caller holds mu.
func (c *Conn) interrupt() { _ = c.SetReadDeadline(time.Unix(1, 0)) }

// askAgain has the neighbour asked for its routes again.
func (c *Conn) askAgain() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ask = true
	c.interrupt()
}

// own is told of a VRF's own prefixes that came and went.
func (c *Conn) own(came, went []netip.Prefix) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.gone = append(c.gone, came...)
	c.ask = c.ask || c.record.wasRefused(went)
	if len(came) > 0 || c.ask {
		c.interrupt()
	}
}

// request asks the neighbour for the routes of each family of ours that it can send
// again.
func (c *Conn) request() {
	if !c.agreed.refresh {
		return
	}
	for f := range c.agreed.Families {
		afi, safi := bgp.RouteFamilyToAfiSafi(f)
		if b, err := bgp.NewBGPRouteRefreshMessage(afi, 0, safi).Serialize(); err == nil {
			_, _ = c.Write(b) // where it fails GoBGP finds out by itself
		}
	}
}

// withdrawOwn withdraws prefixes that the VRF has now itself, of which the neighbour
// may have announced one before. With ADD-PATH a withdrawal needs the path's identifier:
// then the neighbour is asked to announce all again, and own prefixes are refused.
func (c *Conn) withdrawOwn(list []netip.Prefix) {
	rules := c.rules()
	if !c.outside() {
		return
	}
	w := &c.updates
	w.made = w.made[:0]
	again := false
	for _, p := range list {
		e := c.agreed.unicast[rib.FamilyOf(p)]
		if !e.agreed || rules.Own == nil || !rules.Own(p) {
			continue
		}
		if e.id > 0 {
			again = true
			continue
		}
		c.record.takeBack(p)
		if rules.Limit != nil {
			c.places.drop(rules.Limit, held{prefix: p})
		}
		nlri := append([]byte{byte(p.Bits())}, p.Addr().AsSlice()[:(p.Bits()+7)/8]...)
		if p.Addr().Is4() {
			w.emitWithdrawn(nlri)
		} else {
			w.emitUnreach(bgp.AFI_IP6, bgp.SAFI_UNICAST, nlri)
		}
	}
	if again { // once, however many came
		c.request()
	}
	c.out = w.made
}
