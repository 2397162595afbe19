package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/vm/need"
	"github.com/vrfredist/vrfredist/rib"
)

// toMake is the device vx100 of VRF red, over IPv4.
func toMake() VXLANDevice {
	return VXLANDevice{"vx100", rib.VXLAN{
		VNI: 100, Local: netip.MustParseAddr("10.255.0.1"), Port: 4789, MAC: rib.MAC{2, 0, 0, 0, 1, 1}, MTU: 1450, Alias: "vrfredist:red",
	}}
}

// makeVXLAN makes d, and fails on any error.
func makeVXLAN(t testing.TB, h *Host, core, tenant string, d VXLANDevice) {
	t.Helper()
	if err := h.MakeVXLAN(t.Context(), rib.Binding{Netns: core}, rib.Binding{Netns: tenant}, d); err != nil {
		t.Fatal(err)
	}
}

// wantDevice fails where the device of ns is not d over the core, up and without an address.
func wantDevice(t testing.TB, h *Host, core, ns string, d VXLANDevice) rib.Link {
	t.Helper()
	k, ok := read(t, open(t, h, rib.Binding{Netns: ns})).Links.ByName(d.Name)
	want := d.VXLAN
	want.Underlay = -1
	if core != ns {
		want.Underlay = k.VXLAN.Underlay
		if !strings.Contains(ip(t, ns, "-o link show "+d.Name), "link-netns "+core) {
			t.Errorf("the underlay is another: %s", ip(t, ns, "-o link show "+d.Name))
		}
	}
	if !ok || k.VXLAN != want || !k.Admin || len(k.Addrs) > 0 {
		t.Fatalf("the device is %+v, want %+v", k, want)
	}
	if details := ip(t, ns, "-d link show "+d.Name); !strings.Contains(details, "addrgenmode none") || !strings.Contains(details, "nolearning") {
		t.Errorf("the device is %s", details)
	}
	return k
}

// onlyDevice fails where namespaces have other VXLAN devices than so many.
func onlyDevice(t testing.TB, number int, spaces ...string) {
	t.Helper()
	var all strings.Builder
	for _, ns := range spaces {
		all.WriteString(ipLinks(t, ns, "-o link show type vxlan"))
	}
	if got := strings.Count(all.String(), "\n"); got != number {
		t.Errorf("%d VXLAN devices, want %d:\n%s", got, number, all.String())
	}
}

func TestMakeVXLAN(t *testing.T) {
	for _, family := range []string{"10.255.0.1", "fd00:255::1"} {
		for _, same := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, one namespace: %v", family, same), func(t *testing.T) {
				core, h := coreLab(t), startHost(t)
				ns := core
				if !same {
					ns = netns(t)
				}
				inCore := open(t, h, rib.Binding{Netns: core})
				d := toMake()
				d.Local = netip.MustParseAddr(family)
				makeVXLAN(t, h, core, ns, d)
				wantDevice(t, h, core, ns, d)
				onlyDevice(t, 1, ns)
				if !same {
					onlyDevice(t, 0, core)
					quiet(t, inCore, core) // nothing of it was ever there
				}
			})
		}
	}
}

// TestDeviceForwards: packets of one tenant reach the other by two devices that were made, and by
// endpoints that were set.
func TestDeviceForwards(t *testing.T) {
	h := startHost(t)
	cores, tenants := [2]string{netns(t), netns(t)}, [2]string{netns(t), netns(t)}
	ip(t, cores[0], "link add core type veth peer name core netns "+cores[1])
	for i, core := range cores {
		ip(t, core, "link set lo up")
		ip(t, core, fmt.Sprintf("addr add 192.0.2.%d/24 dev core", i+1))
		ip(t, core, fmt.Sprintf("addr add 10.255.0.%d/32 dev lo", i+1))
		ip(t, core, "link set core up")
		ip(t, core, fmt.Sprintf("route add 10.255.0.%d via 192.0.2.%d", 2-i, 2-i))
	}
	for i, ns := range tenants {
		ip(t, ns, "link set lo up")
		ip(t, ns, fmt.Sprintf("addr add 10.%d.0.1/32 dev lo", i+1))
		d := toMake()
		d.MAC[5] = byte(i + 1)
		d.Local = netip.MustParseAddr(fmt.Sprintf("10.255.0.%d", i+1))
		makeVXLAN(t, h, cores[i], ns, d)
		c := open(t, h, rib.Binding{Netns: ns})
		vtep, router := netip.MustParseAddr(fmt.Sprintf("10.255.0.%d", 2-i)), rib.MAC{2, 0, 0, 0, 1, byte(2 - i)}
		to := rib.Endpoint{Ifindex: ifindex(t, read(t, c), "vx100"), Gateway: rib.VTEPGateway(vtep, router), MAC: router, VTEP: vtep}
		r := route(fmt.Sprintf("10.%d.0.0/24", 2-i), rib.Hop{Gateway: to.Gateway, Ifindex: to.Ifindex})
		r.PrefSrc = netip.MustParseAddr(fmt.Sprintf("10.%d.0.1", i+1))
		apply(t, c, set(to), rib.Change{Op: rib.OpAdd, Route: r})
	}
	run(t, "ip", "netns", "exec", tenants[0], "ping", "-c1", "-W5", "10.2.0.1")
	run(t, "ip", "netns", "exec", tenants[1], "ping", "-c1", "-W5", "10.1.0.1")
}

