package core

import (
	"context"
	"path"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// deviceKey names a device: a VRF may have another one than before, which has yet to go.
type deviceKey struct{ vrf, name string }

// device is the VXLAN device of a VRF.
type device struct {
	in    rib.Binding
	is    rib.Carriage
	alias string
	// at is when it is to be made, or looked at again, or removed; zero: nothing is to be done.
	at    time.Time
	goes  bool // it is to be removed
	tries int
	why   string // why it could not be made; "": it is there, or was not tried
}

const (
	// grace is how long a device stays when its VRF is gone: other PEs send to it until they
	// have taken the routes out that were withdrawn.
	grace      = 10 * time.Second
	retryFirst = 500 * time.Millisecond
	retryMost  = 30 * time.Second
	never      = time.Hour
)

// alias marks a device of ours, and says whose it is: only what is so marked is ever changed or
// removed.
func alias(vrf string) string { return "vrfredist:" + vrf }

// Need has the device of a VRF made, where that is ours to make, or looked after: the worker
// says so when it opens its table, and when it misses the device.
func (c *Core) Need(vrf string, in rib.Binding, is rib.Carriage) {
	if !is.Managed {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	key := deviceKey{vrf, is.Device}
	d := c.devices[key]
	if d == nil || d.is != is || d.in != in {
		d = &device{in: in, is: is, alias: alias(vrf)}
		c.devices[key] = d
	}
	if now := time.Now(); d.goes || d.tries == 0 || d.at.IsZero() {
		d.goes, d.at = false, now
	}
	c.nudge()
}

// Drop has the device of a VRF removed, after a while: the VRF is no more.
func (c *Core) Drop(vrf string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, d := range c.devices {
		if key.vrf == vrf {
			d.goes, d.at = true, time.Now().Add(grace)
			c.nudge()
		}
	}
}

// Making says why the device with a VNI is not there, where it is to be made here; "": nothing
// is known to be in the way.
func (c *Core) Making(vni uint32) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.devices {
		if d.is.VNI == vni && !d.goes {
			return d.why
		}
	}
	return ""
}

// todo takes the devices with which something is to be done, and says when there is more.
func (c *Core) todo(now time.Time) (list map[deviceKey]device, next time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list, next = make(map[deviceKey]device), never
	for key, d := range c.devices {
		switch {
		case d.at.IsZero():
		case d.at.After(now):
			next = min(next, d.at.Sub(now))
		default:
			list[key] = *d
		}
	}
	return list, next
}

// makeDevices does what is due with devices, and returns when there is more to do.
func (c *Core) makeDevices(ctx context.Context, is *Settings, t Tables) time.Duration {
	list, next := c.todo(time.Now())
	if len(list) == 0 {
		return next
	}
	mtu := is.mtu(t.Links())
	for key, d := range list {
		var err error
		if d.goes {
			err = c.kernel.RemoveVXLAN(ctx, d.in, d.is.Device, d.alias)
		} else {
			err = c.kernel.MakeVXLAN(ctx, is.Binding(), d.in, Device{d.is.Device, rib.VXLAN{
				VNI: d.is.VNI, Local: is.VTEP, Port: is.Port, MAC: d.is.Router, MTU: mtu - rib.VXLANOverhead(is.VTEP), Alias: d.alias,
			}})
		}
		c.did(key, d, err)
	}
	_, next = c.todo(time.Now())
	return next
}

// did takes in what came of it.
func (c *Core) did(key deviceKey, was device, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.devices[key]
	if d == nil || d.is != was.is || d.goes != was.goes {
		return // something else is to be done by now
	}
	switch {
	case err == nil && d.goes:
		delete(c.devices, key)
		return
	case err == nil:
		d.at, d.tries, d.why = time.Time{}, 0, ""
		c.tell()
		return
	}
	d.at = time.Now().Add(min(retryMost, retryFirst<<min(d.tries, 10)))
	d.tries++
	if why := err.Error(); d.why != why {
		d.why = why
		c.log.Warn("a VXLAN device could not be made or removed; it is tried again", "vrf", key.vrf, "device", key.name, "err", err)
		c.tell()
	}
}

// mtu is the smallest of the interfaces to other PEs: what is larger would be cut, or lost.
func (s *Settings) mtu(links rib.Links) uint32 {
	const ethernet = 1500
	least := uint32(0)
	for _, l := range links {
		if l.Loopback || l.MTU == 0 || !s.between(l.Name) {
			continue
		}
		if least == 0 || l.MTU < least {
			least = l.MTU
		}
	}
	if least == 0 {
		return ethernet
	}
	return least
}

// between tells whether an interface is one to other PEs.
func (s *Settings) between(name string) bool {
	for _, pattern := range s.Interfaces {
		if is, _ := path.Match(pattern, name); is { // config has looked at the patterns
			return true
		}
	}
	return false
}

// leave does at the end what cannot wait: devices of VRFs that are no more go now.
func (c *Core) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	c.mu.Lock()
	list := make(map[deviceKey]device)
	for key, d := range c.devices {
		if d.goes {
			list[key] = *d
		}
	}
	c.mu.Unlock()
	for key, d := range list {
		if err := c.kernel.RemoveVXLAN(ctx, d.in, d.is.Device, d.alias); err != nil {
			c.log.Warn("the VXLAN device of a VRF that is no more could not be removed", "vrf", key.vrf, "device", key.name, "err", err)
		}
	}
}
