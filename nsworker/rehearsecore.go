package nsworker

import (
	"maps"
	"math"
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// askingCore is a core for a rehearsal: PEs that no worker has asked for are looked up for it, and
// waited for, all together no longer than until.
type askingCore struct {
	onlookersCore
	news  <-chan struct{}
	stop  func()
	until time.Time
	asked map[netip.Addr]struct{}
}

// coreWait is how long a rehearsal waits for the core: it asks the kernel at once.
const coreWait = 2 * time.Second

func newAskingCore(of Core) *askingCore {
	c := &askingCore{onlookersCore: onlookersCore{of}, until: time.Now().Add(coreWait), asked: make(map[netip.Addr]struct{}), stop: func() {}}
	if of != nil {
		c.news, c.stop = of.Follow("")
	}
	return c
}

// PE implements nexthop.Core.
func (c *askingCore) PE(addr netip.Addr) (rib.Lead, bool) {
	lead, known := c.onlookersCore.PE(addr)
	if known || c.of == nil {
		return lead, known
	}
	if _, is := c.asked[addr]; !is {
		c.asked[addr] = struct{}{}
		c.of.Watch(addr, +1)
	}
	timer := time.NewTimer(time.Until(c.until))
	defer timer.Stop()
	for {
		if lead, known := c.of.PE(addr); known {
			return lead, true
		}
		select {
		case <-c.news:
		case <-timer.C:
			return rib.Lead{}, false
		}
	}
}

func (c *askingCore) close() {
	for addr := range c.asked {
		c.of.Watch(addr, -1)
	}
	c.stop()
}

// deviceMade is a reading of a VRF's table with the device that the daemon would make there, of VXLAN
// or the second one of SRv6.
func deviceMade(t rib.Table, where rib.Where, s vrf.Spec) rib.Table {
	c := &s.Carriage
	if _, there := t.Links.ByName(madeDevice(c)); there || !c.Managed {
		return t
	}
	index := 1
	for i := range t.Links {
		index = max(index, i+1)
	}
	t.Links = maps.Clone(t.Links)
	if c.Kind == rib.EncapSRv6 {
		t.Links[index] = rib.Link{Index: index, Name: madeDevice(c), Up: true, Admin: true, VRFTable: math.MaxUint32}
		return t
	}
	t.Links[index] = rib.Link{
		Index: index, Name: c.Device, Master: where.Device, Up: true, Admin: true,
		VXLAN: rib.VXLAN{VNI: c.VNI, Local: c.Core.VTEP, Port: c.Core.Port, MAC: c.Router},
	}
	return t
}
