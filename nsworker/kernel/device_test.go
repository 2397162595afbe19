package kernel

import (
	"context"
	"errors"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

func TestDeviceBinding(t *testing.T) {
	red := func(name string, table uint32) message {
		return linkMessage(unix.RTM_NEWLINK, 0, 5, up, attr(unix.IFLA_IFNAME, name), vrfInfo(table))
	}
	plain := linkMessage(unix.RTM_NEWLINK, 0, 5, up, attr(unix.IFLA_IFNAME, "vrf-red"))
	b := rib.Binding{Netns: "x", Device: "vrf-red"}
	for text, m := range map[string]*monitor{
		"VRF device vrf-red in netns x is not there":            fakeMonitor(t, red("vrf-blue", 7)),
		"vrf-red in netns x is an interface, but no VRF device": fakeMonitor(t, plain),
	} {
		if err := m.bind(fakeConn(m, b)); !errors.Is(err, rib.ErrAbsent) || err.Error() != text {
			t.Errorf("%v\nwant: %s", err, text)
		}
	}
	tests := []struct {
		name string
		m    message
		gone string
	}{
		{"table", red("vrf-red", 70001), "VRF device vrf-red in netns x has the table 70001 now, and had 70000"},
		{"name", red("vrf-blue", 70000), "VRF device vrf-red in netns x was renamed to vrf-blue"},
		{"deletion", linkMessage(unix.RTM_DELLINK, 0, 5, 0), "VRF device vrf-red in netns x was removed"},
		{"something else", linkMessage(unix.RTM_NEWLINK, 0, 5, unix.IFF_UP, attr(unix.IFLA_IFNAME, "vrf-red"), vrfInfo(70000)), ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			m := fakeMonitor(t, red("vrf-red", 70000))
			c := fakeConn(m, b)
			if err := m.bind(c); err != nil {
				t.Fatal(err)
			}
			if w := c.Where(); w.Table != 70000 || w.Device != 5 {
				t.Errorf("bound to %+v", w)
			}
			if err := m.event(tt.m); err != nil {
				t.Fatal(err)
			}
			e := c.Events()
			if e.Gone != (tt.gone != "") || e.GoneBy != tt.gone || e.Resync == e.Gone {
				t.Errorf("events %+v", e)
			}
		})
	}
}

func TestAwaitDeviceIsSignalledByLinkNews(t *testing.T) {
	m := fakeMonitor(t)
	a := &await{binding: rib.Binding{Device: "vrf-red"}, ready: make(chan struct{}, 1)}
	m.subscribers.awaits[a] = struct{}{}
	signals := func(msg message) bool {
		if err := m.event(msg); err != nil {
			t.Fatal(err)
		}
		select {
		case <-a.ready:
			return true
		default:
			return false
		}
	}
	if signals(linkMessage(unix.RTM_NEWLINK, 0, 5, 0, attr(unix.IFLA_IFNAME, "vrf-red"))) {
		t.Error("signalled by a link that is no VRF device")
	}
	if signals(linkMessage(unix.RTM_NEWLINK, 0, 6, 0, attr(unix.IFLA_IFNAME, "vrf-x"), vrfInfo(9))) {
		t.Error("signalled by another VRF device")
	}
	if signals(linkMessage(unix.RTM_DELLINK, 0, 5, 0)) {
		t.Error("signalled by the end of a link")
	}
	if !signals(linkMessage(unix.RTM_NEWLINK, 0, 6, 0, attr(unix.IFLA_IFNAME, "vrf-red"), vrfInfo(9))) {
		t.Error("not signalled by a rename")
	}
}

