package doctor

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib"
)

var six = netip.MustParseAddr("fd00:255::1")

// labelled is a healthy host with the core in the daemon's own namespace: VRF red has MPLS with a
// VRF device there, VRF blue with a namespace and a link.
func labelled() Facts {
	f := healthy()
	is := rib.Core{VTEP: vtep, Six: six, Port: 4789}
	f.Specs[1].Carriage = rib.Carriage{Kind: rib.EncapMPLS, Core: is, Label: 16000}
	f.Specs[2].Carriage = rib.Carriage{Kind: rib.EncapMPLS, Core: is, Label: 16001, Through: rib.Through{Link: "vr-blue", To: rib.Binding{Device: "blue"}}}
	own := f.Spaces[""]
	own.Links[1] = rib.Link{Index: 1, Name: "lo", Loopback: true, Up: true, Admin: true, Addrs: prefixes("10.255.0.1/32", "fd00:255::1/128")}
	own.Links[11] = rib.Link{Index: 11, Name: "core0", Up: true, Admin: true, MTU: 1500}
	own.Links[12] = rib.Link{Index: 12, Name: "blue", VRFTable: 1011, Up: true, Admin: true}
	own.Links[13] = rib.Link{Index: 13, Name: "vr-blue", Master: 12, Peer: 6, Up: true, Admin: true, MTU: 1492, Addrs: prefixes("169.254.0.1/30", "fe80::1/64")}
	f.Spaces["blue"].Links[6] = rib.Link{Index: 6, Name: "core", Peer: 13, Up: true, Admin: true, MTU: 1492, Addrs: prefixes("169.254.0.2/30", "fe80::2/64")}
	for name, value := range map[string]string{
		"mpls/platform_labels": "20000", "mpls/conf/lo/input": "0", "mpls/conf/core0/input": "1", "mpls/conf/eth0/input": "0",
		"mpls/conf/eth1.7/input": "0", "mpls/conf/red/input": "0", "mpls/conf/vr-blue/input": "0",
		"ipv6/conf/all/seg6_enabled": "1", "ipv6/conf/core0/seg6_enabled": "1", "ipv6/conf/vr-blue/seg6_enabled": "1", "ipv4/conf/vr-blue/rp_filter": "0",
	} {
		own.Settings[name] = value
	}
	for name, value := range map[string]string{"ipv6/conf/all/seg6_enabled": "1", "ipv6/conf/core/seg6_enabled": "1"} {
		f.Spaces["blue"].Settings[name] = value
	}
	yes := rib.CoreFeatures{Labels: rib.Yes, MPLS: rib.Yes, SRv6: rib.Yes, Reduced: rib.Yes, DT4: rib.Yes, DT46: rib.Yes}
	f.Carriage = Carriage{Core: is, Interfaces: []string{"core*"}, VPN: true, Features: yes, Labels: rib.LabelRange{First: 16000, Last: 16999}}
	return f
}

// segmented is the same with SRv6: VRF red by a second VRF device, blue in a trusted namespace.
func segmented() Facts {
	f := labelled()
	is := f.Carriage.Core
	srv6 := rib.SRv6{SID: netip.MustParseAddr("fd00:1:0:1:1::"), Locator: netip.MustParsePrefix("fd00:1:0:1::/64")}
	f.Specs[1].Carriage = rib.Carriage{Kind: rib.EncapSRv6, Core: is, SRv6: srv6, Through: rib.Through{Device: "sr-red", To: rib.Binding{Device: "sr-red"}}}
	srv6.Trusted, srv6.Link = true, "vr-blue"
	f.Specs[2].Carriage = rib.Carriage{Kind: rib.EncapSRv6, Core: is, SRv6: srv6}
	f.Spaces[""].Links[14] = rib.Link{Index: 14, Name: "sr-red", VRFTable: 2001, Up: true, Admin: true, MTU: 1436}
	return f
}

// change changes an interface of a namespace.
func (f *Facts) change(netns string, index int, change func(*rib.Link)) {
	k := f.Spaces[netns].Links[index]
	change(&k)
	f.Spaces[netns].Links[index] = k
}

