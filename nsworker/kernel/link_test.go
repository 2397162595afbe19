package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/vm/need"
	"github.com/vrfredist/vrfredist/rib"
)

// linkMessage is an RTM_NEWLINK as the kernel composes it.
func linkMessage(typ uint16, family byte, index int32, flags uint32, attrs ...[]byte) message {
	b := []byte{family, 0, 0, 0}
	b = native.AppendUint32(b, uint32(index))
	b = native.AppendUint32(b, flags)
	b = native.AppendUint32(b, 0)
	for _, a := range attrs {
		b = append(b, a...)
	}
	return message{typ: typ, body: b}
}

func attr(typ uint16, v string) []byte          { return appendAttr(nil, typ, []byte(v)) }
func attrNumber(typ uint16, v uint32) []byte    { return appendAttrU32(nil, typ, v) }
func nested(typ uint16, inner ...[]byte) []byte { return attr(typ|unix.NLA_F_NESTED, join(inner)) }
func vrfInfo(table uint32) []byte {
	return nested(unix.IFLA_LINKINFO, attr(unix.IFLA_INFO_KIND, "vrf\x00"),
		nested(unix.IFLA_INFO_DATA, attrNumber(unix.IFLA_VRF_TABLE, table)))
}

func join(parts [][]byte) string {
	var s strings.Builder
	for _, p := range parts {
		s.Write(p)
	}
	return s.String()
}

const up = unix.IFF_UP | unix.IFF_RUNNING

func TestLinkCache(t *testing.T) {
	name := attr(unix.IFLA_IFNAME, "vrf-red\x00")
	first := linkMessage(unix.RTM_NEWLINK, 0, 5, up, name, attrNumber(unix.IFLA_MTU, 1500), vrfInfo(70000))
	tests := []struct {
		name string
		m    message
		news news
		want *rib.Link // nil: gone
	}{
		{"the same again, with statistics", linkMessage(unix.RTM_NEWLINK, 0, 5, up, name, attrNumber(unix.IFLA_MTU, 1500),
			attr(unix.IFLA_STATS64, "abcdefgh"), vrfInfo(70000)), nothing,
			&rib.Link{Index: 5, Name: "vrf-red", VRFTable: 70000, Up: true, Admin: true}},
		{"wireless news", linkMessage(unix.RTM_NEWLINK, 0, 5, 0, name, attr(unix.IFLA_WIRELESS, "abcd")), nothing,
			&rib.Link{Index: 5, Name: "vrf-red", VRFTable: 70000, Up: true, Admin: true}},
		{"a bridge's news of its port", linkMessage(unix.RTM_DELLINK, unix.AF_BRIDGE, 5, 0, name), nothing,
			&rib.Link{Index: 5, Name: "vrf-red", VRFTable: 70000, Up: true, Admin: true}},
		{"another table", linkMessage(unix.RTM_NEWLINK, 0, 5, up, name, attrNumber(unix.IFLA_MTU, 1500), vrfInfo(70001)), changed,
			&rib.Link{Index: 5, Name: "vrf-red", VRFTable: 70001, Up: true, Admin: true}},
		{"renamed", linkMessage(unix.RTM_NEWLINK, 0, 5, up, attr(unix.IFLA_IFNAME, "vrf-blue\x00"), attrNumber(unix.IFLA_MTU, 1500), vrfInfo(70000)), changed,
			&rib.Link{Index: 5, Name: "vrf-blue", VRFTable: 70000, Up: true, Admin: true}},
		{"an escape sequence and no UTF-8 in the name", linkMessage(unix.RTM_NEWLINK, 0, 5, up, attr(unix.IFLA_IFNAME, "lan\x1b[31m\xff\u202e\x00"), attrNumber(unix.IFLA_MTU, 1500), vrfInfo(70000)), changed,
			&rib.Link{Index: 5, Name: `lan\x1b[31m\xff\u202e`, VRFTable: 70000, Up: true, Admin: true}},
		{"letters that are not ASCII in the name", linkMessage(unix.RTM_NEWLINK, 0, 5, up, attr(unix.IFLA_IFNAME, "län\\\"0\x00"), attrNumber(unix.IFLA_MTU, 1500), vrfInfo(70000)), changed,
			&rib.Link{Index: 5, Name: `län\"0`, VRFTable: 70000, Up: true, Admin: true}},
		{"no carrier", linkMessage(unix.RTM_NEWLINK, 0, 5, unix.IFF_UP, name, attrNumber(unix.IFLA_MTU, 1500), vrfInfo(70000)), changed,
			&rib.Link{Index: 5, Name: "vrf-red", VRFTable: 70000, Admin: true}},
		{"enslaved", linkMessage(unix.RTM_NEWLINK, 0, 5, up, name, attrNumber(unix.IFLA_MTU, 1500), attrNumber(unix.IFLA_MASTER, 9), vrfInfo(70000)), changed,
			&rib.Link{Index: 5, Name: "vrf-red", Master: 9, VRFTable: 70000, Up: true, Admin: true}},
		{"deleted", linkMessage(unix.RTM_DELLINK, 0, 5, 0, name), changed, nil},
		{"another one deleted, never seen", linkMessage(unix.RTM_DELLINK, 0, 6, 0, name), nothing,
			&rib.Link{Index: 5, Name: "vrf-red", VRFTable: 70000, Up: true, Admin: true}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := linkCache{}
			if _, n, err := c.link(first); err != nil || n != came {
				t.Fatal(n, err)
			}
			_, n, err := c.link(tt.m)
			if err != nil || n != tt.news {
				t.Errorf("news %v, %v, want %v", n, err, tt.news)
			}
			got, ok := c.links()[5]
			if ok != (tt.want != nil) || tt.want != nil && !cmp.Equal(got, *tt.want) {
				t.Errorf("the link is %+v, want %+v", got, tt.want)
			}
		})
	}
	if _, _, err := (linkCache{}).link(message{typ: unix.RTM_NEWLINK, body: []byte{1, 2}}); err == nil {
		t.Error("a short message is taken")
	}
}

