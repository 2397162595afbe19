package kernel

import (
	"encoding/binary"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

var vxlanComparer = cmp.Comparer(func(a, b rib.VXLAN) bool { return a == b })

// vxlanInfo is the IFLA_LINKINFO of a VXLAN device.
func vxlanInfo(vni uint32, attrs ...[]byte) []byte {
	data := [][]byte{
		attrNumber(unix.IFLA_VXLAN_ID, vni),
		attr(unix.IFLA_VXLAN_PORT, string(binary.BigEndian.AppendUint16(nil, 4789))),
	}
	return nested(unix.IFLA_LINKINFO, attr(unix.IFLA_INFO_KIND, "vxlan\x00"), nested(unix.IFLA_INFO_DATA, append(data, attrs...)...))
}

func TestVXLANDevicesAreDecoded(t *testing.T) {
	name, mtu := attr(unix.IFLA_IFNAME, "vx100\x00"), attrNumber(unix.IFLA_MTU, 1450)
	mac := attr(unix.IFLA_ADDRESS, "\x02\x00\x00\x00\x01\x01")
	local := attr(unix.IFLA_VXLAN_LOCAL, "\x0a\xff\x00\x01")
	is := rib.VXLAN{
		VNI: 100, Local: netip.MustParseAddr("10.255.0.1"), Port: 4789, MAC: rib.MAC{2, 0, 0, 0, 1, 1}, MTU: 1450, Underlay: -1,
	}
	but := func(change func(*rib.VXLAN)) rib.VXLAN {
		x := is
		change(&x)
		return x
	}
	for _, tt := range []struct {
		name  string
		attrs [][]byte
		want  rib.VXLAN
	}{
		{"its own underlay", [][]byte{mac, vxlanInfo(100, local, attr(unix.IFLA_VXLAN_LEARNING, "\x00"), attr(unix.IFLA_VXLAN_COLLECT_METADATA, "\x00"))}, is},
		{"made in another namespace, marked", [][]byte{attr(unix.IFLA_IFALIAS, "vrfredist:red"), mac, vxlanInfo(100, local), attrNumber(unix.IFLA_LINK_NETNSID, 3)},
			but(func(x *rib.VXLAN) { x.Underlay, x.Alias = 3, "vrfredist:red" })},
		{"over IPv6, learning", [][]byte{mac, vxlanInfo(100, attr(unix.IFLA_VXLAN_LOCAL6, "\xfd\x00\x02\x55\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x01"), attr(unix.IFLA_VXLAN_LEARNING, "\x01"))},
			but(func(x *rib.VXLAN) { x.Local, x.Learning = netip.MustParseAddr("fd00:255::1"), true })},
		{"for many VNIs", [][]byte{mac, vxlanInfo(0, local, attr(unix.IFLA_VXLAN_COLLECT_METADATA, "\x01"))}, but(func(x *rib.VXLAN) { x.VNI = 0 })},
		{"an escape sequence in the alias", [][]byte{attr(unix.IFLA_IFALIAS, "vrfredist:red\x1b[2J"), mac, vxlanInfo(100, local)},
			but(func(x *rib.VXLAN) { x.Alias = `vrfredist:red\x1b[2J` })},
		{"another kind, with the same attributes", [][]byte{attr(unix.IFLA_IFALIAS, "vrfredist:red"), mac, attrNumber(unix.IFLA_LINK_NETNSID, 3),
			nested(unix.IFLA_LINKINFO, attr(unix.IFLA_INFO_KIND, "geneve\x00"), nested(unix.IFLA_INFO_DATA, attrNumber(unix.IFLA_VXLAN_ID, 100)))}, rib.VXLAN{}},
		{"no kind", [][]byte{mac}, rib.VXLAN{}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			k, whole, err := decodeLink(linkMessage(unix.RTM_NEWLINK, 0, 5, up, append([][]byte{name, mtu}, tt.attrs...)...).body)
			if err != nil || !whole || k.vrf || k.VRFTable != 0 {
				t.Fatalf("%+v, %v", k, err)
			}
			if d := cmp.Diff(tt.want, k.VXLAN, vxlanComparer); d != "" {
				t.Error(d)
			}
		})
	}
}

