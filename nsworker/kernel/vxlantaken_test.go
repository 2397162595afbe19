package kernel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// TestDeviceOfOthersIsLeft: what has not our alias is not touched, whatever its name.
func TestDeviceOfOthersIsLeft(t *testing.T) {
	for _, tt := range []struct{ name, line, want string }{
		{"a VXLAN device", "link add vx100 type vxlan id 100 dstport 4789 local 10.255.0.1", "an interface of that name is there already"},
		{"of another VRF", "link add vx100 alias vrfredist:blue type vxlan id 100 dstport 4789 local 10.255.0.1", "an interface of that name is there already"},
		{"marked, with more behind", "link add vx100 alias vrfredist:red2 type vxlan id 100 dstport 4789 local 10.255.0.1", "an interface of that name is there already"},
		{"another kind, marked", "link add vx100 alias vrfredist:red type veth peer name vx100p", "an interface of that name is there already"},
		{"with our temporary name", "link add " + temporary(100) + " type veth peer name vx100p", "another program made: remove it"},
		{"a second name of it", "link property add dev v0 altname vx100", "an interface of that name is there already"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			core, ns, h := coreLab(t), lab(t), startHost(t)
			line := tt.line
			if alias := " alias "; strings.Contains(line, alias) {
				first, rest, _ := strings.Cut(line, alias)
				mark, kind, _ := strings.Cut(rest, " ")
				ip(t, ns, first+" "+kind)
				line = "link set vx100 alias " + mark
			}
			ip(t, ns, line)
			before := ipLinks(t, ns, "-d link show")
			err := h.MakeVXLAN(t.Context(), rib.Binding{Netns: core}, rib.Binding{Netns: ns}, toMake())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v\nwant %s", err, tt.want)
			}
			if err := h.RemoveVXLAN(t.Context(), rib.Binding{Netns: ns}, "vx100", "vrfredist:red"); err != nil {
				t.Error(err)
			}
			if after := ipLinks(t, ns, "-d link show"); after != before {
				t.Errorf("it is touched:\n%s\nbefore:\n%s", after, before)
			}
			onlyDevice(t, 0, core)
		})
	}
}

func TestTakenVNI(t *testing.T) {
	const first = "link add vx9 type vxlan id 100 dstport 4789 local 10.255.0.1"
	for _, tt := range []struct {
		name string
		make func(t *testing.T, core, ns string)
		want string
	}{
		{"in the core", func(t *testing.T, core, _ string) { ip(t, core, first) }, "the VNI 100 with the port 4789 is taken by the VXLAN device vx9 in netns CORE"},
		{"moved to the tenant", func(t *testing.T, core, ns string) { ip(t, core, first); ip(t, core, "link set vx9 netns "+ns) },
			"is taken by the VXLAN device vx9 in netns TENANT"},
		{"moved elsewhere", func(t *testing.T, core, _ string) { ip(t, core, first); ip(t, core, "link set vx9 netns "+netns(t)) },
			"is taken in netns CORE by a VXLAN device that was made there and moved elsewhere"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			core, ns, h := coreLab(t), netns(t), startHost(t)
			tt.make(t, core, ns)
			before := ipLinks(t, core, "-o link show") + ipLinks(t, ns, "-o link show")
			err := h.MakeVXLAN(t.Context(), rib.Binding{Netns: core}, rib.Binding{Netns: ns}, toMake())
			want := strings.NewReplacer("CORE", core, "TENANT", ns).Replace(tt.want)
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%v\nwant %s", err, want)
			}
			if after := ipLinks(t, core, "-o link show") + ipLinks(t, ns, "-o link show"); after != before {
				t.Errorf("something is left:\n%s", after)
			}
			d := toMake()
			d.Port = 4790 // another one has it not
			makeVXLAN(t, h, core, ns, d)
		})
	}
}

// TestHalfMadeDevice: what a daemon that was killed left under its temporary name is removed.
func TestHalfMadeDevice(t *testing.T) {
	core, ns, h := coreLab(t), netns(t), startHost(t)
	ip(t, core, fmt.Sprintf("link add %s netns %s type vxlan id 100 dstport 4789 local 10.255.0.1", temporary(100), ns))
	makeVXLAN(t, h, core, ns, toMake())
	wantDevice(t, h, core, ns, toMake())
	onlyDevice(t, 1, ns)
	for _, vni := range []uint32{1, 100, rib.MaxVNI} {
		if name := temporary(vni); len(name) != unix.IFNAMSIZ-1 {
			t.Errorf("the temporary name of %d is %s", vni, name)
		}
	}
}

// TestFailedStepLeavesNothing: the next try begins anew.
func TestFailedStepLeavesNothing(t *testing.T) {
	core, ns, h := coreLab(t), netns(t), startHost(t)
	for _, tt := range []struct {
		name   string
		before func() (after func())
		change func(*VXLANDevice)
		want   string
	}{
		{"no IPv6 with so small an MTU", nil, func(d *VXLANDevice) { d.MTU = 1200 }, "IPv6 is off in netns " + ns},
		{"an MTU that is none", nil, func(d *VXLANDevice) { d.MTU = 1 << 20 }, "create it"},
		{"a port that a program has", func() func() {
			var l net.PacketConn
			err := h.InNetns(core, func() (err error) {
				l, err = net.ListenPacket("udp4", "0.0.0.0:4789")
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			return func() { _ = l.Close() }
		}, func(*VXLANDevice) {}, "another program has the UDP port 4789 in netns " + core},
		{"no such VRF device", nil, nil, "VRF device red in netns " + ns + " is not there"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.before != nil {
				defer tt.before()()
			}
			d, b := toMake(), rib.Binding{Netns: ns}
			if tt.change != nil {
				tt.change(&d)
			} else {
				b.Device = "red"
			}
			err := h.MakeVXLAN(t.Context(), rib.Binding{Netns: core}, b, d)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("%v\nwant %s", err, tt.want)
			}
			if errors.Is(err, rib.ErrAbsent) != (b.Device != "") {
				t.Errorf("absent: %v", errors.Is(err, rib.ErrAbsent))
			}
			onlyDevice(t, 0, core, ns)
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := h.MakeVXLAN(ctx, rib.Binding{Netns: core}, rib.Binding{Netns: ns}, toMake()); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	makeVXLAN(t, h, core, ns, toMake())
}