// TestWhatComesTakesNoRouteAlong: what a link's way up says, and what says that the
// kernel may have taken routes out.
func TestWhatComesTakesNoRouteAlong(t *testing.T) {
	m := fakeMonitor(t)
	c := fakeConn(m, rib.Binding{Netns: "x"})
	if err := m.bind(c); err != nil {
		t.Fatal(err)
	}
	link := func(flags, mtu uint32) message {
		return linkMessage(unix.RTM_NEWLINK, 0, 5, flags, attr(unix.IFLA_IFNAME, "eth0"), attrNumber(unix.IFLA_MTU, mtu))
	}
	connected := message{typ: unix.RTM_NEWROUTE, body: appendAttrAddr(
		[]byte{unix.AF_INET, 24, 0, 0, unix.RT_TABLE_MAIN, unix.RTPROT_KERNEL, unix.RT_SCOPE_LINK, unix.RTN_UNICAST, 0, 0, 0, 0},
		unix.RTA_DST, netip.MustParseAddr("192.0.2.0"))}
	for _, step := range []struct {
		name         string
		m            message
		came, resync bool
	}{
		{"a new link", link(0, 1500), true, false},
		{"set up", link(unix.IFF_UP, 1500), true, false},
		{"with carrier", link(up, 1500), true, false},
		{"the same again", link(up, 1500), false, false},
		{"less room for packets", link(up, 1200), false, true},
		{"without carrier", link(unix.IFF_UP, 1200), false, true},
		{"set down", link(0, 1200), false, true},
		{"set up, and down before anybody looks", link(up, 1200), true, false},
	} {
		for _, msg := range []message{step.m, connected} {
			if err := m.event(msg); err != nil {
				t.Fatal(err)
			}
		}
		if strings.HasSuffix(step.name, "looks") {
			if err := m.event(link(0, 1200)); err != nil {
				t.Fatal(err)
			}
			step.came, step.resync = false, true
		}
		e := c.Events()
		if e.Came != step.came || e.Resync != step.resync || (e.Links != nil) != (step.came || step.resync) ||
			(len(e.Routes) == 1) == step.resync || (e.Reason == rib.ResyncLink) != (step.came || step.resync) {
			t.Errorf("%s: %+v", step.name, e)
		}
	}
}