const (
	linkOfBlue = "ip link add vr-blue type veth peer name core netns blue && ip link set vr-blue master blue && ip addr add 169.254.0.1/30 dev vr-blue && " +
		"ip -n blue addr add 169.254.0.2/30 dev core && ip link set vr-blue up && ip -n blue link set core up"
	secondOfRed = "ip link add sr-red type vrf table 1001 && ip link set sr-red up && ip link set sr-red mtu 1436 && " +
		"ip route replace table 1001 unreachable default metric 4278198272 && ip -6 route replace table 1001 unreachable default metric 4278198272"
)

// labelJudgements are healthy hosts with MPLS or SRv6 with a change each, and what is found then.
var labelJudgements = []struct {
	name   string
	facts  func() Facts
	change func(*Facts)
	want   []string
}{
	{"MPLS", labelled, func(*Facts) {}, nil},
	{"no MPLS", labelled, func(f *Facts) {
		f.Carriage.Features.MPLS = rib.No
		delete(f.Spaces[""].Settings, "mpls/platform_labels")
	}, []string{"broken kernel MPLS: modprobe -a mpls_router mpls_iptunnel || apt-get install linux-modules-extra-$(uname -r)"}},
	{"no VPN", labelled, func(f *Facts) { f.Carriage.VPN = false }, []string{"broken vpn-family "}},
	{"no room", labelled, func(f *Facts) { f.setting("", "mpls/platform_labels", "0") }, []string{"broken mpls-labels : sysctl -w net.mpls.platform_labels=17000"}},
	{"room but for the last", labelled, func(f *Facts) { f.setting("", "mpls/platform_labels", "16999") }, []string{"broken mpls-labels : sysctl -w net.mpls.platform_labels=17000"}},
	{"room for what there is", labelled, func(f *Facts) {
		f.Carriage.Labels = rib.LabelRange{}
		f.setting("", "mpls/platform_labels", "16002")
	}, nil},
	{"input off", labelled, func(f *Facts) { f.setting("", "mpls/conf/core0/input", "0") }, []string{"broken mpls-input core0: sysctl -w net/mpls/conf/core0/input=1"}},
	{"input on for tenants", labelled, func(f *Facts) {
		f.setting("", "mpls/conf/eth1.7/input", "1")
		f.setting("", "mpls/conf/vr-blue/input", "1")
	}, []string{"risk mpls-tenant-input eth1.7, vr-blue: sysctl -w net/mpls/conf/eth1.7/input=0 net/mpls/conf/vr-blue/input=0"}},
	{"input on for tenants, no interfaces named", labelled, func(f *Facts) {
		f.Carriage.Interfaces = nil
		f.setting("", "mpls/conf/eth0/input", "1")
		f.setting("", "mpls/conf/eth1.7/input", "1")
	}, []string{"risk mpls-tenant-input eth1.7: sysctl -w net/mpls/conf/eth1.7/input=0"}},
	{"no link", labelled, func(f *Facts) { delete(f.Spaces[""].Links, 13) }, []string{"broken core-link blue: " + linkOfBlue}},
	{"a link elsewhere", labelled, func(f *Facts) { f.change("blue", 6, func(k *rib.Link) { k.Peer = 99 }) }, []string{"broken core-link blue"}},
	{"SIDs within reach", segmented, func(f *Facts) {
		sid, by := netip.MustParseAddr("fd00:1:0:1:2::"), rib.Selector{Pref: 900, To: netip.MustParsePrefix("fd00::/16"), Table: 254}
		f.Carriage.Reached = []rib.SIDReached{{In: 4, SID: sid, Prefix: netip.PrefixFrom(sid, 128), Table: 254, Out: 12, Local: true, By: by}}
	}, []string{"risk srv6-reached red: ip -6 rule del pref 900 to fd00::/16 lookup main"}},
	{"a link in no VRF device", labelled, func(f *Facts) { f.change("", 13, func(k *rib.Link) { k.Master = 0 }) }, []string{"broken core-link blue: ip link set vr-blue master blue"}},
	{"a link that is down", labelled, func(f *Facts) {
		f.change("", 13, func(k *rib.Link) { k.Admin = false })
		f.change("blue", 6, func(k *rib.Link) { k.Admin = false })
	}, []string{"broken core-link blue: ip link set vr-blue up && ip -n blue link set core up"}},
	{"enough addresses", labelled, func(f *Facts) {
		f.change("", 13, func(k *rib.Link) { k.Addrs = prefixes("fe80::1/64") })
		f.change("blue", 6, func(k *rib.Link) { k.Addrs = prefixes("169.254.0.2/30") })
	}, nil},
	{"too few addresses", labelled, func(f *Facts) {
		f.change("", 13, func(k *rib.Link) { k.Addrs = prefixes("169.254.0.1/30") })
		f.change("blue", 6, func(k *rib.Link) { k.Addrs = nil })
	}, []string{"broken core-link-address blue: ip addr add fe80::1/64 dev vr-blue nodad", "broken core-link-address blue: ip -n blue addr add fe80::2/64 dev core nodad"}},
	{"a filter on the link", labelled, func(f *Facts) { f.setting("", "ipv4/conf/vr-blue/rp_filter", "2") }, []string{
		"broken core-link-rp-filter blue: sysctl -w net/ipv4/conf/all/rp_filter=0 net/ipv4/conf/vr-blue/rp_filter=0"}},
	{"a filter on the VRF device, by which nothing comes in", labelled, func(f *Facts) { f.setting("", "ipv4/conf/red/rp_filter", "2") }, nil},
	{"a strict filter on a tenant's interface", labelled, func(f *Facts) { f.setting("", "ipv4/conf/eth1.7/rp_filter", "1") }, []string{
		"risk rp-filter : sysctl -w net/ipv4/conf/all/rp_filter=0 net/ipv4/conf/eth1.7/rp_filter=2"}},
	{"a link that is too large", labelled, func(f *Facts) { f.change("blue", 6, func(k *rib.Link) { k.MTU = 1500 }) }, []string{
		"broken core-mtu blue: ip -n blue link set core mtu 1492 && ip link set vr-blue mtu 1492"}},
	{"IPv6 that is too large", labelled, func(f *Facts) {
		f.change("", 4, func(k *rib.Link) { k.MTU, k.Addrs = 1500, prefixes("198.51.100.1/24", "2001:db8:4::1/64") })
	}, []string{"broken core-mtu red: ip link set eth1.7 mtu 1492"}},
	{"IPv4 that is too large, which is answered", labelled, func(f *Facts) { f.change("", 4, func(k *rib.Link) { k.MTU = 1500 }) }, nil},
	{"source", labelled, func(f *Facts) { f.change("", 1, func(k *rib.Link) { k.Addrs = nil }) }, []string{"broken core-source 10.255.0.1: ip addr add 10.255.0.1/32 dev lo"}},

	{"SRv6", segmented, func(*Facts) {}, nil},
	{"a filter on the VRF device", segmented, func(f *Facts) { f.setting("", "ipv4/conf/red/rp_filter", "2") }, []string{
		"risk carried-rp-filter red: sysctl -w net/ipv4/conf/all/rp_filter=0 net/ipv4/conf/red/rp_filter=0"}},
	{"a strict filter beside a VRF device", segmented, func(f *Facts) { f.setting("", "ipv4/conf/eth1.7/rp_filter", "1") }, []string{
		"risk rp-filter : sysctl -w net/ipv4/conf/all/rp_filter=0 net/ipv4/conf/eth1.7/rp_filter=2"}},
	{"no SRv6", segmented, func(f *Facts) { f.Carriage.Features.SRv6 = rib.No }, []string{"broken kernel SRv6"}},
	{"no DT4", segmented, func(f *Facts) { f.Carriage.Features.DT4 = rib.No }, []string{"broken kernel SRv6"}},
	{"source of SRv6", segmented, func(f *Facts) { f.change("", 1, func(k *rib.Link) { k.Addrs = nil }) }, []string{"broken core-source fd00:255::1: ip addr add fd00:255::1/128 dev lo"}},
	{"segments off", segmented, func(f *Facts) {
		f.setting("", "ipv6/conf/all/seg6_enabled", "0")
		f.setting("", "ipv6/conf/core0/seg6_enabled", "0")
	}, []string{"advice srv6-enabled core0: sysctl -w net.ipv6.conf.all.seg6_enabled=1 net/ipv6/conf/core0/seg6_enabled=1"}},
	{"segments off in a trusted namespace", segmented, func(f *Facts) { f.setting("blue", "ipv6/conf/core/seg6_enabled", "0") }, []string{
		"advice srv6-enabled core: ip netns exec blue sysctl -w net.ipv6.conf.all.seg6_enabled=1 net/ipv6/conf/core/seg6_enabled=1"}},
	{"no forwarding", segmented, func(f *Facts) {
		f.setting("", "ipv6/conf/all/forwarding", "0")
		f.change("", 2, func(k *rib.Link) { k.Addrs = prefixes("192.0.2.1/24") })
	}, []string{"broken srv6-forwarding : sysctl -w net.ipv6.conf.all.forwarding=1"}},
	{"strict mode", segmented, func(f *Facts) { f.setting("", "vrf/strict_mode", "0") }, []string{"broken vrf-strict-mode : sysctl -w net.vrf.strict_mode=1"}},
	{"reduced", segmented, func(f *Facts) {
		f.Carriage.Features.Reduced = rib.No
		f.Specs[1].Carriage.SRv6.Reduced = true
		f.change("", 14, func(k *rib.Link) { k.MTU = 1460 })
	}, []string{"broken srv6-reduced : sed -i -E 's/^([[:space:]]*reduced[[:space:]]*=[[:space:]]*).*/\\1false/' /etc/vrfredist/vrfredist.toml"}},
	{"no source of a trusted VRF's packets", segmented, func(f *Facts) {
		s := f.Spaces["blue"]
		s.TunnelSource = netip.IPv6Unspecified()
		f.Spaces["blue"] = s
	}, []string{"broken srv6-source blue: ip -n blue sr tunsrc set fd00:255::1"}},
	{"a source is set", segmented, func(f *Facts) {
		s := f.Spaces["blue"]
		s.TunnelSource = six
		f.Spaces["blue"] = s
	}, nil},
	{"the kernel has a global address to choose", segmented, func(f *Facts) {
		s := f.Spaces["blue"]
		s.TunnelSource = netip.IPv6Unspecified()
		f.Spaces["blue"] = s
		f.change("blue", 6, func(k *rib.Link) { k.Addrs = prefixes("fe80::2/64", "2001:db8::1/128") })
	}, nil},
	{"no second device", segmented, func(f *Facts) { delete(f.Spaces[""].Links, 14) }, []string{"broken srv6-device red: " + secondOfRed}},
	{"no second device, which the daemon makes", segmented, func(f *Facts) {
		delete(f.Spaces[""].Links, 14)
		f.Specs[1].Carriage.Managed = true
	}, nil},
	{"a second device that is too large", segmented, func(f *Facts) { f.change("", 14, func(k *rib.Link) { k.MTU = 65575 }) }, []string{
		"broken srv6-mtu red: ip link set sr-red mtu 1436"}},
	{"a trusted link that is too large", segmented, func(f *Facts) { f.change("blue", 6, func(k *rib.Link) { k.MTU = 9000 }) }, []string{
		"broken core-mtu blue: ip -n blue link set core mtu 1500 && ip link set vr-blue mtu 1500"}},
	{"no end of the tenant's table", segmented, func(f *Facts) { f.Spaces[""].Guarded[1010] = rib.Guard{true, false} }, []string{
		"risk vrf-default red: ip -6 route add table 1010 unreachable default metric 4278198272"}},
}

func TestJudgeLabelsAndSIDs(t *testing.T) {
	for _, tc := range labelJudgements {
		t.Run(tc.name, func(t *testing.T) {
			f := tc.facts()
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
