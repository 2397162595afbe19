package doctor

import (
	"errors"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// healthy is a host on which nothing is to be mended, with a VRF of each kind:
// main, the device red, and the namespace blue.
func healthy() Facts {
	spec := func(name string, b rib.Binding) vrf.Spec {
		return vrf.Spec{Name: name, Binding: b, Protocol: rib.ProtoOwn, NexthopObjects: true, ImportRTs: []rib.RT{1}, Export: rib.ExportPolicy{Enabled: true}}
	}
	links := rib.Links{
		1: {Index: 1, Name: "lo", Loopback: true, Up: true, Admin: true},
		2: {Index: 2, Name: "eth0", Up: true, Admin: true, Addrs: prefixes("192.0.2.1/24", "2001:db8::1/64")},
		3: {Index: 3, Name: "red", VRFTable: 1010, Up: true, Admin: true},
		4: {Index: 4, Name: "eth1.7", Master: 3, Up: true, Admin: true, Addrs: prefixes("198.51.100.1/24")},
	}
	settings := func() map[string]string {
		return map[string]string{
			"ipv4/ip_forward": "1", "ipv6/conf/all/forwarding": "1", "ipv6/conf/all/disable_ipv6": "0",
			"ipv4/conf/all/rp_filter": "0", "ipv4/conf/eth0/rp_filter": "2", "ipv4/conf/eth1.7/rp_filter": "0",
			"ipv4/conf/eth0/forwarding": "1", "ipv4/conf/eth1.7/forwarding": "1",
			"ipv4/tcp_l3mdev_accept": "1", "ipv4/nexthop_compat_mode": "0", "vrf/strict_mode": "1",
			"ipv6/route/skip_notify_on_dev_down": "0",
		}
	}
	return Facts{
		File:  "/etc/vrfredist/vrfredist.toml",
		Specs: []vrf.Spec{spec("default", rib.Binding{}), spec("red", rib.Binding{Device: "red"}), spec("blue", rib.Binding{Netns: "blue"})},
		Bound: []string{"192.0.2.7 in VRF red (red)"}, BGPPort: 179,
		Running: true, Capabilities: 1<<12 | 1<<10 | 1<<21,
		Features: rib.Features{VRFDevices: rib.Yes, NexthopObjects: rib.Yes, StrictChecking: rib.Yes},
		Spaces: map[string]Space{
			"": {Survey: rib.Survey{Dev: 4, Inode: 1, Links: links, Settings: settings(), Own: map[uint32]int{254: 3, 1010: 5},
				Guarded: map[uint32]rib.Guard{1010: {true, true}}}},
			"blue": {Survey: rib.Survey{Dev: 4, Inode: 2, Settings: settings(), Own: map[uint32]int{254: 1},
				Links: rib.Links{5: {Index: 5, Name: "lan0", Up: true, Admin: true, Addrs: prefixes("203.0.113.1/24")}}}},
		},
		Host: Host{Unit: Unit{Installed: true, Enabled: true, Started: true}, Networkd: Networkd{Runs: true, KeepsRoutes: true, KeepsNexthops: true}},
	}
}

func prefixes(list ...string) []netip.Prefix {
	var out []netip.Prefix
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// set changes a setting of a namespace.
func (f Facts) setting(netns, name, value string) {
	f.Spaces[netns].Settings[name] = value
}

// link changes an interface of the daemon's own namespace.
func (f Facts) link(index int, change func(*rib.Link)) {
	k := f.Spaces[""].Links[index]
	change(&k)
	f.Spaces[""].Links[index] = k
}

// judgements are healthy hosts with a change each, and what is found then.
var judgements = []struct {
	name   string
	change func(*Facts)
	want   []string // "level check subject: command"
}{
	{"healthy", func(*Facts) {}, nil},
	{"neighbours without a password", func(f *Facts) { f.Open = []string{"192.0.2.7 in VRF red"} }, []string{"advice password "}},
	{"near their limits", func(f *Facts) {
		f.Limits = []vrf.PrefixLimit{
			{VRF: "red", Prefixes: 79, Most: 100},
			{VRF: "red", Neighbor: "192.0.2.7", Family: "ipv4-unicast", Prefixes: 80, Most: 100},
			{VRF: "blue", Neighbor: "127.1.0.1", Family: "ipv4-unicast", Prefixes: 101, Most: 100, Stopped: "it sent more than its prefix-limit"},
			{VRF: "blue", Prefixes: 900, Most: 1000},
			{VRF: "blue", From: "default", Prefixes: 3, Most: 3, Over: 2},
			{VRF: "blue", From: "red", Prefixes: 1000},
		}
		full := f.Specs[1]
		full.Export.MaxRoutes = 10
		f.States = []vrf.Status{{Spec: full, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready, Counts: rib.ByFamily[vrf.Counts]{{Installed: 5}, {Installed: 3}}}}}
	}, []string{"broken prefix-limit blue", "risk max-routes red", "risk prefix-limit blue", "risk prefix-limit blue", "risk prefix-limit red"}},
	{"no capability", func(f *Facts) { f.Capabilities = 0 }, []string{
		"broken capabilities CAP_NET_ADMIN: sudo vrfredist run -f /etc/vrfredist/vrfredist.toml",
		"broken capabilities CAP_NET_BIND_SERVICE: sudo vrfredist run -f /etc/vrfredist/vrfredist.toml",
		"broken capabilities CAP_SYS_ADMIN: install -D -m 0644 /usr/share/vrfredist/netns.conf /etc/systemd/system/vrfredist.service.d/netns.conf && systemctl daemon-reload && systemctl restart vrfredist",
	}},
	{"none needed", func(f *Facts) {
		f.Capabilities, f.BGPPort, f.Specs = 1<<12, 1179, f.Specs[:2]
	}, nil},
	{"a neighbour in a namespace", func(f *Facts) {
		f.Capabilities, f.BGPPort, f.Specs = 1<<12, 0, f.Specs[:2]
		f.Neighbors, f.Host.Unit.Installed = []rib.Neighbor{{Netns: "green"}}, false
	}, []string{"broken capabilities CAP_SYS_ADMIN: sudo vrfredist run -f /etc/vrfredist/vrfredist.toml"}},
	{"no VRF devices", func(f *Facts) { f.Features.VRFDevices = rib.No }, []string{
		"broken kernel VRF devices: modprobe vrf || apt-get install linux-modules-extra-$(uname -r)"}},
	{"an old kernel", func(f *Facts) { f.Features.NexthopObjects, f.Features.StrictChecking = rib.No, rib.No }, []string{
		"advice kernel nexthop objects", "advice kernel strict checking"}},
	{"nothing known of the kernel", func(f *Facts) { f.Features = rib.Features{} }, nil},
	{"no namespace", func(f *Facts) { f.Spaces["blue"] = Space{Err: rib.Absent("netns blue is not there")} }, []string{
		"risk namespace blue: ip netns add blue"}},
	{"a namespace that may not be entered", func(f *Facts) { f.Spaces["blue"] = Space{Err: errors.New("operation not permitted")} }, []string{
		"broken namespace blue: sudo vrfredist doctor"}},
	{"no device", func(f *Facts) {
		delete(f.Spaces[""].Links, 3)
		delete(f.Spaces[""].Links, 4)
		delete(f.Spaces[""].Own, 1010)
	}, []string{
		"risk device red: ip link add red type vrf table 1001 && ip link set red up"}},
	{"no VRF device", func(f *Facts) { f.link(3, func(k *rib.Link) { k.VRFTable = 0 }); delete(f.Spaces[""].Own, 1010) }, []string{"broken device red"}},
	{"a device that is down", func(f *Facts) { f.link(3, func(k *rib.Link) { k.Admin = false }) }, []string{
		"broken device red: ip link set red up"}},
	{"a VRF that failed, one that is degraded, one that waits", func(f *Facts) {
		f.States = []vrf.Status{
			{Spec: f.Specs[0], WorkerStatus: vrf.WorkerStatus{State: vrf.Failed, Reason: "read the table: it broke"}},
			{Spec: f.Specs[1], WorkerStatus: vrf.WorkerStatus{State: vrf.Degraded, Reason: "1 route failed"}},
			{Spec: f.Specs[2], WorkerStatus: vrf.WorkerStatus{State: vrf.Pending}},
		}
	}, []string{"broken vrf-state default", "risk vrf-state red"}},
	{"two devices, one table", func(f *Facts) {
		f.Spaces[""].Links[6] = rib.Link{Index: 6, Name: "green", VRFTable: 1010, Admin: true}
		f.Spaces[""].Links[7] = rib.Link{Index: 7, Name: "eth2", Master: 6}
		f.Specs = append(f.Specs, vrf.Spec{Name: "green", Binding: rib.Binding{Device: "green"}, Protocol: rib.ProtoOwn})
	}, []string{"broken shared-table 1010: ip link del green && ip link add green type vrf table 1001 && ip link set green up && ip link set eth2 master green"}},
	{"two devices, one table, and no third", func(f *Facts) {
		f.Spaces[""].Links[6] = rib.Link{Index: 6, Name: "green", VRFTable: 1010, Admin: true}
		f.Specs = append(f.Specs, vrf.Spec{Name: "green", Binding: rib.Binding{Device: "green"}, Protocol: rib.ProtoOwn},
			vrf.Spec{Name: "gray", Binding: rib.Binding{Device: "gray"}}, vrf.Spec{Name: "plain", Binding: rib.Binding{Table: 1001}})
	}, []string{
		"broken shared-table 1010: ip link del green && ip link add green type vrf table 1003 && ip link set green up",
		"risk device gray: ip link add gray type vrf table 1002 && ip link set gray up",
	}},
	{"one namespace by two names", func(f *Facts) {
		f.Specs = append(f.Specs, vrf.Spec{Name: "azure", Binding: rib.Binding{Netns: "/run/blue"}, Protocol: rib.ProtoOwn})
		f.Spaces["/run/blue"] = f.Spaces["blue"]
	}, []string{"broken shared-table 254"}},
	{"no default behind a device", func(f *Facts) { delete(f.Spaces[""].Guarded, 1010) }, []string{
		"risk vrf-default red: ip route add table 1010 unreachable default metric 4278198272 && ip -6 route add table 1010 unreachable default metric 4278198272"}},
	{"no IPv6 default, and no IPv6", func(f *Facts) {
		f.Spaces[""].Guarded[1010] = rib.Guard{rib.IPv4: true}
		f.setting("", "ipv6/conf/all/disable_ipv6", "1")
	}, nil},
	{"routes in another table", func(f *Facts) { f.Spaces["blue"].Own[77] = 2 }, []string{
		`risk protocol-routes blue, table 77: for f in -4 -6; do ip -n blue $f -o route show table 77 proto 179 | awk '{p=($1~/[.:]|^default$/)?$1:$1" "$2;m="";for(i=1;i<NF;i++)if($i=="metric")m=" metric "$(i+1);print "route del "p m" table 77 proto 179"}' | ip -n blue $f -batch -; done`}},
	{"FRR's number", func(f *Facts) { f.Specs[0].Protocol = 186 }, []string{
		`risk protocol-number 186: sed -i -E 's/^([[:space:]]*route[_-]protocol[[:space:]]*=[[:space:]]*).*/\1179/' /etc/vrfredist/vrfredist.toml && vrfredist reload`}},
	{"BIRD's number, and BIRD", func(f *Facts) {
		f.Specs[0].Protocol, f.Host.Processes, f.Running, f.File = 12, map[string]int{"bird": 7}, false, "a.yaml"
	}, []string{"broken protocol-number 12"}},
	{"somebody's number", func(f *Facts) { f.Host.Protocols = map[uint8]string{179: "acme"} }, []string{"risk protocol-number 179"}},
	{"our own name", func(f *Facts) { f.Host.Protocols = map[uint8]string{179: "vrfredist"} }, nil},
	{"networkd", func(f *Facts) { f.Host.Networkd = Networkd{Enabled: true, KeepsRoutes: true, DropIns: "/etc/d"} }, []string{
		`risk networkd systemd-networkd: mkdir -p /etc/d && printf '[Network]\nManageForeignRoutes=no\nManageForeignNextHops=no\n' >/etc/d/vrfredist.conf && systemctl try-restart systemd-networkd`}},
	{"no networkd", func(f *Facts) { f.Host.Networkd = Networkd{} }, nil},
	{"sessions refused", func(f *Facts) { f.setting("", "ipv4/tcp_l3mdev_accept", "0") }, []string{
		"broken tcp-l3mdev-accept : sysctl -w net.ipv4.tcp_l3mdev_accept=1"}},
	{"sessions that nobody opens", func(f *Facts) { f.setting("", "ipv4/tcp_l3mdev_accept", "0"); f.Bound = nil }, nil},
	{"what the daemon will set", func(f *Facts) {
		f.Running, f.ManageSysctls = false, true
		f.setting("", "ipv4/tcp_l3mdev_accept", "0")
		f.setting("blue", "ipv4/nexthop_compat_mode", "1")
	}, nil},
	{"another daemon's table", func(f *Facts) { f.Rivals = []rib.Rival{{Table: 254, Daemon: true, PID: 7, Who: "pid 7 on host a"}} }, []string{"broken table-owner table 254"}},
	{"a stranger with its name", func(f *Facts) {
		f.Rivals = []rib.Rival{{Netns: "blue", Table: 254, PID: 7, Who: "uid 1000, pid 7"}, {Table: 1001, Who: "uid 65534"}}
	}, []string{"risk table-owner blue, table 254: kill 7", "risk table-owner table 1001"}},
	{"forwarding", func(f *Facts) {
		f.setting("", "ipv4/conf/eth1.7/forwarding", "0")
		f.setting("", "ipv6/conf/all/forwarding", "0")
		f.setting("blue", "ipv4/ip_forward", "0")
		f.setting("blue", "ipv6/conf/all/forwarding", "0") // has no IPv6 address
	}, []string{
		"risk forwarding : sysctl -w net/ipv4/conf/eth1.7/forwarding=1",
		"risk forwarding blue: ip netns exec blue sysctl -w net.ipv4.ip_forward=1",
		"risk forwarding-ipv6 : sysctl -w net.ipv6.conf.all.forwarding=1",
	}},
	{"forwarding where nothing is exported", func(f *Facts) {
		f.setting("blue", "ipv4/ip_forward", "0")
		f.Specs[2].Export.Enabled = false
	}, nil},
	{"strict reverse path", func(f *Facts) {
		f.setting("", "ipv4/conf/eth1.7/rp_filter", "1")
		f.setting("blue", "ipv4/conf/lan0/rp_filter", "1")
	}, []string{
		"risk rp-filter : sysctl -w net.ipv4.conf.all.rp_filter=2",
		"risk rp-filter blue: ip netns exec blue sysctl -w net.ipv4.conf.all.rp_filter=2",
	}},
	{"strict for all, loose for one", func(f *Facts) { f.setting("", "ipv4/conf/all/rp_filter", "1") }, []string{
		"risk rp-filter : sysctl -w net.ipv4.conf.all.rp_filter=2"}}, // eth1.7; that of eth0 is higher
	{"kernel's modes", func(f *Facts) {
		f.setting("", "vrf/strict_mode", "0")
		f.setting("blue", "vrf/strict_mode", "0") // has no device
		f.setting("blue", "ipv4/nexthop_compat_mode", "1")
		f.setting("blue", "ipv6/route/skip_notify_on_dev_down", "1")
		f.setting("blue", "ipv4/route/skip_notify_on_dev_down", "1")
	}, []string{
		"advice nexthop-compat-mode blue: ip netns exec blue sysctl -w net.ipv4.nexthop_compat_mode=0",
		"advice skip-notify-ipv4 blue: ip netns exec blue sysctl -w net.ipv4.route.skip_notify_on_dev_down=0",
		"advice skip-notify-ipv6 blue: ip netns exec blue sysctl -w net.ipv6.route.skip_notify_on_dev_down=0",
		"advice vrf-strict-mode : sysctl -w net.vrf.strict_mode=1",
	}},
	{"a VRF without import targets", func(f *Facts) { f.Deaf = []string{"blue"} }, []string{"advice no-import-targets blue"}},
	{"a community that no route has", func(f *Facts) {
		asks := vrf.Spec{Name: "blue", Export: rib.ExportPolicy{Enabled: true, CommunityList: []rib.Community{7}}}
		f.States = []vrf.Status{{Spec: asks, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready, Counts: rib.ByFamily[vrf.Counts]{{Paths: 3, Filtered: 3}}}}}
	}, []string{"advice no-community blue"}},
	{"a community, and no routes but its own", func(f *Facts) {
		asks := vrf.Spec{Name: "blue", Export: rib.ExportPolicy{Enabled: true, CommunityList: []rib.Community{7}}}
		f.States = []vrf.Status{{Spec: asks, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready, Counts: rib.ByFamily[vrf.Counts]{{Paths: 2, Filtered: 2, Imported: 2}}}}}
	}, nil},
	{"a community that some routes have", func(f *Facts) {
		asks := vrf.Spec{Name: "blue", Export: rib.ExportPolicy{Enabled: true, CommunityList: []rib.Community{7}}}
		f.States = []vrf.Status{{Spec: asks, WorkerStatus: vrf.WorkerStatus{State: vrf.Ready, Counts: rib.ByFamily[vrf.Counts]{{Paths: 3, Filtered: 2, Installed: 1}}}}}
	}, nil},
	{"nothing but the host", func(f *Facts) { *f = Facts{Spaces: map[string]Space{"": f.Spaces[""]}} }, nil},
}

