package kernel

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// table is the table of a binding, and the index of the VRF device that has it; 0: the
// binding names none. Where the device is not there, the error matches rib.ErrAbsent.
func (c linkCache) table(b rib.Binding) (table uint32, device int, err error) {
	switch {
	case b.Device == "" && b.Table != 0:
		return b.Table, 0, nil
	case b.Device == "":
		return unix.RT_TABLE_MAIN, 0, nil
	}
	k := c.byName(b.Device)
	if k == nil {
		return 0, 0, rib.Absent(fmt.Sprintf("VRF device %s in %s is not there", b.Device, rib.NetnsText(b.Netns)) + c.noVRFs())
	}
	if !k.vrf {
		return 0, 0, rib.Absent(fmt.Sprintf("%s in %s is an interface, but no VRF device", b.Device, rib.NetnsText(b.Netns)))
	}
	// The kernel lets two devices have one table unless net.vrf.strict_mode is set:
	// each forwards by the other's routes.
	for i, other := range c {
		if other.vrf && other.VRFTable == k.VRFTable && i != k.Index {
			return 0, 0, fmt.Errorf("VRF devices %s and %s in %s share the table %d: give each a table of its own, and set net.vrf.strict_mode=1 so that the kernel sees to it",
				b.Device, other.Name, rib.NetnsText(b.Netns), k.VRFTable)
		}
	}
	return k.VRFTable, k.Index, nil
}

// lost says what became of the VRF device of a binding whose table is at where, ""
// while the device is as it was.
func (c linkCache) lost(b rib.Binding, where rib.Where) string {
	if b.Device == "" {
		return ""
	}
	device := fmt.Sprintf("VRF device %s in %s", b.Device, rib.NetnsText(b.Netns))
	k := c[where.Device]
	switch {
	case k == nil:
		return device + " was removed"
	case k.Name != b.Device:
		return device + " was renamed to " + k.Name
	case k.VRFTable != where.Table:
		return fmt.Sprintf("%s has the table %d now, and had %d", device, k.VRFTable, where.Table)
	}
	return ""
}

// endpointDevice tells whether a link is a VXLAN device that can have endpoints of the table at
// where: one for one VNI, and in no bridge and no other VRF. What comes in by a device is looked
// up in the main table, or in that of its VRF: other tables have none.
func (k *linkState) endpointDevice(where rib.Where) bool {
	forwardsIn := where.Device != 0 || where.Table == unix.RT_TABLE_MAIN
	return k.VXLAN.VNI != 0 && k.Master == where.Device && forwardsIn
}

// endpointDevices are the links that can have endpoints of the table at where.
func (c linkCache) endpointDevices(where rib.Where) (list []int) {
	for index, k := range c {
		if k.endpointDevice(where) {
			list = append(list, index)
		}
	}
	return list
}

// hasVRF tells whether name is a VRF device.
func (c linkCache) hasVRF(name string) bool {
	k := c.byName(name)
	return k != nil && k.vrf
}

// vrfModule is there while the kernel has VRF devices, by a module or built in.
const vrfModule = "/sys/module/vrf"

// noVRFs is a hint for where a VRF device is missing and the kernel lacks the module that
// makes such devices: `ip link add` would load it, and some kernels are built without.
func (c linkCache) noVRFs() string {
	for _, k := range c {
		if k.vrf {
			return ""
		}
	}
	if _, err := os.Stat(vrfModule); !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return ", and the kernel has not loaded its module vrf, which makes such devices: modprobe vrf"
}
