package kernel

import (
	"fmt"
	"net/netip"
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
			&rib.Link{Index: 5, MTU: 1500, Name: "vrf-red", VRFTable: 70000, Up: true, Admin: true}},
		{"wireless news", linkMessage(unix.RTM_NEWLINK, 0, 5, 0, name, attr(unix.IFLA_WIRELESS, "abcd")), nothing,
			&rib.Link{Index: 5, MTU: 1500, Name: "vrf-red", VRFTable: 70000, Up: true, Admin: true}},
		{"a bridge's news of its port", linkMessage(unix.RTM_DELLINK, unix.AF_BRIDGE, 5, 0, name), nothing,
			&rib.Link{Index: 5, MTU: 1500, Name: "vrf-red", VRFTable: 70000, Up: true, Admin: true}},
		{"another table", linkMessage(unix.RTM_NEWLINK, 0, 5, up, name, attrNumber(unix.IFLA_MTU, 1500), vrfInfo(70001)), changed,
			&rib.Link{Index: 5, MTU: 1500, Name: "vrf-red", VRFTable: 70001, Up: true, Admin: true}},
		{"renamed", linkMessage(unix.RTM_NEWLINK, 0, 5, up, attr(unix.IFLA_IFNAME, "vrf-blue\x00"), attrNumber(unix.IFLA_MTU, 1500), vrfInfo(70000)), changed,
			&rib.Link{Index: 5, MTU: 1500, Name: "vrf-blue", VRFTable: 70000, Up: true, Admin: true}},
		{"an escape sequence and no UTF-8 in the name", linkMessage(unix.RTM_NEWLINK, 0, 5, up, attr(unix.IFLA_IFNAME, "lan\x1b[31m\xff\u202e\x00"), attrNumber(unix.IFLA_MTU, 1500), vrfInfo(70000)), changed,
			&rib.Link{Index: 5, MTU: 1500, Name: `lan\x1b[31m\xff\u202e`, VRFTable: 70000, Up: true, Admin: true}},
		{"letters that are not ASCII in the name", linkMessage(unix.RTM_NEWLINK, 0, 5, up, attr(unix.IFLA_IFNAME, "län\\\"0\x00"), attrNumber(unix.IFLA_MTU, 1500), vrfInfo(70000)), changed,
			&rib.Link{Index: 5, MTU: 1500, Name: `län\"0`, VRFTable: 70000, Up: true, Admin: true}},
		{"no carrier", linkMessage(unix.RTM_NEWLINK, 0, 5, unix.IFF_UP, name, attrNumber(unix.IFLA_MTU, 1500), vrfInfo(70000)), changed,
			&rib.Link{Index: 5, MTU: 1500, Name: "vrf-red", VRFTable: 70000, Admin: true}},
		{"enslaved", linkMessage(unix.RTM_NEWLINK, 0, 5, up, name, attrNumber(unix.IFLA_MTU, 1500), attrNumber(unix.IFLA_MASTER, 9), vrfInfo(70000)), changed,
			&rib.Link{Index: 5, MTU: 1500, Name: "vrf-red", Master: 9, VRFTable: 70000, Up: true, Admin: true}},
		{"deleted", linkMessage(unix.RTM_DELLINK, 0, 5, 0, name), changed, nil},
		{"another one deleted, never seen", linkMessage(unix.RTM_DELLINK, 0, 6, 0, name), nothing,
			&rib.Link{Index: 5, MTU: 1500, Name: "vrf-red", VRFTable: 70000, Up: true, Admin: true}},
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
			if ok != (tt.want != nil) || tt.want != nil && !cmp.Equal(got, *tt.want, vxlanComparer) {
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
	m := newMonitor(&namespace{name: "x"}, newPorts(), quietLog)
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