func TestVRFDeviceComesAndGoes(t *testing.T) {
	ns := needVRF(t)
	h := startHost(t)
	b := rib.Binding{Netns: ns, Device: "vrf-red"}
	changed, stop, err := h.Await(b)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	if _, err := h.Open(t.Context(), b, rib.ProtoOwn); !errors.Is(err, rib.ErrAbsent) {
		t.Fatalf("before it is there: %v", err)
	}
	what := "VRF device vrf-red in netns " + ns
	ends := []struct{ line, gone string }{
		{"link del vrf-red", what + " was removed"},
		{"link set vrf-red name vrf-blue", what + " was renamed to vrf-blue"},
	}
	for _, end := range ends {
		drainSignal(changed)
		ip(t, ns, "link add vrf-red type vrf table 70000")
		openWhenSignalled(t, h, b, changed)
		c := open(t, h, b)
		if w := c.Where(); w.Table != 70000 || w.Device == 0 {
			t.Errorf("bound to %+v", w)
		}
		if k, ok := read(t, c).Links.ByName("vrf-red"); !ok || k.VRFTable != 70000 || k.Index != c.Where().Device {
			t.Errorf("the device reads as %+v", k)
		}
		apply(t, c, rib.Change{Op: rib.OpAdd, Route: route("10.0.0.0/8")})
		wantRoutes(t, ns, "-4", 70000, "blackhole 10.0.0.0/8 proto 179 metric 20")
		wantRoutes(t, ns, "-4", 254)
		apply(t, c, rib.Change{Op: rib.OpDelete, Route: route("10.0.0.0/8")})
		ip(t, ns, end.line)
		awaitGone(t, c, end.gone)
	}
	ip(t, ns, "link del vrf-blue")
}

func TestVRFDeviceInNamespaceThatComesLater(t *testing.T) {
	needVRF(t)
	h := startHost(t)
	ns := freshName(t)
	b := rib.Binding{Netns: ns, Device: "vrf-red"}
	changed, stop, err := h.Await(b)
	if err != nil {
		t.Fatal(err)
	}
	defer stop()
	run(t, "ip", "netns", "add", ns)
	ip(t, ns, "link add vrf-red type vrf table 1001")
	openWhenSignalled(t, h, b, changed)
}

func TestEnslavedInterfaceLeavesItsTable(t *testing.T) {
	ns := needVRF(t)
	h := startHost(t)
	ip(t, ns, "link add vrf-red type vrf table 1001")
	ip(t, ns, "link set vrf-red up")
	ip(t, ns, "link add v0 type veth peer name v1")
	for _, v := range []string{"v0", "v1"} {
		ip(t, ns, "link set "+v+" addrgenmode none") // no link-local routes
		ip(t, ns, "link set "+v+" up")
	}
	ip(t, ns, "addr add 192.0.2.1/24 dev v0")
	main := open(t, h, rib.Binding{Netns: ns})
	red := open(t, h, rib.Binding{Netns: ns, Device: "vrf-red"})
	apply(t, main, rib.Change{Op: rib.OpAdd, Route: route("10.0.0.0/8", via("192.0.2.2"))})
	ip(t, ns, "link set v0 master vrf-red")
	awaitResync(t, main, rib.ResyncLink)
	awaitResync(t, red, rib.ResyncLink)
	if got := read(t, main).Routes; len(got) != 0 {
		t.Errorf("main still has %+v", got)
	}
	tb := read(t, red)
	if k, _ := tb.Links.ByName("v0"); k.Master != red.Where().Device {
		t.Errorf("v0 reads as %+v", k)
	}
	if len(tb.Routes) == 0 {
		t.Error("the VRF's table has no connected route")
	}
}

func TestAwaitDeviceInExistingNamespace(t *testing.T) {
	ns := netns(t)
	h := startHost(t)
	b := rib.Binding{Netns: ns, Device: "vrf-red"}
	_, stop, err := h.Await(b)
	if err != nil {
		t.Fatal(err)
	}
	_, err = h.Open(context.Background(), b, rib.ProtoOwn)
	if !errors.Is(err, rib.ErrAbsent) || !strings.Contains(err.Error(), "VRF device vrf-red in netns "+ns+" is not there") {
		t.Errorf("Open: %v", err)
	}
	// There is no VRF device in the namespace, and on some kernels there cannot be.
	_, missing := os.Stat("/sys/module/vrf")
	if said := strings.HasSuffix(err.Error(), ": modprobe vrf"); said != os.IsNotExist(missing) {
		t.Errorf("with the kernel's module vrf (%v): %v", missing, err)
	}
	stop()
	nothingLeft(t, h)
}