// TestAdoptedDevice: one with our alias stays, and what differs of it is changed; nothing where
// nothing does.
func TestAdoptedDevice(t *testing.T) {
	core, ns, h := coreLab(t), netns(t), startHost(t)
	ip(t, core, "addr add 10.255.0.9/32 dev lo")
	d := toMake()
	makeVXLAN(t, h, core, ns, d)
	before := wantDevice(t, h, core, ns, d)
	c := open(t, h, rib.Binding{Netns: ns})
	makeVXLAN(t, h, core, ns, d)
	quiet(t, c, ns)
	ip(t, ns, "link add bridge0 type bridge")
	for _, line := range []string{
		"link set vx100 address 02:00:00:00:01:99", "link set vx100 mtu 1400", "link set vx100 down", "link set vx100 addrgenmode eui64",
		"link set vx100 type vxlan local 10.255.0.9", "link set vx100 type vxlan learning", "link set vx100 master bridge0", "link set vx100 down; link set vx100 name else", "link set vx100 down; link set vx100 name else; link set else up",
	} {
		for command := range strings.SplitSeq(line, "; ") { // before Linux 6.2 what is up has its name for good
			ip(t, ns, command)
		}
		makeVXLAN(t, h, core, ns, d)
		if now := wantDevice(t, h, core, ns, d); now.Index != before.Index || now.Master != 0 {
			t.Errorf("after %s it is %+v", line, now)
		}
		onlyDevice(t, 1, ns)
	}
	// What the kernel cannot change is made anew.
	for _, change := range []func(*VXLANDevice){
		func(d *VXLANDevice) { d.VNI = 101 }, func(d *VXLANDevice) { d.Port = 4790 },
		func(d *VXLANDevice) { d.Local = netip.MustParseAddr("fd00:255::1") },
	} {
		change(&d)
		makeVXLAN(t, h, core, ns, d)
		if now := wantDevice(t, h, core, ns, d); now.Index == before.Index {
			t.Errorf("it is %+v", now)
		}
		onlyDevice(t, 1, ns)
	}
	// It was made over another core.
	other := coreLab(t)
	makeVXLAN(t, h, other, ns, d)
	wantDevice(t, h, other, ns, d)
	onlyDevice(t, 1, ns)
}

