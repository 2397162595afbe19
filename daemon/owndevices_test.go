package daemon

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/nsworker"
	"github.com/vrfredist/vrfredist/nsworker/devices"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

func withDevice(name, device string, table uint32) vrf.Spec {
	return vrf.Spec{Name: name, Binding: rib.Binding{Device: device}, Makes: rib.OwnDevice{Table: table}, Protocol: 179}
}

// TestWantedDevices: devices without a table to be made with are others'.
func TestWantedDevices(t *testing.T) {
	wanted, bound := wantedDevices([]vrf.Spec{withDevice("red", "r", 10), withDevice("blue", "b", 0), {Name: "default"}})
	if len(wanted) != 1 || wanted[0].String() != "r type vrf table 10" || wanted[0].VRF != "red" || !slices.Equal(bound, []rib.Binding{{Device: "b"}}) {
		t.Errorf("%+v, %+v", wanted, bound)
	}
}

// fakeOpen is a kernel that has every table.
type fakeOpen struct {
	nsworker.Kernel
	there chan struct{}
	ended bool
}

var errOpened = errors.New("it was opened")

func (f *fakeOpen) Open(context.Context, rib.Binding, uint8) (nsworker.Table, error) {
	return nil, errOpened
}

func (f *fakeOpen) Await(rib.Binding) (<-chan struct{}, func(), error) {
	return f.there, func() { f.ended = true }, nil
}

// TestDevicesAreWaitedFor: a worker opens no table of a device that has yet to be made, and is woken
// by what happens to either.
func TestDevicesAreWaitedFor(t *testing.T) {
	made := devices.New(nil, slog.New(slog.DiscardHandler))
	under := &fakeOpen{there: make(chan struct{}, 1)}
	k := devicesOpen{under, made, "red"}
	red := withDevice("red", "r", 10)
	if _, err := k.Open(t.Context(), red.Binding, 179); !errors.Is(err, errOpened) {
		t.Errorf("a device of others: %v", err)
	}
	made.Configure(wantedDevices([]vrf.Spec{red}))
	if _, err := k.Open(t.Context(), red.Binding, 179); !errors.Is(err, rib.ErrAbsent) || !strings.Contains(err.Error(), "has yet to be made") {
		t.Errorf("%v", err)
	}
	news, stop, err := k.Await(red.Binding)
	if err != nil {
		t.Fatal(err)
	}
	under.there <- struct{}{}
	<-news
	stop()
	if !under.ended {
		t.Error("the watch below goes on")
	}
}

func TestUnfilled(t *testing.T) {
	for _, tt := range []struct {
		is, trouble, want string
		state             vrf.State
	}{
		{"", "", "", vrf.Ready},
		{"", "lan1 is not in it", "lan1 is not in it", vrf.Ready},
		{"1 unresolved", "lan1 is not in it", "lan1 is not in it; 1 unresolved", vrf.Degraded},
		{"it waits", "lan1 is not in it", "it waits", vrf.Pending},
	} {
		st := unfilled(vrf.Status{WorkerStatus: vrf.WorkerStatus{State: tt.state, Reason: tt.is}}, tt.trouble)
		if st.Reason != tt.want || st.State == vrf.Ready && tt.trouble != "" {
			t.Errorf("%+v: %s, %q", tt, st.State, st.Reason)
		}
	}
}

// TestPlannedDevices: what becomes of devices is told.
func TestPlannedDevices(t *testing.T) {
	red, another := withDevice("red", "r", 10), withDevice("red", "r", 11)
	elsewhere := withDevice("red", "x", 10)
	for _, tt := range []struct {
		name string
		v    plannedVRF
		want string
	}{
		{"comes", plannedVRF{is: red, has: true}, "the VRF device r, table 10 is made in the daemon's own namespace"},
		{"goes", plannedVRF{was: red, had: true}, "the VRF device r is removed from the daemon's own namespace, and its interfaces are let go"},
		{"stays", plannedVRF{was: red, had: true, is: red, has: true}, ""},
		{"another table", plannedVRF{was: red, had: true, is: another, has: true}, "the VRF device r, table 11 is made anew"},
		{"turned off", plannedVRF{was: red, had: true, is: withDevice("red", "r", 0), has: true}, "the VRF device r in the daemon's own namespace stays as it is"},
		{"another device", plannedVRF{was: red, had: true, is: elsewhere, has: true}, "the VRF device r is removed from"},
	} {
		lines := strings.Join(tt.v.ownDevice(), "\n")
		if tt.want == "" && lines != "" || !strings.Contains(lines, tt.want) {
			t.Errorf("%s: %q", tt.name, lines)
		}
	}
}

// TestDevicesThatWereLeft: the device of a VRF that left the configuration while nobody looked goes;
// one that a VRF is bound to still, without having it made, stays.
func TestDevicesThatWereLeft(t *testing.T) {
	red, blue, off := withDevice("red", "r", 10), withDevice("blue", "b", 11), withDevice("blue", "b", 0)
	dir := t.TempDir()
	log := slog.New(slog.DiscardHandler)
	if _, err := newLeftovers(dir, &config.Config{VRFs: []vrf.Spec{red, blue}}, log); err != nil {
		t.Fatal(err)
	}
	l, err := newLeftovers(dir, &config.Config{VRFs: []vrf.Spec{off}}, log)
	if err != nil {
		t.Fatal(err)
	}
	made := devices.New(nil, log)
	l.core, l.devices, l.now = new(fakeDepartures), made, func() []vrf.Spec { return []vrf.Spec{off} }
	l.clear, l.inUse = func(context.Context, vrf.Spec) error { return nil }, func(*vrf.Spec) error { return nil }
	l.remove(t.Context())
	if !made.Going("red") || made.Going("blue") {
		t.Errorf("red goes: %v, blue goes: %v", made.Going("red"), made.Going("blue"))
	}
	l.tidy()
	if kept := l.kept.Specs(); len(kept) != 1 || kept[0].Name != "red" {
		t.Errorf("kept: %+v", kept)
	}
}
