package vrf

import "github.com/vrfredist/vrfredist/rib"

// SameHome tells whether a running worker can be reconfigured from a to b. Its kernel
// routes and announcements are known by binding, protocol and RD: a worker with others
// would not find those that the old one left. Another table of a device that is made here is another
// one too: the routes leave the old one before the device goes. Another label or SID is no other way:
// the worker has the new one put in beside the old one.
func SameHome(a, b Spec) bool {
	moves := a.Makes.Made() && b.Makes.Made() && a.Makes.Table != b.Makes.Table
	return !moves && a.Binding == b.Binding && a.Protocol == b.Protocol && a.RD == b.RD && a.Carriage.SameWay(&b.Carriage)
}

// MayShareTable tells whether two bindings can be one kernel table. Two different
// devices are taken for two tables: which table a device has is not known here, and
// net.vrf.strict_mode, or the worker that opens the second, refuses a shared one.
func MayShareTable(a, b rib.Binding) bool {
	if !rib.SameNetns(a.Netns, b.Netns) {
		return false
	}
	switch {
	case a.Device != "" && b.Device != "":
		return a.Device == b.Device
	case a.Device != "":
		return b.Table != 0
	case b.Device != "":
		return a.Table != 0
	}
	return a.Table == b.Table
}
