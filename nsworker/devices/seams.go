package devices

import (
	"context"
	"fmt"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
)

// Kernel makes VRF devices. It is safe for concurrent use. Where a namespace is not there, errors
// match rib.ErrAbsent.
type Kernel interface {
	// Links are the interfaces of a namespace.
	Links(ctx context.Context, in rib.Binding) (rib.Links, error)
	// MakeVRF has a VRF device, up, whose table ends in unreachable routes: one that has its mark is
	// changed where it differs.
	MakeVRF(ctx context.Context, in rib.Binding, d rib.VRFDevice, protocol uint8) error
	// RemoveVRF removes a device that has its mark. That there is none is no error.
	RemoveVRF(ctx context.Context, in rib.Binding, d rib.VRFDevice, protocol uint8) error
	// Enslave puts an interface into a device, both by their indexes; 0: into none.
	Enslave(ctx context.Context, in rib.Binding, link, device int) error
	// AddDeviceRule has what comes in by VRF devices looked up in their tables, and tells whether
	// the rule had to be added.
	AddDeviceRule(ctx context.Context, in rib.Binding, protocol uint8) (added bool, err error)
	// Follow calls changed whenever the interfaces or rules of a namespace may be others than
	// before, and at once, until ctx ends.
	Follow(ctx context.Context, in rib.Binding, changed func()) error
}

// Wanted is a VRF device that is to be there.
type Wanted struct {
	VRF string
	In  rib.Binding // its namespace and name
	rib.OwnDevice
	Protocol uint8 // of the routes that end its table
}

// spelled is a binding with its namespace in the one spelling that a person would choose.
func spelled(b rib.Binding) rib.Binding {
	b = b.Canonical()
	if name, below := strings.CutPrefix(b.Netns, rib.NetnsDir+"/"); below && !strings.Contains(name, "/") {
		b.Netns = name
	}
	return b
}

// String is how the device is made, in the words of ip: "blue type vrf table 1000".
func (w *Wanted) String() string {
	return fmt.Sprintf("%s type vrf table %d", w.In.Device, w.Table)
}

// with names the interfaces that belong into it: " with lan1, lan2"; "": none does.
func (w *Wanted) with() string {
	if len(w.Interfaces) == 0 {
		return ""
	}
	return " with " + strings.Join(w.Interfaces, ", ")
}

// device is how the kernel is asked for it, as that of a VRF.
func (w *Wanted) device(vrf string) rib.VRFDevice {
	return rib.VRFDevice{Name: w.In.Device, Table: w.Table, Alias: rib.OwnDeviceMark(vrf)}
}