// fakeMonitor knows the links of messages and has no socket.
func fakeMonitor(t *testing.T, messages ...message) *monitor {
	t.Helper()
	m := newMonitor(&namespace{name: "x"}, nil, quietLog)
	m.links = linkCache{}
	for _, msg := range messages {
		if _, _, err := m.links.link(msg); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

func fakeConn(m *monitor, b rib.Binding) *Conn {
	return &Conn{mon: m, binding: b, sock: &client{sock: &sock{port: 1}}, inbox: newInbox()}
}

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

func TestAddresses(t *testing.T) {
	message := func(typ uint16, flags uint32, prefix, peer string) message {
		p := netip.MustParsePrefix(prefix)
		b := []byte{unix.AF_INET, byte(p.Bits()), byte(flags), 0}
		b = native.AppendUint32(b, 5)
		if peer != "" {
			b = appendAttrAddr(b, unix.IFA_ADDRESS, netip.MustParseAddr(peer))
			b = appendAttrAddr(b, unix.IFA_LOCAL, p.Addr())
		} else {
			b = appendAttrAddr(b, unix.IFA_ADDRESS, p.Addr())
		}
		return message{typ: typ, body: appendAttrU32(b, unix.IFA_FLAGS, flags)}
	}
	c := linkCache{}
	if _, _, err := c.link(linkMessage(unix.RTM_NEWLINK, 0, 5, up, attr(unix.IFLA_IFNAME, "eth0"))); err != nil {
		t.Fatal(err)
	}
	steps := []struct {
		m      struct{ typ uint16 }
		flags  uint32
		prefix string
		peer   string
		news   news
		want   string
	}{
		{struct{ typ uint16 }{unix.RTM_NEWADDR}, unix.IFA_F_TENTATIVE, "2001:db8::1/64", "", came, "[2001:db8::1/64]"},
		{struct{ typ uint16 }{unix.RTM_NEWADDR}, unix.IFA_F_TENTATIVE | unix.IFA_F_PERMANENT, "2001:db8::1/64", "", nothing, "[2001:db8::1/64]"},
		{struct{ typ uint16 }{unix.RTM_NEWADDR}, 0, "2001:db8::1/64", "", came, "[2001:db8::1/64]"},
		{struct{ typ uint16 }{unix.RTM_NEWADDR}, 0, "192.0.2.1/32", "192.0.2.2", came, "[192.0.2.1/32 2001:db8::1/64]"},
		{struct{ typ uint16 }{unix.RTM_NEWADDR}, unix.IFA_F_DADFAILED, "2001:db8::1/64", "", changed, "[192.0.2.1/32]"},
		{struct{ typ uint16 }{unix.RTM_DELADDR}, 0, "192.0.2.1/32", "192.0.2.2", changed, "[]"},
		{struct{ typ uint16 }{unix.RTM_DELADDR}, 0, "192.0.2.1/32", "192.0.2.2", nothing, "[]"},
	}
	for i, s := range steps {
		n, err := c.address(message(s.m.typ, s.flags, s.prefix, s.peer))
		if err != nil || n != s.news {
			t.Errorf("step %d: news %v, %v, want %v", i, n, err, s.news)
		}
		if got := fmt.Sprint(c.links()[5].Addrs); got != s.want {
			t.Errorf("step %d: %s, want %s", i, got, s.want)
		}
	}
}

// needVRF makes a namespace on a kernel that has VRF devices.
func needVRF(t *testing.T) string {
	t.Helper()
	needRoot(t)
	need.VRF(t)
	return netns(t)
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
