package core

import (
	"context"
	"hash/fnv"
	"math"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// deviceKey names a device: a VRF may have another one than before, which has yet to go.
type deviceKey struct{ vrf, name string }

// device is the VXLAN device of a VRF, or its second VRF device.
type device struct {
	in    rib.Binding
	is    rib.Carriage
	alias string
	mtu   uint32 // with which it was made; 0: it was not yet
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

// needDevice has the device of a VRF made, where that is ours to make, or looked after. The caller
// holds mu.
func (c *Core) needDevice(vrf string, in rib.Binding, is rib.Carriage) {
	key := deviceKey{vrf, is.MadeDevice()}
	delete(c.devices, deviceKey{before(vrf), key.name}) // it has the same name and mark
	d := c.devices[key]
	if d == nil || !d.is.SameWay(&is) || d.in != in {
		d = &device{in: in, is: is, alias: alias(vrf)}
		c.devices[key] = d
	}
	d.is = is // another SID makes no other device
	if now := time.Now(); d.goes || d.tries == 0 || d.at.IsZero() {
		d.goes, d.at = false, now
	}
}

// dropDevices has the devices of a VRF removed, after a while. The caller holds mu.
func (c *Core) dropDevices(vrf string) {
	for key, d := range c.devices {
		if key.vrf == vrf {
			d.goes, d.at = true, time.Now().Add(grace)
		}
	}
}

// Making says why the device with a VNI is not there, where it is to be made here; "": nothing
// is known to be in the way.
func (c *Core) Making(vni uint32) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, d := range c.devices {
		switch {
		case d.is.Kind != rib.EncapVXLAN || d.is.VNI != vni || d.goes:
		case d.why == "" && !d.at.IsZero():
			return c.absent
		default:
			return d.why
		}
	}
	return ""
}

// todo takes the devices with which something is to be done, and says when there is more. What
// another MTU than now was made for is to be changed.
func (c *Core) todo(now time.Time, mtu uint32) (list map[deviceKey]device, next time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	list, next = make(map[deviceKey]device), never
	for key, d := range c.devices {
		switch {
		case d.at.IsZero() && (d.mtu == 0 || d.mtu == mtu):
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
	links := t.Links()
	mtu := rib.UnderlayMTU(links, is.Interfaces)
	list, next := c.todo(time.Now(), mtu)
	if len(list) == 0 {
		return next
	}
	for key, d := range list {
		c.did(key, d, mtu, c.makeDevice(ctx, is, &d, links, mtu))
	}
	if list, next = c.todo(time.Now(), mtu); len(list) > 0 { // they came due meanwhile
		return 0
	}
	return next
}

// makeDevice makes a device, or removes it.
func (c *Core) makeDevice(ctx context.Context, is *Settings, d *device, links rib.Links, mtu uint32) error {
	name := d.is.MadeDevice()
	if d.is.Kind == rib.EncapSRv6 {
		second := rib.VRFDevice{Name: name, Table: secondTable(name, links), MTU: mtu - d.is.SRv6.Overhead(), Alias: d.alias}
		if d.goes {
			return c.keeper.fixtures.RemoveVRF(ctx, is.Binding(), second, is.Protocol)
		}
		return c.keeper.fixtures.MakeVRF(ctx, is.Binding(), second, is.Protocol)
	}
	if d.goes {
		return c.kernel.RemoveVXLAN(ctx, d.in, name, d.alias)
	}
	return c.kernel.MakeVXLAN(ctx, is.Binding(), d.in, Device{name, rib.VXLAN{
		VNI: d.is.VNI, Local: is.VTEP, Port: is.Port, MAC: d.is.Router, MTU: mtu - rib.VXLANOverhead(is.VTEP), Alias: d.alias,
	}})
}

// secondTable is the table of a second VRF device: the one that it has, or one made of its name
// that no other VRF device has.
func secondTable(name string, links rib.Links) uint32 {
	if k, is := links.ByName(name); is && k.VRFTable != 0 {
		return k.VRFTable
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // a hash takes everything
	table := h.Sum32() | 1<<31   // where nobody numbers tables by hand
	taken := make(map[uint32]bool)
	for _, k := range links {
		taken[k.VRFTable] = true
	}
	for taken[table] || table == math.MaxUint32 {
		table = table + 1 | 1<<31
	}
	return table
}

// did takes in what came of it.
func (c *Core) did(key deviceKey, was device, mtu uint32, err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	d := c.devices[key]
	if d == nil || d.is != was.is || d.goes != was.goes {
		return // something else is to be done by now
	}
	// At a start as many devices are made as there are VRFs: each wakes its own.
	mine := func(vrf string) bool { return vrf == key.vrf }
	switch {
	case err == nil && d.goes:
		delete(c.devices, key)
		c.retryDevices()
		return
	case err == nil:
		d.at, d.tries, d.why, d.mtu = time.Time{}, 0, "", mtu
		c.tell(mine)
		return
	}
	d.at = time.Now().Add(min(retryMost, retryFirst<<min(d.tries, 10)))
	d.tries++
	if why := err.Error(); d.why != why {
		d.why = why
		c.log.Warn("a device could not be made or removed; it is tried again", "vrf", key.vrf, "device", key.name, "err", err)
		c.tell(mine)
	}
}

// retryDevices has those tried again that could not be made: what was removed may have had the VNI or
// the name. The caller holds mu.
func (c *Core) retryDevices() {
	now := time.Now()
	for _, d := range c.devices {
		if d.why != "" && !d.goes {
			d.at = now
		}
	}
}

// leave does at the end what cannot wait: devices of VRFs that are no more go now.
func (c *Core) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), grace)
	defer cancel()
	c.mu.Lock()
	is, list := c.is, make(map[deviceKey]device)
	for key, d := range c.devices {
		if d.goes {
			list[key] = *d
		}
	}
	c.mu.Unlock()
	for key, d := range list {
		if err := c.makeDevice(ctx, is, &d, nil, 0); err != nil {
			c.log.Warn("the device of a VRF that is no more could not be removed", "vrf", key.vrf, "device", key.name, "err", err)
		}
	}
}