func TestDevicesThatCannotBe(t *testing.T) {
	h := NewHost(quietLog)
	for name, change := range map[string]func(*VXLANDevice){
		"no name": func(d *VXLANDevice) { d.Name = "" }, "a long name": func(d *VXLANDevice) { d.Name = "sixteen-letters-" },
		"a pattern": func(d *VXLANDevice) { d.Name = "vx%d" }, "a path": func(d *VXLANDevice) { d.Name = "../vx" },
		"an escape sequence": func(d *VXLANDevice) { d.Name = "vx\x1b[2J" }, "a dot": func(d *VXLANDevice) { d.Name = "." },
		"no alias": func(d *VXLANDevice) { d.Alias = "" }, "a strange alias": func(d *VXLANDevice) { d.Alias = "a\x00b" },
		"no VNI": func(d *VXLANDevice) { d.VNI = 0 }, "a large VNI": func(d *VXLANDevice) { d.VNI = 1 << 24 },
		"no address": func(d *VXLANDevice) { d.Local = netip.Addr{} }, "a group": func(d *VXLANDevice) { d.Local = netip.MustParseAddr("239.1.1.1") },
		"no port": func(d *VXLANDevice) { d.Port = 0 }, "a group's MAC": func(d *VXLANDevice) { d.MAC[0] = 1 }, "no MAC": func(d *VXLANDevice) { d.MAC = rib.MAC{} },
	} {
		d := toMake()
		change(&d)
		err := h.MakeVXLAN(t.Context(), rib.Binding{}, rib.Binding{}, d)
		if err == nil || !strings.HasPrefix(err.Error(), "cannot make the VXLAN device ") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestRemoveVXLAN(t *testing.T) {
	core, ns, h := coreLab(t), netns(t), startHost(t)
	b := rib.Binding{Netns: ns}
	d := toMake()
	makeVXLAN(t, h, core, ns, d)
	for _, other := range []struct{ name, alias string }{{"vx100", "vrfredist:re"}, {"vx100", ""}, {"vx101", d.Alias}} {
		if err := h.RemoveVXLAN(t.Context(), b, other.name, other.alias); err != nil {
			t.Error(err)
		}
	}
	onlyDevice(t, 1, ns)
	for range 2 { // that there is none is no error
		if err := h.RemoveVXLAN(t.Context(), b, d.Name, d.Alias); err != nil {
			t.Error(err)
		}
	}
	onlyDevice(t, 0, ns, core)
	makeVXLAN(t, h, core, ns, d)
	run(t, "ip", "netns", "del", ns)
	if err := h.RemoveVXLAN(t.Context(), b, d.Name, d.Alias); err != nil {
		t.Error(err)
	}
	if err := h.MakeVXLAN(t.Context(), rib.Binding{Netns: core}, b, d); !errors.Is(err, rib.ErrAbsent) {
		t.Errorf("without a namespace: %v", err)
	}
	// The kernel takes the device away with its namespace, some time after that has no name.
	again := netns(t)
	waitUntil(t, "the VNI is free", func() bool {
		return h.MakeVXLAN(t.Context(), rib.Binding{Netns: core}, rib.Binding{Netns: again}, d) == nil
	})
}

// TestMakeVXLANWithoutRights: the message says what is missing.
func TestMakeVXLANWithoutRights(t *testing.T) {
	core, ns := coreLab(t), netns(t)
	asUser(t, core, 65534, func() error {
		err := NewHost(quietLog).MakeVXLAN(t.Context(), rib.Binding{}, rib.Binding{}, toMake())
		if err == nil || !strings.Contains(err.Error(), "run with CAP_NET_ADMIN") {
			t.Errorf("%v", err)
		}
		return nil
	})
	onlyDevice(t, 0, core, ns)
}

// TestMakeVXLANInVRFDevice: in the core's namespace, in a tenant's, and moved from one VRF to another.
func TestMakeVXLANInVRFDevice(t *testing.T) {
	need.VRF(t)
	core, h := coreLab(t), startHost(t)
	for n, ns := range []string{core, netns(t)} {
		for i, name := range []string{"red", "blue"} {
			ip(t, ns, fmt.Sprintf("link add %s type vrf table %d", name, 1001+i))
			ip(t, ns, "link set "+name+" up")
		}
		d := toMake()
		d.VNI += uint32(n)
		for _, name := range []string{"red", "red", "blue"} {
			b := rib.Binding{Netns: ns, Device: name}
			if err := h.MakeVXLAN(t.Context(), rib.Binding{Netns: core}, b, d); err != nil {
				t.Fatal(err)
			}
			c := open(t, h, b)
			tb := read(t, c)
			k, ok := tb.Links.ByName("vx100")
			if !ok || k.Master != c.Where().Device || !k.Admin || k.VXLAN.VNI != d.VNI {
				t.Fatalf("%+v", k)
			}
			to := endpoint(tb, 1, "10.255.0.2")
			apply(t, c, set(to))
			wantEndpoints(t, c, to)
			wantEndpoints(t, open(t, h, rib.Binding{Netns: ns}))
			wantStand(t, ns, "vx100", lines(to)...)
			apply(t, c, unset(to))
		}
	}
}

// BenchmarkMakeVXLAN makes a device in a tenant's namespace.
func BenchmarkMakeVXLAN(b *testing.B) {
	core, ns, h := coreLab(b), netns(b), startHost(b)
	d := toMake()
	for b.Loop() {
		makeVXLAN(b, h, core, ns, d)
		b.StopTimer()
		if err := h.RemoveVXLAN(b.Context(), rib.Binding{Netns: ns}, d.Name, d.Alias); err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
	}
}