// TestNewsOfVXLANDevices: whose device it is reads again, the others only hear of the link.
func TestNewsOfVXLANDevices(t *testing.T) {
	red := linkMessage(unix.RTM_NEWLINK, 0, 9, up, attr(unix.IFLA_IFNAME, "red\x00"), vrfInfo(1001))
	m := fakeMonitor(t, red)
	main, inRed := fakeConn(m, rib.Binding{Netns: "x"}), fakeConn(m, rib.Binding{Netns: "x", Device: "red"})
	for _, c := range []*Conn{main, inRed} {
		if err := m.bind(c); err != nil {
			t.Fatal(err)
		}
	}
	device := func(flags uint32, name, mac, alias string, master uint32) message {
		return linkMessage(unix.RTM_NEWLINK, 0, 5, flags, attr(unix.IFLA_IFNAME, name+"\x00"), attrNumber(unix.IFLA_MASTER, master),
			attr(unix.IFLA_IFALIAS, alias), attr(unix.IFLA_ADDRESS, mac), vxlanInfo(100))
	}
	const reads, hears, silent = "reads again", "hears", "nothing"
	for _, step := range []struct {
		name        string
		m           message
		main, inRed string
	}{
		{"it comes", device(0, "vx", "\x02\x00\x00\x00\x01\x01", "", 9), hears, reads},
		{"goes up", device(up, "vx", "\x02\x00\x00\x00\x01\x01", "", 9), hears, reads},
		{"the same again", device(up, "vx", "\x02\x00\x00\x00\x01\x01", "", 9), silent, silent},
		{"another MAC", device(up, "vx", "\x02\x00\x00\x00\x01\x02", "", 9), hears, reads},
		{"another name", device(up, "vx100", "\x02\x00\x00\x00\x01\x02", "", 9), hears, reads},
		{"another alias", device(up, "vx100", "\x02\x00\x00\x00\x01\x02", "vrfredist:red", 9), hears, reads},
		{"goes down", device(0, "vx100", "\x02\x00\x00\x00\x01\x02", "vrfredist:red", 9), reads, reads},
		{"leaves the VRF", device(0, "vx100", "\x02\x00\x00\x00\x01\x02", "vrfredist:red", 0), reads, reads},
		{"goes up there", device(up, "vx100", "\x02\x00\x00\x00\x01\x02", "vrfredist:red", 0), reads, hears},
		{"into a bridge", device(up, "vx100", "\x02\x00\x00\x00\x01\x02", "vrfredist:red", 7), reads, reads},
		{"another MAC there", device(up, "vx100", "\x02\x00\x00\x00\x01\x03", "vrfredist:red", 7), hears, hears},
	} {
		if err := m.event(step.m); err != nil {
			t.Fatal(err)
		}
		for c, want := range map[*Conn]string{main: step.main, inRed: step.inRed} {
			got := silent
			e := c.Events()
			switch {
			case e.Resync:
				got = reads
			case e.Came:
				got = hears
			}
			if got != want || e.Links == nil && got != silent {
				t.Errorf("%s: %v: %s, want %s", step.name, c.binding, got, want)
			}
		}
	}
}

func TestEndpointDevices(t *testing.T) {
	link := func(index int32, name string, master uint32, info []byte) message {
		return linkMessage(unix.RTM_NEWLINK, 0, index, up, attr(unix.IFLA_IFNAME, name), attrNumber(unix.IFLA_MASTER, master), info)
	}
	m := fakeMonitor(t,
		link(2, "red", 0, vrfInfo(1001)), link(3, "vx1", 0, vxlanInfo(1)), link(4, "vx2", 2, vxlanInfo(2)), link(5, "br", 2, nil),
		link(6, "vx3", 5, vxlanInfo(3)), link(7, "ext", 0, vxlanInfo(0, attr(unix.IFLA_VXLAN_COLLECT_METADATA, "\x01"))), link(8, "eth0", 0, nil))
	for where, want := range map[rib.Where][]int{
		{Table: 254}: {3}, {Device: 2, Table: 1001}: {4}, {Device: 9, Table: 1002}: nil, {Table: 100}: nil,
	} {
		if got := m.links.endpointDevices(where); !cmp.Equal(got, want) {
			t.Errorf("of %+v: %v, want %v", where, got, want)
		}
	}
}
