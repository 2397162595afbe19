package doctor

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib"
)

var vtep = netip.MustParseAddr("10.255.0.1")

// carrying is a healthy host of which VRF blue, in a namespace, and VRF red, with a VRF device,
// have their packets carried over a core in a namespace of its own.
func carrying() Facts {
	f := healthy()
	is := rib.Core{Netns: "core", VTEP: vtep, Port: 4789}
	mac := rib.MAC{2, 0, 0, 0, 1, 1}
	device := func(vni uint32, underlay int32) rib.VXLAN {
		return rib.VXLAN{VNI: vni, Local: vtep, Port: 4789, MAC: mac, MTU: 1450, Underlay: underlay}
	}
	f.Specs[1].Carriage = rib.Carriage{Kind: rib.EncapVXLAN, Core: is, VNI: 100, Router: mac, Device: "vx100"}
	f.Specs[2].Carriage = rib.Carriage{Kind: rib.EncapVXLAN, Core: is, VNI: 200, Router: mac, Device: "vx200"}
	f.Spaces[""].Links[8] = rib.Link{Index: 8, Name: "vx100", Master: 3, Up: true, Admin: true, MTU: 1450, VXLAN: device(100, 4)}
	f.Spaces["blue"].Links[9] = rib.Link{Index: 9, Name: "vx200", Up: true, Admin: true, MTU: 1450, VXLAN: device(200, 0)}
	f.Spaces["core"] = Space{Survey: rib.Survey{Dev: 4, Inode: 3, Settings: map[string]string{}, Links: rib.Links{
		1: {Index: 1, Name: "lo", Loopback: true, Up: true, Admin: true, Addrs: prefixes("10.255.0.1/32")},
		2: {Index: 2, Name: "core0", Up: true, Admin: true, MTU: 1500},
	}}}
	f.Carriage = Carriage{Core: is, Interfaces: []string{"core*"}, EVPN: true, VXLAN: rib.Yes, Numbers: map[string]int32{"": 4, "blue": 0, "core": rib.NoNumber}}
	return f
}

// device changes the VXLAN device of VRF blue.
func (f *Facts) device(change func(*rib.Link)) {
	k := f.Spaces["blue"].Links[9]
	change(&k)
	f.Spaces["blue"].Links[9] = k
}

const (
	makesBlue = "ip -n core link add vx200 type vxlan id 200 local 10.255.0.1 dstport 4789 nolearning && " + movesBlue
	movesBlue = "ip -n core link set vx200 netns blue && ip -n blue link set vx200 address 02:00:00:00:01:01 addrgenmode none mtu 1450 up"
	anewBlue  = "ip -n blue link del vx200 && " + makesBlue
)

