package nexthop

import (
	"fmt"

	"github.com/vrfredist/vrfredist/rib"
)

// BadDevice is why nothing of a VRF can be carried by its device: that of VXLAN, the second VRF device
// of SRv6, or its end of the link to the core.
type BadDevice struct {
	Why      string // one short sentence
	Confined string // the same for who may not know of the core; "": Why has nothing of it
	Waits    bool   // it is being made, and nothing is known to be in the way
}

func (b *BadDevice) Error() string { return b.Why }

// Is tells that what is being made is waited for, as the table of another VRF is.
func (b *BadDevice) Is(target error) bool { return b.Waits && target == errNoView }

// ToTenant is what of b one may know who may know of the VRF alone.
func (b *BadDevice) ToTenant() string {
	if b.Confined != "" {
		return b.Confined
	}
	return b.Why
}

// VXLANDevice is the device by which a VRF's packets are carried, where it is as it has to be. The
// core, which may be nil, knows why a device that is made here is not there.
func VXLANDevice(v rib.View, c *rib.Carriage, core Core) (rib.Link, *BadDevice) {
	link, fault := c.DeviceFault(v.Links, v.Member)
	if fault == rib.NoDeviceFault {
		return link, nil
	}
	if core != nil && c.Managed {
		if why := core.Making(c.VNI); why != "" {
			cannot := fmt.Sprintf("the device %s cannot be made", c.Device)
			return link, &BadDevice{Why: cannot + ": " + why, Confined: cannot}
		}
	}
	return link, badDevice(c, &link.VXLAN, fault)
}

// noDevice is that a device is not there, or not yet.
func noDevice(name string, managed bool) *BadDevice {
	if managed {
		return &BadDevice{Why: fmt.Sprintf("the VRF has no device %s, which is being made", name), Waits: true}
	}
	return &BadDevice{
		Why:      fmt.Sprintf("the VRF has no device %s; make it, or write manage_links = true in [netlink]", name),
		Confined: "the VRF has no device " + name,
	}
}

// badDevice is what is wrong with a VRF's device, in words.
func badDevice(c *rib.Carriage, x *rib.VXLAN, fault rib.DeviceFault) *BadDevice {
	bad := func(format string, args ...any) *BadDevice {
		return &BadDevice{Why: "the device " + c.Device + fmt.Sprintf(format, args...)}
	}
	switch fault {
	case rib.DeviceMissing:
		return noDevice(c.Device, c.Managed)
	case rib.DeviceElsewhere:
		return bad(" does not belong to this VRF")
	case rib.DeviceNotVXLAN:
		return bad(" is no VXLAN device")
	case rib.DeviceForMany:
		return bad(" is for many VNIs (external), and this VRF needs one for the VNI %d", c.VNI)
	case rib.DeviceOtherVNI:
		return bad(" has the VNI %d, and this VRF's is %d", x.VNI, c.VNI)
	case rib.DeviceOtherLocal:
		b := bad(" has the local address %v, and this VRF's is %v", x.Local, c.Core.VTEP)
		b.Confined = "the device " + c.Device + " has another local address than this VRF's"
		return b
	case rib.DeviceOtherPort:
		return bad(" has the UDP port %d, and this VRF's is %d", x.Port, c.Core.Port)
	case rib.DeviceOtherMAC:
		b := bad(" has the MAC address %s, and other PEs send to %s; run: ip link set %s address %s", x.MAC, c.Router, c.Device, c.Router)
		b.Confined = "the device " + c.Device + " has another MAC address than other PEs send to"
		return b
	}
	return bad(" is down")
}
