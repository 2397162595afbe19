package rib

// OwnDevice is the VRF device of a VRF where it is to be made here. The zero value: it is another
// program's.
type OwnDevice struct {
	Table      uint32
	Interfaces []string // that are to be enslaved to it
}

// Made tells whether the device is to be made here.
func (d *OwnDevice) Made() bool { return d.Table != 0 }

// ownDeviceMark is what the alias of a VRF's own device begins with. Second VRF devices, which may
// be in the same namespace, have another one.
const ownDeviceMark = "vrfredist-device:"

// OwnDeviceMark is the alias of the VRF device that is made for a VRF: only what has it is ever
// changed or removed.
func OwnDeviceMark(vrf string) string { return ownDeviceMark + vrf }
