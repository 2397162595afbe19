package daemon

import (
	"context"
	"fmt"
	"strings"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker"
	"github.com/vrfredist/vrfredist/nsworker/devices"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// ownDevices are the VRF devices that are made here, as a reload sees them: devices.Keeper.
type ownDevices interface {
	// Configure has exactly these devices there, and leaves those of bound as they are.
	Configure(wanted []devices.Wanted, bound []rib.Binding)
}

// configureDevices has the VRF devices there that a configuration says.
func configureDevices(to ownDevices, c *config.Config) {
	to.Configure(wantedDevices(c.VRFs))
}

// wantedDevices are the VRF devices that are made for VRFs, and the bindings of those whose devices
// are not made here.
func wantedDevices(specs []vrf.Spec) (wanted []devices.Wanted, bound []rib.Binding) {
	for i := range specs {
		if s := &specs[i]; s.Makes.Made() {
			wanted = append(wanted, wantedDevice(s))
		} else if s.Binding.Device != "" {
			bound = append(bound, s.Binding)
		}
	}
	return wanted, bound
}

// wantedDevice is the VRF device that is made for a VRF.
func wantedDevice(s *vrf.Spec) devices.Wanted {
	return devices.Wanted{VRF: s.Name, In: s.Binding, OwnDevice: s.Makes, Protocol: s.Protocol}
}

// devicesOpen is the kernel of a VRF's worker that waits for a device which is made here.
type devicesOpen struct {
	nsworker.Kernel
	devices *devices.Keeper
	vrf     string
}

func (k devicesOpen) Open(ctx context.Context, b rib.Binding, protocol uint8) (nsworker.Table, error) {
	if why := k.devices.Why(b); why != "" {
		return nil, rib.Absent(why)
	}
	return k.Kernel.Open(ctx, b, protocol)
}

// Await is signalled by the device's news too.
func (k devicesOpen) Await(b rib.Binding) (<-chan struct{}, func(), error) {
	there, stopThere, err := k.Kernel.Await(b)
	if err != nil {
		return nil, nil, err
	}
	made, stopMade := k.devices.Follow(k.vrf)
	either, end, ended := make(chan struct{}, 1), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for {
			select {
			case <-there:
			case <-made:
			case <-end:
				return
			}
			select {
			case either <- struct{}{}:
			default:
			}
		}
	}()
	return either, func() {
		close(end)
		<-ended
		stopMade()
		stopThere()
	}, nil
}

// unfilled is the status of a VRF into whose device interfaces do not get that belong there.
func unfilled(st vrf.Status, trouble string) vrf.Status {
	if trouble == "" || st.State != vrf.Ready && st.State != vrf.Degraded {
		return st
	}
	reasons := []string{trouble}
	if st.Reason != "" {
		reasons = append(reasons, st.Reason)
	}
	st.State, st.Reason = vrf.Degraded, strings.Join(reasons, "; ")
	return st
}

// ownDevice says what would become of the VRF device that is made for a VRF.
func (v plannedVRF) ownDevice() (lines []string) {
	was, is := v.was, v.is
	same := v.had && v.has && was.Binding.Canonical() == is.Binding.Canonical()
	where := rib.NetnsText(is.Binding.Netns)
	switch {
	case v.had && was.Makes.Made() && !same:
		lines = append(lines, fmt.Sprintf("the VRF device %s is removed from %s, and its interfaces are let go", was.Binding.Device, rib.NetnsText(was.Binding.Netns)))
	case same && was.Makes.Made() && !is.Makes.Made():
		return []string{fmt.Sprintf("the VRF device %s in %s stays as it is, and is not looked after any more", is.Binding.Device, where)}
	}
	if !v.has || !is.Makes.Made() {
		return lines
	}
	what := fmt.Sprintf("the VRF device %s, table %d", is.Binding.Device, is.Makes.Table)
	switch {
	case same && was.Makes.Made() && was.Makes.Table != is.Makes.Table:
		return append(lines, fmt.Sprintf("%s is made anew in %s: its interfaces are let go and come back", what, where))
	case !same || !was.Makes.Made():
		return append(lines, fmt.Sprintf("%s is made in %s, where there is none, and adopted where it is marked %q", what, where, rib.OwnDeviceMark(is.Name)))
	}
	return lines
}