func TestJudge(t *testing.T) {
	for _, tc := range judgements {
		t.Run(tc.name, func(t *testing.T) {
			f := healthy()
			tc.change(&f)
			var got []string
			for _, find := range Judge(f) {
				line := strings.Join([]string{find.Level.String(), find.Check, find.Subject}, " ")
				if find.Mend != "" {
					line += ": " + find.Mend
				}
				got = append(got, line)
				for _, text := range []string{find.What, find.Why} {
					if !strings.HasSuffix(text, ".") || strings.Contains(text, "%!") || strings.Contains(text, "  ") {
						t.Errorf("%s: no sentence: %q", line, text)
					}
				}
			}
			if d := cmp.Diff(tc.want, got); d != "" {
				t.Errorf("(-want +got)\n%s", d)
			}
		})
	}
}

func TestRestart(t *testing.T) {
	for _, tc := range []struct {
		running bool
		unit    Unit
		found   int
	}{
		{true, Unit{Started: true}, 0},
		{true, Unit{Enabled: true}, 1},
		{false, Unit{Enabled: true}, 0},
		{false, Unit{Installed: true}, 1},
	} {
		f := healthy()
		f.Running, f.Host.Unit = tc.running, tc.unit
		if found := restart(f); len(found) != tc.found || len(found) > 0 && (found[0].Level != Risk || found[0].Mend == "") {
			t.Errorf("running %v, %+v: %+v", tc.running, tc.unit, found)
		}
	}
}

func TestOnlyWhatIsBrokenIsBroken(t *testing.T) {
	if IsBroken([]Finding{{Level: Risk}, {Level: Advice}}) || !IsBroken([]Finding{{Level: Risk}, {Level: Broken}}) {
		t.Error("IsBroken is wrong")
	}
}

func TestQuote(t *testing.T) {
	for in, want := range map[string]string{"": "''", "a-b_1.2": "a-b_1.2", "a b": "'a b'", "it's": `'it'\''s'`, "$(x)": "'$(x)'", "*": "'*'"} {
		if got := quote(in); got != want {
			t.Errorf("quote(%q) = %s, want %s", in, got, want)
		}
	}
}
