package kernel

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/vm/need"
	"github.com/vrfredist/vrfredist/rib"
)

// TestDeviceRule: the rule that leads to VRF devices is added in the family that lacks it, and no second
// time; one with another preference will do, and one that is about some packets only will not.
func TestDeviceRule(t *testing.T) {
	need.VRF(t)
	ns, h := lab(t), startHost(t)
	d, in := NewDevices(h), rib.Binding{Netns: ns}
	add := func(want bool) {
		t.Helper()
		if added, err := d.AddDeviceRule(t.Context(), in, rib.ProtoOwn); added != want || err != nil {
			t.Errorf("added: %v, %v", added, err)
		}
	}
	rules := func() string { return ip(t, ns, "-4 rule show") + ip(t, ns, "-6 rule show") }
	add(true)
	add(false)
	if n := strings.Count(rules(), "1000:\tfrom all lookup [l3mdev-table]"); n != 2 {
		t.Errorf("there are %d:\n%s", n, rules())
	}
	ip(t, ns, "-6 rule del l3mdev pref 1000")
	ip(t, ns, "-6 rule add l3mdev pref 900 from 2001:db8::/32")
	add(true)
	ip(t, ns, "-6 rule del l3mdev pref 1000")
	ip(t, ns, "-6 rule add l3mdev pref 700")
	add(false)
}

// TestEnslave: an interface is put into a device, and what is changed is told.
func TestEnslave(t *testing.T) {
	need.VRF(t)
	ns, h := lab(t), startHost(t)
	d, in := NewDevices(h), rib.Binding{Netns: ns}
	told := make(chan struct{}, 1)
	ctx, end := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- d.Follow(ctx, in, func() {
			select {
			case told <- struct{}{}:
			default:
			}
		})
	}()
	heard := func() {
		t.Helper()
		select {
		case <-told:
		case <-time.After(20 * time.Second):
			t.Fatal("nothing was told")
		}
	}
	heard() // at once
	red := rib.VRFDevice{Name: "red", Table: 2001, Alias: rib.OwnDeviceMark("red")}
	if err := d.MakeVRF(t.Context(), in, red, rib.ProtoOwn); err != nil {
		t.Fatal(err)
	}
	heard()
	links, err := d.Links(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	device, _ := links.ByName("red")
	if device.Alias != "vrfredist-device:red" || device.VRFTable != 2001 {
		t.Errorf("%+v", device)
	}
	ip(t, ns, "link add lan1 up type dummy")
	ip(t, ns, "addr add 192.0.2.1/24 dev lan1")
	ip(t, ns, "addr add 2001:db8:1::1/64 dev lan1")
	ip(t, ns, "addr add 2001:db8:2::1/128 dev lan1 nodad noprefixroute")
	ip(t, ns, "addr add 2001:db8:3::1/64 dev lan1 valid_lft 900 preferred_lft 900") // as by a router's advertisement
	if links, err = d.Links(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	lan, _ := links.ByName("lan1")
	if err := d.Enslave(t.Context(), in, lan.Index, device.Index); err != nil {
		t.Fatal(err)
	}
	if shown := ip(t, ns, "link show lan1"); !strings.Contains(shown, "master red") {
		t.Errorf("ip shows %s", shown)
	}
	has := func(when string) {
		t.Helper()
		shown := ip(t, ns, "-o addr show dev lan1")
		for _, want := range []string{"192.0.2.1/24 ", "2001:db8:1::1/64 ", "2001:db8:2::1/128 ", "nodad noprefixroute"} {
			if !strings.Contains(shown, want) {
				t.Errorf("%s: no %q in\n%s", when, want, shown)
			}
		}
		if strings.Contains(shown, "2001:db8:3::1") {
			t.Errorf("%s: what was there for a time is back:\n%s", when, shown)
		}
	}
	has("in the device")
	if err := d.Enslave(t.Context(), in, lan.Index, 0); err != nil {
		t.Fatal(err)
	}
	if shown := ip(t, ns, "link show lan1"); strings.Contains(shown, "master") {
		t.Errorf("ip shows %s", shown)
	}
	has("let go")
	if err := d.Enslave(t.Context(), in, device.Index, device.Index); err == nil || !strings.Contains(err.Error(), "enslave an interface in netns "+ns) {
		t.Errorf("%v", err)
	}
	end()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