var carriages = []struct {
	name   string
	change func(*Facts)
	want   []string
}{
	{"healthy", func(*Facts) {}, nil},
	{"no module", func(f *Facts) { f.Carriage.VXLAN = rib.No }, []string{"broken kernel VXLAN devices: modprobe vxlan || apt-get install linux-modules-extra-$(uname -r)"}},
	{"nothing known of the kernel", func(f *Facts) { f.Carriage.VXLAN = rib.Unknown }, nil},
	{"no family", func(f *Facts) { f.Carriage.EVPN = false }, []string{"broken evpn-family "}},
	{"no core", func(f *Facts) { f.Spaces["core"] = Space{Err: rib.Absent("netns core is not there")} }, []string{"broken core-namespace core: ip netns add core"}},
	{"source", func(f *Facts) { f.Carriage.Core.VTEP = netip.MustParseAddr("10.255.0.7") }, []string{"broken core-source 10.255.0.7: ip -n core addr add 10.255.0.7/32 dev lo"}},
	{"interfaces", func(f *Facts) { f.Carriage.Interfaces = []string{"core*", "eth9"} }, []string{"risk core-interfaces eth9"}},
	{"missing", func(f *Facts) { delete(f.Spaces["blue"].Links, 9) }, []string{"broken vxlan-device blue: " + makesBlue}},
	{"missing with a VRF device", func(f *Facts) { delete(f.Spaces[""].Links, 8) }, []string{
		"broken vxlan-device red: ip -n core link add vx100 type vxlan id 100 local 10.255.0.1 dstport 4789 nolearning && ip -n core link set vx100 netns $$ && ip link set vx100 address 02:00:00:00:01:01 addrgenmode none master red mtu 1450 up"}},
	{"to be made", func(f *Facts) { delete(f.Spaces["blue"].Links, 9); f.Specs[2].Carriage.Managed = true }, []string{"broken vxlan-device blue"}},
	{"to be made when it runs", func(f *Facts) {
		delete(f.Spaces["blue"].Links, 9)
		f.Specs[2].Carriage.Managed, f.Running = true, false
		f.Host.Unit.Started = true
	}, []string{"advice vxlan-device blue"}},
	{"left in the core", func(f *Facts) {
		f.Spaces["core"].Links[9] = f.Spaces["blue"].Links[9]
		delete(f.Spaces["blue"].Links, 9)
	}, []string{"broken vxlan-device blue: " + movesBlue}},
	{"another VNI", func(f *Facts) { f.device(func(k *rib.Link) { k.VXLAN.VNI = 7 }) }, []string{"broken vxlan-device blue: " + anewBlue}},
	{"many VNIs", func(f *Facts) { f.device(func(k *rib.Link) { k.VXLAN.VNI = 0 }) }, []string{"broken vxlan-device blue: " + anewBlue}},
	{"another port", func(f *Facts) { f.device(func(k *rib.Link) { k.VXLAN.Port = 8472 }) }, []string{"broken vxlan-device blue: " + anewBlue}},
	{"another port, of ours", func(f *Facts) {
		f.device(func(k *rib.Link) { k.VXLAN.Port = 8472 })
		f.Specs[2].Carriage.Managed = true
	}, []string{"broken vxlan-device blue: ip -n blue link del vx200"}},
	{"local address", func(f *Facts) { f.device(func(k *rib.Link) { k.VXLAN.Local = netip.MustParseAddr("10.255.0.7") }) }, []string{
		"broken vxlan-device blue: ip -n blue link set vx200 type vxlan local 10.255.0.1"}},
	{"MAC address", func(f *Facts) { f.device(func(k *rib.Link) { k.VXLAN.MAC[5] = 9 }) }, []string{
		"broken vxlan-device blue: ip -n blue link set vx200 address 02:00:00:00:01:01"}},
	{"down", func(f *Facts) { f.device(func(k *rib.Link) { k.Up, k.Admin = false, false }) }, []string{"broken vxlan-device blue: ip -n blue link set vx200 up"}},
	{"no VXLAN device", func(f *Facts) { f.device(func(k *rib.Link) { k.VXLAN = rib.VXLAN{} }) }, []string{"broken vxlan-device blue"}},
	{"in another VRF", func(f *Facts) { f.link(8, func(k *rib.Link) { k.Master = 0 }) }, []string{"broken vxlan-device red: ip link set vx100 master red"}},
	{"another underlay", func(f *Facts) { f.device(func(k *rib.Link) { k.VXLAN.Underlay = 3 }) }, []string{"broken vxlan-underlay blue: " + anewBlue}},
	{"made where it is", func(f *Facts) { f.device(func(k *rib.Link) { k.VXLAN.Underlay = rib.NoNumber }) }, []string{"broken vxlan-underlay blue: " + anewBlue}},
	{"a namespace without a number", func(f *Facts) { f.Carriage.Numbers["blue"] = rib.NoNumber }, []string{"broken vxlan-underlay blue: " + anewBlue}},
	{"learning", func(f *Facts) { f.device(func(k *rib.Link) { k.VXLAN.Learning = true }) }, []string{"risk vxlan-learning blue: ip -n blue link set vx200 type vxlan nolearning"}},
	{"MTU", func(f *Facts) { f.device(func(k *rib.Link) { k.MTU = 1500 }) }, []string{"risk vxlan-mtu blue: ip -n blue link set vx200 mtu 1450"}},
	{"MTU of the core", func(f *Facts) { f.Spaces["core"].Links[3] = rib.Link{Index: 3, Name: "core1", MTU: 1400} }, []string{
		"risk vxlan-mtu blue: ip -n blue link set vx200 mtu 1350", "risk vxlan-mtu red: ip link set vx100 mtu 1350"}},
	{"IPv6 off", func(f *Facts) { f.setting("blue", "ipv6/conf/vx200/disable_ipv6", "1") }, []string{
		"broken vxlan-ipv6 blue: ip netns exec blue sysctl -w net/ipv6/conf/all/disable_ipv6=0 net/ipv6/conf/vx200/disable_ipv6=0"}},
	{"rp_filter", func(f *Facts) { f.setting("blue", "ipv4/conf/vx200/rp_filter", "2") }, []string{
		"risk vxlan-rp-filter blue: ip netns exec blue sysctl -w net/ipv4/conf/all/rp_filter=0 net/ipv4/conf/vx200/rp_filter=0"}},
	{"rp_filter of an interface beside it", func(f *Facts) { f.setting("", "ipv4/conf/eth0/rp_filter", "1") }, []string{
		"risk rp-filter : sysctl -w net/ipv4/conf/all/rp_filter=0 net/ipv4/conf/eth0/rp_filter=2"}},
	{"none has an encapsulation", func(f *Facts) {
		f.Specs[1].Carriage, f.Specs[2].Carriage, f.Carriage = rib.Carriage{}, rib.Carriage{}, Carriage{VXLAN: rib.No}
	}, nil},
}

func TestJudgeCarriage(t *testing.T) {
	for _, tc := range carriages {
		t.Run(tc.name, func(t *testing.T) {
			f := carrying()
			tc.change(&f)
			var got []string
			for _, find := range Judge(f) {
				s := find.Level.String() + " " + find.Check + " " + find.Subject
				if find.Mend != "" {
					s += ": " + find.Mend
				}
				got = append(got, s)
			}
			if diff := cmp.Diff(tc.want, got); diff != "" {
				t.Errorf("it found (-want +got)\n%s", diff)
			}
		})
	}
}
