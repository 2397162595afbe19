package vrf

import "github.com/vrfredist/vrfredist/rib"

// SameHome tells whether a running worker can be reconfigured from a to b. The
// three are what its kernel routes and its announcements are known by: a worker
// with new ones would not find what the old one left.
func SameHome(a, b Spec) bool {
	return a.Binding == b.Binding && a.Protocol == b.Protocol && a.RD == b.RD
}

// mayShareTable tells whether two bindings can be one kernel table. Two
// different devices are taken for two tables, because strict_mode or the worker
// that opens them refuses otherwise; which table a device has is not known here.
func mayShareTable(a, b rib.Binding) bool {
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
